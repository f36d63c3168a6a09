/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packs: writing one, and reading records of many. */
#ifndef BVOL_REPO_PACK_H
#define BVOL_REPO_PACK_H

#include "copy/repo/crypto.h"
#include "copy/repo/repo.h"

/* A record, as footers and indexes list it. */
struct entry {
	uint8_t id[CHUNK_ID];
	uint32_t offset;	/* in the pack */
	uint32_t stored;	/* bytes, without head and tag */
	uint32_t raw;		/* bytes of content */
	uint8_t kind, compression;
	uint8_t base[CHUNK_ID];	/* of a patch */
};

/* Of the whole record. */
static inline uint64_t record_size(uint32_t stored)
{
	return (uint64_t)RECORD_HEAD + stored + REPO_TAG;
}

void entry_write(const struct entry *entry, uint8_t at[ENTRY_SIZE]);
/* May it be one of this repository? */
bool entry_read(const struct repo *repo, const uint8_t at[ENTRY_SIZE], struct entry *entry);

/* One thread. A pack that was not finished leaves nothing. */
struct pack_writer;
int pack_writer_new(const struct repo *repo, const uint8_t id[REPO_ID], struct pack_writer **ret,
		    struct err *e);
/* Takes NULL, returns NULL. */
struct pack_writer *pack_writer_free(struct pack_writer *writer);
/*
 * Seal a record: entry says id, kind, raw, and base; the rest of it is filled
 * in. content has raw bytes, for a patch content_length.
 */
int pack_add(struct pack_writer *writer, struct compressor *compressor, struct entry *entry,
	     const void *content, size_t content_length, struct err *e);
uint64_t pack_size(const struct pack_writer *writer);
/* Footer, fsync, name. *entries stay the writer's. */
int pack_finish(struct pack_writer *writer, const struct entry **entries, uint32_t *n, struct err *e);

/* One thread. */
struct pack_reader;
int pack_reader_new(const struct repo *repo, struct pack_reader **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct pack_reader *pack_reader_free(struct pack_reader *reader);

/* What a record's head says, and its content after decompression. */
struct record {
	struct entry entry;
	uint8_t *content;	/* the reader's, until the next call */
	size_t length;
};

/*
 * stored: as the index says. -ENOENT: there is no such pack; -EBADMSG: the
 * record is damaged; both without a sentence.
 */
int pack_read(struct pack_reader *reader, const uint8_t pack[REPO_ID], uint32_t offset, uint32_t stored,
	      struct record *ret, struct err *e);
/* Where the next record's content goes, if it has at most so many bytes; for one call of pack_read(). */
void pack_read_into(struct pack_reader *reader, uint8_t *bytes, size_t room);
/* The footer's entries, for free(). -EBADMSG with a sentence; -ENOENT. */
int pack_entries(const struct repo *repo, const uint8_t pack[REPO_ID], struct entry **ret, uint32_t *n,
		 struct err *e);

/* Bytes that content may have at most, of any kind. */
size_t content_max(const struct repo *repo);

#endif
