// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A repository in a bucket of a server that speaks S3. Objects have the names
 * that they have in a folder, behind the prefix. What the server has to be
 * able to is in Documentation/backup-format.rst.
 *
 * Objects whose names two may want at the same time (configuration, lease,
 * manifest) are sent as one conditional PUT, which at most one of them gets
 * through. Packs and indexes, whose names nobody else has, go in parts.
 *
 * A request may be carried out although its answer is lost. Each object has a
 * random mark with it, so that who tries again and finds the name taken knows
 * whether it was he.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "copy/repo/crypto.h"
#include "copy/repo/driver.h"
#include "copy/repo/s3_call.h"
#include "copy/repo/s3_reply.h"

#define SCHEME		"s3://"
/* Sent at a time; a server wants at least 5 MiB of all parts but the last. */
#define PART_SIZE	((size_t)8 << 20)
/* What is read of an object when it is opened: all of most. */
#define FIRST_SIZE	((size_t)64 << 10)
#define TMP		"tmp/"
#define MARK_TEXT	(2 * REPO_ID + 1)
#define NUMBER_TEXT	24
/* 100 million objects: more is a server that turns in circles. */
#define PAGES_MAX	100000
#define NAME_MAX_	1024

struct s3 {
	struct driver driver;
	struct s3_site *site;
	pthread_mutex_t lock;
	bool proven;		/* that conditions hold; under lock */
};

struct s3_blob {
	struct blob blob;
	enum repo_kind kind;
	uint8_t id[REPO_ID];
	char name[DRIVER_NAME_MAX];
	uint8_t *bytes;		/* read: the first ones; written: what was not sent yet */
	size_t used, room;
	uint64_t size;		/* of what is read */
	char mark[MARK_TEXT];
	char *upload;		/* an upload of parts, NULL: none */
	char (*etags)[HTTP_FIELD];
	unsigned int parts;
};

static struct s3 *s3_of(struct driver *driver)
{
	return (struct s3 *)driver;
}

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* What came without a sentence and is none of what the caller may get. */
static int odd(struct s3 *s3, const struct s3_op *op, int r, struct err *e)
{
	switch (r) {
	case -EOPNOTSUPP:
		return err_set(e, r, "cannot %s %s: the server at %s is not able to", op->what, op->name ?: "",
			       s3->site->place.host);
	case -ENOENT: case -EEXIST: case -ERANGE:
		return s3_nonsense(s3->site, op, r == -ENOENT ? "the server says that it is not there" :
				   r == -EEXIST ? "the server speaks of a condition that nobody made" :
				   "the server speaks of a range that nobody asked for", e);
	default:
		return r;
	}
}

static int mark_make(char mark[MARK_TEXT], struct err *e)
{
	uint8_t id[REPO_ID];
	int r = crypto_random(id, sizeof(id), e);

	for (size_t i = 0; i < REPO_ID && !r; i++)
		snprintf(mark + 2 * i, 3, "%02x", id[i]);
	return r;
}

/* Single requests */

/* 0 if this name has this mark; -EEXIST another one, -ENOENT it is not there. */
static int compare_mark(struct s3 *s3, const char *name, const char *mark, struct err *e)
{
	struct s3_op op = { .what = "look at", .method = "HEAD", .name = name };
	struct http_reply reply;
	int r = s3_call(s3->site, &op, &reply, e);

	if (r)
		return r == -ENOENT ? r : odd(s3, &op, r, e);
	return strcmp(reply.mark, mark) ? -EEXIST : 0;
}

/* -EEXIST without a sentence where it may not replace. */
static int put_whole(struct s3 *s3, const char *name, const char *mark, const void *bytes, size_t length,
		     bool replace, struct err *e)
{
	char answer[1024];
	struct s3_op op = {
		.what = "write", .method = "PUT", .name = name, .body = bytes, .length = length,
		.headers = { { "x-amz-meta-bvol", mark }, { "if-none-match", "*" } },
		.into = answer, .room = sizeof(answer),
	};
	struct http_reply reply;
	int r;

	if (replace)
		op.headers[1] = (struct s3_pair) { NULL, NULL };
	r = s3_call(s3->site, &op, &reply, e);
	if (r != -EEXIST || replace)
		return odd(s3, &op, r, e);
	/* Ours, if an answer was lost; what was deleted meanwhile was somebody's. */
	r = compare_mark(s3, name, mark, e);
	return r == -ENOENT ? -EEXIST : r;
}

