// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "util/crc32c.h"

static void need(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "image: %s\n", what);
	abort();
}

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	need(p, "out of memory");
	return p;
}

struct image *image_new(uint64_t blocks, uint64_t chunks)
{
	struct image *image = zeroed(1, sizeof(*image));

	*image = (struct image){ .data = zeroed(blocks, META_BLOCK),
				 .salts = zeroed(blocks, sizeof(uint32_t)),
				 .block_refs = zeroed(blocks, sizeof(uint32_t)),
				 .chunk_refs = zeroed(chunks + 1, sizeof(uint32_t)),
				 .blocks = blocks, .chunks = chunks, .next = 1, .fill = 252 };
	image->block_refs[0] = 1;
	image->salts[0] = SALT_SUPER;
	return image;
}

struct image *image_free(struct image *image)
{
	free(image->data);
	free(image->salts);
	free(image->block_refs);
	free(image->chunk_refs);
	free(image);
	return NULL;
}

void *image_block(struct image *image, uint64_t block)
{
	need(block < image->blocks, "no such block");
	return image->data + block * META_BLOCK;
}

struct disk_node *image_node(struct image *image, uint64_t block)
{
	return image_block(image, block);
}

uint64_t *image_values(struct disk_node *node)
{
	return &node->keys[le32toh(node->max_entries)];
}

void image_seal(struct image *image, uint64_t block)
{
	struct disk_head *head = image_block(image, block);

	head->block = htole64(block);
	head->checksum = htole32(crc32c(~0U, &head->flags, META_BLOCK - sizeof(head->checksum)) ^
				 image->salts[block]);
}

static uint64_t new_block(struct image *image, uint32_t salt)
{
	uint64_t block = image->next++;

	need(block < image->blocks, "full");
	image->salts[block] = salt;
	image->block_refs[block] = 1;
	return block;
}

uint64_t image_add_node(struct image *image, uint32_t flags, uint32_t value_size, size_t n,
			const uint64_t *keys, const void *values)
{
	uint64_t block = new_block(image, SALT_NODE);
	struct disk_node *node = image_node(image, block);
	uint32_t max = (META_BLOCK - sizeof(*node)) / (sizeof(uint64_t) + value_size) / 3 * 3;

	need(n <= max, "too many entries");
	node->head.flags = htole32(flags);
	node->entries = htole32((uint32_t)n);
	node->max_entries = htole32(max);
	node->value_size = htole32(value_size);
	for (size_t i = 0; i < n; i++)
		node->keys[i] = htole64(keys[i]);
	if (n)
		memcpy(image_values(node), values, n * value_size);
	return block;
}

/* One level of n entries, spread evenly; in firsts and children what the level above it wants. */
static size_t add_level(struct image *image, uint32_t flags, uint32_t value_size, size_t n,
			const uint64_t *keys, const void *values, uint64_t *firsts, uint64_t *children)
{
	size_t most = (META_BLOCK - sizeof(struct disk_node)) / (sizeof(uint64_t) + value_size) / 3 * 3;
	/* Other trees than those of devices are as low as they can be. */
	size_t step = value_size == sizeof(uint64_t) && image->fill < most ? image->fill : most;
	size_t nodes = n ? (n + step - 1) / step : 1;

	for (size_t i = 0; i < nodes; i++) {
		size_t from = n * i / nodes, to = n * (i + 1) / nodes;
		uint64_t first = n ? keys[from] : 0;

		children[i] = htole64(image_add_node(image, flags, value_size, to - from, keys + from,
						     (const uint8_t *)values + from * value_size));
		firsts[i] = first;
	}
	return nodes;
}

uint64_t image_tree(struct image *image, size_t n, const uint64_t *keys, const void *values,
		    uint32_t value_size)
{
	uint64_t *firsts = zeroed(n + 1, sizeof(uint64_t)), *children = zeroed(n + 1, sizeof(uint64_t));
	size_t nodes = add_level(image, NODE_LEAF, value_size, n, keys, values, firsts, children);
	uint64_t root;

	while (nodes > 1)
		nodes = add_level(image, NODE_INNER, sizeof(uint64_t), nodes, firsts, children, firsts,
				  children);
	root = le64toh(children[0]);
	free(firsts);
	free(children);
	return root;
}

struct image_device *image_device(struct image *image, uint32_t id)
{
	for (size_t i = 0; i < image->n_devices; i++)
		if (image->devices[i].id == id)
			return &image->devices[i];
	need(false, "no such device");
	return NULL;
}

static struct image_device *new_device(struct image *image, uint32_t id)
{
	struct image_device *d = &image->devices[image->n_devices++];

