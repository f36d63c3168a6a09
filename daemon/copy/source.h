/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a backup reads. A kind of source is one file: a file or device reads
 * by source_file(); one that knows more (which extents changed since the
 * parent) says so in its ops.
 */
#ifndef BVOL_COPY_SOURCE_H
#define BVOL_COPY_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "copy/copy.h"
#include "util/err.h"

struct source;

enum source_state {
	SOURCE_DATA,		/* has to be read */
	SOURCE_ZERO,		/* reads as zeroes, for sure */
	SOURCE_SAME,		/* as it was when the parent was made, for sure */
};

struct source_ops {
	void (*free)(struct source *source);
	/*
	 * What is at offset, and how far that goes: *length is at most what it was, and 1
	 * at least. Any thread; has_parent: SOURCE_SAME is of use.
	 */
	int (*state)(struct source *source, uint64_t offset, uint64_t *length, bool has_parent,
		     enum source_state *ret, struct err *e);
};

struct source {
	const struct source_ops *ops;
	int fd;			/* read with pread and io_uring */
	uint64_t size;		/* bytes */
	bool direct;		/* fd is O_DIRECT: whole blocks of align bytes, but for the end */
	const char *name;	/* for sentences */
	atomic_uint refs;	/* beside the first one */
};

/* A regular file, holes of which are not read, or a block device. -EINVAL: neither. */
int source_file(const char *path, struct source **ret, struct err *e);
/*
 * One of which it is known what it maps: what lies in no mapped extent reads
 * as zeroes, what lies in one that is the same as in the parent's need not be
 * read. Both lists in order of offsets, none overlapping in itself; they are
 * copied. What is said to be the same and is not mapped is zeroes. -EINVAL: out
 * of order, or they overlap; -ERANGE: they end behind the source.
 */
int source_extents(const char *path, const struct copy_extent *mapped, size_t n_mapped,
		   const struct copy_extent *same, size_t n_same, struct source **ret, struct err *e);

/* For kinds of sources: fd, size, direct and name, for backup_source_close(). -EINVAL: neither file nor device. */
int backup_source_open(const char *path, struct source *source, struct err *e);
/* Also what was not opened or not as a whole. */
void backup_source_close(struct source *source);
/* One more reference, for another backup_source_free(). */
struct source *backup_source_ref(struct source *source);
/* The last one frees it. Takes NULL, returns NULL. */
struct source *backup_source_free(struct source *source);

#endif
