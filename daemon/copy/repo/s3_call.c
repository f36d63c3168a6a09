// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "copy/repo/driver.h"
#include "copy/repo/s3_call.h"
#include "copy/repo/s3_reply.h"

#define MS		UINT64_C(1000000)
#define PAUSE_FIRST_MS	100
#define PAUSE_MAX_MS	8000
#define PAUSE_ASKED_S	30	/* a server may ask for that much */
#define TICK_MS		100
/* A thread that is cancelled may still take its lease away, if the server answers. */
#define GRACE_MS	300
#define SIGNED_MAX	(S3_HEADERS + 5)
#define URL_MAX		(16u << 10)
#define WHERE_MAX	(S3_BUCKET_MAX + S3_PREFIX_MAX + 128)

/* Codes that mean more than their status. */
static const struct meaning {
	const char *code;
	int error;
	bool again;
	const char *sentence;
} meanings[] = {
	{ "SlowDown", -EBUSY, true, "the server is busy" },
	{ "InternalError", -EIO, true, "the server failed" },
	{ "ServiceUnavailable", -EBUSY, true, "the server is not available" },
	{ "RequestTimeout", -ETIMEDOUT, true, "the server waited too long" },
	{ "OperationAborted", -EBUSY, true, "something else changes the same object" },
	{ "ConditionalRequestConflict", -EBUSY, true, "something else changes the same object" },
	{ "BadDigest", -EIO, true, "the bytes changed on their way" },
	{ "XAmzContentSHA256Mismatch", -EIO, true, "the bytes changed on their way" },
	{ "NoSuchBucket", -ENODEV, false, "there is no such bucket; make it first" },
	{ "RequestTimeTooSkewed", -EPERM, false,
	  "the clocks of this machine and the server differ by more than 15 minutes: set this one" },
	{ "InvalidAccessKeyId", -EACCES, false, "the server doesn't know the access key" },
	{ "SignatureDoesNotMatch", -EACCES, false, "the secret key is not that of the access key" },
	{ "ExpiredToken", -EACCES, false, "the session of the credentials has ended" },
	{ "InvalidToken", -EACCES, false, "the session of the credentials is not valid" },
	{ "AccessDenied", -EACCES, false, "the credentials don't allow it; a repository wants to list the "
	  "bucket, and to read, write and delete its objects" },
	{ "AllAccessDisabled", -EACCES, false, "the server has closed the bucket" },
	{ "QuotaExceeded", -ENOSPC, false, "the quota is used up" },
	{ "InsufficientStorage", -ENOSPC, false, "the server is full" },
	{ "EntityTooLarge", -EFBIG, false, "the server takes no object of that size" },
	{ "InvalidBucketName", -EINVAL, false, "the server allows no such name of a bucket" },
	{ "NoSuchUpload", -ECONNABORTED, false, "the server has forgotten the upload" },
};

