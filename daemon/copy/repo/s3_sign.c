// SPDX-License-Identifier: LGPL-2.1-or-later
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "copy/repo/s3_sign.h"
#include "util/cleanup.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"
#define SCOPE_SIZE	96

static char *digits(const uint8_t hash[CRYPTO_HASH], char text[S3_HASH_TEXT])
{
	for (size_t i = 0; i < CRYPTO_HASH; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return text;
}

int s3_hash(const void *bytes, size_t length, char text[S3_HASH_TEXT], struct err *e)
{
	uint8_t hash[CRYPTO_HASH];
	int r = crypto_sha256(bytes, length, hash, e);

	digits(hash, text);
	return r;
}

char *s3_time(time_t t, char text[S3_TIME])
{
	struct tm tm;

	strftime(text, S3_TIME, "%Y%m%dT%H%M%SZ", gmtime_r(&t, &tm));
	return text;
}

char *s3_encode(const char *from, bool slash, char *to)
{
	char *at = to;

	for (; *from; from++) {
		unsigned char c = (unsigned char)*from;

		if ((c < 128 && isalnum(c)) || strchr("-._~", c) || (slash && c == '/'))
			*at++ = (char)c;
		else
			at += snprintf(at, 4, "%%%02X", c);
	}
	*at = '\0';
	return to;
}

/* The names of the signed headers, with semicolons between them. */
static int print_names(FILE *f, const struct s3_canon *canon)
{
	for (size_t i = 0; i < canon->n; i++)
		fprintf(f, "%s%s", i ? ";" : "", canon->headers[i].name);
	return ferror(f);
}

static int hash_request(const struct s3_canon *canon, char text[S3_HASH_TEXT], struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0;
	FILE *f = open_memstream(&bytes, &length);

	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	fprintf(f, "%s\n%s\n%s\n", canon->method, canon->path, canon->query);
	for (size_t i = 0; i < canon->n; i++)
		fprintf(f, "%s:%s\n", canon->headers[i].name, canon->headers[i].value);
	fputc('\n', f);
	print_names(f, canon);
	fprintf(f, "\n%s", canon->hash);
	if (fclose(f))
		return err_set(e, -ENOMEM, "out of memory");
	return s3_hash(bytes, length, text, e);
}

static int chain(uint8_t key[CRYPTO_HASH], const char *text, struct err *e)
{
	uint8_t mac[CRYPTO_HASH];
	int r = crypto_hmac(key, CRYPTO_HASH, text, strlen(text), mac, e);

	memcpy(key, mac, CRYPTO_HASH);
	crypto_wipe(mac, sizeof(mac));
	return r;
}

static int sign(const struct s3_keys *keys, const char *region, const char *date, const char *text,
		char signature[S3_HASH_TEXT], struct err *e)
{
	const char *const steps[] = { region, "s3", "aws4_request", text };
	char secret[4 + S3_KEY_MAX + 1];
	uint8_t key[CRYPTO_HASH];
	int r;

	snprintf(secret, sizeof(secret), "AWS4%s", keys->secret);
	r = crypto_hmac(secret, strlen(secret), date, strlen(date), key, e);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !r; i++)
		r = chain(key, steps[i], e);
	digits(key, signature);
	crypto_wipe(key, sizeof(key));
	crypto_wipe(secret, sizeof(secret));
	return r;
}

int s3_sign(const struct s3_keys *keys, const char *region, const struct s3_canon *canon,
	    char authorization[S3_AUTHORIZATION], struct err *e)
{
	char hash[S3_HASH_TEXT], signature[S3_HASH_TEXT], date[9], scope[SCOPE_SIZE], text[256];
	FILE *f;
	int r = hash_request(canon, hash, e);

	snprintf(date, sizeof(date), "%.8s", canon->time);
	snprintf(scope, sizeof(scope), "%s/%s/s3/aws4_request", date, region);
	snprintf(text, sizeof(text), ALGORITHM "\n%s\n%s\n%s", canon->time, scope, hash);
	if (!r)
		r = sign(keys, region, date, text, signature, e);
	if (r)
		return r;
	f = fmemopen(authorization, S3_AUTHORIZATION, "w");
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	fprintf(f, ALGORITHM " Credential=%s/%s,SignedHeaders=", keys->id, scope);
	print_names(f, canon);
	fprintf(f, ",Signature=%s", signature);
	return fclose(f) ? err_set(e, -ENOMEM, "out of memory") : 0;
}
