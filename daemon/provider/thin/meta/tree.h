/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One of the metadata's trees: looking up a key, and a cursor that goes from
 * left to right and leaves it to its user into which subtrees.
 *
 * Every node is checked against what its parent says of it. As its keys are
 * those that its parent leaves to it, and only an empty tree has an empty
 * node, no walk comes to a leaf twice, however the blocks refer to each other.
 */
#ifndef BVOL_THIN_META_TREE_H
#define BVOL_THIN_META_TREE_H

#include <endian.h>

#include "provider/thin/meta/format.h"
#include "provider/thin/meta/source.h"

/* The kernel keeps a node at least a third full, so that BLOCKS_MAX blocks have no more than 6. */
#define TREE_LEVELS	8
#define TREE_CHILDREN	((META_BLOCK - (int)sizeof(struct disk_node)) / 16)

struct tree {
	uint64_t root;
	uint64_t end;		/* keys lie below */
	uint32_t value_size;	/* of a leaf */
	bool mappings;		/* the values are chunks, below this one, with times */
	uint64_t chunks;
};

struct node {
	const struct disk_node *disk;
	uint64_t block;
	uint64_t begin, end;	/* keys lie in between */
	uint32_t n;
	bool leaf;
};

static inline uint64_t node_key(const struct node *node, uint32_t i)
{
	return le64toh(node->disk->keys[i]);
}

static inline const void *node_value(const struct node *node, uint32_t i, uint32_t size)
{
	return (const uint8_t *)&node->disk->keys[le32toh(node->disk->max_entries)] + (size_t)i * size;
}

static inline uint64_t node_number(const struct node *node, uint32_t i)
{
	return le64toh(*(const uint64_t *)node_value(node, i, sizeof(uint64_t)));
}

static inline uint64_t node_chunk(const struct node *node, uint32_t i)
{
	return node_number(node, i) >> TIME_BITS;
}

/* Keys that child i may have end before this one. */
static inline uint64_t node_child_end(const struct node *node, uint32_t i)
{
	return i + 1 < node->n ? node_key(node, i + 1) : node->end;
}

/* The last entry whose key is not above key; 0 too when there is none. */
uint32_t node_find(const struct node *node, uint64_t key);

/* Copy the value of key. -ENOENT without a sentence. */
int tree_find(struct source *s, const struct tree *tree, uint64_t key, void *value, struct err *e);

/* Children of one node that were read together, one behind the other: the processor's cache likes it. */
struct fetched {
	uint8_t *to;
	uint32_t n;
	uint8_t place[TREE_CHILDREN];	/* by the child's number, from 1 on; 0: not read */
};

struct level {
	struct node node;
	uint32_t at;		/* entry at which the cursor stands */
	struct fetched children;
};

struct cursor {
	struct source *source;
	struct tree tree;
	bool whole;		/* it stands before the whole tree */
	uint32_t depth;		/* levels in use */
	uint32_t height;	/* of the tree, 0: not known yet */
	uint8_t *root;
	struct level *levels;	/* TREE_LEVELS */
	/*
	 * Will the user want child i of the node, and the cursor come to it? Then
	 * it is read with those before it. NULL: every one.
	 */
	bool (*wants)(const struct cursor *c, const struct node *node, uint32_t i);
	void *data;
};

int cursor_open(struct cursor *c, struct source *s, const struct tree *tree, struct err *e);
/* Another tree, with the memory that is there. */
void cursor_restart(struct cursor *c, const struct tree *tree);
/* Takes one that is all 0 as well. */
void cursor_close(struct cursor *c);

enum place { PLACE_END, PLACE_SUBTREE, PLACE_ENTRY };

static inline struct level *cursor_level(struct cursor *c)
{
	return &c->levels[c->depth - 1];
}

static inline enum place cursor_place(const struct cursor *c)
{
	if (c->whole)
		return PLACE_SUBTREE;
	if (!c->depth)
		return PLACE_END;
	return c->levels[c->depth - 1].node.leaf ? PLACE_ENTRY : PLACE_SUBTREE;
}

/* Of a subtree: its block; first key that it may have, and the first that it may not. */
uint64_t cursor_block(const struct cursor *c);
uint64_t cursor_begin(const struct cursor *c);
uint64_t cursor_end(const struct cursor *c);

/* To what follows this subtree or entry; then also to what follows n entries of a leaf. */
void cursor_skip(struct cursor *c);
void cursor_skip_entries(struct cursor *c, uint32_t n);
/* From a subtree to its first child or entry. */
int cursor_enter(struct cursor *c, struct err *e);
/* Into the first leaf of a subtree; 1 when the cursor stands at an entry then, 0 at the end. */
int cursor_leaf(struct cursor *c, struct err *e);

#endif
