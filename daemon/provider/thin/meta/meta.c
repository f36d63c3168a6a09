// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provider/thin/meta/reader.h"
#include "util/cleanup.h"

/* How often a superblock is read, and how long to wait in between. */
#define ATTEMPTS	5
#define PAUSE		(const struct timespec){ .tv_nsec = 10 * 1000 * 1000 }

/* What a superblock and a metadata snapshot have in common. */
static int check_super(const struct disk_super *super, uint64_t block, struct err *e)
{
	uint32_t sectors = le32toh(super->chunk_sectors), version = le32toh(super->version);

	if (le64toh(super->magic) != SUPER_MAGIC)
		return damaged(block, e, "it is not the superblock of a thin pool");
	if (!version || version > SUPER_VERSION || super->incompat)
		return err_set(e, -EOPNOTSUPP,
			       "the pool's metadata has version %" PRIu32 " and features %#" PRIx32
			       " that are not known here; use a newer bvol",
			       version, le32toh(super->incompat));
	if (le32toh(super->block_sectors) != META_BLOCK / SECTOR)
		return damaged(block, e, "it tells of blocks of %" PRIu32 " sectors",
			       le32toh(super->block_sectors));
	if (sectors < CHUNK_SECTORS_MIN || sectors > CHUNK_SECTORS_MAX || sectors % CHUNK_SECTORS_MIN)
		return damaged(block, e, "it tells of chunks of %" PRIu32 " sectors", sectors);
	if (le32toh(super->time) >> TIME_BITS)
		return damaged(block, e, "its time %" PRIu32 " is out of range", le32toh(super->time));
	return 0;
}

/*
 * That of an active pool may be read while the kernel writes it: what is half
 * of each is not damaged yet.
 */
static int read_super(struct meta *m, uint64_t block, struct disk_super *super, struct err *e)
{
	_cleanup_free_ void *data = source_buffer(1, e);
	struct span span = { block, 1, data };
	int code = -EUCLEAN;

	if (!data)
		return -ENOMEM;
	for (int i = 1; code == -EUCLEAN && i <= ATTEMPTS; i++) {
		code = source_read(&m->source, &span, 1, e);
		if (code)
			return code;
		code = check_seal(data, block, SALT_SUPER, i == ATTEMPTS ? e : NULL);
		if (code && i < ATTEMPTS)
			nanosleep(&PAUSE, NULL);
	}
	if (code || (code = check_super(data, block, e)))
		return code;
	memcpy(super, data, sizeof(*super));
	return 0;
}

/* Sizes that the pool had at its last commit; they only grow, so they hold for a snapshot too. */
static int take_sizes(struct meta *m, const struct disk_super *super, struct err *e)
{
	struct meta_pool *pool = &m->pool;

	m->data_map = super->data;
	m->block_map = super->metadata;
	pool->chunk_size = (uint64_t)le32toh(super->chunk_sectors) * SECTOR;
	pool->chunks = le64toh(super->data.total);
	pool->chunks_used = le64toh(super->data.used);
	pool->blocks = le64toh(super->metadata.total);
	pool->blocks_used = le64toh(super->metadata.used);
	pool->snapshot = le64toh(super->snapshot);
	if (pool->blocks > BLOCKS_MAX || pool->blocks_used > pool->blocks)
		return damaged(0, e, "it tells of %" PRIu64 " of %" PRIu64 " blocks in use",
			       pool->blocks_used, pool->blocks);
	if (pool->blocks > m->source.blocks)
		return damaged(0, e, "it tells of %" PRIu64 " blocks, its device has %" PRIu64,
			       pool->blocks, m->source.blocks);
	m->source.blocks = pool->blocks;
	/* Each block of counts stands for so many chunks. */
	if (pool->chunks > pool->blocks * COUNTS_PER_BLOCK || pool->chunks_used > pool->chunks)
		return damaged(0, e, "it tells of %" PRIu64 " of %" PRIu64 " chunks in use",
			       pool->chunks_used, pool->chunks);
	if (pool->snapshot && !source_has(&m->source, pool->snapshot))
		return damaged(0, e, "it refers to block %" PRIu64 " of %" PRIu64, pool->snapshot,
			       pool->blocks);
	return 0;
}

static int take_trees(struct meta *m, uint64_t block, const struct disk_super *super, struct err *e)
{
	uint64_t mappings = le64toh(super->mappings), devices = le64toh(super->devices);

	m->pool.transaction_id = le64toh(super->transaction_id);
	m->pool.time = le32toh(super->time);
	m->pool.needs_check = le32toh(super->head.flags) & SUPER_NEEDS_CHECK;
	m->mappings = (struct tree){ .root = mappings, .end = META_DEVICES,
				     .value_size = sizeof(uint64_t) };
	m->devices = (struct tree){ .root = devices, .end = META_DEVICES,
				    .value_size = sizeof(struct disk_device) };
	if (!source_has(&m->source, mappings) || !source_has(&m->source, devices))
		return damaged(block, e, "it refers to blocks %" PRIu64 " and %" PRIu64 " of %" PRIu64,
			       mappings, devices, m->pool.blocks);
	return 0;
}

static int take_snapshot(struct meta *m, uint64_t block, struct err *e)
{
	struct disk_super super;
	int code;

	if (m->pool.snapshot != block)
		return err_set(e, -ESTALE, "the pool holds no metadata snapshot at block %" PRIu64, block);
	if ((code = read_super(m, block, &super, e)))
		return code;
	if ((uint64_t)le32toh(super.chunk_sectors) * SECTOR != m->pool.chunk_size)
		return damaged(block, e, "it tells of chunks of another size than the superblock");
	return take_trees(m, block, &super, e);
}

int reader_held(struct meta *m, struct meta *ret, struct err *e)
{
	*ret = *m;
	ret->committed = false;
	return take_snapshot(ret, m->pool.snapshot, e);
}

static int load(struct meta *m, uint64_t snapshot, struct err *e)
{
	struct disk_super super;
	int code = read_super(m, 0, &super, e);

	if (code || (code = take_sizes(m, &super, e)))
		return code;
	m->committed = snapshot == META_COMMITTED;
	return m->committed ? take_trees(m, 0, &super, e) : take_snapshot(m, snapshot, e);
}

int meta_open(const char *path, uint64_t snapshot, const atomic_bool *cancel, struct meta **ret,
	      struct err *e)
{
	struct meta *m = calloc(1, sizeof(*m));
	int code;

	*ret = NULL;
	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	if ((code = source_open(&m->source, path, e))) {
		free(m);
		return code;
	}
	m->source.cancel = cancel;
	if ((code = load(m, snapshot, e)))
		meta_close(m);
	else
		*ret = m;
	return code;
}

struct meta *meta_close(struct meta *m)
{
	if (m)
		source_close(&m->source);
	free(m);
	return NULL;
}

const struct meta_pool *meta_pool(const struct meta *m)
{
	return &m->pool;
}

uint64_t meta_blocks_read(const struct meta *m)
{
	return m->source.blocks_read;
}
