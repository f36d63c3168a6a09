// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two cursors go through both trees side by side. Where both stand before the
 * same block, they have the same below it and skip it. Else the one that stands
 * before the taller subtree enters it, so that both come to the height at which
 * the trees share again, and below that to the entries.
 */
#include "provider/thin/meta/reader.h"

struct diff {
	struct cursor left, right;
	bool same;
	struct meta_change run;
	meta_change_fn fn;
	void *data;
};

static int diff_end(struct diff *d)
{
	return d->run.length ? d->fn(&d->run, d->data) : 0;
}

static bool goes_on(const struct meta_change *run, const struct meta_change *next)
{
	return run->length && next->side == run->side && next->begin == run->begin + run->length &&
	       (run->side == META_RIGHT || next->left == run->left + run->length) &&
	       (run->side == META_LEFT || next->right == run->right + run->length);
}

static int diff_add(struct diff *d, struct meta_change next)
{
	int code;

	if (goes_on(&d->run, &next)) {
		d->run.length++;
		return 0;
	}
	code = diff_end(d);
	next.length = 1;
	d->run = next;
	return code;
}

/* The cursor's entries below the key limit, as far as its leaf goes, are in no other tree, or in both. */
static int add_entries(struct diff *d, struct cursor *c, enum meta_side side, uint64_t limit)
{
	struct level *l = cursor_level(c);
	uint32_t i = l->at;
	int code = 0;

	for (; !code && i < l->node.n && node_key(&l->node, i) < limit; i++) {
		uint64_t chunk = node_chunk(&l->node, i);

		code = diff_add(d, (struct meta_change){ .side = side,
							 .begin = node_key(&l->node, i),
							 .left = side == META_RIGHT ? 0 : chunk,
							 .right = side == META_LEFT ? 0 : chunk });
	}
	cursor_skip_entries(c, i - l->at);
	return code;
}

/* Both stand at entries: on to the end of the leaf that ends first. */
static int compare_entries(struct diff *d)
{
	struct level *l = cursor_level(&d->left), *r = cursor_level(&d->right);
	uint32_t i = l->at, j = r->at;
	int code = 0;

	while (!code && i < l->node.n && j < r->node.n) {
		uint64_t a = node_key(&l->node, i), b = node_key(&r->node, j);
		struct meta_change change = { .begin = a < b ? a : b };

		change.left = a <= b ? node_chunk(&l->node, i++) : 0;
		change.right = b <= a ? node_chunk(&r->node, j++) : 0;
		if (a != b)
			change.side = a < b ? META_LEFT : META_RIGHT;
		else
			change.side = change.left == change.right ? META_SAME : META_CHANGED;
		if (change.side != META_SAME || d->same)
			code = diff_add(d, change);
	}
	cursor_skip_entries(&d->left, i - l->at);
	cursor_skip_entries(&d->right, j - r->at);
	return code;
}

/* Both stand before the same subtree. */
static int pass_shared(struct diff *d, struct err *e)
{
	uint32_t depth = d->left.depth;
	int code = 0;

	cursor_skip(&d->right);
	if (!d->same) {
		cursor_skip(&d->left);
		return 0;
	}
	do {
		if (cursor_place(&d->left) == PLACE_SUBTREE)
			code = cursor_enter(&d->left, e);
		else
			code = add_entries(d, &d->left, META_SAME, UINT64_MAX);
	} while (!code && d->left.depth > depth);
	return code;
}

/* The cursor that comes first, or has further to go to the height at which the trees may share. */
static struct cursor *to_enter(struct diff *d)
{
	struct cursor *l = &d->left, *r = &d->right;
	uint64_t l_begin = cursor_begin(l), r_begin = cursor_begin(r);

	if (cursor_end(l) <= r_begin)
		return l;
	if (cursor_end(r) <= l_begin)
		return r;
	/* While a height is not known, both trees are taken to have the same. */
	if (l->height && r->height && l->height - l->depth != r->height - r->depth)
		return l->height - l->depth > r->height - r->depth ? l : r;
	if (!(l->height && r->height) && l->depth != r->depth)
		return l->depth < r->depth ? l : r;
	return l_begin <= r_begin ? l : r;
}

