/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chunks and pages of maps out of a repository, proven to be what they were. One thread. */
#ifndef BVOL_REPO_FETCH_H
#define BVOL_REPO_FETCH_H

#include "copy/repo/manifest.h"

struct fetcher;
/* The index stays the caller's, and has what will be asked for. */
int fetcher_new(const struct repo *repo, struct index *index, struct fetcher **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct fetcher *fetcher_free(struct fetcher *fetcher);
/* For others with the same needs. */
struct hasher *fetcher_hasher(struct fetcher *fetcher);

/*
 * A chunk of exactly length bytes. If the place that the index has is damaged
 * or gone, every other one is tried. -EBADMSG: there is no sound copy; the
 * sentence names chunk and pack.
 */
int fetch_chunk(struct fetcher *fetcher, const uint8_t id[CHUNK_ID], uint8_t *bytes, uint32_t length,
		struct err *e);
/* A page's n identifiers; of a page of zeroes they are zero. */
int fetch_page(struct fetcher *fetcher, const uint8_t page[CHUNK_ID], uint8_t (*ids)[CHUNK_ID], uint32_t n,
	       struct err *e);
/* The chunk's base if it is stored as a patch: 1; 0: it is not; id then is the chunk's own. */
int fetch_base(struct fetcher *fetcher, const uint8_t id[CHUNK_ID], uint8_t base[CHUNK_ID], struct err *e);

/*
 * What differs between chunk and base, as a patch: its length, 0 if it is not
 * worth it. patch has room for length bytes.
 */
size_t patch_make(const uint8_t base_id[CHUNK_ID], const uint8_t *base, const uint8_t *bytes,
		  uint32_t length, uint8_t *patch);
/* Over the base's bytes. -EBADMSG. */
int patch_apply(const uint8_t *patch, size_t patch_length, uint8_t *bytes, uint32_t length);

#endif
