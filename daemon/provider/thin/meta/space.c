// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "provider/thin/meta/reader.h"
#include "util/cleanup.h"

/* In a bitmap: more than it can tell, the other tree has it. */
#define MANY 3

struct counting {
	struct meta *m;
	const struct disk_space_map *map;
	uint64_t total;
	/*
	 * The chunks' map, whose index is a tree. Of the blocks' map, with an index of
	 * one block, what is said about the whole isn't checked: thin_restore leaves
	 * totals behind that are those of a moment before.
	 */
	bool chunks;
	uint64_t next;			/* index of the next block of counts */
	uint64_t in_use;		/* counts that were not 0 */
	struct cursor many;
	uint8_t *bitmaps;		/* INDEX_ENTRIES blocks */
	uint64_t begin, length;		/* what has the same count */
	uint32_t count;
	meta_count_fn fn;
	void *data;
};

static int count_end(struct counting *x)
{
	return x->count && x->length ? x->fn(x->begin, x->length, x->count, x->data) : 0;
}

static int count_add(struct counting *x, uint64_t at, uint32_t count)
{
	int code = 0;

	if (count != x->count || at != x->begin + x->length) {
		code = count_end(x);
		x->begin = at;
		x->length = 0;
		x->count = count;
	}
	x->in_use += count > 0;
	x->length++;
	return code;
}

/* The count of one of which the bitmap in block says that it is MANY. */
static int find_many(struct counting *x, uint64_t block, uint64_t at, uint32_t *ret, struct err *e)
{
	const struct level *l;
	int code = cursor_leaf(&x->many, e);

	if (code < 0)
		return code;
	l = code ? cursor_level(&x->many) : NULL;
	if (!l || node_key(&l->node, l->at) != at)
		return damaged(block, e, "number %" PRIu64 " is used more often than it can tell, "
			       "but how often is nowhere", at);
	*ret = le32toh(*(const uint32_t *)node_value(&l->node, l->at, sizeof(*ret)));
	if (*ret < MANY)
		return damaged(l->node.block, e, "a count of %" PRIu32 " is too low for it", *ret);
	cursor_skip(&x->many);
	return 0;
}

/* The two bits are in the order of a big-endian number. */
static uint32_t bitmap_get(const uint8_t *counts, uint32_t i)
{
	uint32_t bits = counts[i / 4] >> i % 4 * 2;

	return (bits & 1) << 1 | (bits >> 1 & 1);
}

static int count_bitmap(struct counting *x, const uint8_t *data, const struct disk_bitmap *entry,
			struct err *e)
{
	const uint8_t *counts = data + sizeof(struct disk_head);
	uint64_t block = le64toh(entry->block), first = x->next++ * COUNTS_PER_BLOCK;
	uint64_t left = x->total - first;
	uint32_t valid = left < COUNTS_PER_BLOCK ? (uint32_t)left : COUNTS_PER_BLOCK, unused = 0;
	int code = check_seal(data, block, SALT_BITMAP, e);

	for (uint32_t i = 0; !code && i < COUNTS_PER_BLOCK; i++) {
		uint32_t count = bitmap_get(counts, i);

		if (count && i >= valid)
			return damaged(block, e, "it counts what is behind the end of the device");
		if (i >= valid)
			break;
		unused += !count;
		if (count == MANY)
			code = find_many(x, block, first + i, &count, e);
		if (!code)
			code = count_add(x, first + i, count);
	}
	/* The kernel takes what is behind the end for free as well. */
	if (!code && x->chunks && le32toh(entry->free) != unused &&
	    le32toh(entry->free) != unused + COUNTS_PER_BLOCK - valid)
		return damaged(block, e, "%" PRIu32 " counts in it are 0, its index tells of %" PRIu32,
			       unused, le32toh(entry->free));
	return code;
}

/* Entries of an index in a row, read from block. */
static int count_entries(struct counting *x, uint64_t block, const struct disk_bitmap *entries,
			 uint32_t n, struct err *e)
{
	struct span spans[INDEX_ENTRIES];
	size_t n_spans = 0;
	int code;

	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		struct span one = { le64toh(entries[i].block), 1, x->bitmaps + (size_t)i * META_BLOCK };

		if (!source_has(&x->m->source, one.block))
			return damaged(block, e, "it refers to block %" PRIu64 " of %" PRIu64, one.block,
				       x->m->source.blocks);
		if (!n_spans || !source_join(&spans[n_spans - 1], &one))
			spans[n_spans++] = one;
	}
	code = source_read(&x->m->source, spans, n_spans, e);
	for (uint32_t i = 0; !code && i < n; i++)
		code = count_bitmap(x, x->bitmaps + (size_t)i * META_BLOCK, &entries[i], e);
	return code;
}

