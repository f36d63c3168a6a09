/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read or written: a block device or a file, and what it can take. */
#ifndef BVOL_COPY_TARGET_H
#define BVOL_COPY_TARGET_H

#include "copy/copy.h"

/* Nobody has larger blocks. */
#define TARGET_ALIGN_MAX	(64u << 10)
/* Larger requests gain nothing, and neither does more of them than this holds. */
#define TARGET_REQUEST_MAX	(1u << 20)
#define TARGET_IN_FLIGHT_MAX	(8u << 20)

struct target {
	char *path;
	int fd;
	bool block;		/* or a regular file */
	bool direct;		/* past the page cache */
	bool merges;		/* takes request_size also in pages of 4 KiB each, see below */
	bool can_discard;
	uint64_t size;
	uint32_t align;		/* of direct I/O: offsets, lengths and memory; a power of two */
	uint32_t request_size;	/* what the device takes in one piece, a power of two */
	unsigned int depth;
};

/*
 * To be written, a block device is opened for this run alone, a file is locked
 * against other runs. -EBUSY, -EINVAL, other errors of opening.
 */
int target_open(struct target *target, const char *path, bool write, struct err *e);
void target_close(struct target *target);
/* All that was written is durable when it returns 0. */
int target_flush(struct target *target, struct err *e);
/* -EOPNOTSUPP. A file gets a hole. */
int target_discard(struct target *target, uint64_t offset, uint64_t length, struct err *e);

/*
 * Bytes that are not whole blocks, between begin and end while no request is
 * under way: a device's block is read, changed and written back, so that no
 * more than that block is touched; a file's bytes go through the page cache,
 * because its last block may be a part of one. end flushes what was written.
 */
int target_edges_begin(struct target *target, struct err *e);
int target_edges_end(struct target *target, bool wrote, struct err *e);
/* Within one block; block is memory for it, aligned to it. */
int target_edge_read(struct target *target, uint8_t *block, uint64_t offset, uint8_t *bytes,
		     size_t length, struct err *e);
int target_edge_write(struct target *target, uint8_t *block, uint64_t offset, const uint8_t *bytes,
		      size_t length, struct err *e);
/* The sentence for what failed: verb, device, offset and reason. Returns code. */
int target_failed(const struct target *target, const char *verb, uint64_t offset, int code,
		  struct err *e);

#endif