	need(image->n_devices <= IMAGE_DEVICES, "too many devices");
	*d = (struct image_device){ .id = id, .created = image->time, .snapshotted = image->time };
	return d;
}

void image_create(struct image *image, uint32_t id, size_t n, const uint64_t *keys,
		  const uint64_t *chunks)
{
	struct image_device *d = new_device(image, id);
	uint64_t *values = zeroed(n + 1, sizeof(uint64_t));

	for (size_t i = 0; i < n; i++) {
		need(chunks[i] < image->chunks, "no such chunk");
		image->chunk_refs[chunks[i]]++;
		values[i] = htole64(chunks[i] << TIME_BITS | image->time);
	}
	d->root = image_tree(image, n, keys, values, sizeof(uint64_t));
	d->mapped = n;
	free(values);
}

void image_snap(struct image *image, uint32_t id, uint32_t origin)
{
	struct image_device *d, *o = image_device(image, origin);

	image->time++;
	d = new_device(image, id);
	o->snapshotted = image->time;
	d->root = o->root;
	d->mapped = o->mapped;
	image->block_refs[d->root]++;
}

/* The block, or a copy of it that may be changed. */
static uint64_t shadow(struct image *image, uint64_t block)
{
	struct disk_node *node;
	uint64_t copy;

	if (image->block_refs[block] == 1)
		return block;
	image->block_refs[block]--;
	copy = new_block(image, SALT_NODE);
	node = image_node(image, copy);
	memcpy(node, image_node(image, block), META_BLOCK);
	for (uint32_t i = 0; i < le32toh(node->entries); i++) {
		uint64_t value = le64toh(image_values(node)[i]);

		if (le32toh(node->head.flags) == NODE_INNER)
			image->block_refs[value]++;
		else
			image->chunk_refs[value >> TIME_BITS]++;
	}
	return copy;
}

static uint32_t find(const struct disk_node *node, uint64_t key)
{
	uint32_t i = 0;

	while (i + 1 < le32toh(node->entries) && le64toh(node->keys[i + 1]) <= key)
		i++;
	return i;
}

void image_map(struct image *image, uint32_t id, uint64_t key, uint64_t chunk)
{
	struct image_device *d = image_device(image, id);
	uint64_t block = d->root = shadow(image, d->root);

	for (;;) {
		struct disk_node *node = image_node(image, block);
		uint32_t i = find(node, key);
		uint64_t *value = &image_values(node)[i];

		if (le32toh(node->head.flags) == NODE_INNER) {
			block = shadow(image, le64toh(*value));
			*value = htole64(block);
			continue;
		}
		need(le64toh(node->keys[i]) == key && chunk < image->chunks, "no such key");
		image->chunk_refs[le64toh(*value) >> TIME_BITS]--;
		image->chunk_refs[chunk]++;
		*value = htole64(chunk << TIME_BITS | image->time);
		return;
	}
}

bool image_has(struct image *image, uint32_t id, uint64_t key)
{
	uint64_t block = image_device(image, id)->root;

	for (;;) {
		struct disk_node *node = image_node(image, block);
		uint32_t i = find(node, key);

		if (le32toh(node->head.flags) != NODE_INNER)
			return node->entries && le64toh(node->keys[i]) == key;
		block = le64toh(image_values(node)[i]);
	}
}

/* Counts of more than two. */
static uint64_t count_tree(struct image *image, const uint32_t *refs, uint64_t n)
{
	uint64_t *keys = zeroed(n + 1, sizeof(uint64_t)), root;
	uint32_t *values = zeroed(n + 1, sizeof(uint32_t));
	size_t many = 0;

	for (uint64_t i = 0; i < n; i++)
		if (refs[i] > 2) {
			keys[many] = i;
			values[many++] = htole32(refs[i]);
		}
	root = image_tree(image, many, keys, values, sizeof(uint32_t));
	free(keys);
	free(values);
	return root;
}

static void fill_bitmap(struct image *image, struct disk_bitmap *entry, const uint32_t *refs,
			uint64_t first, uint64_t n)
{
	uint8_t *counts = (uint8_t *)image_block(image, le64toh(entry->block)) + sizeof(struct disk_head);
	uint32_t unused = 0, first_free = COUNTS_PER_BLOCK;

	for (uint32_t i = 0; i < COUNTS_PER_BLOCK && first + i < n; i++) {
		uint32_t count = refs[first + i] < 3 ? refs[first + i] : 3;

		if (!count && !unused++)
			first_free = i;
		counts[i / 4] |= (uint8_t)((count >> 1 | (count & 1) << 1) << i % 4 * 2);
	}
	entry->free = htole32(unused);
	entry->first_free = htole32(first_free);
}

