/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metadata device: many blocks at a time, past the page cache, with their seals checked. */
#ifndef BVOL_THIN_META_SOURCE_H
#define BVOL_THIN_META_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "provider/thin/meta/meta.h"

#define SOURCE_SPANS 256

struct source {
	int fd;
	unsigned long aio;		/* context of the kernel, 0: none */
	struct batch *batch;		/* what it is asked with */
	uint64_t blocks;		/* those from here on are not asked for */
	uint64_t blocks_read;
	const atomic_bool *cancel;	/* or NULL */
};

/* Blocks in a row, and where to put them, aligned to META_BLOCK. */
struct span {
	uint64_t block;
	size_t count;
	uint8_t *to;
};

/* Make one span of both, if the second goes on where the first ends. */
static inline bool source_join(struct span *first, const struct span *second)
{
	if (first->block + first->count != second->block ||
	    first->to + first->count * META_BLOCK != second->to)
		return false;
	first->count += second->count;
	return true;
}

/* cancel is the caller's to set. -EINVAL when path is no block device or file, errno of open(). */
int source_open(struct source *s, const char *path, struct err *e);
void source_close(struct source *s);

/* At most SOURCE_SPANS, all below blocks; in which order is open. -ECANCELED, -EIO */
int source_read(struct source *s, const struct span *spans, size_t n, struct err *e);

/* Memory for count blocks, to be freed with free(). */
void *source_buffer(size_t count, struct err *e);

/* Is this an address that metadata may refer to? */
static inline bool source_has(const struct source *s, uint64_t block)
{
	return block && block < s->blocks;
}

/* -EUCLEAN and the sentence that tells the block and what is wrong with it. */
int damaged(uint64_t block, struct err *e, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether what was read from block belongs there: its checksum and its address. -EUCLEAN */
int check_seal(const void *data, uint64_t block, uint32_t salt, struct err *e);

#endif