static int delete_name(struct s3 *s3, const char *name, struct err *e)
{
	struct s3_op op = { .what = "delete", .method = "DELETE", .name = name };
	struct http_reply reply;
	int r = s3_call(s3->site, &op, &reply, e);

	/* Servers differ in what they say of what is gone. */
	return r == -ENOENT ? 0 : odd(s3, &op, r, e);
}

/*
 * The order of commit stands on conditions (If-None-Match: *), which some
 * servers don't know and pass over in silence. An object that nobody else
 * knows is written twice; the second time has to be refused. A crash leaves
 * it for tidy().
 */
static int prove_conditions(struct s3 *s3, struct err *e)
{
	char name[DRIVER_NAME_MAX], mark[MARK_TEXT], other[MARK_TEXT];
	struct err ignored = { 0 };
	int r = mark_make(mark, e);

	if (!r)
		r = mark_make(other, e);
	snprintf(name, sizeof(name), TMP "%s", mark);
	failpoint("probe");
	if (!r)
		r = put_whole(s3, name, mark, "bvol", 4, false, e);
	if (r)
		return r == -EEXIST ? err_set(e, -EPROTO, "the server at %s refuses a new object as one that "
					      "exists", s3->site->place.host) : r;
	r = put_whole(s3, name, other, "bvol", 4, false, e);
	delete_name(s3, name, &ignored);
	if (!r)
		return err_set(e, -EOPNOTSUPP, "the server at %s replaces objects although it is told not to "
			       "(If-None-Match: *): no repository is safe there", s3->site->place.host);
	if (r != -EEXIST)
		return r;
	s3->proven = true;
	return 0;
}

static int want_conditions(struct s3 *s3, struct err *e)
{
	int r;

	pthread_mutex_lock(&s3->lock);
	r = s3->proven ? 0 : prove_conditions(s3, e);
	pthread_mutex_unlock(&s3->lock);
	return r;
}

/* Lists */

struct found {
	char *name;		/* behind the prefix */
	char *upload;
	uint64_t size, time;
};

struct founds {
	const struct s3_place *place;
	struct found *list;
	size_t n, allocated;
	char last[NAME_MAX_ + 1];
};

static void founds_deinit(struct founds *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].name);
		free(f->list[i].upload);
	}
	free(f->list);
}

