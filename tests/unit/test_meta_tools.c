// SPDX-License-Identifier: LGPL-2.1-or-later
/* The reader, thin_dump and thin_delta agree about pools made here; thin_check has no fault to find. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"
#include "image.h"
#include "oracle.h"

#define POOLS	12
#define CHUNKS	8000
#define KEYS	2000

static char path[] = "bvol-meta-XXXXXX";
static int file = -1;

static int set_up(void **state)
{
	/* On a disk, where it is read past the page cache as a device is. */
	file = mkstemp(path);
	return file < 0;
}

static int tear_down(void **state)
{
	unlink(path);
	return close(file);
}

static struct image *random_image(unsigned int seed)
{
	static const uint64_t fills[] = { 252, 126, 90 };
	uint64_t keys[KEYS], chunks[KEYS], next = 0;
	struct image *image = image_new(2000, CHUNKS);

	srand(seed);
	for (uint32_t id = 1; id < 9; id++) {
		size_t have = 0;

		if (id > 1 && rand() % 4) {
			image_snap(image, id, 1 + (uint32_t)rand() % (id - 1));
		} else {
			image->fill = fills[rand() % 3];
			for (uint64_t key = 0; key < KEYS; key++)
				if (rand() % 4) {
					keys[have] = key;
					chunks[have++] = next++ % CHUNKS;
				}
			image_create(image, id, have, keys, chunks);
		}
		for (int i = rand() % 60; i > 0; i--) {
			uint32_t to = 1 + (uint32_t)rand() % id;
			uint64_t key = (uint64_t)rand() % KEYS;

			if (image_has(image, to, key))
				image_map(image, to, key, next++ % CHUNKS);
		}
	}
	image_finish(image, seed % 2);
	return image;
}

static void agree(void **state)
{
	for (unsigned int seed = 0; seed < POOLS; seed++) {
		struct image *image = random_image(seed);
		char command[128];

		image_write(image, file);
		snprintf(command, sizeof(command), "thin_check -q %s", path);
		assert_int_equal(system(command), 0);
		if (!oracle_agrees(path, 0, 3) || (image->snapshot && !oracle_agrees(path, image->snapshot, 3)))
			fail_msg("seed %u", seed);
		image_free(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agree),
	};

	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
