// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/meta/tree.h"
#include "util/cleanup.h"

_Static_assert(TREE_CHILDREN <= SOURCE_SPANS && TREE_CHILDREN < UINT8_MAX, "all children of a node are read at once");
_Static_assert(2 * (TREE_LEVELS * TREE_CHILDREN + 256) * META_BLOCK <= META_MEMORY,
	       "two cursors and a bit are not too much");

static int check_shape(const struct node *node, uint32_t value_size, bool root, struct err *e)
{
	uint32_t max = le32toh(node->disk->max_entries), flags = le32toh(node->disk->head.flags);
	uint32_t size = le32toh(node->disk->value_size);

	if (flags != NODE_INNER && flags != NODE_LEAF)
		return damaged(node->block, e, "it is neither an inner node nor a leaf");
	if (size != (node->leaf ? value_size : sizeof(uint64_t)))
		return damaged(node->block, e, "its values have %" PRIu32 " bytes", size);
	if (max > (META_BLOCK - sizeof(*node->disk)) / (sizeof(uint64_t) + size))
		return damaged(node->block, e, "there is no room for %" PRIu32 " entries in it", max);
	if (node->n > max)
		return damaged(node->block, e, "it has %" PRIu32 " of at most %" PRIu32 " entries", node->n, max);
	if (!node->n && !(node->leaf && root))
		return damaged(node->block, e, "it is empty");
	return 0;
}

/* What was read from node->block, of which the parent has told begin and end. */
static int check_node(struct node *node, const void *data, const struct source *s,
		      const struct tree *tree, struct err *e)
{
	uint64_t least = node->begin;
	int code = check_seal(data, node->block, SALT_NODE, e);

	if (code)
		return code;
	node->disk = data;
	node->n = le32toh(node->disk->entries);
	node->leaf = le32toh(node->disk->head.flags) == NODE_LEAF;
	if ((code = check_shape(node, tree->value_size, node->block == tree->root, e)))
		return code;
	for (uint32_t i = 0; i < node->n; i++) {
		uint64_t key = node_key(node, i);

		if (key < least || key >= node->end)
			return damaged(node->block, e, "its key %" PRIu64 " is not from %" PRIu64 " to below %" PRIu64,
				       key, least, node->end);
		least = key + 1;
		if (!node->leaf && !source_has(s, node_number(node, i)))
			return damaged(node->block, e, "it refers to block %" PRIu64 " of %" PRIu64,
				       node_number(node, i), s->blocks);
		if (node->leaf && tree->mappings && node_chunk(node, i) >= tree->chunks)
			return damaged(node->block, e, "it refers to chunk %" PRIu64 " of %" PRIu64,
				       node_chunk(node, i), tree->chunks);
	}
	return 0;
}