static int add_found(void *data, const struct s3_listed *listed)
{
	struct founds *f = data;
	size_t skip = strlen(f->place->prefix);
	struct found *at;

	/* What else is in the bucket is none of ours. */
	if (strncmp(listed->key, f->place->prefix, skip))
		return 0;
	if (f->n == f->allocated) {
		size_t more = f->allocated ? 2 * f->allocated : 256;
		void *list = realloc(f->list, more * sizeof(*f->list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->allocated = more;
	}
	at = &f->list[f->n++];
	*at = (struct found) {
		.name = strdup(listed->key + skip), .upload = strdup(listed->upload),
		.size = listed->size, .time = listed->time,
	};
	return at->name && at->upload ? 0 : -ENOMEM;
}

struct lister {
	struct s3 *s3;
	const char *below;	/* "packs/" */
	bool uploads;
	int (*each)(void *data, const struct found *found, struct err *e);
	void *data;
	int64_t now;		/* by the server's clock, s since 1970 */
};

/* One page: asked for, read, told. */
static int list_page(struct lister *l, char *answer, struct s3_page *page, struct err *e)
{
	const struct s3_place *place = &l->s3->site->place;
	char prefix[S3_PREFIX_MAX + 16], next[S3_TOKEN], next_upload[S3_TOKEN];
	struct founds f = { .place = place };
	struct s3_op op = { .what = "list the objects", .method = "GET", .into = answer, .room = S3_ANSWER };
	struct s3_pair *q = op.query;
	struct http_reply reply;
	int r;

	snprintf(prefix, sizeof(prefix), "%s%s", place->prefix, l->below);
	strcpy(next, page->next);
	strcpy(next_upload, page->next_upload);
	if (l->uploads) {
		if (*next)
			*q++ = (struct s3_pair) { "key-marker", next };
		*q++ = (struct s3_pair) { "prefix", prefix };
		if (*next_upload)
			*q++ = (struct s3_pair) { "upload-id-marker", next_upload };
		*q++ = (struct s3_pair) { "uploads", "" };
	} else {
		if (*next)
			*q++ = (struct s3_pair) { "continuation-token", next };
		*q++ = (struct s3_pair) { "list-type", "2" };
		*q++ = (struct s3_pair) { "prefix", prefix };
	}
	r = odd(l->s3, &op, s3_call(l->s3->site, &op, &reply, e), e);
	if (r)
		return r;
	l->now = reply.date;
	r = s3_read_page(answer, reply.length, page, add_found, &f);
	if (!r && page->more && !strcmp(page->next, next) && !strcmp(page->next_upload, next_upload))
		r = -EPROTO;
	if (r)
		r = r == -ENOMEM ? out_of_memory(e) : s3_nonsense(l->s3->site, &op, "the list makes no sense", e);
	for (size_t i = 0; i < f.n && !r; i++)
		r = l->each(l->data, &f.list[i], e);
	founds_deinit(&f);
	return r;
}

static int list_names(struct lister *l, struct err *e)
{
	struct s3_page *page = calloc(1, sizeof(*page));
	_cleanup_free_ char *answer = malloc(S3_ANSWER);
	int r = page && answer ? 0 : out_of_memory(e), pages = 0;

	while (!r) {
		r = list_page(l, answer, page, e);
		if (r || !page->more)
			break;
		if (++pages == PAGES_MAX)
			r = err_set(e, -EPROTO, "the server at %s lists objects without an end",
				    l->s3->site->place.host);
	}
	free(page);
	return r;
}

static bool parse_id(const char *text, uint8_t id[REPO_ID])
{
	if (strlen(text) != 2 * REPO_ID || strspn(text, "0123456789abcdef") != 2 * REPO_ID)
		return false;
	for (int i = 0; i < REPO_ID; i++) {
		char two[3] = { text[2 * i], text[2 * i + 1] };

		id[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return true;
}

struct objects {
	enum repo_kind kind;
	int (*each)(void *data, const struct driver_object *object, struct err *e);
	void *data;
};

/* A name that we would not give is none of an object. */
static int tell_object(void *data, const struct found *found, struct err *e)
{
	const struct objects *o = data;
	struct driver_object object = { .size = found->size, .time = found->time };
	const char *slash = strrchr(found->name, '/');
	char name[DRIVER_NAME_MAX];

	if (!slash || !parse_id(slash + 1, object.id) ||
	    strcmp(driver_name(o->kind, object.id, name), found->name))
		return 0;
	return o->each(o->data, &object, e);
}

static int s3_list(struct driver *driver, enum repo_kind kind,
		   int (*each)(void *data, const struct driver_object *object, struct err *e),
		   void *data, struct err *e)
{
	static const uint8_t nobody[REPO_ID];
	struct objects o = { kind, each, data };
	char below[DRIVER_NAME_MAX];
	struct lister l = { .s3 = s3_of(driver), .below = below, .each = tell_object, .data = &o };

	driver_name(kind, nobody, below);
	strchr(below, '/')[1] = '\0';
	return list_names(&l, e);
}

/* Opening */

static bool s3_claims(const char *where)
{
	return !strncmp(where, SCHEME, strlen(SCHEME));
}

static void s3_free(struct driver *driver)
{
	struct s3 *s3 = s3_of(driver);

	s3_site_free(s3->site);
	pthread_mutex_destroy(&s3->lock);
	free(s3);
}

static int is_there(void *data, const struct found *found, struct err *e)
{
	return -EEXIST;
}

static int s3_create(struct s3 *s3, struct err *e)
{
	struct lister l = { .s3 = s3, .below = "", .each = is_there };
	int r = list_names(&l, e);

	if (r == -EEXIST)
		return err_set(e, r, "there is something in s3://%s/%s already, so no repository is made there",
			       s3->site->place.bucket, s3->site->place.prefix);
	return r ? r : want_conditions(s3, e);
}

static int s3_open(const char *where, bool create, struct driver **ret, struct err *e)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));
	int r;

	if (!s3)
		return out_of_memory(e);
	s3->driver.ops = &driver_s3;
	pthread_mutex_init(&s3->lock, NULL);
	r = s3_site_new(where, &s3->site, e);
	if (!r && create)
		r = s3_create(s3, e);
	if (r)
		s3_free(&s3->driver);
	else
		*ret = &s3->driver;
	return r;
}

static int s3_remove(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID], struct err *e)
{
	struct s3 *s3 = s3_of(driver);
	char name[DRIVER_NAME_MAX];
	struct s3_op op = { .what = "delete", .method = "HEAD", .name = driver_name(kind, id, name) };
	struct http_reply reply;
	int r;

	failpoint("remove");
	/* A DELETE succeeds whether there is something or not. */
	r = s3_call(s3->site, &op, &reply, e);
	if (r)
		return r == -ENOENT ? r : odd(s3, &op, r, e);
	return delete_name(s3, name, e);
}

