// SPDX-License-Identifier: LGPL-2.1-or-later
/* Making and opening a repository, and its keys. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "copy/repo/object.h"
#include "util/str.h"

#define SCRYPT_LOG2N	15
#define SCRYPT_R	8
#define SCRYPT_P	1
#define CONFIG_BODY	32
#define KEY_FILE_MIN	32
#define KEY_FILE_MAX	4096

static const uint8_t config_id[REPO_ID];

uint64_t repo_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

char *repo_hex(const uint8_t *id, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

/* The key that wraps the root key, by the parameters behind the header. */
static int wrapping_key(const uint8_t *object, const struct repo_secret *secret, uint8_t key[REPO_KEY],
			struct err *e)
{
	const uint8_t *params = object + HEAD_SIZE;

	if (secret->method == KEY_PASSPHRASE)
		return crypto_scrypt(secret->bytes, secret->length, object + 48, get32(params + 4),
				     get32(params + 8), get32(params + 12), key, e);
	return crypto_hkdf(secret->bytes, secret->length, object + 48, REPO_SALT, "bvol wrap", 9, key,
			   REPO_KEY, e);
}

static struct seal wrap_of(const uint8_t *object)
{
	return (struct seal) {
		.aad = { object }, .aad_length = { HEAD_SIZE + KEY_PARAMS }, .encrypted = true,
	};
}

int repo_key_add(struct repo *repo, const struct repo_secret *secret, const char *label, struct err *e)
{
	uint8_t object[KEY_OBJECT] = { 0 }, key[REPO_KEY], id[REPO_ID], *params = object + HEAD_SIZE;
	struct seal seal = wrap_of(object);
	_cleanup_(blob_closep) struct blob *blob = NULL;
	struct sealer *sealer = NULL;
	int r;

	if (secret->method == KEY_FILE && (secret->length < KEY_FILE_MIN || secret->length > KEY_FILE_MAX))
		return err_set(e, -EINVAL, "a key file has %d to %d bytes, random ones, as of: "
			       "head -c 32 /dev/urandom", KEY_FILE_MIN, KEY_FILE_MAX);
	if (strlen(label) > KEY_LABEL || !str_utf8(label))
		return err_set(e, -EINVAL, "a key's label has at most %d bytes of UTF-8", KEY_LABEL);
	r = crypto_uuid(id, e);
	if (!r)
		r = head_make(repo, REPO_KEYS, id, KEY_PARAMS + REPO_KEY, object, e);
	put32(params, secret->method);
	if (secret->method == KEY_PASSPHRASE) {
		put32(params + 4, SCRYPT_LOG2N);
		put32(params + 8, SCRYPT_R);
		put32(params + 12, SCRYPT_P);
	}
	memcpy(params + 16, label, strlen(label));
	if (!r)
		r = wrapping_key(object, secret, key, e);
	if (!r)
		r = sealer_new(key, &sealer, e);
	if (!r)
		r = seal_close(sealer, &seal, repo->root, REPO_KEY, params + KEY_PARAMS,
			       params + KEY_PARAMS + REPO_KEY, e);
	sealer_free(sealer);
	crypto_wipe(key, sizeof(key));
	if (!r)
		r = repo->ops->put(repo->driver, REPO_KEYS, id, &blob, e);
	if (!r)
		r = repo->ops->append(blob, object, sizeof(object), e);
	return r ? r : repo->ops->publish(blob, false, e);
}

/* All keys of a repository, as they lie there. */
struct key_list {
	struct repo *repo;
	uint8_t (*objects)[KEY_OBJECT];
	size_t n;
	bool spoilt;		/* some key is damaged */
};

static int add_key(void *data, const struct driver_object *object, struct err *e)
{
	struct key_list *list = data;
	_cleanup_(blob_closep) struct blob *blob = NULL;
	struct repo *repo = list->repo;
	uint64_t size;
	void *more = realloc(list->objects, (list->n + 1) * KEY_OBJECT);
	int r;

	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	list->objects = more;
	r = repo->ops->get(repo->driver, REPO_KEYS, object->id, &blob, &size, e);
	if (!r && size != KEY_OBJECT)
		r = object_damaged(repo, REPO_KEYS, object->id, "it is longer or shorter than a key", e);
	if (!r)
		r = repo->ops->read(blob, 0, list->objects[list->n], KEY_OBJECT, e);
	if (!r)
		r = head_check(repo, REPO_KEYS, object->id, list->objects[list->n], e);
	if (!r && get64(list->objects[list->n] + HEAD_BODY) != KEY_PARAMS + REPO_KEY)
		r = object_damaged(repo, REPO_KEYS, object->id, "its header is wrong", e);
	if (r == -EBADMSG)
		list->spoilt = true;
	if (r)
		return r == -EBADMSG || r == -ENOENT ? 0 : r;
	list->n++;
	return 0;
}

