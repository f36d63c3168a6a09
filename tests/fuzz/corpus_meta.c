// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 *	corpus_meta FOLDER
 *
 * Makes what fuzz_meta begins with, small pools of different shape. What it
 * made is in tests/fuzz/corpus/meta.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../unit/image.h"

static const struct shape {
	const char *name;
	uint64_t blocks, fill, mappings;
	bool hold;
} shapes[] = {
	{ "wide", 24, 252, 700, false },
	{ "tall", 44, 4, 40, false },
	{ "held", 26, 126, 400, true },
	{ "tall-held", 46, 4, 40, true },
	{ "empty", 12, 252, 0, false },
};

static struct image *make(const struct shape *shape)
{
	struct image *image = image_new(shape->blocks, 4000);
	uint64_t keys[700], chunks[700];

	for (size_t i = 0; i < shape->mappings; i++) {
		keys[i] = i + i / 5;
		chunks[i] = i + i / 100;
	}
	image->fill = shape->fill;
	image_create(image, 1, shape->mappings, keys, chunks);
	image_snap(image, 2, 1);
	image_snap(image, 3, 2);
	if (shape->mappings) {
		image_map(image, 1, keys[2], 1000);
		image_map(image, 2, keys[shape->mappings - 1], 1001);
	}
	image_finish(image, shape->hold);
	return image;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct image *image = make(&shapes[i]);
		size_t size = image->blocks * META_BLOCK;
		/* Asks for the difference of both devices. */
		uint8_t what = shapes[i].hold ? 16 + 4 : 4;
		char name[256];
		int fd;

		snprintf(name, sizeof(name), "%s/%s", argv[1], shapes[i].name);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, &what, 1) != 1 || write(fd, image->data, size) != (ssize_t)size)
			return 1;
		close(fd);
		image_free(image);
	}
	return argc != 2;
}