/* Reading */

static int blob_new(struct s3 *s3, enum repo_kind kind, const uint8_t id[REPO_ID], size_t room,
		    struct s3_blob **ret, struct err *e)
{
	struct s3_blob *b = calloc(1, sizeof(*b));

	if (b)
		b->bytes = malloc(room);
	if (!b || !b->bytes) {
		free(b);
		return out_of_memory(e);
	}
	b->blob.driver = &s3->driver;
	b->kind = kind;
	b->room = room;
	memcpy(b->id, id, REPO_ID);
	driver_name(kind, id, b->name);
	*ret = b;
	return 0;
}

/* Bytes from offset on, as many as there are of length; *total: the object's. */
static int get_range(struct s3_blob *b, uint64_t offset, void *bytes, size_t length, size_t *n,
		     uint64_t *total, struct err *e)
{
	struct s3 *s3 = s3_of(b->blob.driver);
	char range[64];
	struct s3_op op = {
		.what = "read", .method = "GET", .name = b->name, .headers = { { "range", range } },
		.into = bytes, .room = length,
	};
	struct http_reply reply;
	uint64_t from, told;
	int r;

	snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset,
		 (unsigned long long)(offset + length - 1));
	r = s3_call(s3->site, &op, &reply, e);
	if (r == -ERANGE) {
		*n = 0;
		*total = offset;
		return 0;
	}
	if (r)
		return r == -ENOENT ? r : odd(s3, &op, r, e);
	*n = reply.length;
	if (reply.status != 206 || !s3_read_range(reply.range, &from, &told, total) ||
	    from != offset || told != *n)
		return s3_nonsense(s3->site, &op, "the answer is not the range that was asked for", e);
	return 0;
}

static void s3_close(struct blob *blob);

static int s3_get(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		  struct blob **ret, uint64_t *size, struct err *e)
{
	struct s3_blob *b = NULL;
	int r = blob_new(s3_of(driver), kind, id, FIRST_SIZE, &b, e);

	if (r)
		return r;
	r = get_range(b, 0, b->bytes, FIRST_SIZE, &b->used, &b->size, e);
	if (r) {
		s3_close(&b->blob);
		return r;
	}
	*size = b->size;
	*ret = &b->blob;
	return 0;
}

static int s3_read(struct blob *blob, uint64_t offset, void *bytes, size_t length, struct err *e)
{
	struct s3_blob *b = (struct s3_blob *)blob;
	size_t n, first = 0;
	uint64_t total;
	int r;

	if (offset > b->size || length > b->size - offset)
		return -EBADMSG;
	if (offset < b->used) {
		first = length < b->used - offset ? length : (size_t)(b->used - offset);
		memcpy(bytes, b->bytes + offset, first);
	}
	if (first == length)
		return 0;
	r = get_range(b, offset + first, (uint8_t *)bytes + first, length - first, &n, &total, e);
	if (r == -ENOENT)
		return err_set(e, -ESTALE, "%s was deleted while it was read", b->name);
	return r ? r : n == length - first && total == b->size ? 0 : -EBADMSG;
}

/* Writing */

/* Those whose names two may want: they are sent as a whole. */
static bool is_whole(enum repo_kind kind)
{
	return kind != REPO_PACK && kind != REPO_INDEX;
}

static int s3_put(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		  struct blob **ret, struct err *e)
{
	struct s3_blob *b = NULL;
	int r = blob_new(s3_of(driver), kind, id, is_whole(kind) ? FIRST_SIZE : PART_SIZE, &b, e);

	if (r)
		return r;
	failpoint("put");
	r = mark_make(b->mark, e);
	if (r) {
		s3_close(&b->blob);
		return r;
	}
	*ret = &b->blob;
	return 0;
}

