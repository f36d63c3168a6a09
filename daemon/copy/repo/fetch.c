// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "copy/repo/fetch.h"
#include "copy/repo/object.h"

/* A patch of more than so much of a chunk is not worth the reading of two records. */
#define PATCH_SHARE 4

struct fetcher {
	const struct repo *repo;
	struct index *index;
	struct pack_reader *reader;
	struct hasher *hasher;
	uint8_t *patch;		/* while its base is read */
};

int fetcher_new(const struct repo *repo, struct index *index, struct fetcher **ret, struct err *e)
{
	struct fetcher *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	f->repo = repo;
	f->index = index;
	f->patch = malloc(content_max(repo));
	r = f->patch ? pack_reader_new(repo, &f->reader, e) : err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = hasher_new(repo->hash_keys, repo->secret, &f->hasher, e);
	if (r)
		fetcher_free(f);
	else
		*ret = f;
	return r;
}

struct fetcher *fetcher_free(struct fetcher *f)
{
	if (f) {
		pack_reader_free(f->reader);
		hasher_free(f->hasher);
		free(f->patch);
	}
	free(f);
	return NULL;
}

struct hasher *fetcher_hasher(struct fetcher *f)
{
	return f->hasher;
}

/* Patches */

static uint32_t pages_of(uint32_t length)
{
	return (length + PATCH_PAGE - 1) / PATCH_PAGE;
}

static uint32_t map_bytes(uint32_t length)
{
	return (pages_of(length) + 7) / 8;
}

static uint32_t page_length(uint32_t page, uint32_t length)
{
	uint32_t left = length - page * PATCH_PAGE;

	return left < PATCH_PAGE ? left : PATCH_PAGE;
}

/* Pages of a patch that fits a chunk of this length; -EBADMSG. */
static int patch_pages(const uint8_t *patch, size_t patch_length, uint32_t length)
{
	size_t want = CHUNK_ID + map_bytes(length);
	int n = 0;

	if (patch_length < want)
		return -EBADMSG;
	for (uint32_t i = 0; i < map_bytes(length) * 8; i++) {
		if (!(patch[CHUNK_ID + i / 8] & (1u << i % 8)))
			continue;
		if (i >= pages_of(length))
			return -EBADMSG;
		want += page_length(i, length);
		n++;
	}
	return want == patch_length ? n : -EBADMSG;
}

size_t patch_make(const uint8_t base_id[CHUNK_ID], const uint8_t *base, const uint8_t *bytes,
		  uint32_t length, uint8_t *patch)
{
	size_t used = CHUNK_ID + map_bytes(length);

	memcpy(patch, base_id, CHUNK_ID);
	memset(patch + CHUNK_ID, 0, map_bytes(length));
	for (uint32_t i = 0; i < pages_of(length); i++) {
		uint32_t n = page_length(i, length), at = i * PATCH_PAGE;

		if (!memcmp(base + at, bytes + at, n))
			continue;
		if (used + n > length / PATCH_SHARE + CHUNK_ID + map_bytes(length))
			return 0;
		patch[CHUNK_ID + i / 8] |= (uint8_t)(1u << i % 8);
		memcpy(patch + used, bytes + at, n);
		used += n;
	}
	return used;
}

int patch_apply(const uint8_t *patch, size_t patch_length, uint8_t *bytes, uint32_t length)
{
	const uint8_t *from = patch + CHUNK_ID + map_bytes(length);
	int n = patch_pages(patch, patch_length, length);

	if (n < 0)
		return n;
	for (uint32_t i = 0; i < pages_of(length); i++) {
		if (!(patch[CHUNK_ID + i / 8] & (1u << i % 8)))
			continue;
		memcpy(bytes + i * PATCH_PAGE, from, page_length(i, length));
		from += page_length(i, length);
	}
	return 0;
}

/* Reading */

/* Every place where an id lies, not just the index's own. */
struct elsewhere {
	const uint8_t *id;
	const struct place *not;
	struct place *places;
	size_t n;
};

static int add_place(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		     struct err *e)
{
	struct elsewhere *l = data;

	for (uint32_t i = 0; i < n; i++) {
		struct place *more;

		if (memcmp(entries[i].id, l->id, CHUNK_ID) ||
		    (entries[i].offset == l->not->offset && !memcmp(pack, l->not->pack, REPO_ID)))
			continue;
		more = realloc(l->places, (l->n + 1) * sizeof(*more));
		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		l->places = more;
		more[l->n] = (struct place) { .offset = entries[i].offset, .stored = entries[i].stored };
		memcpy(more[l->n++].pack, pack, REPO_ID);
	}
	return 0;
}

static int take_base(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *bytes,
		     uint32_t length, struct err *e);
static int take_chunk(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *bytes,
		      uint32_t length, struct err *e);

typedef int (*take_record)(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *bytes,
			   uint32_t length, struct err *e);

/* One place: what take() makes of the record, or -EBADMSG. */
static int from_place(struct fetcher *f, const uint8_t id[CHUNK_ID], const struct place *place,
		      take_record take, void *bytes, uint32_t length, struct err *e)
{
	struct record record;
	int r;

	/* A page's identifiers and a base's are not what the record has. */
	if (take == take_chunk || take == take_base)
		pack_read_into(f->reader, bytes, length);
	r = pack_read(f->reader, place->pack, place->offset, place->stored, &record, e);
	if (r)
		return r;
	return memcmp(record.entry.id, id, CHUNK_ID) ? -EBADMSG : take(f, id, &record, bytes, length, e);
}