struct fate {
	int error;	/* 0: done */
	bool again, silent;
	char sentence[HTTP_ERROR / 8];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

int s3_site_new(const char *where, struct s3_site **ret, struct err *e)
{
	struct s3_site *site = calloc(1, sizeof(*site));
	int r;

	if (!site)
		return err_set(e, -ENOMEM, "out of memory");
	r = s3_place_parse(where, &site->place, e);
	if (!r)
		r = s3_keys_load(site->place.credentials, &site->keys, e);
	if (!r)
		r = http_new(*site->place.ca ? site->place.ca : NULL, &site->http, e);
	if (r) {
		s3_site_free(site);
		return r;
	}
	*ret = site;
	return 0;
}

struct s3_site *s3_site_free(struct s3_site *site)
{
	if (site) {
		http_free(site->http);
		crypto_wipe(&site->keys, sizeof(site->keys));
	}
	free(site);
	return NULL;
}

static char *describe(const struct s3_site *site, const struct s3_op *op, char text[WHERE_MAX])
{
	snprintf(text, WHERE_MAX, "cannot %s %s%sin s3://%s/%.*s", op->what, op->name ?: "", op->name ? " " : "",
		 site->place.bucket, (int)strcspn(site->place.prefix, "?"), site->place.prefix);
	return text;
}

int s3_nonsense(const struct s3_site *site, const struct s3_op *op, const char *why, struct err *e)
{
	char text[WHERE_MAX];

	return err_set(e, -EPROTO, "%s at %s: %s", describe(site, op, text), site->place.host, why);
}

/* Building */

struct built {
	char *url, *path, *query;
	char host[S3_BUCKET_MAX + 1 + S3_HOST_MAX + 1];
	char time[S3_TIME], hash[S3_HASH_TEXT], authorization[S3_AUTHORIZATION + 32];
	struct s3_pair signed_[SIGNED_MAX];
	size_t n;
	char *lines[SIGNED_MAX + 4];
	size_t n_lines;
};

static void built_deinit(struct built *b)
{
	free(b->url);
	free(b->path);
	free(b->query);
	for (size_t i = 0; i < b->n_lines; i++)
		free(b->lines[i]);
}

static int build_url(const struct s3_site *site, const struct s3_op *op, struct built *b)
{
	const struct s3_place *p = &site->place;
	char *at, *end, raw[S3_BUCKET_MAX + S3_PREFIX_MAX + DRIVER_NAME_MAX + 8] = "/";

	snprintf(b->host, sizeof(b->host), "%s%s%s", p->host_style ? p->bucket : "", p->host_style ? "." : "",
		 p->host);
	snprintf(raw + 1, sizeof(raw) - 1, "%s%s%s%s", p->host_style ? "" : p->bucket,
		 p->host_style || !op->name ? "" : "/", op->name ? p->prefix : "", op->name ?: "");
	b->path = malloc(3 * strlen(raw) + 1);
	b->query = calloc(1, URL_MAX);
	if (!b->path || !b->query)
		return -ENOMEM;
	s3_encode(raw, true, b->path);
	at = b->query;
	end = at + URL_MAX;
	for (size_t i = 0; i < S3_PARAMS && op->query[i].name; i++) {
		/* Tokens are the server's; longer ones than this are not. */
		if (3 * strlen(op->query[i].value) + 64 > (size_t)(end - at))
			return -EPROTO;
		at += snprintf(at, (size_t)(end - at), "%s%s=", i ? "&" : "", op->query[i].name);
		at += strlen(s3_encode(op->query[i].value, false, at));
	}
	return asprintf(&b->url, "%s://%s%s%s%s", p->tls ? "https" : "http", b->host, b->path,
			*b->query ? "?" : "", b->query) < 0 ? -ENOMEM : 0;
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct s3_pair *)a)->name, ((const struct s3_pair *)b)->name);
}

static void add_signed(struct built *b, const char *name, const char *value)
{
	b->signed_[b->n++] = (struct s3_pair) { name, value };
}

static int add_line(struct built *b, const char *name, const char *value)
{
	if (asprintf(&b->lines[b->n_lines], "%s: %s", name, value) < 0) {
		b->lines[b->n_lines] = NULL;
		return -ENOMEM;
	}
	b->n_lines++;
	return 0;
}

