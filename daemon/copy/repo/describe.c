// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "copy/repo/describe.h"
#include "util/str.h"

#define SPEC_MAX	(2 * BVOL_NAME_MAX + 2)
/* Of all together: an object has to fit a message. */
#define SPECS_BYTES	4096

static const struct {
	const char *key;
	uint16_t attr;
} texts[] = {
	{ TEXT_NAME, BVOL_A_BACKUP_NAME },
	{ TEXT_VOLUME_ID, BVOL_A_BACKUP_VOLUME_ID },
	{ TEXT_VOLUME_NAME, BVOL_A_BACKUP_VOLUME_NAME },
	{ TEXT_VOLUME_TYPE, BVOL_A_BACKUP_VOLUME_TYPE },
	{ TEXT_PROJECT, BVOL_A_BACKUP_PROJECT },
};

/* Whoever wrote the manifest: what is told of it can be told to anybody, and fits a message. */
static int set_text(struct bvol_backup *o, uint16_t attr, const char *value)
{
	char text[BVOL_NAME_MAX + 1];

	str_escape(value, text, sizeof(text));
	return *text ? codec_set_string(&bvol_type_backup, o, attr, text) : 0;
}

static int add_spec(struct bvol_backup *o, const char *key, const char *value, size_t *bytes)
{
	char spec[SPEC_MAX], text[SPEC_MAX];
	size_t length = (size_t)snprintf(spec, sizeof(spec), "%s=%s", key, value);

	if (length >= sizeof(spec) || *bytes + length > SPECS_BYTES)
		return 0;
	*bytes += str_escape(spec, text, sizeof(text));
	return codec_append_list(&bvol_type_backup, o, BVOL_A_BACKUP_EXTRA_SPECS, text);
}

static int describe_texts(const struct manifest *m, struct bvol_backup *o)
{
	const char *id = manifest_get(m, TEXT_SNAPSHOT_ID);
	size_t prefix = strlen(TEXT_SPEC), bytes = 0;
	int r = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !r; i++) {
		const char *value = manifest_get(m, texts[i].key);

		if (value)
			r = set_text(o, texts[i].attr, value);
	}
	if (id && !bvol_uuid_parse(id, &o->snapshot_id))
		o->has |= BVOL_BIT(BVOL_A_BACKUP_SNAPSHOT_ID);
	for (uint32_t i = 0; i < m->n_texts && !r; i++)
		if (!strncmp(m->texts[i].key, TEXT_SPEC, prefix))
			r = add_spec(o, m->texts[i].key + prefix, m->texts[i].value, &bytes);
	return r;
}

struct bvol_backup *manifest_describe(const struct manifest *m)
{
	struct bvol_backup *o = codec_new(&bvol_type_backup);

	if (!o || describe_texts(m, o)) {
		bvol_free(&bvol_type_backup, o);
		return NULL;
	}
	memcpy(&o->id, m->id, REPO_ID);
	o->has |= BVOL_BIT(BVOL_A_BACKUP_ID);
	if (m->has_parent) {
		memcpy(&o->parent_id, m->parent, REPO_ID);
		o->has |= BVOL_BIT(BVOL_A_BACKUP_PARENT_ID);
	}
	codec_set(o, BVOL_A_BACKUP_IS_INCREMENTAL, is_incremental, m->has_parent);
	codec_set(o, BVOL_A_BACKUP_SIZE, size, m->size);
	codec_set(o, BVOL_A_BACKUP_CHUNK_SIZE, chunk_size, m->chunk_size);
	codec_set(o, BVOL_A_BACKUP_CHUNKS, chunks, m->data);
	codec_set(o, BVOL_A_BACKUP_ZERO_CHUNKS, zero_chunks, m->zero);
	codec_set(o, BVOL_A_BACKUP_SAME_CHUNKS, same_chunks, m->same);
	codec_set(o, BVOL_A_BACKUP_STORED_CHUNKS, stored_chunks, m->stored);
	codec_set(o, BVOL_A_BACKUP_PATCHED_CHUNKS, patched_chunks, m->patches);
	codec_set(o, BVOL_A_BACKUP_ADDED, added, m->added);
	codec_set(o, BVOL_A_BACKUP_DATA_AT, data_at, m->read_at);
	codec_set(o, BVOL_A_BACKUP_CREATED_AT, created_at, m->done_at);
	return o;
}

static int count_object(void *data, const struct driver_object *object, struct err *e)
{
	uint64_t *sums = data;

	sums[0]++;
	sums[1] += object->size;
	return 0;
}

int repo_describe(const struct repo *repo, struct bvol_repository *o, struct err *e)
{
	const struct bvol_type *type = &bvol_type_repository;
	uint64_t packs[2] = { 0 }, leases[2] = { 0 };
	char text[COMPRESSION_TEXT];
	int r = repo->ops->list(repo->driver, REPO_PACK, count_object, packs, e);

	if (!r)
		r = repo->ops->list(repo->driver, REPO_LEASE, count_object, leases, e);
	if (r)
		return r;
	if (codec_set_string(type, o, BVOL_A_REPOSITORY_PATH, repo->where) ||
	    codec_set_string(type, o, BVOL_A_REPOSITORY_COMPRESSION,
			     compression_text(repo->compression, repo->level, text)))
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(&o->id, repo->id, REPO_ID);
	o->has |= BVOL_BIT(BVOL_A_REPOSITORY_ID);
	codec_set(o, BVOL_A_REPOSITORY_ENCRYPTED, encrypted, repo->encrypted);
	codec_set(o, BVOL_A_REPOSITORY_KEYED, keyed, repo->secret);
	codec_set(o, BVOL_A_REPOSITORY_CHUNK_SIZE, chunk_size, repo->chunk_size);
	codec_set(o, BVOL_A_REPOSITORY_PACKS, packs, packs[0]);
	codec_set(o, BVOL_A_REPOSITORY_BYTES, bytes, packs[1]);
	codec_set(o, BVOL_A_REPOSITORY_WRITERS, writers, leases[0]);
	codec_set(o, BVOL_A_REPOSITORY_CREATED_AT, created_at, repo->created_at);
	return 0;
}
