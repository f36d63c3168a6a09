// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What an S3 server may answer, and what a user may write for its address:
 * the first byte says which of them the rest is.
 */
#include <stdlib.h>
#include <string.h>

#include "copy/repo/s3_place.h"
#include "copy/repo/s3_reply.h"

static void expect(int truth)
{
	if (!truth)
		abort();
}

static int see(void *data, const struct s3_listed *listed)
{
	expect(*listed->key && listed->upload);
	return 0;
}

static void take_answer(const char *bytes, size_t n)
{
	char upload[S3_TOKEN];
	struct s3_fault fault;
	struct s3_page page;

	if (!s3_read_page(bytes, n, &page, see, NULL))
		expect(!page.more || *page.next);
	if (!s3_read_upload(bytes, n, upload))
		expect(*upload);
	if (s3_read_fault(bytes, n, &fault))
		expect(strlen(fault.code) < S3_CODE && !strpbrk(fault.code, " %\r\n<"));
}

/* What is taken goes into a URL and headers. */
static void take_address(const char *text)
{
	struct s3_place p;

	if (s3_place_parse(text, &p, NULL))
		return;
	expect(strlen(p.bucket) >= 3 && *p.host && !strpbrk(p.host, "/@ \r\n?#"));
	expect(!*p.prefix || p.prefix[strlen(p.prefix) - 1] == '/');
	expect(!strstr(p.prefix, "..") || !strstr(p.prefix, "/../"));
	expect(!strpbrk(p.region, "/ \r\n") && p.retry_s <= 3600);
}

static void take_words(const char *text)
{
	uint64_t a, b, c;

	if (s3_read_range(text, &a, &b, &c))
		expect(!b || (a + b > a && a + b <= c));
	s3_read_time(text, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char *text = n ? strndup((const char *)bytes + 1, n - 1) : NULL;

	if (!text)
		return 0;
	switch (*bytes % 3) {
	case 0:
		take_answer((const char *)bytes + 1, n - 1);
		break;
	case 1:
		take_address(text);
		break;
	default:
		take_words(text);
	}
	free(text);
	return 0;
}
