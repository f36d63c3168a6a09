/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The copy of the database's rows that a pool carries, in the segment "rows" of its
 * first device.
 *
 * The segment has two slots, one in each half, which are written in turn. A slot is a
 * block of 4096 bytes and then the copy. Numbers are little-endian; bytes that are not
 * named here are 0.
 *
 *	offset	size
 *	0	8	magic "BVOLROWS"
 *	8	4	version, 1
 *	12	4	CRC-32C of the block with this field 0
 *	16	16	UUID of the pool
 *	32	8	generation; the higher one is the newer one
 *	40	8	when it was written, in nanoseconds since 1970
 *	48	8	length of the copy in bytes
 *	56	64	SHA-256 of the copy, in hexadecimal digits
 *	120	64	name of the node that wrote it, filled up with 0
 *
 * The copy is written and flushed before its block is. A crash leaves a block that does
 * not fit what lies behind it, and the other slot whole.
 *
 * The copy consists of records (store/records.h): the pool's own row, the provider's
 * rows, and those of its volumes, snapshots, groups and their snapshots, and of the
 * types of its volumes. Exports, with their secrets, and jobs are not in it.
 */
#ifndef BVOL_THIN_KEPT_H
#define BVOL_THIN_KEPT_H

#include "provider/thin/disk.h"
#include "util/sha256.h"

struct kept {
	uint64_t generation, at, length;
	char hash[SHA256_TEXT];
	char node[64];
	bool older;	/* a newer one was cut off or is damaged */
};

/* Bytes that a copy may have. */
size_t kept_room(const struct label *label);
/*
 * Write it into the older slot, and read it back, unless the newer one has the same
 * bytes. ret, which may be NULL, becomes what is there then. -EFBIG: it does not fit.
 */
int kept_write(const struct disk *first, const void *data, size_t n, uint64_t at,
	       struct kept *ret, struct err *e);
/*
 * The newest one that is whole; *data is malloc()ed. 1: there is none. -EBADMSG: there
 * is, but none is whole. -EPROTO: a later version has written one.
 */
int kept_read(const struct disk *first, struct kept *ret, void **data, struct err *e);

#endif
