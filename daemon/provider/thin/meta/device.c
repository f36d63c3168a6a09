// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "provider/thin/meta/reader.h"

static struct meta_device device_of(uint32_t id, const struct disk_device *disk)
{
	return (struct meta_device){ .id = id,
				     .mapped = le64toh(disk->mapped),
				     .transaction_id = le64toh(disk->transaction_id),
				     .created = le32toh(disk->created),
				     .snapshotted = le32toh(disk->snapshotted) };
}

int reader_list(const struct node *leaf, meta_device_fn fn, void *data)
{
	int code = 0;

	for (uint32_t i = 0; !code && i < leaf->n; i++) {
		struct meta_device device = device_of((uint32_t)node_key(leaf, i),
						      node_value(leaf, i, sizeof(struct disk_device)));

		code = fn(&device, data);
	}
	return code;
}

int meta_devices(struct meta *m, meta_device_fn fn, void *data, struct err *e)
{
	struct cursor c;
	int code = cursor_open(&c, &m->source, &m->devices, e);

	if (code)
		return code;
	while ((code = cursor_leaf(&c, e)) > 0 &&
	       !(code = reader_list(&cursor_level(&c)->node, fn, data)))
		cursor_skip_entries(&c, cursor_level(&c)->node.n);
	cursor_close(&c);
	return code;
}

int meta_device(struct meta *m, uint32_t id, struct meta_device *ret, struct err *e)
{
	struct disk_device disk;
	int code = tree_find(&m->source, &m->devices, id, &disk, e);

	if (code == -ENOENT)
		return err_set(e, code, "the pool has no thin device %" PRIu32, id);
	if (!code)
		*ret = device_of(id, &disk);
	return code;
}

int reader_tree(const struct meta *m, uint32_t id, uint64_t root, struct tree *ret, struct err *e)
{
	if (!source_has(&m->source, root))
		return damaged(m->mappings.root, e, "device %" PRIu32 " below it refers to block %" PRIu64
			       " of %" PRIu64, id, root, m->source.blocks);
	*ret = (struct tree){ .root = root,
			      .value_size = sizeof(uint64_t),
			      .mappings = true,
			      .chunks = m->pool.chunks,
			      /* so that sizes in bytes are numbers too */
			      .end = UINT64_MAX / m->pool.chunk_size };
	return 0;
}

static int check_roots(struct meta *m, const struct node *leaf, struct err *e)
{
	struct tree tree;
	int code = 0;

	for (uint32_t i = 0; !code && i < leaf->n; i++)
		code = reader_tree(m, (uint32_t)node_key(leaf, i), node_number(leaf, i), &tree, e);
	return code;
}

static int no_device(const struct meta_device *device, void *data)
{
	return 0;
}

int meta_lists(struct meta *m, struct err *e)
{
	struct cursor c;
	int code = meta_devices(m, no_device, NULL, e);

	if (code || (code = cursor_open(&c, &m->source, &m->mappings, e)))
		return code;
	while ((code = cursor_leaf(&c, e)) > 0 &&
	       !(code = check_roots(m, &cursor_level(&c)->node, e)))
		cursor_skip_entries(&c, cursor_level(&c)->node.n);
	cursor_close(&c);
	return code;
}

int reader_device(struct meta *m, uint32_t id, struct meta_device *device, struct tree *tree,
		  struct err *e)
{
	uint64_t root;
	int code = meta_device(m, id, device, e);

	if (code)
		return code;
	code = tree_find(&m->source, &m->mappings, id, &root, e);
	if (code == -ENOENT)
		return damaged(m->mappings.root, e, "device %" PRIu32 " is missing below it", id);
	return code ? code : reader_tree(m, id, le64toh(root), tree, e);
}

int reader_leaves(struct meta *m, uint32_t id, leaf_fn fn, void *data, struct err *e)
{
	struct meta_device device;
	uint64_t mapped = 0;
	struct cursor c;
	struct tree tree;
	int code = reader_device(m, id, &device, &tree, e);

	if (code || (code = cursor_open(&c, &m->source, &tree, e)))
		return code;
	while ((code = cursor_leaf(&c, e)) > 0) {
		const struct node *leaf = &cursor_level(&c)->node;

		mapped += leaf->n;
		if ((code = fn(leaf, data)))
			break;
		cursor_skip_entries(&c, leaf->n);
	}
	cursor_close(&c);
	if (!code && mapped != device.mapped)
		return damaged(tree.root, e, "device %" PRIu32 " has %" PRIu64 " mappings below it, "
			       "its details tell of %" PRIu64, id, mapped, device.mapped);
	return code;
}