static uint64_t index_length(const struct counting *x)
{
	return x->total / COUNTS_PER_BLOCK + (x->total % COUNTS_PER_BLOCK != 0);
}

static int count_leaf(struct counting *x, const struct node *leaf, struct err *e)
{
	for (uint32_t i = 0; i < leaf->n; i++)
		if (node_key(leaf, i) != x->next + i)
			return damaged(leaf->block, e, "the counts from %" PRIu64 " on are missing",
				       (x->next + i) * COUNTS_PER_BLOCK);
	return count_entries(x, leaf->block, node_value(leaf, 0, sizeof(struct disk_bitmap)), leaf->n, e);
}

/* The chunks' index is a tree. */
static int count_tree(struct counting *x, uint64_t root, struct err *e)
{
	struct tree tree = { .root = root, .end = index_length(x),
			     .value_size = sizeof(struct disk_bitmap) };
	struct cursor c;
	int code = cursor_open(&c, &x->m->source, &tree, e);

	if (code)
		return code;
	while ((code = cursor_leaf(&c, e)) > 0 &&
	       !(code = count_leaf(x, &cursor_level(&c)->node, e)))
		cursor_skip_entries(&c, cursor_level(&c)->node.n);
	cursor_close(&c);
	return code;
}

/* The blocks' index is one block. */
static int count_index(struct counting *x, uint64_t root, struct err *e)
{
	_cleanup_free_ uint8_t *data = source_buffer(1, e);
	struct span span = { root, 1, data };
	int code;

	if (!data)
		return -ENOMEM;
	if ((code = source_read(&x->m->source, &span, 1, e)) ||
	    (code = check_seal(data, root, SALT_INDEX, e)))
		return code;
	return count_entries(x, root, (const void *)(data + sizeof(struct disk_head)),
			     (uint32_t)index_length(x), e);
}

static int count_all(struct counting *x, struct err *e)
{
	uint64_t root = le64toh(x->map->bitmaps), used = le64toh(x->map->used);
	int code = x->chunks ? count_tree(x, root, e) : count_index(x, root, e);

	if (code)
		return code;
	if (x->next != index_length(x))
		return damaged(root, e, "the counts from %" PRIu64 " on are missing",
			       x->next * COUNTS_PER_BLOCK);
	if ((code = cursor_leaf(&x->many, e)))
		return code < 0 ? code : damaged(le64toh(x->map->counts), e,
						 "it has counts that no bitmap refers to it for");
	if (x->chunks && x->in_use != used)
		return damaged(root, e, "%" PRIu64 " counts below it are not 0, the superblock tells of %" PRIu64,
			       x->in_use, used);
	return count_end(x);
}

static int count(struct meta *m, bool chunks, meta_count_fn fn, void *data, struct err *e)
{
	const struct disk_space_map *map = chunks ? &m->data_map : &m->block_map;
	struct counting x = { .m = m, .map = map, .total = le64toh(map->total), .chunks = chunks,
			      .fn = fn, .data = data };
	struct tree many = { .root = le64toh(map->counts), .end = x.total,
			     .value_size = sizeof(uint32_t) };
	int code;

	if (!m->committed)
		return err_set(e, -ENODATA, "a metadata snapshot has no space maps");
	if (!source_has(&m->source, le64toh(map->bitmaps)) || !source_has(&m->source, many.root))
		return damaged(0, e, "its space map refers to blocks %" PRIu64 " and %" PRIu64 " of %" PRIu64,
			       le64toh(map->bitmaps), many.root, m->source.blocks);
	x.bitmaps = source_buffer(INDEX_ENTRIES, e);
	code = x.bitmaps ? cursor_open(&x.many, &m->source, &many, e) : -ENOMEM;
	if (!code)
		code = count_all(&x, e);
	cursor_close(&x.many);
	free(x.bitmaps);
	return code;
}

int meta_chunk_counts(struct meta *m, meta_count_fn fn, void *data, struct err *e)
{
	return count(m, true, fn, data, e);
}

int meta_block_counts(struct meta *m, meta_count_fn fn, void *data, struct err *e)
{
	return count(m, false, fn, data, e);
}
