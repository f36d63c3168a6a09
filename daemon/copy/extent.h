/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of extents, and the way through them in pieces that a device takes. */
#ifndef BVOL_COPY_EXTENT_H
#define BVOL_COPY_EXTENT_H

#include "copy/copy.h"

/* Sorted by offset, none empty, none touching the next one. */
struct extents {
	struct copy_extent *list;
	size_t n;
	uint64_t bytes;
};

/* Copies the list, sorts it and joins what is adjacent. -EINVAL, -ENOMEM. */
int extents_init(struct extents *x, const struct copy_extent *list, size_t n, struct err *e);
void extents_deinit(struct extents *x);
/* Where the last one ends, 0 if there is none. */
uint64_t extents_end(const struct extents *x);

struct walk {
	const struct extents *x;
	size_t i;		/* extent */
	uint64_t in;		/* bytes of it that are behind us */
	uint64_t done;		/* bytes of all that are behind us */
};

enum walk_step {
	WALK_END,
	WALK_EDGE,		/* less than a block: shares its block with others' bytes */
	WALK_BODY,		/* whole blocks, within one multiple of size */
};

/* done: at most x->bytes. */
void walk_begin(struct walk *walk, const struct extents *x, uint64_t done);
/* The next piece, and step over it. align and size are powers of two, size >= align. */
enum walk_step walk_next(struct walk *walk, uint64_t align, uint64_t size, struct copy_extent *piece);

#endif
