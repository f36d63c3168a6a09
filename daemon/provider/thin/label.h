/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The label says whose a block device is and what lies where on it.
 *
 * It is a block of 4096 bytes at offset 0, with a copy at 512 KiB. Numbers are
 * little-endian; bytes that are not named here are 0.
 *
 *	offset	size
 *	0	8	magic "BVOLPOOL"
 *	8	4	version, 2; 1 has no owner
 *	12	4	CRC-32 (IEEE 802.3) of the block with this field 0
 *	16	16	UUID of the pool
 *	32	4	index of the device in the pool
 *	36	4	number of the pool's devices; what device 0 says counts
 *	40	4	state: on device 0 of the pool, 0 in the making, 1 ready; 2 on a
 *		spare, which has no number yet and waits to become a device of it
 *	44	4	chunk size in bytes
 *	48	8	size of the device in bytes when it was labelled
 *	56	4	number of segments
 *	64	24 each	segments: role (4), 0 (4), offset (8), length (8) in bytes
 *	1024	4	owner, on device 0: 0 not told, 1 the node below, 2 none, free to take
 *	1032	8	how often the owner has changed
 *	1040	16	id of the node, see sys/node.h
 *	1056	64	its name, for people; filled up with 0
 *	1120	4	1 on device 0: metadata and spare have changed roles, in a repair
 *
 * Roles: 1 label, 2 rows (room for a copy of the database's rows), 3 metadata,
 * 4 metadata spare (as large, for a repair), 5 data, 6 room, into which the
 * metadata or the spare before it grows, or which becomes the one (the first) or
 * the other where the device has none. Each device has a label and a data segment,
 * a spare device a label alone; rows are on device 0. The pool's data is that of
 * its devices one after the other, and so are its metadata and their spare.
 *
 * A pool becomes ready once, after its metadata was formatted; metadata of a
 * ready pool is never formatted again. A device that is added is labelled first;
 * it is one of the pool's from the moment at which device 0 counts it.
 *
 * Thin pools are for one node at a time. The owner is written before a node
 * uses a pool for the first time, and nobody opens a pool that is another
 * node's: who takes one over by force has to know that the other is dead.
 */
#ifndef BVOL_THIN_LABEL_H
#define BVOL_THIN_LABEL_H

#include <stdbool.h>
#include <stdint.h>

#include "bvol.h"
#include "util/err.h"

#define LABEL_SIZE		4096
/* Most that dm-thin's tools take for metadata, below dm-thin's own 15.94 GiB. */
#define LABEL_METADATA_MAX	(UINT64_C(16192) << 20)
#define LABEL_COPY		(512 * 1024)
#define LABEL_SEGMENTS_MAX	8
#define LABEL_DEVICES_MAX	64

enum label_role {
	LABEL_SELF = 1,
	LABEL_ROWS,
	LABEL_METADATA,
	LABEL_SPARE,
	LABEL_DATA,
	LABEL_ROOM,
};

enum label_owned { LABEL_UNTOLD, LABEL_OWNED, LABEL_FREE };

#define LABEL_NODE_MAX 63

struct label_owner {
	enum label_owned state;
	uint64_t generation;
	struct bvol_uuid node;
	char name[LABEL_NODE_MAX + 1];
};

struct label_segment {
	uint32_t role;
	uint64_t offset, length;	/* bytes */
};

struct label {
	struct bvol_uuid pool_id;
	uint32_t index, count;
	bool ready, spare;
	uint32_t chunk_size;		/* bytes */
	uint64_t device_size;		/* bytes */
	uint32_t n_segments;
	struct label_segment segments[LABEL_SEGMENTS_MAX];
	struct label_owner owner;
	bool swapped;			/* the metadata are in the spare's segments, and the other way round */
};

/*
 * Fill in the segments of a pool's device with this index; size: bytes that metadata
 * on it have to serve, on device 0 those of the whole pool, on one that is added to
 * a pool its own, else 0. -ENOSPC: it is too small.
 */
int label_plan(struct label *label, uint64_t size, const char *path, struct err *e);
/*
 * Let the metadata, and their spare, grow by up to length bytes (a multiple of
 * 1 MiB) into the room on this device; returns how many it has become.
 */
uint64_t label_grow(struct label *label, uint64_t length);
/* NULL when the label has none. */
const struct label_segment *label_find(const struct label *label, enum label_role role);

/* Make this node its owner, or nobody (LABEL_FREE). */
void label_own(struct label *label, enum label_owned state);
/*
 * 1: it is this node's. 0: nobody has been told (LABEL_UNTOLD). -EBUSY with the
 * sentence: it is another node's, or free.
 */
int label_is_mine(const struct label *label, const char *pool, struct err *e);

void label_encode(const struct label *label, uint8_t block[LABEL_SIZE]);
/*
 * 1 no label, -EBADMSG a damaged one, -EPROTO one of a later version; e gets no
 * sentence.
 */
int label_decode(const uint8_t block[LABEL_SIZE], struct label *label);

/*
 * On the device open at fd, past the page cache. path is for sentences. read:
 * as label_decode(), of the first copy that is whole; nothing is written.
 * write: durable and read back when it returns 0. erase: takes both copies away.
 */
int label_read(int fd, const char *path, struct label *label, struct err *e);
int label_write(int fd, const char *path, const struct label *label, struct err *e);
int label_erase(int fd, const char *path, struct err *e);

/* Zeroes, durable, for LABEL_SIZE bytes at offset. */
int label_zero(int fd, const char *path, uint64_t offset, struct err *e);

#endif