static size_t bitmaps_of(uint64_t n)
{
	return n / COUNTS_PER_BLOCK + (n % COUNTS_PER_BLOCK != 0);
}

static struct disk_bitmap *new_bitmaps(struct image *image, uint64_t n)
{
	struct disk_bitmap *entries = zeroed(bitmaps_of(n) + 1, sizeof(*entries));

	for (size_t i = 0; i < bitmaps_of(n); i++)
		entries[i].block = htole64(new_block(image, SALT_BITMAP));
	return entries;
}

static void finish_chunks(struct image *image, struct disk_space_map *map)
{
	size_t n = bitmaps_of(image->chunks);
	struct disk_bitmap *entries = new_bitmaps(image, image->chunks);
	uint64_t *keys = zeroed(n + 1, sizeof(uint64_t)), used = 0;

	for (size_t i = 0; i < n; i++) {
		keys[i] = i;
		fill_bitmap(image, &entries[i], image->chunk_refs, i * COUNTS_PER_BLOCK, image->chunks);
	}
	for (uint64_t i = 0; i < image->chunks; i++)
		used += image->chunk_refs[i] > 0;
	map->total = htole64(image->chunks);
	map->used = htole64(used);
	map->bitmaps = htole64(image_tree(image, n, keys, entries, sizeof(*entries)));
	map->counts = htole64(count_tree(image, image->chunk_refs, image->chunks));
	free(entries);
	free(keys);
}

/* The last to take blocks: it counts them. */
static void finish_blocks(struct image *image, struct disk_space_map *map)
{
	struct disk_bitmap *entries = new_bitmaps(image, image->blocks);
	uint64_t index = new_block(image, SALT_INDEX);

	map->counts = htole64(count_tree(image, image->block_refs, image->blocks));
	for (size_t i = 0; i < bitmaps_of(image->blocks); i++)
		fill_bitmap(image, &entries[i], image->block_refs, i * COUNTS_PER_BLOCK, image->blocks);
	memcpy((uint8_t *)image_block(image, index) + sizeof(struct disk_head), entries,
	       bitmaps_of(image->blocks) * sizeof(*entries));
	map->total = htole64(image->blocks);
	map->used = htole64(image->next);
	map->bitmaps = htole64(index);
	free(entries);
}

static void finish_devices(struct image *image, struct disk_super *super)
{
	uint64_t keys[IMAGE_DEVICES], roots[IMAGE_DEVICES];
	struct disk_device details[IMAGE_DEVICES];

	for (size_t i = 0; i < image->n_devices; i++) {
		const struct image_device *d = &image->devices[i];

		keys[i] = d->id;
		roots[i] = htole64(d->root);
		details[i] = (struct disk_device){ htole64(d->mapped), 0, htole32(d->created),
						   htole32(d->snapshotted) };
	}
	super->mappings = htole64(image_tree(image, image->n_devices, keys, roots, sizeof(*roots)));
	super->devices = htole64(image_tree(image, image->n_devices, keys, details, sizeof(*details)));
}

void image_finish(struct image *image, bool hold)
{
	struct disk_super *super = image_block(image, 0);

	super->magic = htole64(SUPER_MAGIC);
	super->version = htole32(SUPER_VERSION);
	super->time = htole32(image->time);
	super->chunk_sectors = htole32(CHUNK_SECTORS_MIN);
	super->block_sectors = htole32(META_BLOCK / SECTOR);
	super->blocks = htole64(image->blocks);
	finish_devices(image, super);
	if (hold) {
		image->snapshot = new_block(image, SALT_SUPER);
		memcpy(image_block(image, image->snapshot), super, sizeof(*super));
		image->block_refs[le64toh(super->mappings)]++;
		image->block_refs[le64toh(super->devices)]++;
		super->snapshot = htole64(image->snapshot);
	}
	finish_chunks(image, &super->data);
	finish_blocks(image, &super->metadata);
	for (uint64_t block = 0; block < image->next; block++)
		image_seal(image, block);
}

void image_write(const struct image *image, int fd)
{
	size_t size = image->next * META_BLOCK, done = 0;

	need(!ftruncate(fd, 0) && !ftruncate(fd, (off_t)(image->blocks * META_BLOCK)), "can't be sized");
	while (done < size) {
		ssize_t n = pwrite(fd, image->data + done, size - done, (off_t)done);

		need(n > 0, "can't be written");
		done += (size_t)n;
	}
}
