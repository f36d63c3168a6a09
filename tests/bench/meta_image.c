// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 *	meta_image FILE MAPPINGS PERMILLE LENGTH shared|apart
 *
 * Makes a pool's metadata with device 1 of so many mappings and device 2, which
 * differs from it in PERMILLE thousandths of them, at random places, LENGTH in
 * a row. shared: 2 was a snapshot of 1, and so its tree has in common with that
 * of 1 what wasn't changed, as the kernel leaves it; apart: the trees have no
 * node in common, as thin_restore makes them. Chunks lie in runs of 16. Prints
 * how many leaves only one of both has, each of 1 for one of 2, and how many
 * levels there are to a mapping.
 */
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/image.h"

/* Among the blocks from first on. */
static uint64_t count_leaves(struct image *image, uint64_t first)
{
	uint64_t n = 0;

	for (; first < image->next; first++)
		n += le32toh(image_node(image, first)->head.flags) == NODE_LEAF;
	return n;
}

static int count_levels(struct image *image)
{
	uint64_t block = image->devices[0].root;
	int levels = 1;

	for (; le32toh(image_node(image, block)->head.flags) == NODE_INNER; levels++)
		block = le64toh(image_values(image_node(image, block))[0]);
	return levels;
}

int main(int argc, char **argv)
{
	uint64_t n, changes, length, *keys, *chunks, next, before;
	struct image *image;
	bool shared;
	int fd;

	if (argc != 6) {
		fprintf(stderr, "usage: meta_image FILE MAPPINGS PERMILLE LENGTH shared|apart\n");
		return 2;
	}
	n = strtoull(argv[2], NULL, 10);
	length = strtoull(argv[4], NULL, 10);
	changes = n * strtoull(argv[3], NULL, 10) / 1000 / length;
	shared = !strcmp(argv[5], "shared");
	next = n + n / 16 + 16;
	keys = calloc(n, sizeof(*keys));
	chunks = calloc(n, sizeof(*chunks));
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || !keys || !chunks) {
		perror(argv[1]);
		return 1;
	}
	for (uint64_t i = 0; i < n; i++) {
		keys[i] = i;
		chunks[i] = i + i / 16;
	}
	image = image_new(n / 16 + 10000, next + n);
	/* A leaf that is written from its begin to its end is split in halves. */
	image->fill = shared ? 126 : 252;
	image_create(image, 1, n, keys, chunks);
	if (shared)
		image_snap(image, 2, 1);
	before = image->next;
	srand(1);
	for (uint64_t i = 0; i < changes; i++) {
		uint64_t at = ((uint64_t)rand() << 16 ^ (uint64_t)rand()) % (n - length);

		for (uint64_t key = at; key < at + length; key++)
			if (shared)
				image_map(image, 2, key, next++);
			else
				chunks[key] = next++;
	}
	if (!shared)
		image_create(image, 2, n, keys, chunks);
	printf("leaves %" PRIu64 " levels %d\n", 2 * count_leaves(image, before), 1 + count_levels(image));
	image_finish(image, false);
	image_write(image, fd);
	return close(fd);
}
