// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "copy/repo/s3_reply.h"
#include "copy/repo/xml.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

static void set_word(char word[S3_CODE], const char *text)
{
	size_t n = strlen(text);

	if (n < S3_CODE && strspn(text, WORD) == n)
		memcpy(word, text, n + 1);
}

static int fault_element(void *data, const char *path, const char *text)
{
	struct s3_fault *fault = data;

	if (!strcmp(path, "Error/Code"))
		set_word(fault->code, text);
	else if (!strcmp(path, "Error/Region"))
		set_word(fault->region, text);
	return 0;
}

bool s3_read_fault(const char *bytes, size_t length, struct s3_fault *fault)
{
	memset(fault, 0, sizeof(*fault));
	xml_walk(bytes, length, fault_element, fault);
	return *fault->code;
}

static bool read_number(const char *text, uint64_t *ret)
{
	size_t n = strlen(text);

	*ret = strtoull(text, NULL, 10);
	return n && n < 20 && strspn(text, "0123456789") == n;
}

bool s3_read_time(const char *text, uint64_t *ns)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	uint64_t part = 0, unit = 100000000;
	time_t t;

	if (!rest)
		return false;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
			part += (uint64_t)(*rest - '0') * unit;
	t = timegm(&tm);
	/* Until 2554 nanoseconds fit. */
	if (strcmp(rest, "Z") || t < 0 || t > 18000000000)
		return false;
	*ns = (uint64_t)t * 1000000000 + part;
	return true;
}

bool s3_read_range(const char *text, uint64_t *from, uint64_t *length, uint64_t *total)
{
	unsigned long long first, last, all;
	int end = -1;

	if (sscanf(text, "bytes %19llu-%19llu/%19llu%n", &first, &last, &all, &end) == 3 && end >= 0 &&
	    !text[end]) {
		if (first > last || last >= all)
			return false;
		*from = first;
		*length = last - first + 1;
		*total = all;
		return true;
	}
	end = -1;
	if (sscanf(text, "bytes */%19llu%n", &all, &end) != 1 || end < 0 || text[end])
		return false;
	*from = *length = 0;
	*total = all;
	return true;
}

/* Lists: an element's fields are gathered until it ends. */
struct gather {
	struct s3_page *page;
	int (*each)(void *data, const struct s3_listed *listed);
	void *data;
	char key[XML_TEXT], upload[XML_TEXT];
	struct s3_listed listed;
	bool dated, sized, ended;
};

static int tell(struct gather *g, bool whole)
{
	int r;

	if (!*g->key || !whole)
		return -EPROTO;
	g->listed.key = g->key;
	g->listed.upload = g->upload;
	r = g->each(g->data, &g->listed);
	*g->key = *g->upload = '\0';
	g->dated = g->sized = false;
	return r;
}

static int keep(char *to, size_t size, const char *text)
{
	if (strlen(text) >= size)
		return -EPROTO;
	strcpy(to, text);
	return 0;
}

static int list_element(void *data, const char *path, const char *text)
{
	struct gather *g = data;
	struct s3_page *page = g->page;
	const struct {
		const char *path;
		char *to;
		size_t size;
	} texts[] = {
		{ "ListBucketResult/Contents/Key", g->key, sizeof(g->key) },
		{ "ListMultipartUploadsResult/Upload/Key", g->key, sizeof(g->key) },
		{ "ListMultipartUploadsResult/Upload/UploadId", g->upload, sizeof(g->upload) },
		{ "ListBucketResult/NextContinuationToken", page->next, sizeof(page->next) },
		{ "ListMultipartUploadsResult/NextKeyMarker", page->next, sizeof(page->next) },
		{ "ListMultipartUploadsResult/NextUploadIdMarker", page->next_upload,
		  sizeof(page->next_upload) },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcmp(path, texts[i].path))
			return keep(texts[i].to, texts[i].size, text);
	if (!strcmp(path, "ListBucketResult/Contents/Size"))
		return (g->sized = read_number(text, &g->listed.size)) ? 0 : -EPROTO;
	if (!strcmp(path, "ListBucketResult/Contents/LastModified") ||
	    !strcmp(path, "ListMultipartUploadsResult/Upload/Initiated"))
		return (g->dated = s3_read_time(text, &g->listed.time)) ? 0 : -EPROTO;
	if (!strcmp(path, "ListBucketResult/Contents"))
		return tell(g, g->dated && g->sized);
	if (!strcmp(path, "ListMultipartUploadsResult/Upload"))
		return tell(g, g->dated && *g->upload);
	if (!strcmp(path, "ListBucketResult/IsTruncated") ||
	    !strcmp(path, "ListMultipartUploadsResult/IsTruncated"))
		page->more = !strcmp(text, "true");
	g->ended |= !strcmp(path, "ListBucketResult") || !strcmp(path, "ListMultipartUploadsResult");
	return 0;
}

int s3_read_page(const char *bytes, size_t length, struct s3_page *page,
		 int (*each)(void *data, const struct s3_listed *listed), void *data)
{
	struct gather g = { .page = page, .each = each, .data = data };
	int r;

	memset(page, 0, sizeof(*page));
	r = xml_walk(bytes, length, list_element, &g);
	if (r)
		return r;
	/* Without a word of where it goes on we would begin again for ever. */
	return g.ended && (!page->more || *page->next) ? 0 : -EPROTO;
}

static int upload_element(void *data, const char *path, const char *text)
{
	return strcmp(path, "InitiateMultipartUploadResult/UploadId") ? 0 : keep(data, S3_TOKEN, text);
}

int s3_read_upload(const char *bytes, size_t length, char upload[S3_TOKEN])
{
	int r;

	*upload = '\0';
	r = xml_walk(bytes, length, upload_element, upload);
	return r ? r : *upload ? 0 : -EPROTO;
}