/* A crash leaves an upload, which nobody sees but tidy(). */
static int begin_upload(struct s3 *s3, struct s3_blob *b, struct err *e)
{
	char answer[8192], upload[S3_TOKEN];
	struct s3_op op = {
		.what = "write", .method = "POST", .name = b->name, .query = { { "uploads", "" } },
		.headers = { { "x-amz-meta-bvol", b->mark } }, .into = answer, .room = sizeof(answer),
	};
	struct http_reply reply;
	int r = odd(s3, &op, s3_call(s3->site, &op, &reply, e), e);

	if (r)
		return r;
	if (s3_read_upload(answer, reply.length, upload))
		return s3_nonsense(s3->site, &op, "the answer names no upload", e);
	b->upload = strdup(upload);
	return b->upload ? 0 : out_of_memory(e);
}

/* What is in the buffer is the next part. */
static int send_part(struct s3 *s3, struct s3_blob *b, struct err *e)
{
	char number[NUMBER_TEXT], answer[1024];
	struct s3_op op = {
		.what = "write", .method = "PUT", .name = b->name, .body = b->bytes, .length = b->used,
		.into = answer, .room = sizeof(answer),
	};
	struct http_reply reply;
	void *etags;
	int r = b->upload ? 0 : begin_upload(s3, b, e);

	if (r)
		return r;
	failpoint("part");
	snprintf(number, sizeof(number), "%u", b->parts + 1);
	op.query[0] = (struct s3_pair) { "partNumber", number };
	op.query[1] = (struct s3_pair) { "uploadId", b->upload };
	r = odd(s3, &op, s3_call(s3->site, &op, &reply, e), e);
	if (r)
		return r;
	/* It goes into XML as it is. */
	if (!*reply.etag || strpbrk(reply.etag, "<>&"))
		return s3_nonsense(s3->site, &op, "the answer has no ETag", e);
	etags = realloc(b->etags, (b->parts + 1) * sizeof(*b->etags));
	if (!etags)
		return out_of_memory(e);
	b->etags = etags;
	strcpy(b->etags[b->parts++], reply.etag);
	b->used = 0;
	return 0;
}

static int grow(struct s3_blob *b, size_t more, struct err *e)
{
	size_t room = b->room;
	void *bytes;

	if (b->used + more > BIG_OBJECT_MAX + FIRST_SIZE)
		return err_set(e, -EFBIG, "%s would be longer than such objects may be", b->name);
	while (room < b->used + more)
		room *= 2;
	bytes = realloc(b->bytes, room);
	if (!bytes)
		return out_of_memory(e);
	b->bytes = bytes;
	b->room = room;
	return 0;
}

static int s3_append(struct blob *blob, const void *bytes, size_t length, struct err *e)
{
	struct s3_blob *b = (struct s3_blob *)blob;
	int r = 0;

	failpoint("append");
	if (is_whole(b->kind) && length > b->room - b->used)
		r = grow(b, length, e);
	while (length && !r) {
		size_t n = length < b->room - b->used ? length : b->room - b->used;

		if (!n) {
			r = send_part(s3_of(blob->driver), b, e);
			continue;
		}
		memcpy(b->bytes + b->used, bytes, n);
		b->used += n;
		bytes = (const uint8_t *)bytes + n;
		length -= n;
	}
	return r;
}

static int list_parts(const struct s3_blob *b, char **ret, size_t *length, struct err *e)
{
	FILE *f = open_memstream(ret, length);

	if (!f)
		return out_of_memory(e);
	fputs("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", f);
	for (unsigned int i = 0; i < b->parts; i++)
		fprintf(f, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1, b->etags[i]);
	fputs("</CompleteMultipartUpload>", f);
	return fclose(f) ? out_of_memory(e) : 0;
}

/*
 * The parts become the object, at once. An attempt whose answer was lost may
 * have done it: then the upload is unknown, and the object has our mark. Of
 * two who want the same name, which nobody does with such names, servers that
 * know no condition here let the second one win.
 */