/* One damaged key must not keep others from opening: its sentence is kept for the end. */
static int keys_of(struct repo *repo, struct key_list *list, struct err *e)
{
	*list = (struct key_list) { .repo = repo };
	return repo->ops->list(repo->driver, REPO_KEYS, add_key, list, e);
}

/* -EKEYREJECTED without a sentence: this secret does not open this key. */
static int unwrap(struct repo *repo, const uint8_t *object, const struct repo_secret *secret, struct err *e)
{
	const uint8_t *wrapped = object + HEAD_SIZE + KEY_PARAMS;
	struct seal seal = wrap_of(object);
	struct sealer *sealer = NULL;
	uint8_t key[REPO_KEY];
	int r = wrapping_key(object, secret, key, e);

	if (!r)
		r = sealer_new(key, &sealer, e);
	if (!r)
		r = seal_open(sealer, &seal, wrapped, REPO_KEY, repo->root, wrapped + REPO_KEY, e);
	sealer_free(sealer);
	crypto_wipe(key, sizeof(key));
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

static int find_root(struct repo *repo, const struct repo_secret *secret, struct err *e)
{
	static const struct repo_secret none = { .method = KEY_NONE, .bytes = "" };
	struct err keep = { 0 };
	struct key_list list;
	bool wanted = false;
	int r = keys_of(repo, &list, &keep), found = -EKEYREJECTED;

	for (size_t i = 0; !r && found && i < list.n; i++) {
		enum key_method method = get32(list.objects[i] + HEAD_SIZE);

		repo->secret = method != KEY_NONE;
		wanted |= repo->secret;
		if (method == KEY_NONE)
			found = unwrap(repo, list.objects[i], &none, e);
		else if (secret && secret->method == method)
			found = unwrap(repo, list.objects[i], secret, e);
		if (found && found != -EKEYREJECTED)
			r = found;
	}
	free(list.objects);
	if (r)
		return err_set(e, r, "%s", keep.text);
	if (!found)
		return 0;
	if (list.spoilt)
		return err_set(e, -EBADMSG, "%s", keep.text);
	if (!wanted)
		return err_set(e, -EBADMSG, "the repository %s has no key that opens it", repo->where);
	if (!secret)
		return err_set(e, -ENOKEY, "the repository %s wants a passphrase or a key file", repo->where);
	return err_set(e, -EKEYREJECTED, "this %s does not open the repository %s",
		       secret->method == KEY_FILE ? "key file" : "passphrase", repo->where);
}

static int derive(struct repo *repo, struct err *e)
{
	return crypto_hkdf(repo->root, REPO_KEY, repo->id, REPO_ID, "bvol hash", 9, repo->hash_keys,
			   sizeof(repo->hash_keys), e);
}

static int new_repo(const char *where, bool create, struct repo **ret, struct err *e)
{
	struct repo *repo = calloc(1, sizeof(*repo));
	int r = 0;

	if (repo)
		repo->where = strdup(where);
	if (!repo || !repo->where)
		r = err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = driver_open(where, create, &repo->driver, e);
	if (r) {
		repo_close(repo);
		return r;
	}
	repo->ops = repo->driver->ops;
	*ret = repo;
	return 0;
}

struct repo *repo_ref(const struct repo *repo)
{
	struct repo *ours = (struct repo *)repo;

	ours->refs++;
	return ours;
}

struct repo *repo_close(struct repo *repo)
{
	if (repo && repo->refs--)
		return NULL;
	if (repo) {
		driver_free(repo->driver);
		free(repo->where);
		crypto_wipe(repo, sizeof(*repo));
	}
	free(repo);
	return NULL;
}

/* The identifier and whether it is encrypted stand in the configuration's header. */
static int read_head(struct repo *repo, struct err *e)
{
	_cleanup_(blob_closep) struct blob *blob = NULL;
	uint8_t head[HEAD_SIZE];
	uint64_t size;
	int r = repo->ops->get(repo->driver, REPO_CONFIG, config_id, &blob, &size, e);

	if (r == -ENOENT)
		return err_set(e, r, "there is no repository in %s", repo->where);
	if (!r)
		r = repo->ops->read(blob, 0, head, sizeof(head), e);
	if (r == -EBADMSG)
		return object_damaged(repo, REPO_CONFIG, config_id, "it is too short", e);
	if (r)
		return r;
	memcpy(repo->id, head + 16, REPO_ID);
	repo->encrypted = get16(head + 14) & REPO_ENCRYPTED;
	return head_check(repo, REPO_CONFIG, config_id, head, e);
}

int repo_peek(const char *where, uint8_t id[REPO_ID], bool *encrypted, struct err *e)
{
	struct repo *repo;
	int r = new_repo(where, false, &repo, e);

	if (r)
		return r;
	r = read_head(repo, e);
	memcpy(id, repo->id, REPO_ID);
	*encrypted = repo->encrypted;
	repo_close(repo);
	return r;
}

static bool good_chunk(uint32_t size)
{
	return size >= CHUNK_MIN && size <= CHUNK_MAX && !(size & (size - 1));
}

static int read_config(struct repo *repo, struct err *e)
{
	struct object o;
	int r = object_get(repo, REPO_CONFIG, config_id, &o, e);

	if (r)
		return r;
	if (o.length != CONFIG_BODY)
		r = object_damaged(repo, REPO_CONFIG, config_id, "it has the wrong length", e);
	if (!r) {
		repo->chunk_size = get32(o.body);
		repo->compression = get32(o.body + 4);
		repo->level = (int32_t)get32(o.body + 8);
		repo->secret = get32(o.body + 12);
		repo->created_at = get64(o.body + 16);
		if (!good_chunk(repo->chunk_size) || repo->compression > COMPRESS_LZ4)
			r = object_damaged(repo, REPO_CONFIG, config_id, "what it says makes no sense", e);
	}
	object_deinit(&o);
	return r;
}

int repo_open(const char *where, const struct repo_secret *secret, struct repo **ret, struct err *e)
{
	struct repo *repo;
	int r = new_repo(where, false, &repo, e);

	if (r)
		return r;
	r = read_head(repo, e);
	if (!r)
		r = find_root(repo, secret, e);
	if (!r)
		r = read_config(repo, e);
	if (!r)
		r = derive(repo, e);
	if (r) {
		repo_close(repo);
		return r;
	}
	*ret = repo;
	return 0;
}

static int fill(struct repo *repo, const struct repo_choice *choice, const struct repo_secret *secret,
		struct err *e)
{
	static const struct repo_secret none = { .method = KEY_NONE, .bytes = "" };
	uint8_t body[CONFIG_BODY] = { 0 };
	int r = crypto_uuid(repo->id, e);

	repo->encrypted = choice->encrypted;
	repo->secret = secret;
	repo->chunk_size = choice->chunk_size ?: CHUNK_DEFAULT;
	repo->compression = choice->compression;
	repo->level = choice->level;
	repo->created_at = repo_now();
	put32(body, repo->chunk_size);
	put32(body + 4, repo->compression);
	put32(body + 8, (uint32_t)repo->level);
	put32(body + 12, repo->secret);
	put64(body + 16, repo->created_at);
	if (!r)
		r = crypto_random(repo->root, REPO_KEY, e);
	if (!r)
		r = derive(repo, e);
	if (!r)
		r = repo_key_add(repo, secret ?: &none, "first", e);
	/* Last: with it the folder is a repository. */
	return r ? r : object_put(repo, REPO_CONFIG, config_id, body, sizeof(body), false, e);
}

int repo_create(const char *where, const struct repo_choice *choice, const struct repo_secret *secret,
		struct repo **ret, struct err *e)
{
	struct repo *repo;
	int r;

	if (choice->chunk_size && !good_chunk(choice->chunk_size))
		return err_set(e, -EINVAL, "the size of chunks is 64K, 128K, 256K, 512K, 1M, 2M or 4M");
	if (choice->encrypted && !secret)
		return err_set(e, -ENOKEY, "an encrypted repository wants a passphrase or a key file");
	if (secret && secret->method == KEY_FILE && secret->length < KEY_FILE_MIN)
		return err_set(e, -EINVAL, "a key file has at least %d random bytes, as of: "
			       "head -c 32 /dev/urandom", KEY_FILE_MIN);
	r = new_repo(where, true, &repo, e);
	if (r)
		return r;
	r = fill(repo, choice, secret, e);
	if (r) {
		repo_close(repo);
		return r;
	}
	*ret = repo;
	return 0;
}

int repo_keys(struct repo *repo, int (*each)(void *data, const struct repo_key *key, struct err *e),
	      void *data, struct err *e)
{
	struct key_list list;
	int r = keys_of(repo, &list, e);

	if (!r && list.spoilt)
		r = -EBADMSG;
	for (size_t i = 0; !r && i < list.n; i++) {
		struct repo_key key = { .method = get32(list.objects[i] + HEAD_SIZE) };

		memcpy(key.id, list.objects[i] + 32, REPO_ID);
		memcpy(key.label, list.objects[i] + HEAD_SIZE + 16, KEY_LABEL);
		r = each(data, &key, e);
	}
	free(list.objects);
	return r;
}

int repo_key_remove(struct repo *repo, const uint8_t id[REPO_ID], struct err *e)
{
	struct key_list list;
	int r = keys_of(repo, &list, e);
	char text[2 * REPO_ID + 1];

	free(list.objects);
	if (!r && list.n < 2)
		return err_set(e, -EBUSY, "this is the last key of the repository: add another one before");
	if (!r)
		r = repo->ops->remove(repo->driver, REPO_KEYS, id, e);
	if (r == -ENOENT)
		return err_set(e, r, "the repository has no key %s", repo_hex(id, REPO_ID, text));
	return r;
}
