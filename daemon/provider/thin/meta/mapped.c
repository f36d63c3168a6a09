// SPDX-License-Identifier: LGPL-2.1-or-later
#include "provider/thin/meta/reader.h"

int run_end(struct run *run)
{
	return run->extent.length ? run->fn(&run->extent, run->data) : 0;
}

int run_add(struct run *run, uint64_t begin, uint64_t data)
{
	struct meta_extent *x = &run->extent;
	int code;

	if (x->length && begin == x->begin + x->length && data == x->data + x->length) {
		x->length++;
		return 0;
	}
	code = run_end(run);
	*x = (struct meta_extent){ begin, data, 1 };
	return code;
}

static int add_leaf(const struct node *leaf, void *data)
{
	int code = 0;

	for (uint32_t i = 0; !code && i < leaf->n; i++)
		code = run_add(data, node_key(leaf, i), node_chunk(leaf, i));
	return code;
}

int meta_mapped(struct meta *m, uint32_t id, meta_extent_fn fn, void *data, struct err *e)
{
	struct run run = { .fn = fn, .data = data };
	int code = reader_leaves(m, id, add_leaf, &run, e);

	return code ? code : run_end(&run);
}