/* subtree stands before one, the other at an entry or its end. */
static int step_beside(struct diff *d, struct cursor *subtree, struct cursor *other,
		       enum meta_side side, struct err *e)
{
	uint64_t begin = cursor_begin(subtree);
	const struct level *l;

	if (cursor_place(other) == PLACE_ENTRY) {
		l = cursor_level(other);
		if (node_key(&l->node, l->at) < begin)
			return add_entries(d, other, side, begin);
	}
	return cursor_enter(subtree, e);
}

static int step(struct diff *d, enum place left, enum place right, struct err *e)
{
	if (left == PLACE_SUBTREE && right == PLACE_SUBTREE) {
		if (cursor_block(&d->left) == cursor_block(&d->right))
			return pass_shared(d, e);
		return cursor_enter(to_enter(d), e);
	}
	if (left == PLACE_SUBTREE)
		return step_beside(d, &d->left, &d->right, META_RIGHT, e);
	if (right == PLACE_SUBTREE)
		return step_beside(d, &d->right, &d->left, META_LEFT, e);
	if (left == PLACE_END)
		return add_entries(d, &d->right, META_RIGHT, UINT64_MAX);
	if (right == PLACE_END)
		return add_entries(d, &d->left, META_LEFT, UINT64_MAX);
	return compare_entries(d);
}

static int walk_both(struct diff *d, struct err *e)
{
	int code = 0;

	while (!code) {
		enum place left = cursor_place(&d->left), right = cursor_place(&d->right);

		if (left == PLACE_END && right == PLACE_END)
			return diff_end(d);
		code = step(d, left, right, e);
	}
	return code;
}

/* The node on the other cursor's way whose children are as tall as this one's node's; NULL: none. */
static const struct node *peer_of(const struct cursor *c, const struct cursor *other)
{
	int64_t depth = (int64_t)other->height - ((int64_t)c->height - c->depth);

	return depth > 0 && depth <= other->depth ? &other->levels[depth - 1].node : NULL;
}

/* Is the child one that the trees don't share, as far as can be told from here? */
static bool wants(const struct cursor *c, const struct node *node, uint32_t i)
{
	const struct diff *d = c->data;
	const struct cursor *other = c == &d->left ? &d->right : &d->left;
	uint64_t key = node_key(node, i), block = node_number(node, i);
	const struct node *peer;
	uint32_t at;

	if (cursor_place(other) == PLACE_END || (d->same && c == &d->left))
		return true;
	if (!other->height)
		return false;
	peer = peer_of(c, other);
	if (!peer)
		return cursor_place(other) == PLACE_SUBTREE &&
		       node_child_end(node, i) <= cursor_begin(other);
	/* Mostly it has the same place there; its key may be another one, but not by much. */
	if (key >= peer->end || (i < peer->n && block == node_number(peer, i)))
		return false;
	at = node_find(peer, key);
	return block != node_number(peer, at) &&
	       (at + 1 == peer->n || block != node_number(peer, at + 1));
}

static int open_side(struct meta *m, uint32_t id, struct diff *d, struct cursor *c, struct err *e)
{
	struct meta_device device;
	struct tree tree;
	int code = reader_device(m, id, &device, &tree, e);

	if (code || (code = cursor_open(c, &m->source, &tree, e)))
		return code;
	c->wants = wants;
	c->data = d;
	return 0;
}

int meta_diff(struct meta *m, uint32_t left, uint32_t right, bool same, meta_change_fn fn,
	      void *data, struct err *e)
{
	struct diff d = { .same = same, .fn = fn, .data = data };
	int code = open_side(m, left, &d, &d.left, e);

	if (!code)
		code = open_side(m, right, &d, &d.right, e);
	if (!code)
		code = walk_both(&d, e);
	cursor_close(&d.left);
	cursor_close(&d.right);
	return code;
}
