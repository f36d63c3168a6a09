/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thin pool's metadata made in memory, with trees that share nodes as the
 * kernel's do: what is shared is copied before it is changed. Keys can't be
 * added to a tree once it is there; everything else is complete, as thin_check
 * confirms. Whoever runs out of memory or room dies.
 */
#ifndef BVOL_TEST_IMAGE_H
#define BVOL_TEST_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "provider/thin/meta/format.h"

#define IMAGE_DEVICES 32

struct image_device {
	uint32_t id;
	uint64_t root, mapped;
	uint32_t created, snapshotted;
};

struct image {
	uint8_t *data;
	uint32_t *salts;		/* by block */
	uint32_t *block_refs, *chunk_refs;
	uint64_t blocks, chunks;
	uint64_t next;			/* block that is free */
	uint32_t time;
	uint64_t fill;			/* entries of a new node */
	uint64_t snapshot;		/* set by image_finish() */
	size_t n_devices;
	struct image_device devices[IMAGE_DEVICES];
};

struct image *image_new(uint64_t blocks, uint64_t chunks);
struct image *image_free(struct image *image);

struct image_device *image_device(struct image *image, uint32_t id);
void *image_block(struct image *image, uint64_t block);
struct disk_node *image_node(struct image *image, uint64_t block);
uint64_t *image_values(struct disk_node *node);
void image_seal(struct image *image, uint64_t block);

/* A node of n entries; its block. */
uint64_t image_add_node(struct image *image, uint32_t flags, uint32_t value_size, size_t n,
			const uint64_t *keys, const void *values);
/* A tree of n values of a size; its root. Devices come in the order of their ids. */
uint64_t image_tree(struct image *image, size_t n, const uint64_t *keys, const void *values,
		    uint32_t value_size);
/* A device that maps keys[i] to chunks[i], at the image's time. */
void image_create(struct image *image, uint32_t id, size_t n, const uint64_t *keys,
		  const uint64_t *chunks);
void image_snap(struct image *image, uint32_t id, uint32_t origin);
/* Map a key that is mapped to another chunk. */
void image_map(struct image *image, uint32_t id, uint64_t key, uint64_t chunk);
bool image_has(struct image *image, uint32_t id, uint64_t key);

/* Device trees, space maps and superblock, with a metadata snapshot if hold is set; seal everything. */
void image_finish(struct image *image, bool hold);
void image_write(const struct image *image, int fd);

#endif
