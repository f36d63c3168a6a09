// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every node is read once, however many refer to it, and everything is counted:
 * who refers to each block, which leaves map each chunk. At the end these counts
 * have to be those of the space maps.
 *
 * What hangs below a damaged node is not known, and then neither are the counts:
 * they are compared where nothing was damaged.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "provider/thin/meta/reader.h"
#include "util/cleanup.h"

/* What a block is used as; a second reference has to mean the same. */
enum kind { KIND_NONE, KIND_SUPER, KIND_DETAILS, KIND_DEVICES, KIND_MAPPINGS, KIND_INDEX, KIND_BITMAP,
	    KIND_COUNTS };

static const char *const kinds[] = {
	[KIND_SUPER] = "a superblock", [KIND_DETAILS] = "details of devices",
	[KIND_DEVICES] = "roots of devices", [KIND_MAPPINGS] = "mappings",
	[KIND_INDEX] = "an index of bitmaps", [KIND_BITMAP] = "a bitmap", [KIND_COUNTS] = "counts",
};

struct check {
	struct meta *m;
	uint16_t *blocks, *chunks;	/* how often each is used; the highest number stands for more */
	uint8_t *kinds;			/* by block */
	uint32_t *below;		/* mappings below each block of mappings */
	struct cursor outer, inner;
	enum kind kind;			/* of what inner, else outer, walks */
	uint64_t mapped;		/* seen in this device */
	bool damaged;
	struct meta_device *devices;	/* by their ids */
	size_t n_devices, met;
	meta_fault_fn fn;
	void *data;
};

static int tell(struct check *x, bool harmless, const char *sentence)
{
	x->damaged |= !harmless;
	return x->fn(harmless, sentence, x->data);
}

/* What is damaged or can't be read is what was looked for; anything else ends the check. */
static int found(struct check *x, int code, const struct err *why, struct err *e)
{
	if (code != -EUCLEAN && code != -EIO)
		return err_set(e, code, "%s", why->text);
	return tell(x, false, why->text);
}

static int __attribute__((format(printf, 3, 4)))
fault(struct check *x, uint64_t block, const char *format, ...)
{
	struct err why = { 0 };
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	damaged(block, &why, "%s", what);
	return tell(x, false, why.text);
}

/* One more refers to the block. 1: it is the first one, so go and see. */
static int count_block(struct check *x, uint64_t block, enum kind kind)
{
	if (x->kinds[block] && x->kinds[block] != kind)
		return fault(x, block, "it is used as %s and as %s", kinds[x->kinds[block]], kinds[kind]);
	x->kinds[block] = (uint8_t)kind;
	if (x->blocks[block] < UINT16_MAX)
		x->blocks[block]++;
	return x->blocks[block] == 1;
}

static bool not_counted(const struct cursor *c, const struct node *node, uint32_t i)
{
	const struct check *x = c->data;

	return !x->kinds[node_number(node, i)];
}

/* The mappings below the nodes that the cursor is in: known when it leaves them. */
struct trail {
	uint32_t depth;
	uint64_t block[TREE_LEVELS], before[TREE_LEVELS];
};

static void leave_nodes(struct check *x, const struct cursor *c, struct trail *t)
{
	while (t->depth > c->depth) {
		t->depth--;
		x->below[t->block[t->depth]] = (uint32_t)(x->mapped - t->before[t->depth]);
	}
}

static int check_subtree(struct check *x, struct cursor *c, struct trail *t, struct err *e)
{
	uint64_t block = cursor_block(c);
	struct err why = { 0 };
	int code = count_block(x, block, x->kind);

	if (code < 0)
		return code;
	if (!code) {
		x->mapped += x->below[block];
		cursor_skip(c);
		return 0;
	}
	code = cursor_enter(c, &why);
	if (code) {
		cursor_skip(c);
		return found(x, code, &why, e);
	}
	if (c->depth > t->depth) {
		t->block[t->depth] = block;
		t->before[t->depth++] = x->mapped;
	}
	return 0;
}

typedef int (*check_leaf)(struct check *x, const struct node *leaf, struct err *e);

static int check_tree(struct check *x, struct cursor *c, const struct tree *tree, enum kind kind,
		      check_leaf fn, struct err *e)
{
	enum kind before = x->kind;
	struct trail trail = { 0 };
	int code = 0;

	cursor_restart(c, tree);
	while (!code && cursor_place(c) != PLACE_END) {
		x->kind = kind;
		if (cursor_place(c) == PLACE_SUBTREE) {
			code = check_subtree(x, c, &trail, e);
		} else {
			const struct node *leaf = &cursor_level(c)->node;

			code = fn ? fn(x, leaf, e) : 0;
			cursor_skip_entries(c, leaf->n);
		}
		leave_nodes(x, c, &trail);
	}
	x->kind = before;
	return code;
}

static int check_mappings(struct check *x, const struct node *leaf, struct err *e)
{
	x->mapped += leaf->n;
	for (uint32_t i = 0; i < leaf->n; i++) {
		uint16_t *count = &x->chunks[node_chunk(leaf, i)];

		*count += *count < UINT16_MAX;
	}
	return 0;
}

