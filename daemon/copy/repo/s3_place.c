// SPDX-License-Identifier: LGPL-2.1-or-later
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/repo/s3_place.h"

#define SCHEME		"s3://"
#define RETRY_S		60
#define RETRY_MAX_S	3600
#define REGION		"us-east-1"
#define HOSTS		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
#define REGIONS		"abcdefghijklmnopqrstuvwxyz0123456789-"
#define PREFIXES	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"

struct parser {
	struct s3_place *place;
	bool endpoint, styled;
};

static int bad_endpoint(struct err *e)
{
	return err_set(e, -EINVAL, "endpoint= is https://HOST[:PORT], or http://HOST[:PORT] where nobody "
		       "listens, without a path");
}

/* HOST[:PORT] or [ADDRESS][:PORT]. */
static bool good_host(const char *host)
{
	const char *end = *host == '[' ? strchr(host, ']') : host + strspn(host, HOSTS);
	char *rest;

	if (!end || end == host)
		return false;
	if (*host == '[') {
		if (end < host + 3 || host + 1 + strspn(host + 1, "0123456789abcdefABCDEF:.") != end)
			return false;
		end++;
	}
	if (!*end)
		return true;
	if (*end != ':' || !isdigit((unsigned char)end[1]) || strlen(end) > 6)
		return false;
	return strtoul(end + 1, &rest, 10) - 1 < 65535 && !*rest;
}

static int set_endpoint(struct parser *p, const char *value, struct err *e)
{
	const char *host = strstr(value, "://");
	size_t n;

	if (strchr(value, '@'))
		return err_set(e, -EINVAL, "an address with a user or password in it is not taken, because "
			       "others can read it: name a file with credentials=FILE");
	if (!host || (strncmp(value, "https://", 8) && strncmp(value, "http://", 7)))
		return bad_endpoint(e);
	p->place->tls = host == value + 5;
	host += 3;
	n = strlen(host);
	if (n && host[n - 1] == '/')
		n--;
	/* Room for the bucket before it. */
	if (!n || n + S3_BUCKET_MAX + 1 > S3_HOST_MAX)
		return bad_endpoint(e);
	memcpy(p->place->host, host, n);
	p->place->host[n] = '\0';
	p->endpoint = true;
	return good_host(p->place->host) ? 0 : bad_endpoint(e);
}

static int set_region(struct parser *p, const char *value, struct err *e)
{
	size_t n = strlen(value);

	if (!n || n > S3_REGION_MAX || strspn(value, REGIONS) != n)
		return err_set(e, -EINVAL, "region= is a name like eu-central-1");
	memcpy(p->place->region, value, n + 1);
	return 0;
}

static int set_style(struct parser *p, const char *value, struct err *e)
{
	p->place->host_style = !strcmp(value, "host");
	p->styled = true;
	return p->place->host_style || !strcmp(value, "path") ? 0 :
	       err_set(e, -EINVAL, "style= is path or host");
}

static int set_path(const char *key, const char *value, char path[S3_PATH_MAX + 1], struct err *e)
{
	if (*value != '/' || strlen(value) > S3_PATH_MAX)
		return err_set(e, -EINVAL, "%s= is a file's whole path, from / on", key);
	strcpy(path, value);
	return 0;
}

static int set_ca(struct parser *p, const char *value, struct err *e)
{
	return set_path("ca", value, p->place->ca, e);
}

static int set_credentials(struct parser *p, const char *value, struct err *e)
{
	return set_path("credentials", value, p->place->credentials, e);
}

static int set_retry(struct parser *p, const char *value, struct err *e)
{
	unsigned long n = strtoul(value, NULL, 10);

	if (!*value || strlen(value) > 4 || strspn(value, "0123456789") != strlen(value) || n > RETRY_MAX_S)
		return err_set(e, -EINVAL, "retry= is 0 to %d seconds", RETRY_MAX_S);
	p->place->retry_s = (unsigned int)n;
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct parser *p, const char *value, struct err *e);
} settings[] = {
	{ "endpoint", set_endpoint }, { "region", set_region }, { "style", set_style }, { "ca", set_ca },
	{ "credentials", set_credentials }, { "retry", set_retry },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* %XX in place; no control character comes out of it. */
static bool decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		unsigned int c = (unsigned char)*from;

		if (c == '%') {
			if (!isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]))
				return false;
			sscanf(from + 1, "%2x", &c);
			from += 2;
		}
		if (c < 32 || c == 127)
			return false;
		*to = (char)c;
		from++;
	}
	*to = '\0';
	return true;
}

