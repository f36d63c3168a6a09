/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a thin pool's metadata says, read from its device: which chunks of the
 * data device each thin device maps, which of them it has alone, and in what
 * two devices differ.
 *
 * All addresses and lengths of mappings are in chunks of the pool
 * (meta_pool.chunk_size bytes): begin on the thin device, data on the pool's
 * data device. A block is one of META_BLOCK bytes on the metadata device.
 *
 * Nothing here writes but what copy.c has, into another place. Everything that is read is checked, so that damaged
 * metadata ends in -EUCLEAN with the block's number in the sentence. Time is
 * bounded by the size of the metadata, memory by META_MEMORY, whatever either
 * of them says of itself; meta_exclusive() and meta_unmapped() take a bit for
 * each chunk of the pool besides.
 *
 * Besides the errors that a function names, each returns -EIO when the device
 * can't be read, -EUCLEAN, -ENOMEM, -ECANCELED, and what a callback returned
 * that was not 0: that ends it, and the callback has filled in the sentence.
 * What callbacks were given before an error is a part, and may be wrong.
 *
 * The functions block, and a reader belongs to one thread at a time.
 */
#ifndef BVOL_THIN_META_H
#define BVOL_THIN_META_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define META_BLOCK	4096
#define META_MEMORY	(32 << 20)
#define META_DEVICES	(UINT32_C(1) << 24)	/* ids of thin devices lie below */

/* The metadata as last committed, of a pool that isn't active. */
#define META_COMMITTED	0

struct meta;

struct meta_pool {
	uint64_t transaction_id;
	uint64_t snapshot;		/* block of the metadata snapshot that is held, 0: none */
	uint64_t chunk_size;		/* bytes */
	uint64_t chunks, chunks_used;	/* of the data device, at the last commit */
	uint64_t blocks, blocks_used;	/* of the metadata device, at the last commit */
	uint32_t time;			/* how many snapshots there have been */
	bool needs_check;
};

struct meta_device {
	uint32_t id;
	uint64_t mapped;		/* chunks */
	uint64_t transaction_id;	/* of the pool, at its creation */
	/* As in meta_pool.time: at its creation, and when it was last a snapshot or one's origin. */
	uint32_t created, snapshotted;
};

/* As many chunks in a row on both devices. */
struct meta_extent {
	uint64_t begin, data, length;
};

/* META_LEFT is mapped on the left alone. */
enum meta_side { META_SAME, META_CHANGED, META_LEFT, META_RIGHT };

struct meta_change {
	enum meta_side side;
	uint64_t begin, length;
	uint64_t left, right;	/* data, 0 on a side that doesn't map it */
};

typedef int (*meta_device_fn)(const struct meta_device *device, void *data);
typedef int (*meta_extent_fn)(const struct meta_extent *extent, void *data);
typedef int (*meta_change_fn)(const struct meta_change *change, void *data);
/* length chunks or blocks from begin on are each used count times; count is not 0. */
typedef int (*meta_count_fn)(uint64_t begin, uint64_t length, uint32_t count, void *data);

/*
 * path: a block device or a file. snapshot: META_COMMITTED, or the block of the
 * metadata snapshot that the pool holds, as its status tells it; it must stay
 * held until meta_close(). *cancel, unless cancel is NULL, may be set from any
 * thread and ends what is going on. -ESTALE when the pool holds no such
 * snapshot, -EOPNOTSUPP when a later kernel has written what isn't known here,
 * or an errno of open().
 */
int meta_open(const char *path, uint64_t snapshot, const atomic_bool *cancel, struct meta **ret,
	      struct err *e);
/* Takes NULL, returns NULL. */
struct meta *meta_close(struct meta *m);

/* Lives as long as m. */
const struct meta_pool *meta_pool(const struct meta *m);
/* Blocks read since meta_open(). */
uint64_t meta_blocks_read(const struct meta *m);

/* All thin devices, by their ids. */
int meta_devices(struct meta *m, meta_device_fn fn, void *data, struct err *e);
/* Are the two trees that list the devices sound, as far as the devices' own trees? */
int meta_lists(struct meta *m, struct err *e);
/* -ENOENT */
int meta_device(struct meta *m, uint32_t id, struct meta_device *ret, struct err *e);

/* All that the device maps, in the order of begin, neighbours joined. -ENOENT */
int meta_mapped(struct meta *m, uint32_t id, meta_extent_fn fn, void *data, struct err *e);

/*
 * What the device maps and no other device does, as meta_mapped() gives it. A
 * mapping made after the device was last a snapshot or one's origin is the
 * device's alone; about older ones, the trees of all other devices decide.
 * walk: let the trees decide about all, for metadata whose time stamps are not
 * the kernel's own, as after a repair. -ENOENT
 */
int meta_exclusive(struct meta *m, uint32_t id, bool walk, meta_extent_fn fn, void *data,
		   struct err *e);

/* Runs of chunks that no device maps, in their order; begin and data are the same. */
int meta_unmapped(struct meta *m, meta_extent_fn fn, void *data, struct err *e);

/*
 * In what two devices differ, in the order of begin, neighbours joined where
 * they are so on all devices. What both map to the same chunk, META_SAME, is
 * left out unless same is set: then all that they share has to be read, else
 * the cost follows the difference. -ENOENT
 */
int meta_diff(struct meta *m, uint32_t left, uint32_t right, bool same, meta_change_fn fn,
	      void *data, struct err *e);

/*
 * How often each chunk, or each block, is used, from the pool's space maps;
 * neighbours of equal count joined. -ENODATA of a metadata snapshot, which has
 * no space maps.
 */
int meta_chunk_counts(struct meta *m, meta_count_fn fn, void *data, struct err *e);
int meta_block_counts(struct meta *m, meta_count_fn fn, void *data, struct err *e);

/*
 * Read everything that the superblock, or the metadata snapshot, refers to, and
 * without a snapshot compare the space maps with what is really used. fn gets a
 * sentence for each thing that is wrong, here what can't be read too; harmless:
 * space that is not used counts as used. 0 when all was looked at, whatever was
 * found; where a node is damaged, what lies below it is not known, and counts
 * are not compared. Takes 2 bytes for each chunk and 7 for each block besides.
 */
typedef int (*meta_fault_fn)(bool harmless, const char *sentence, void *data);
int meta_check(struct meta *m, meta_fault_fn fn, void *data, struct err *e);

/*
 * Write what m uses, which was checked, to the same places of the device or file
 * at path, the superblock last; durable then. -ENOSPC: it is smaller.
 */
int meta_copy(struct meta *m, const char *path, struct err *e);
/*
 * Of metadata at path that no kernel uses: this is its transaction id, and it needs
 * no check. Read back when it returns 0. A crash leaves the old or the new superblock,
 * if the disk writes a sector as a whole.
 */
int meta_stamp(const char *path, uint64_t transaction_id, struct err *e);

#endif
