// SPDX-License-Identifier: LGPL-2.1-or-later
/* The full check of a pool's metadata and thin_check come to the same verdict, damage for damage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "image.h"
#include "provider/thin/meta/meta.h"

#define KEYS	900
#define CHUNKS	3000
#define TURNS	8

static char path[] = "bvol-check-XXXXXX";
static int file = -1;

static int set_up(void **state)
{
	file = mkstemp(path);
	return file < 0;
}

static int tear_down(void **state)
{
	unlink(path);
	return close(file);
}

static struct image *small(bool hold)
{
	struct image *image = image_new(120, CHUNKS);
	uint64_t keys[KEYS], chunks[KEYS];

	for (uint64_t i = 0; i < KEYS; i++) {
		keys[i] = 10 + 2 * i;
		chunks[i] = i + 7;
	}
	image->fill = 90;
	image_create(image, 1, KEYS, keys, chunks);
	image_snap(image, 2, 1);
	image_snap(image, 3, 2);
	for (int i = 0; i < KEYS; i += 100)
		image_map(image, 2, keys[i], 2000);
	image_create(image, 4, 0, keys, chunks);
	image_finish(image, hold);
	return image;
}

struct verdict {
	unsigned int bad, harmless;
	char first[BVOL_SENTENCE_MAX + 1];
};

static int note(bool harmless, const char *sentence, void *data)
{
	struct verdict *v = data;

	if (!v->bad && !v->harmless)
		snprintf(v->first, sizeof(v->first), "%s", sentence);
	*(harmless ? &v->harmless : &v->bad) += 1;
	return 0;
}

static struct verdict ours(uint64_t snapshot)
{
	struct verdict v = { 0 };
	struct err e = { 0 };
	struct meta *m;

	if (meta_open(path, snapshot, NULL, &m, &e)) {
		note(false, e.text, &v);
		return v;
	}
	assert_int_equal(meta_check(m, note, &v, &e), 0);
	meta_close(m);
	return v;
}

static bool thin_check_finds(void)
{
	char command[128];

	snprintf(command, sizeof(command), "thin_check -q %s >/dev/null 2>&1", path);
	return system(command);
}

static void sound(void **state)
{
	for (int hold = 0; hold < 2; hold++) {
		struct image *image = small(hold);
		struct verdict v;

		image_write(image, file);
		assert_false(thin_check_finds());
		v = ours(META_COMMITTED);
		if (v.bad || v.harmless)
			fail_msg("%s", v.first);
		v = ours(image->snapshot);
		assert_int_equal(v.bad + v.harmless, 0);
		image_free(image);
	}
}

/*
 * Any byte of any block, in its seal's order or not. thin_check doesn't look at
 * everything: what it passes over and we don't is counted.
 */
static void anywhere(void **state)
{
	struct image *image = small(false);
	unsigned int found = 0, alone = 0;

	srand(3);
	image_write(image, file);
	for (uint64_t turn = 0; turn < TURNS * image->next; turn++) {
		uint64_t block = turn % image->next;
		uint8_t *bytes = image_block(image, block), before[META_BLOCK];
		size_t at = rand() % 3 ? (size_t)rand() % META_BLOCK : (size_t)rand() % 300;
		bool theirs, mend = turn / image->next > 0;
		struct verdict v;

		memcpy(before, bytes, META_BLOCK);
		bytes[at] ^= (uint8_t)(1 << rand() % 8);
		if (mend)
			image_seal(image, block);
		assert_int_equal(pwrite(file, bytes, META_BLOCK, (off_t)(block * META_BLOCK)), META_BLOCK);
		v = ours(META_COMMITTED);
		theirs = thin_check_finds();
		if (theirs && !v.bad && !v.harmless)
			fail_msg("turn %lu: byte %zu of block %lu: thin_check alone finds fault", turn, at,
				 block);
		found += theirs;
		alone += !theirs && (v.bad || v.harmless);
		memcpy(bytes, before, META_BLOCK);
		assert_int_equal(pwrite(file, bytes, META_BLOCK, (off_t)(block * META_BLOCK)), META_BLOCK);
	}
	assert_true(found > image->next);
	assert_true(alone < found);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound),
		cmocka_unit_test(anywhere),
	};

	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