static int set_one(struct parser *p, char *text, unsigned int *seen, struct err *e)
{
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(settings[i].key, text))
			continue;
		if (!value || (*seen & (1u << i)) || !decode(value))
			return err_set(e, -EINVAL, "%s= has to be there once, with a value of printable "
				       "characters", settings[i].key);
		*seen |= 1u << i;
		return settings[i].set(p, value, e);
	}
	return err_set(e, -EINVAL, "behind the ? of an s3:// address are endpoint=, region=, style=, ca=, "
		       "credentials= and retry=, with & between them");
}

static int set_bucket(struct s3_place *place, const char *text, size_t n, struct err *e)
{
	if (memchr(text, '@', n) || memchr(text, ':', n))
		return err_set(e, -EINVAL, "behind s3:// is the bucket's name; user and password are in a file, "
			       "credentials=FILE, and the host is named by endpoint=");
	if (n < 3 || n > S3_BUCKET_MAX)
		return err_set(e, -EINVAL, "a bucket's name has 3 to %d characters: s3://BUCKET/PREFIX",
			       S3_BUCKET_MAX);
	memcpy(place->bucket, text, n);
	place->bucket[n] = '\0';
	if (strspn(place->bucket, REGIONS ".") != n || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[n - 1]) || strstr(place->bucket, ".."))
		return err_set(e, -EINVAL, "a bucket's name is of a-z, 0-9, dots and hyphens between them");
	return 0;
}

static int set_prefix(struct s3_place *place, const char *text, size_t n, struct err *e)
{
	char *prefix = place->prefix;

	while (n && text[n - 1] == '/')
		n--;
	if (n > S3_PREFIX_MAX)
		return err_set(e, -EINVAL, "a prefix has at most %d characters", S3_PREFIX_MAX);
	if (!n)
		return 0;
	memcpy(prefix, text, n);
	memcpy(prefix + n, "/", 2);
	if (strspn(prefix, PREFIXES) != n + 1 || *prefix == '/' || strstr(prefix, "//") ||
	    !strncmp(prefix, "./", 2) || !strncmp(prefix, "../", 3) || strstr(prefix, "/./") ||
	    strstr(prefix, "/../"))
		return err_set(e, -EINVAL, "a prefix is of letters, digits, dots, hyphens, underscores, and "
			       "single slashes");
	return 0;
}

/* What was not said follows from what was. */
static int complete(struct parser *p, struct err *e)
{
	struct s3_place *place = p->place;
	bool dotted = strchr(place->bucket, '.');

	if (!p->endpoint) {
		place->tls = true;
		snprintf(place->host, sizeof(place->host), "s3.%s.amazonaws.com", place->region);
		if (!p->styled)
			place->host_style = !dotted;
	}
	if (place->host_style && *place->host == '[')
		return err_set(e, -EINVAL, "style=host wants an endpoint with a name, not an address");
	if (place->host_style && place->tls && dotted)
		return err_set(e, -EINVAL, "no certificate fits a bucket with a dot in its name: style=path");
	if (*place->ca && !place->tls)
		return err_set(e, -EINVAL, "ca= is of no use without https://");
	return 0;
}

int s3_place_parse(const char *where, struct s3_place *place, struct err *e)
{
	struct parser p = { .place = place };
	const char *bucket = where + strlen(SCHEME), *prefix, *question;
	char *query, *rest, *one;
	unsigned int seen = 0;
	size_t n;
	int r;

	memset(place, 0, sizeof(*place));
	place->retry_s = RETRY_S;
	strcpy(place->region, REGION);
	if (strncmp(where, SCHEME, strlen(SCHEME)))
		return err_set(e, -EINVAL, "an address in S3 is s3://BUCKET/PREFIX");
	question = bucket + strcspn(bucket, "?");
	n = (size_t)(question - bucket);
	prefix = memchr(bucket, '/', n);
	r = set_bucket(place, bucket, prefix ? (size_t)(prefix - bucket) : n, e);
	if (!r && prefix)
		r = set_prefix(place, prefix + 1, (size_t)(question - prefix - 1), e);
	if (!r && *question) {
		query = rest = strdup(question + 1);
		if (!query)
			return err_set(e, -ENOMEM, "out of memory");
		while (!r && (one = strsep(&rest, "&")))
			r = set_one(&p, one, &seen, e);
		free(query);
	}
	return r ? r : complete(&p, e);
}
