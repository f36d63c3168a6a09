// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Why a time stamp can decide: the pool's time goes on with each snapshot, and
 * origin and snapshot both get the new time as that of their last snapshot. A
 * mapping gets the pool's time when it is made, and is made in one device's
 * tree alone. Other devices come to it by a later snapshot only, which makes
 * the device's time greater than the mapping's. So no earlier one is shared.
 * The reverse doesn't hold: the others may be gone, or map other chunks now.
 */
#include <errno.h>
#include <stdlib.h>

#include "provider/thin/meta/reader.h"
#include "util/cleanup.h"

struct exclusive {
	struct meta *m;
	struct meta_device device;
	bool walk;
	uint64_t *others;	/* a bit for each chunk: another device maps it */
	uint64_t *visited;	/* a bit for each block: its mappings are in others */
	struct run run;
};

static bool test_bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void set_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static uint64_t *bits_new(uint64_t n, struct err *e)
{
	uint64_t *bits = calloc(n / 64 + 1, sizeof(*bits));

	if (!bits)
		err_set(e, -ENOMEM, "out of memory");
	return bits;
}

/* A time that the pool has not come to says nothing. */
static bool decided_by_time(const struct exclusive *x, const struct node *leaf, uint32_t i)
{
	uint64_t time = node_number(leaf, i) & ((1 << TIME_BITS) - 1);

	return !x->walk && time >= x->device.snapshotted && time <= x->m->pool.time;
}

/* 1: it has a mapping that time doesn't decide. */
static int find_undecided(const struct node *leaf, void *data)
{
	for (uint32_t i = 0; i < leaf->n; i++)
		if (!decided_by_time(data, leaf, i))
			return 1;
	return 0;
}

static int add_exclusive(const struct node *leaf, void *data)
{
	struct exclusive *x = data;
	int code = 0;

	for (uint32_t i = 0; !code && i < leaf->n; i++)
		if (decided_by_time(x, leaf, i) || !test_bit(x->others, node_chunk(leaf, i)))
			code = run_add(&x->run, node_key(leaf, i), node_chunk(leaf, i));
	return code;
}

static bool not_visited(const struct cursor *c, const struct node *node, uint32_t i)
{
	const struct exclusive *x = c->data;

	return !test_bit(x->visited, node_number(node, i));
}

/* What devices share has to be seen once. */
static int mark_subtree(struct exclusive *x, struct cursor *c, struct err *e)
{
	uint64_t block = cursor_block(c);

	if (test_bit(x->visited, block)) {
		for (uint32_t i = 0; i < c->depth; i++)
			if (c->levels[i].node.block == block)
				return damaged(block, e, "it lies below itself");
		cursor_skip(c);
		return 0;
	}
	set_bit(x->visited, block);
	return cursor_enter(c, e);
}

static int mark_device(struct exclusive *x, struct cursor *c, const struct tree *tree, struct err *e)
{
	int code = 0;

	cursor_restart(c, tree);
	while (!code && cursor_place(c) != PLACE_END) {
		const struct node *leaf;

		if (cursor_place(c) == PLACE_SUBTREE) {
			code = mark_subtree(x, c, e);
			continue;
		}
		leaf = &cursor_level(c)->node;
		for (uint32_t i = 0; i < leaf->n; i++)
			set_bit(x->others, node_chunk(leaf, i));
		cursor_skip_entries(c, leaf->n);
	}
	return code;
}

/* devices stands at a leaf that leads to the devices' own trees, mappings is free for these. */
static int mark_leaf(struct exclusive *x, struct cursor *devices, struct cursor *mappings,
		     struct err *e)
{
	const struct node *leaf = &cursor_level(devices)->node;
	struct tree tree;
	int code = 0;

	for (uint32_t i = 0; !code && i < leaf->n; i++) {
		uint32_t id = (uint32_t)node_key(leaf, i);

		if (id == x->device.id)
			continue;
		code = reader_tree(x->m, id, node_number(leaf, i), &tree, e);
		if (!code)
			code = mark_device(x, mappings, &tree, e);
	}
	cursor_skip_entries(devices, leaf->n);
	return code;
}

static int mark_others(struct exclusive *x, struct err *e)
{
	struct cursor devices, mappings = { 0 };
	int code = cursor_open(&devices, &x->m->source, &x->m->mappings, e);

	if (code || (code = cursor_open(&mappings, &x->m->source, &x->m->mappings, e)))
		goto out;
	mappings.wants = not_visited;
	mappings.data = x;
	while ((code = cursor_leaf(&devices, e)) > 0 &&
	       !(code = mark_leaf(x, &devices, &mappings, e)))
		;
out:
	cursor_close(&mappings);
	cursor_close(&devices);
	return code;
}

/* A bit for each chunk that a device other than x->device maps. */
static int mark_all(struct exclusive *x, struct err *e)
{
	_cleanup_free_ uint64_t *visited = bits_new(x->m->pool.blocks, e);
	int code;

	x->others = visited ? bits_new(x->m->pool.chunks, e) : NULL;
	if (!x->others)
		return -ENOMEM;
	x->visited = visited;
	code = mark_others(x, e);
	x->visited = NULL;
	return code;
}

int meta_exclusive(struct meta *m, uint32_t id, bool walk, meta_extent_fn fn, void *data,
		   struct err *e)
{
	struct exclusive x = { .m = m, .walk = walk, .run = { .fn = fn, .data = data } };
	int code = meta_device(m, id, &x.device, e);

	if (!code)
		code = reader_leaves(m, id, find_undecided, &x, e);
	if (code < 0)
		return code;
	if (code)
		code = mark_all(&x, e);
	if (!code)
		code = reader_leaves(m, id, add_exclusive, &x, e);
	if (!code)
		code = run_end(&x.run);
	free(x.others);
	return code;
}

int meta_unmapped(struct meta *m, meta_extent_fn fn, void *data, struct err *e)
{
	struct exclusive x = { .m = m, .device.id = META_DEVICES, .run = { .fn = fn, .data = data } };
	int code = mark_all(&x, e);

	for (uint64_t i = 0; !code && i < m->pool.chunks; i++)
		if (!test_bit(x.others, i))
			code = run_add(&x.run, i, i);
	if (!code)
		code = run_end(&x.run);
	free(x.others);
	return code;
}
