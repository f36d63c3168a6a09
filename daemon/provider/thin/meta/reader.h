/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the reader share. */
#ifndef BVOL_THIN_META_READER_H
#define BVOL_THIN_META_READER_H

#include "provider/thin/meta/tree.h"

struct meta {
	struct source source;
	struct meta_pool pool;
	bool committed;			/* it has space maps */
	struct tree devices, mappings;	/* by the device's id */
	struct disk_space_map data_map, block_map;	/* as on disk */
};

/* The device's details, and the tree of its mappings. -ENOENT */
int reader_device(struct meta *m, uint32_t id, struct meta_device *device, struct tree *tree,
		  struct err *e);
/* The mappings of a device whose root stands in m->mappings. -EUCLEAN */
int reader_tree(const struct meta *m, uint32_t id, uint64_t root, struct tree *ret, struct err *e);

/* Hand out the devices of a leaf of details. */
int reader_list(const struct node *leaf, meta_device_fn fn, void *data);
/* What the metadata snapshot that the pool holds refers to; reads from m's source. -EUCLEAN */
int reader_held(struct meta *m, struct meta *ret, struct err *e);

/* Joins neighbours. */
struct run {
	struct meta_extent extent;
	meta_extent_fn fn;
	void *data;
};

int run_add(struct run *run, uint64_t begin, uint64_t data);
int run_end(struct run *run);

/*
 * Hand out every leaf of the device's tree until fn returns something else than
 * 0, and return that. -ENOENT
 */
typedef int (*leaf_fn)(const struct node *leaf, void *data);
int reader_leaves(struct meta *m, uint32_t id, leaf_fn fn, void *data, struct err *e);

#endif
