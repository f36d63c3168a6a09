// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "copy/repo/object.h"

int object_damaged(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], const char *why,
	    struct err *e)
{
	char name[DRIVER_NAME_MAX];

	return err_set(e, -EBADMSG, "%s in the repository %s is damaged: %s",
		       driver_name(kind, id, name), repo->where, why);
}

int head_make(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], uint64_t length,
	      uint8_t head[HEAD_SIZE], struct err *e)
{
	memset(head, 0, HEAD_SIZE);
	memcpy(head, REPO_MAGIC, 8);
	put16(head + 8, kind);
	put16(head + 10, REPO_MAJOR);
	put16(head + 12, REPO_MINOR);
	put16(head + 14, repo->encrypted ? REPO_ENCRYPTED : 0);
	memcpy(head + 16, repo->id, REPO_ID);
	memcpy(head + 32, id, REPO_ID);
	put64(head + HEAD_BODY, length);
	return crypto_random(head + 48, REPO_SALT, e);
}

int head_check(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID],
	       const uint8_t head[HEAD_SIZE], struct err *e)
{
	char name[DRIVER_NAME_MAX];

	if (memcmp(head, REPO_MAGIC, 8))
		return object_damaged(repo, kind, id, "it does not begin as objects do", e);
	/* Of one repository all have the version of its configuration. */
	if (get16(head + 10) != REPO_MAJOR && kind != REPO_CONFIG && kind != REPO_KEYS)
		return object_damaged(repo, kind, id, "it says another version than the repository's", e);
	if (get16(head + 10) != REPO_MAJOR)
		return err_set(e, -EPROTONOSUPPORT, "%s in the repository %s has version %u of the format, "
			       "and this program knows version %u: use a newer one",
			       driver_name(kind, id, name), repo->where, get16(head + 10), REPO_MAJOR);
	if (memcmp(head + 16, repo->id, REPO_ID))
		return err_set(e, -EBADMSG, "%s in the repository %s belongs to another repository",
			       driver_name(kind, id, name), repo->where);
	if (get16(head + 8) != kind || memcmp(head + 32, id, REPO_ID))
		return object_damaged(repo, kind, id, "it is another object under this name", e);
	if (get16(head + 14) != (repo->encrypted ? REPO_ENCRYPTED : 0) || get64(head + 88))
		return object_damaged(repo, kind, id, "its header is wrong", e);
	return 0;
}

int head_sealer(const struct repo *repo, const uint8_t head[HEAD_SIZE], struct sealer **ret, struct err *e)
{
	uint8_t info[11 + 2 + 2 * REPO_ID] = "bvol object", key[REPO_KEY];
	int r;

	memcpy(info + 11, head + 8, 2);
	memcpy(info + 13, head + 16, 2 * REPO_ID);
	r = crypto_hkdf(repo->root, REPO_KEY, head + 48, REPO_SALT, info, sizeof(info), key, REPO_KEY, e);
	if (!r)
		r = sealer_new(key, ret, e);
	crypto_wipe(key, sizeof(key));
	return r;
}

static struct seal seal_of(const struct repo *repo, const uint8_t *head)
{
	return (struct seal) {
		.aad = { head }, .aad_length = { HEAD_SIZE }, .encrypted = repo->encrypted,
	};
}

int object_put(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], const void *body,
	       size_t length, bool replace, struct err *e)
{
	_cleanup_free_ uint8_t *bytes = malloc(HEAD_SIZE + length + REPO_TAG);
	_cleanup_(blob_closep) struct blob *blob = NULL;
	struct sealer *sealer = NULL;
	struct seal seal;
	int r;

	if (!bytes)
		return err_set(e, -ENOMEM, "out of memory");
	r = head_make(repo, kind, id, length, bytes, e);
	if (!r)
		r = head_sealer(repo, bytes, &sealer, e);
	if (r)
		return r;
	seal = seal_of(repo, bytes);
	r = seal_close(sealer, &seal, body, length, bytes + HEAD_SIZE, bytes + HEAD_SIZE + length, e);
	sealer_free(sealer);
	if (!r)
		r = repo->ops->put(repo->driver, kind, id, &blob, e);
	if (!r)
		r = repo->ops->append(blob, bytes, HEAD_SIZE + length + REPO_TAG, e);
	return r ? r : repo->ops->publish(blob, replace, e);
}

static int open_object(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID],
		       struct object *o, size_t size, struct err *e)
{
	struct sealer *sealer = NULL;
	struct seal seal = seal_of(repo, o->bytes);
	int r = head_check(repo, kind, id, o->bytes, e);

	if (r)
		return r;
	if (get64(o->bytes + HEAD_BODY) != size - HEAD_SIZE - REPO_TAG)
		return object_damaged(repo, kind, id, "it is longer or shorter than it says", e);
	o->body = o->bytes + HEAD_SIZE;
	o->length = size - HEAD_SIZE - REPO_TAG;
	r = head_sealer(repo, o->bytes, &sealer, e);
	if (!r)
		r = seal_open(sealer, &seal, o->body, o->length, o->body, o->body + o->length, e);
	sealer_free(sealer);
	return r == -EBADMSG ? object_damaged(repo, kind, id, "its tag does not fit", e) : r;
}

int object_get(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], struct object *ret,
	       struct err *e)
{
	size_t max = kind == REPO_BACKUP || kind == REPO_INDEX ? BIG_OBJECT_MAX : OBJECT_MAX;
	_cleanup_(blob_closep) struct blob *blob = NULL;
	uint64_t size;
	int r = repo->ops->get(repo->driver, kind, id, &blob, &size, e);

	*ret = (struct object) { 0 };
	if (r)
		return r;
	if (size < HEAD_SIZE + REPO_TAG || size > max)
		return object_damaged(repo, kind, id, "it is too short or too long", e);
	ret->bytes = malloc(size);
	if (!ret->bytes)
		return err_set(e, -ENOMEM, "out of memory");
	r = repo->ops->read(blob, 0, ret->bytes, size, e);
	if (r == -EBADMSG)
		object_damaged(repo, kind, id, "it is shorter than it was", e);
	if (!r)
		r = open_object(repo, kind, id, ret, size, e);
	if (r)
		object_deinit(ret);
	return r;
}

void object_deinit(struct object *object)
{
	free(object->bytes);
	*object = (struct object) { 0 };
}
