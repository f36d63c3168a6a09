/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a backup is: its manifest, and the pages of its map. */
#ifndef BVOL_REPO_MANIFEST_H
#define BVOL_REPO_MANIFEST_H

#include "copy/repo/index.h"

struct manifest_text {
	char *key, *value;
};

struct manifest {
	uint8_t id[REPO_ID];
	enum manifest_type type;
	uint32_t chunk_size;
	uint64_t size;			/* of the volume */
	uint64_t read_at, done_at;	/* ns since 1970 */
	bool has_parent;
	uint8_t parent[REPO_ID];
	uint64_t data, zero, same;	/* chunks; same: as the parent's at this place */
	uint64_t stored, patches;	/* chunks that were not there before */
	uint64_t added;			/* bytes */
	struct manifest_text *texts;
	uint32_t n_texts;
	uint8_t (*pages)[CHUNK_ID];	/* all zero: chunks of zeroes */
	uint32_t n_pages;
	atomic_uint refs;		/* beside the first one */
};

extern const uint8_t zero_id[CHUNK_ID];

static inline bool is_zero_id(const uint8_t id[CHUNK_ID])
{
	return !memcmp(id, zero_id, CHUNK_ID);
}

/* Chunks of a page of the map, and of this volume; pages of it. */
static inline uint32_t page_chunks(uint32_t chunk_size)
{
	return (uint32_t)(MAP_SPAN / chunk_size);
}

static inline uint64_t volume_chunks(uint64_t size, uint32_t chunk_size)
{
	return size / chunk_size + !!(size % chunk_size);
}

static inline uint32_t volume_pages(uint64_t size)
{
	return (uint32_t)(size / MAP_SPAN + !!(size % MAP_SPAN));
}

/* Of all pages but the last one it is page_chunks(). */
static inline uint32_t chunks_of_page(const struct manifest *m, uint32_t page)
{
	uint64_t left = volume_chunks(m->size, m->chunk_size) - (uint64_t)page * page_chunks(m->chunk_size);

	return left < page_chunks(m->chunk_size) ? (uint32_t)left : page_chunks(m->chunk_size);
}

/* Of all chunks but the last one it is the chunk size. */
static inline uint32_t chunk_length(const struct manifest *m, uint64_t chunk)
{
	uint64_t left = m->size - chunk * m->chunk_size;

	return left < m->chunk_size ? (uint32_t)left : m->chunk_size;
}

/* -ERANGE: larger than a volume may be. */
int manifest_new(uint64_t size, uint32_t chunk_size, struct manifest **ret, struct err *e);
/* One more reference, for another manifest_free(). */
struct manifest *manifest_ref(const struct manifest *m);
/* The last one frees it. Takes NULL, returns NULL. */
struct manifest *manifest_free(struct manifest *m);
DEFINE_CLEANUP(struct manifest *, manifest_free)
int manifest_text(struct manifest *m, const char *key, const char *value, struct err *e);
/* NULL: it has none. */
const char *manifest_get(const struct manifest *m, const char *key);

/* Publish it: with this the backup exists. -EEXIST: it was fenced. */
int manifest_put(const struct repo *repo, const struct manifest *m, struct err *e);
/* -ENOENT without a sentence. */
int manifest_load(const struct repo *repo, const uint8_t id[REPO_ID], struct manifest **ret, struct err *e);
/* -EBADMSG without a sentence. */
int manifest_parse(const uint8_t *body, size_t length, struct manifest **ret, struct err *e);
/*
 * All backups, in no order, or those of a list; each gets what it has to free.
 * A damaged one is reported to bad(), which says whether to go on (NULL: don't).
 * Who wants to find their chunks lists first and loads the indexes then.
 */
int manifest_each(const struct repo *repo, const struct id_list *list,
		  int (*each)(void *data, struct manifest *m, struct err *e),
		  int (*bad)(void *data, const uint8_t id[REPO_ID], struct err *e), void *data,
		  struct err *e);

/* ids of n chunks as a page; bytes has MAP_PAGE_MAX. Returns the length, 0: all are zero. */
uint32_t page_write(const uint8_t (*ids)[CHUNK_ID], uint32_t n, uint8_t *bytes);
/* -EBADMSG without a sentence: not a page of n chunks. */
int page_read(const uint8_t *bytes, size_t length, uint8_t (*ids)[CHUNK_ID], uint32_t n);

#endif
