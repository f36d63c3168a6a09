/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's format of a thin pool's metadata. All numbers are little-endian.
 *
 *	block 0		the superblock; a metadata snapshot is a copy of it elsewhere
 *	devices		a tree: id of a thin device to its details
 *	mappings	a tree: id of a thin device to the root of its own tree, which
 *			maps chunks of the device to (chunk of the data device, time)
 *	data map	a tree: n to the block with two bits each for the chunks from
 *			n * COUNTS_PER_BLOCK on, which hold their count up to 2; 3 means
 *			that a second tree maps the chunk to its count
 *	metadata map	the same for blocks, with one block of entries for the first tree
 *
 * Inner nodes of a tree have the first key of each child, or a lower one, and
 * its block.
 */
#ifndef BVOL_THIN_META_FORMAT_H
#define BVOL_THIN_META_FORMAT_H

#include <stdint.h>

#include "provider/thin/meta/meta.h"

/* The checksum is CRC-32C of all behind it, not inverted at its end, by exclusive or with the salt. */
#define SALT_SUPER	160774
#define SALT_NODE	121107
#define SALT_INDEX	160478
#define SALT_BITMAP	240779

#define SUPER_MAGIC		27022010
#define SUPER_VERSION		2	/* 1 of thin_restore, which means the same */
#define SUPER_NEEDS_CHECK	1	/* flags */

#define SECTOR			512
#define CHUNK_SECTORS_MIN	128
#define CHUNK_SECTORS_MAX	2097152

#define NODE_INNER		1	/* flags, exactly one of them */
#define NODE_LEAF		2

#define TIME_BITS		24	/* of a mapping; the chunk is above them */

#define COUNTS_PER_BLOCK	((META_BLOCK - (int)sizeof(struct disk_head)) * 4)
#define INDEX_ENTRIES		255
/* The kernel uses no more of a device. */
#define BLOCKS_MAX		((uint64_t)INDEX_ENTRIES * COUNTS_PER_BLOCK)

/* Every block begins so. */
struct disk_head {
	uint32_t checksum, flags;
	uint64_t block;		/* its own address */
};

struct disk_space_map {
	uint64_t total, used, bitmaps, counts;
};

struct disk_super {
	struct disk_head head;
	uint8_t uuid[16];
	uint64_t magic;
	uint32_t version, time;
	uint64_t transaction_id, snapshot;
	struct disk_space_map data;
	uint8_t unused1[96];
	struct disk_space_map metadata;
	uint8_t unused2[96];
	uint64_t mappings, devices;
	uint32_t chunk_sectors, block_sectors;
	uint64_t blocks;	/* when the pool was made; not kept up to date */
	uint32_t compat, compat_ro, incompat;
};

struct disk_node {
	struct disk_head head;
	uint32_t entries, max_entries, value_size, unused;
	uint64_t keys[];	/* max_entries, then as many values */
};

/* Values of the trees' leaves. */
struct disk_device {
	uint64_t mapped, transaction_id;
	uint32_t created, snapshotted;
};

struct disk_bitmap {
	uint64_t block;
	uint32_t free, first_free;
};

_Static_assert(sizeof(struct disk_super) <= SECTOR, "the superblock fits into a sector");
_Static_assert(__builtin_offsetof(struct disk_super, mappings) == 320, "and has no holes");
_Static_assert(sizeof(struct disk_node) == 32, "a node's keys follow at once");

#endif