/* Signed anew for each attempt: a signature is good for some minutes. */
static int build(const struct s3_site *site, const struct s3_op *op, struct built *b, struct err *e)
{
	struct s3_canon canon = { .method = op->method, .hash = b->hash, .time = b->time };
	int r = build_url(site, op, b);

	if (r == -EPROTO)
		return s3_nonsense(site, op, "the server's name of something is too long", e);
	if (r)
		return err_set(e, r, "out of memory");
	s3_time(time(NULL), b->time);
	if (*op->method == 'P')
		add_signed(b, "content-type", "application/octet-stream");
	add_signed(b, "host", b->host);
	add_signed(b, "x-amz-content-sha256", b->hash);
	add_signed(b, "x-amz-date", b->time);
	if (*site->keys.token)
		add_signed(b, "x-amz-security-token", site->keys.token);
	for (size_t i = 0; i < S3_HEADERS && op->headers[i].name; i++)
		add_signed(b, op->headers[i].name, op->headers[i].value);
	qsort(b->signed_, b->n, sizeof(b->signed_[0]), compare_pairs);
	canon.path = b->path;
	canon.query = b->query;
	canon.headers = b->signed_;
	canon.n = b->n;
	r = s3_sign(&site->keys, site->place.region, &canon, b->authorization, e);
	if (r)
		return r;
	for (size_t i = 0; i < b->n && !r; i++)
		r = add_line(b, b->signed_[i].name, b->signed_[i].value);
	if (!r)
		r = add_line(b, "authorization", b->authorization);
	/* libcurl's own are left out: nobody signs them. */
	if (!r)
		r = asprintf(&b->lines[b->n_lines], "Expect:") < 0 ? -ENOMEM : 0;
	b->n_lines += !r;
	return r ? err_set(e, r, "out of memory") : 0;
}

/* Judging */

static bool status_passes(int status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
	       status == 504;
}

static void say(struct fate *f, int error, const char *what, const struct s3_fault *fault, int status)
{
	f->error = error;
	snprintf(f->sentence, sizeof(f->sentence), "%s (%s%sHTTP %d)", what, fault->code,
		 *fault->code ? ", " : "", status);
}

/* Buckets elsewhere: what the server says of where. */
static bool is_elsewhere(const struct s3_site *site, const struct http_reply *reply,
			 const struct s3_fault *fault, struct fate *f)
{
	const char *region = *reply->region ? reply->region : fault->region;
	size_t n = strlen(region);
	char text[160];

	if ((reply->status < 300 || reply->status > 399) && strcmp(fault->code, "AuthorizationHeaderMalformed"))
		return false;
	if (n && n <= S3_REGION_MAX && strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	    strcmp(region, site->place.region))
		snprintf(text, sizeof(text), "the bucket is in another region: region=%s", region);
	else
		snprintf(text, sizeof(text), "the server sends us elsewhere: check endpoint=, region= and style=");
	say(f, -EREMCHG, text, fault, reply->status);
	return true;
}

/* Statuses that the caller expects. HEAD has no body: then the status is all that there is. */
static int expected(const struct s3_op *op, const struct http_reply *reply, const struct s3_fault *fault)
{
	switch (reply->status) {
	case 404:
		return op->name && (!*fault->code || !strcmp(fault->code, "NoSuchKey")) ? -ENOENT : 0;
	case 412:
		return -EEXIST;
	case 416:
		return -ERANGE;
	case 501:
		return -EOPNOTSUPP;
	default:
		return 0;
	}
}

static void judge_fault(const struct s3_site *site, const struct s3_op *op, const struct http_reply *reply,
			const struct s3_fault *fault, struct fate *f)
{
	f->again = status_passes(reply->status);
	f->error = expected(op, reply, fault);
	f->silent = f->error;
	if (f->silent || is_elsewhere(site, reply, fault, f))
		return;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (!strcmp(meanings[i].code, fault->code)) {
			f->again = meanings[i].again;
			say(f, meanings[i].error, meanings[i].sentence, fault, reply->status);
			return;
		}
	if (reply->status == 403)
		say(f, -EACCES, "the server refuses it", fault, reply->status);
	else if (reply->status == 507)
		say(f, -ENOSPC, "the server is full", fault, reply->status);
	else
		say(f, f->again ? -EIO : -EPROTO, f->again ? "the server failed" : "the server refuses it", fault,
		    reply->status);
}