uint32_t node_find(const struct node *node, uint64_t key)
{
	uint32_t low = 0, high = node->n;

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (node_key(node, middle) <= key)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int tree_find(struct source *s, const struct tree *tree, uint64_t key, void *value, struct err *e)
{
	_cleanup_free_ uint8_t *data = source_buffer(1, e);
	struct node node = { .block = tree->root, .end = tree->end };

	if (!data)
		return -ENOMEM;
	for (int level = 0; level < TREE_LEVELS; level++) {
		struct span span = { node.block, 1, data };
		int code = source_read(s, &span, 1, e);
		uint32_t i;

		if (code || (code = check_node(&node, data, s, tree, e)))
			return code;
		if (!node.n || key < node_key(&node, 0))
			return -ENOENT;
		i = node_find(&node, key);
		if (node.leaf) {
			if (node_key(&node, i) != key)
				return -ENOENT;
			memcpy(value, node_value(&node, i, tree->value_size), tree->value_size);
			return 0;
		}
		node.begin = node_key(&node, i);
		node.end = node_child_end(&node, i);
		node.block = node_number(&node, i);
	}
	return damaged(node.block, e, "the tree above it has %d levels", TREE_LEVELS);
}

int cursor_open(struct cursor *c, struct source *s, const struct tree *tree, struct err *e)
{
	*c = (struct cursor){ .source = s, .tree = *tree, .whole = true };
	c->root = source_buffer(1, e);
	c->levels = calloc(TREE_LEVELS, sizeof(*c->levels));
	if (c->root && c->levels)
		return 0;
	cursor_close(c);
	return err_set(e, -ENOMEM, "out of memory");
}

void cursor_restart(struct cursor *c, const struct tree *tree)
{
	c->tree = *tree;
	c->whole = true;
	c->depth = 0;
	c->height = 0;
}

void cursor_close(struct cursor *c)
{
	for (int i = 0; c->levels && i < TREE_LEVELS; i++)
		free(c->levels[i].children.to);
	free(c->levels);
	free(c->root);
	*c = (struct cursor){ 0 };
}

/* NULL before the whole tree. */
static const struct level *top(const struct cursor *c)
{
	return c->whole ? NULL : &c->levels[c->depth - 1];
}

uint64_t cursor_block(const struct cursor *c)
{
	const struct level *l = top(c);

	return l ? node_number(&l->node, l->at) : c->tree.root;
}

uint64_t cursor_begin(const struct cursor *c)
{
	const struct level *l = top(c);

	return l ? node_key(&l->node, l->at) : 0;
}

uint64_t cursor_end(const struct cursor *c)
{
	const struct level *l = top(c);

	return l ? node_child_end(&l->node, l->at) : c->tree.end;
}

void cursor_skip_entries(struct cursor *c, uint32_t n)
{
	c->levels[c->depth - 1].at += n;
	while (c->depth && c->levels[c->depth - 1].at == c->levels[c->depth - 1].node.n)
		if (--c->depth)
			c->levels[c->depth - 1].at++;
}

void cursor_skip(struct cursor *c)
{
	if (c->whole)
		c->whole = false;
	else
		cursor_skip_entries(c, 1);
}

static bool is_wanted(const struct cursor *c, const struct level *l, uint32_t i)
{
	if (l->children.place[i])
		return false;
	if (i == l->at)
		return true;
	/* Until the height is known, one can't say much about the next child. */
	return c->height && (!c->wants || c->wants(c, &l->node, i));
}

/* The child at which the cursor stands, and with it those behind it that will be wanted too. */
static int fetch(struct cursor *c, struct level *l, struct err *e)
{
	struct span spans[TREE_CHILDREN];
	struct fetched *f = &l->children;
	size_t n = 0;

	if (!f->to && !(f->to = source_buffer(TREE_CHILDREN, e)))
		return -ENOMEM;
	for (uint32_t i = l->at; i < l->node.n; i++) {
		struct span one = { node_number(&l->node, i), 1, f->to + (size_t)f->n * META_BLOCK };

		if (!is_wanted(c, l, i))
			continue;
		f->place[i] = (uint8_t)++f->n;
		if (!n || !source_join(&spans[n - 1], &one))
			spans[n++] = one;
	}
	return source_read(c->source, spans, n, e);
}

/* What could not be read together with others is asked for alone: they may be what is bad. */
static int fetch_alone(struct cursor *c, struct level *l, struct err *e)
{
	struct span one = { node_number(&l->node, l->at), 1, l->children.to };

	memset(l->children.place, 0, sizeof(l->children.place));
	l->children.n = 0;
	if (source_read(c->source, &one, 1, e))
		return -EIO;
	l->children.place[l->at] = (uint8_t)++l->children.n;
	return 0;
}

/* The bytes of the subtree's root. */
static int read_child(struct cursor *c, const uint8_t **ret, struct err *e)
{
	struct span root = { c->tree.root, 1, c->root };
	struct level *l;
	int code = 0;

	*ret = c->root;
	if (c->whole)
		return source_read(c->source, &root, 1, e);
	l = cursor_level(c);
	if (!l->children.place[l->at]) {
		struct err together = { 0 };

		code = fetch(c, l, &together);
		if (code == -EIO)
			code = fetch_alone(c, l, e);
		else if (code)
			err_set(e, code, "%s", together.text);
	}
	*ret = l->children.to + (size_t)(l->children.place[l->at] - 1) * META_BLOCK;
	return code;
}

/* All leaves are equally far from the root. */
static int check_height(struct cursor *c, const struct node *node, struct err *e)
{
	uint32_t height = c->depth + 1;

	if (node->leaf && !c->height)
		c->height = height;
	if (c->height && node->leaf != (height == c->height))
		return damaged(node->block, e, "leaves are at level %" PRIu32 ", it is at %" PRIu32,
			       c->height, height);
	return 0;
}

int cursor_enter(struct cursor *c, struct err *e)
{
	struct level *l = &c->levels[c->depth];
	struct node node = { .block = cursor_block(c), .begin = cursor_begin(c), .end = cursor_end(c) };
	const uint8_t *data;
	int code;

	if (c->depth == TREE_LEVELS)
		return damaged(node.block, e, "the tree above it has %d levels", TREE_LEVELS);
	if ((code = read_child(c, &data, e)) ||
	    (code = check_node(&node, data, c->source, &c->tree, e)) ||
	    (code = check_height(c, &node, e)))
		return code;
	c->whole = false;
	l->node = node;
	l->at = 0;
	l->children.n = 0;
	memset(l->children.place, 0, sizeof(l->children.place));
	c->depth++;
	/* The root of an empty tree. */
	if (!node.n)
		c->depth = 0;
	return 0;
}

int cursor_leaf(struct cursor *c, struct err *e)
{
	int code = 0;

	while (!code && cursor_place(c) == PLACE_SUBTREE)
		code = cursor_enter(c, e);
	return code ? code : cursor_place(c) == PLACE_ENTRY;
}