static int add_device(const struct meta_device *device, void *data)
{
	struct check *x = data;
	struct meta_device *more = x->devices;

	/* Room doubles at each power of two. */
	if (!(x->n_devices & (x->n_devices - 1)))
		more = reallocarray(more, x->n_devices ? 2 * x->n_devices : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	x->devices = more;
	x->devices[x->n_devices++] = *device;
	return 0;
}

static int check_details(struct check *x, const struct node *leaf, struct err *e)
{
	int code = reader_list(leaf, add_device, x);

	return code ? err_set(e, code, "out of memory") : 0;
}

/* The device's own tree hangs below a leaf of the devices'; both come in the order of ids. */
static int check_device(struct check *x, const struct node *leaf, uint32_t i, struct err *e)
{
	uint32_t id = (uint32_t)node_key(leaf, i);
	bool before = x->damaged;
	struct err why = { 0 };
	struct tree tree;
	int code = 0;

	for (; !code && x->met < x->n_devices && x->devices[x->met].id < id; x->met++)
		code = fault(x, leaf->block, "device %" PRIu32 " is missing", x->devices[x->met].id);
	if (code)
		return code;
	if ((code = reader_tree(x->m, id, node_number(leaf, i), &tree, &why)))
		return found(x, code, &why, e);
	x->mapped = 0;
	x->damaged = false;
	code = check_tree(x, &x->inner, &tree, KIND_MAPPINGS, check_mappings, e);
	if (!code && (x->met == x->n_devices || x->devices[x->met].id != id))
		code = fault(x, leaf->block, "device %" PRIu32 " has no details", id);
	else if (!code && !x->damaged && x->devices[x->met].mapped != x->mapped)
		code = fault(x, tree.root, "device %" PRIu32 " has %" PRIu64 " mappings below it, its "
			     "details tell of %" PRIu64, id, x->mapped, x->devices[x->met].mapped);
	x->met += x->met < x->n_devices && x->devices[x->met].id == id;
	x->damaged |= before;
	return code;
}

static int check_devices(struct check *x, const struct node *leaf, struct err *e)
{
	int code = 0;

	for (uint32_t i = 0; !code && i < leaf->n; i++)
		code = check_device(x, leaf, i, e);
	return code;
}

/* What a superblock, or a metadata snapshot, refers to. */
static int check_trees(struct check *x, const struct meta *m, struct err *e)
{
	int code;

	x->n_devices = x->met = 0;
	code = check_tree(x, &x->outer, &m->devices, KIND_DETAILS, check_details, e);
	if (!code)
		code = check_tree(x, &x->outer, &m->mappings, KIND_DEVICES, check_devices, e);
	for (; !code && !x->damaged && x->met < x->n_devices; x->met++)
		code = fault(x, m->mappings.root, "device %" PRIu32 " is missing below it",
			     x->devices[x->met].id);
	return code;
}

static int check_held(struct check *x, struct err *e)
{
	struct err why = { 0 };
	struct meta held;
	int code;

	if (!x->m->pool.snapshot)
		return 0;
	code = count_block(x, x->m->pool.snapshot, KIND_SUPER);
	if (code < 0)
		return code;
	code = reader_held(x->m, &held, &why);
	return code ? found(x, code, &why, e) : check_trees(x, &held, e);
}

static int count_bitmaps(struct check *x, uint64_t block, const struct disk_bitmap *entries, uint32_t n)
{
	int code = 0;

	for (uint32_t i = 0; code >= 0 && i < n; i++) {
		uint64_t bitmap = le64toh(entries[i].block);

		code = source_has(&x->m->source, bitmap) ? count_block(x, bitmap, KIND_BITMAP) :
		       fault(x, block, "it refers to block %" PRIu64 " of %" PRIu64, bitmap,
			     x->m->source.blocks);
	}
	return code < 0 ? code : 0;
}

static int check_bitmaps(struct check *x, const struct node *leaf, struct err *e)
{
	return count_bitmaps(x, leaf->block, node_value(leaf, 0, sizeof(struct disk_bitmap)), leaf->n);
}

static int check_index(struct check *x, uint64_t root, uint64_t length, struct err *e)
{
	_cleanup_free_ uint8_t *data = source_buffer(1, e);
	struct span span = { root, 1, data };
	struct err why = { 0 };
	int code;

	if (!data)
		return -ENOMEM;
	code = count_block(x, root, KIND_INDEX);
	if (code < 0)
		return code;
	if ((code = source_read(&x->m->source, &span, 1, &why)) ||
	    (code = check_seal(data, root, SALT_INDEX, &why)))
		return found(x, code, &why, e);
	return count_bitmaps(x, root, (const void *)(data + sizeof(struct disk_head)),
			     length < INDEX_ENTRIES ? (uint32_t)length : INDEX_ENTRIES);
}

/* The blocks of a space map itself. */
static int check_map(struct check *x, const struct disk_space_map *map, bool chunks, struct err *e)
{
	uint64_t total = le64toh(map->total), root = le64toh(map->bitmaps);
	uint64_t length = total / COUNTS_PER_BLOCK + (total % COUNTS_PER_BLOCK != 0);
	struct tree index = { .root = root, .end = length, .value_size = sizeof(struct disk_bitmap) };
	struct tree counts = { .root = le64toh(map->counts), .end = total,
			       .value_size = sizeof(uint32_t) };
	int code;

	if (!source_has(&x->m->source, root) || !source_has(&x->m->source, counts.root))
		return fault(x, 0, "its space map refers to blocks %" PRIu64 " and %" PRIu64 " of %" PRIu64,
			     root, counts.root, x->m->source.blocks);
	code = chunks ? check_tree(x, &x->outer, &index, KIND_INDEX, check_bitmaps, e) :
			check_index(x, root, length, e);
	return code ? code : check_tree(x, &x->outer, &counts, KIND_COUNTS, NULL, e);
}

/* Our counts beside those of a space map; neighbours that differ alike are told of once. */
struct compare {
	struct check *x;
	const uint16_t *ours;
	const char *what;
	uint64_t next, begin, length;
	uint16_t mine, theirs;
};

static int compare_end(struct compare *c)
{
	char text[200], range[64];
	uint64_t n = c->length;

	c->length = 0;
	if (!n)
		return 0;
	if (n == 1)
		snprintf(range, sizeof(range), "%s %" PRIu64 " of the pool's", c->what, c->begin);
	else
		snprintf(range, sizeof(range), "%ss %" PRIu64 " to %" PRIu64 " of the pool's", c->what,
			 c->begin, c->begin + n - 1);
	snprintf(text, sizeof(text), "%s %s: used %u time%s, the space map tells of %u%s", range,
		 c->ours == c->x->chunks ? "data" : "metadata", c->mine, c->mine == 1 ? "" : "s",
		 c->theirs, c->theirs > c->mine ? ", so the space is lost" : "");
	return tell(c->x, c->theirs > c->mine, text);
}

static int compare_one(struct compare *c, uint16_t theirs)
{
	uint64_t at = c->next++;
	uint16_t mine = c->ours[at];
	int code = 0;

	if (c->length && (mine == theirs || mine != c->mine || theirs != c->theirs))
		code = compare_end(c);
	if (mine == theirs)
		return code;
	if (!c->length)
		c->begin = at;
	c->mine = mine;
	c->theirs = theirs;
	c->length++;
	return code;
}

static int compare_counts(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	struct compare *c = data;
	int code = 0;

	while (!code && c->next < begin)
		code = compare_one(c, 0);
	while (!code && length--)
		code = compare_one(c, count < UINT16_MAX ? (uint16_t)count : UINT16_MAX);
	return code;
}

static int compare(struct check *x, bool chunks, struct err *e)
{
	struct compare c = { .x = x, .ours = chunks ? x->chunks : x->blocks,
			     .what = chunks ? "chunk" : "block" };
	uint64_t total = chunks ? x->m->pool.chunks : x->m->pool.blocks;
	struct err why = { 0 };
	int code = chunks ? meta_chunk_counts(x->m, compare_counts, &c, &why) :
			    meta_block_counts(x->m, compare_counts, &c, &why);

	if (code < 0)
		return found(x, code, &why, e);
	while (!code && c.next < total)
		code = compare_one(&c, 0);
	return code ? code : compare_end(&c);
}

static int check_all(struct check *x, struct err *e)
{
	struct meta *m = x->m;
	int code = count_block(x, 0, KIND_SUPER);

	if (code < 0 || (code = check_trees(x, m, e)) || !m->committed)
		return code;
	if ((code = check_held(x, e)) || (code = check_map(x, &m->data_map, true, e)) ||
	    (code = check_map(x, &m->block_map, false, e)) || x->damaged)
		return code;
	code = compare(x, true, e);
	return code ? code : compare(x, false, e);
}

static void check_free(struct check *x)
{
	cursor_close(&x->outer);
	cursor_close(&x->inner);
	free(x->blocks);
	free(x->chunks);
	free(x->kinds);
	free(x->below);
	free(x->devices);
}

int meta_check(struct meta *m, meta_fault_fn fn, void *data, struct err *e)
{
	struct check x = { .m = m, .fn = fn, .data = data };
	int code;

	x.blocks = calloc(m->pool.blocks + 1, sizeof(*x.blocks));
	x.chunks = calloc(m->pool.chunks + 1, sizeof(*x.chunks));
	x.kinds = calloc(m->pool.blocks + 1, sizeof(*x.kinds));
	x.below = calloc(m->pool.blocks + 1, sizeof(*x.below));
	if (!x.blocks || !x.chunks || !x.kinds || !x.below)
		code = err_set(e, -ENOMEM, "out of memory");
	else
		code = cursor_open(&x.outer, &m->source, &m->devices, e);
	if (!code)
		code = cursor_open(&x.inner, &m->source, &m->devices, e);
	if (!code) {
		x.outer.wants = x.inner.wants = not_counted;
		x.outer.data = x.inner.data = &x;
		code = check_all(&x, e);
	}
	check_free(&x);
	return code;
}