static int complete(struct s3 *s3, struct s3_blob *b, bool replace, struct err *e)
{
	_cleanup_free_ char *body = NULL;
	char answer[8192];
	struct err why = { 0 };
	struct s3_op op = {
		.what = "write", .method = "POST", .name = b->name, .query = { { "uploadId", b->upload } },
		.into = answer, .room = sizeof(answer), .late = true,
	};
	struct http_reply reply;
	int r = list_parts(b, &body, &op.length, e);

	if (r)
		return r;
	op.body = body;
	if (!replace) {
		r = compare_mark(s3, b->name, b->mark, e);
		if (r != -ENOENT)
			return r;
		op.headers[0] = (struct s3_pair) { "if-none-match", "*" };
	}
	r = s3_call(s3->site, &op, &reply, &why);
	if (r == -EOPNOTSUPP && !replace) {
		op.headers[0] = (struct s3_pair) { NULL, NULL };
		r = s3_call(s3->site, &op, &reply, &why);
	}
	if (r && r != -ECANCELED && !compare_mark(s3, b->name, b->mark, NULL))
		return 0;
	if (r == -EEXIST && !replace)
		return r;
	return *why.text ? err_set(e, r, "%s", why.text) : odd(s3, &op, r, e);
}

/*
 * A crash before the request leaves what tidy() removes, one after it the
 * object: the server answers when it is durable.
 */
static int s3_publish(struct blob *blob, bool replace, struct err *e)
{
	struct s3_blob *b = (struct s3_blob *)blob;
	struct s3 *s3 = s3_of(blob->driver);
	int r = replace ? 0 : want_conditions(s3, e);

	failpoint("sync");
	if (!r && b->upload && b->used)
		r = send_part(s3, b, e);
	failpoint("publish");
	if (!r)
		r = b->upload ? complete(s3, b, replace, e) :
				put_whole(s3, b->name, b->mark, b->bytes, b->used, replace, e);
	failpoint("published");
	if (!r) {
		free(b->upload);
		b->upload = NULL;
	}
	return r;
}

static int abort_upload(struct s3 *s3, const char *name, const char *upload, struct err *e)
{
	struct s3_op op = {
		.what = "give up", .method = "DELETE", .name = name, .query = { { "uploadId", upload } },
	};
	struct http_reply reply;
	int r = s3_call(s3->site, &op, &reply, e);

	return r == -ENOENT || r == -ECONNABORTED ? 0 : odd(s3, &op, r, e);
}

static void s3_close(struct blob *blob)
{
	struct s3_blob *b = (struct s3_blob *)blob;
	struct err ignored = { 0 };

	/* What can't be given up now is left to tidy(). */
	if (b->upload)
		abort_upload(s3_of(blob->driver), b->name, b->upload, &ignored);
	free(b->upload);
	free(b->etags);
	free(b->bytes);
	free(b);
}

/* Tidying */

struct tidying {
	struct lister *l;
	uint64_t age;
};

/* By the server's clock, which gave the object its time. */
static int tidy_one(void *data, const struct found *found, struct err *e)
{
	const struct tidying *t = data;
	struct err why = { 0 };
	int r;

	if (!t->l->now || (uint64_t)t->l->now * 1000000000u < found->time + t->age)
		return 0;
	if (*found->upload) {
		r = abort_upload(t->l->s3, found->name, found->upload, &why);
		return r && r != -ECONNABORTED ? err_set(e, r, "%s", why.text) : 0;
	}
	return delete_name(t->l->s3, found->name, e);
}

static int s3_tidy(struct driver *driver, uint64_t age, struct err *e)
{
	struct lister uploads = { .s3 = s3_of(driver), .below = "", .uploads = true, .each = tidy_one };
	struct lister probes = { .s3 = s3_of(driver), .below = TMP, .each = tidy_one };
	struct tidying t = { &uploads, age };
	int r;

	uploads.data = &t;
	r = list_names(&uploads, e);
	t.l = &probes;
	probes.data = &t;
	return r ? r : list_names(&probes, e);
}

const struct driver_ops driver_s3 = {
	.scheme = "s3", .put_memory = PART_SIZE, .claims = s3_claims, .open = s3_open, .free = s3_free,
	.list = s3_list, .remove = s3_remove, .get = s3_get, .read = s3_read, .put = s3_put,
	.append = s3_append, .publish = s3_publish, .close = s3_close, .tidy = s3_tidy,
};