static int lost(const struct fetcher *f, const uint8_t id[CHUNK_ID], const struct place *place, int code,
		struct err *e)
{
	char chunk[2 * CHUNK_ID + 1], pack[DRIVER_NAME_MAX];

	return err_set(e, -EBADMSG, "chunk %s is %s: %s in %s", repo_hex(id, CHUNK_ID, chunk),
		       code == -ENOENT ? "missing" : "damaged", driver_name(REPO_PACK, place->pack, pack),
		       f->repo->where);
}

static int from_elsewhere(struct fetcher *f, const uint8_t id[CHUNK_ID], const struct place *not, int code,
			  take_record take, void *bytes, uint32_t length, struct err *e)
{
	struct elsewhere l = { .id = id, .not = not };
	struct index_load load = { .each = add_place, .data = &l };
	int r = index_load(f->repo, NULL, &load, e), found = -EBADMSG;

	for (size_t i = 0; i < l.n && !r && found == -EBADMSG; i++) {
		found = from_place(f, id, &l.places[i], take, bytes, length, e);
		if (found == -ENOENT)
			found = -EBADMSG;
	}
	free(l.places);
	if (r)
		return r;
	return found == -EBADMSG ? lost(f, id, not, code, e) : found;
}

static int from_anywhere(struct fetcher *f, const uint8_t id[CHUNK_ID], take_record take, void *bytes,
			 uint32_t length, struct err *e)
{
	char chunk[2 * CHUNK_ID + 1];
	struct place place;
	int r;

	if (!index_find(f->index, id, &place) || place.fresh)
		return err_set(e, -EBADMSG, "chunk %s is missing: no index of the repository %s has it",
			       repo_hex(id, CHUNK_ID, chunk), f->repo->where);
	r = from_place(f, id, &place, take, bytes, length, e);
	if (r == -EBADMSG || r == -ENOENT)
		r = from_elsewhere(f, id, &place, r, take, bytes, length, e);
	return r;
}

/* 0 or -EBADMSG: is it what the identifier says? */
static int prove(struct fetcher *f, enum record_kind kind, const uint8_t id[CHUNK_ID], const uint8_t *bytes,
		 uint32_t length, struct err *e)
{
	uint8_t real[CHUNK_ID];
	int r = hasher_id(f->hasher, kind, bytes, length, real, e);

	return r ? r : memcmp(real, id, CHUNK_ID) ? -EBADMSG : 0;
}

static int take_base(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *bytes,
		     uint32_t length, struct err *e)
{
	int r;

	if (record->entry.kind != RECORD_DATA || record->length != length)
		return -EBADMSG;
	r = prove(f, RECORD_DATA, id, record->content, length, e);
	if (!r && record->content != bytes)
		memcpy(bytes, record->content, length);
	return r;
}

static int take_chunk(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *bytes,
		      uint32_t length, struct err *e)
{
	size_t n = record->length;
	uint8_t base[CHUNK_ID];
	int r;

	if (record->entry.kind != RECORD_PATCH)
		return take_base(f, id, record, bytes, length, e);
	memcpy(f->patch, record->content, n);
	memcpy(base, record->entry.base, CHUNK_ID);
	r = from_anywhere(f, base, take_base, bytes, length, e);
	if (!r)
		r = patch_apply(f->patch, n, bytes, length);
	return r ? r : prove(f, RECORD_DATA, id, bytes, length, e);
}

int fetch_chunk(struct fetcher *f, const uint8_t id[CHUNK_ID], uint8_t *bytes, uint32_t length, struct err *e)
{
	return from_anywhere(f, id, take_chunk, bytes, length, e);
}

static int take_base_id(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *bytes,
			uint32_t length, struct err *e)
{
	bool patch = record->entry.kind == RECORD_PATCH;

	memcpy(bytes, patch ? record->entry.base : id, CHUNK_ID);
	return patch;
}

int fetch_base(struct fetcher *f, const uint8_t id[CHUNK_ID], uint8_t base[CHUNK_ID], struct err *e)
{
	struct place place;

	if (index_find(f->index, id, &place) && !place.patch) {
		memcpy(base, id, CHUNK_ID);
		return 0;
	}
	return from_anywhere(f, id, take_base_id, base, 0, e);
}

static int take_page(struct fetcher *f, const uint8_t id[CHUNK_ID], struct record *record, void *ids,
		     uint32_t n, struct err *e)
{
	int r = record->entry.kind == RECORD_MAP ? 0 : -EBADMSG;

	if (!r)
		r = prove(f, RECORD_MAP, id, record->content, (uint32_t)record->length, e);
	return r ? r : page_read(record->content, record->length, ids, n);
}

int fetch_page(struct fetcher *f, const uint8_t page[CHUNK_ID], uint8_t (*ids)[CHUNK_ID], uint32_t n,
	       struct err *e)
{
	if (is_zero_id(page)) {
		memset(ids, 0, (size_t)n * CHUNK_ID);
		return 0;
	}
	return from_anywhere(f, page, take_page, ids, n, e);
}