static void judge(const struct s3_site *site, const struct s3_op *op, int r, const struct err *why,
		  const struct http_reply *reply, struct fate *f)
{
	struct s3_fault fault = { 0 };

	memset(f, 0, sizeof(*f));
	if (r) {
		f->error = r;
		f->again = r == -ECONNREFUSED || r == -EHOSTUNREACH || r == -ETIMEDOUT || r == -ECONNRESET;
		snprintf(f->sentence, sizeof(f->sentence), "%s", r == -ECANCELED ? "cancelled" : why->text);
	} else if (reply->status >= 200 && reply->status <= 299) {
		/* The status was sent before the server knew. */
		if (op->late && s3_read_fault(op->into, reply->length, &fault)) {
			judge_fault(site, op, reply, &fault, f);
			f->again |= f->error == -EPROTO;
		}
	} else {
		s3_read_fault(reply->error, reply->error_length, &fault);
		judge_fault(site, op, reply, &fault, f);
	}
}

/* Trying */

struct trying {
	uint64_t end;		/* no new attempt after that */
	unsigned int n;
};

static bool out_of_grace(void *data)
{
	return driver_cancelled() > GRACE_MS * MS;
}

/* Doubled each time, and by chance up to half shorter, so that many don't come back at once. */
static uint64_t pause_ms(const struct trying *t, const struct http_reply *reply)
{
	uint64_t ms = PAUSE_FIRST_MS;
	uint8_t die[2] = { 0 };

	for (unsigned int i = 1; i < t->n && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	crypto_random(die, sizeof(die), NULL);
	ms -= ms / 2 * get16(die) / UINT16_MAX;
	if (reply->retry_after && reply->retry_after <= PAUSE_ASKED_S && ms < reply->retry_after * 1000)
		ms = reply->retry_after * 1000;
	return ms;
}

/* false: there is no time left, or the thread is cancelled. */
static bool wait_again(struct trying *t, const struct http_reply *reply)
{
	uint64_t until = now_ns() + pause_ms(t, reply) * MS;

	if (until > t->end)
		return false;
	while (now_ns() < until) {
		struct timespec tick = { .tv_nsec = TICK_MS * (long)MS };
		uint64_t left = until - now_ns();

		if (driver_cancelled())
			return false;
		if (left < TICK_MS * MS)
			tick.tv_nsec = (long)left;
		nanosleep(&tick, NULL);
	}
	return !driver_cancelled();
}

static int attempt(struct s3_site *site, const struct s3_op *op, const char *hash, struct http_reply *reply,
		   struct err *e)
{
	struct built b = { 0 };
	int r;

	memset(reply, 0, sizeof(*reply));
	strcpy(b.hash, hash);
	r = build(site, op, &b, e);
	if (!r) {
		struct http_request request = {
			.method = op->method, .url = b.url, .headers = (const char *const *)b.lines,
			.body = op->body, .length = op->length, .into = op->into, .room = op->room,
			.stop = out_of_grace,
		};

		r = http_call(site->http, &request, reply, e);
	}
	built_deinit(&b);
	return r;
}

int s3_call(struct s3_site *site, const struct s3_op *op, struct http_reply *reply, struct err *e)
{
	struct trying t = { .end = now_ns() + site->place.retry_s * 1000 * MS };
	char hash[S3_HASH_TEXT], text[WHERE_MAX];
	struct fate fate;
	int r = s3_hash(op->body, op->length, hash, e);

	if (r)
		return r;
	for (;;) {
		struct err why = { 0 };

		t.n++;
		r = out_of_grace(NULL) ? -ECANCELED : attempt(site, op, hash, reply, &why);
		judge(site, op, r, &why, reply, &fate);
		if (!fate.error)
			return 0;
		if (fate.silent)
			return fate.error;
		if (!fate.again || !wait_again(&t, reply))
			break;
	}
	if (fate.error == -ECANCELED || (fate.again && driver_cancelled()))
		return err_set(e, -ECANCELED, "cancelled");
	describe(site, op, text);
	if (t.n > 1)
		return err_set(e, fate.error, "%s at %s: %s; it was tried %u times", text, site->place.host,
			       fate.sentence, t.n);
	return err_set(e, fate.error, "%s at %s: %s", text, site->place.host, fate.sentence);
}
