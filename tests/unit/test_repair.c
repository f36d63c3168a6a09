// SPDX-License-Identifier: LGPL-2.1-or-later
/* Metadata that are mended: copied or by thin_repair, and what devices lose by it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "image.h"
#include "provider/thin/losses.h"
#include "sys/program.h"

#define CHUNKS	20000
#define KEYS	3000
#define BLOCKS	4096
#define CHUNK	(64 << 10)

static char old[] = "bvol-old-XXXXXX", fresh[] = "bvol-fresh-XXXXXX";
static int old_fd, fresh_fd;

static int set_up(void **state)
{
	old_fd = mkstemp(old);
	fresh_fd = mkstemp(fresh);
	return old_fd < 0 || fresh_fd < 0;
}

static int tear_down(void **state)
{
	unlink(old);
	unlink(fresh);
	return close(old_fd) | close(fresh_fd);
}

/* Device 1 alone; 3 a snapshot of 2, which has gone on since. */
static struct image *new_image(void)
{
	uint64_t keys[KEYS], chunks[KEYS];
	struct image *image = image_new(BLOCKS, CHUNKS);

	image->fill = 126;
	for (uint64_t i = 0; i < KEYS; i++)
		keys[i] = chunks[i] = i;
	image_create(image, 1, KEYS, keys, chunks);
	for (uint64_t i = 0; i < KEYS; i++)
		chunks[i] = 5000 + i;
	image_create(image, 2, 1000, keys, chunks);
	image_snap(image, 3, 2);
	image_map(image, 2, 7, 9000);
	image_finish(image, false);
	return image;
}

/* Put it into the file; the place for the mended ones is as large, and has something else. */
static void put(struct image *image)
{
	static const char other[META_BLOCK] = "what was there before";

	image_write(image, old_fd);
	assert_int_equal(ftruncate(fresh_fd, 0), 0);
	assert_int_equal(ftruncate(fresh_fd, BLOCKS * META_BLOCK), 0);
	assert_int_equal(pwrite(fresh_fd, other, sizeof(other), 0), sizeof(other));
	image_free(image);
}

static int count(bool harmless, const char *sentence, void *data)
{
	++*(int *)data;
	return 0;
}

static struct meta *open_meta(const char *path)
{
	struct meta *m = NULL;
	struct err e = { 0 };

	if (meta_open(path, META_COMMITTED, NULL, &m, &e))
		fail_msg("%s", e.text);
	return m;
}

static int faults(struct meta *m)
{
	int n = 0;

	assert_int_equal(meta_check(m, count, &n, NULL), 0);
	return n;
}

static int repair(void)
{
	const char *const args[] = { "-i", old, "-o", fresh, NULL };

	return program_run(PROGRAM_THIN_REPAIR, args, NULL, NULL);
}

static void copies(void **state)
{
	struct image *image = new_image();
	struct disk_super *super = image_block(image, 0);
	struct err e = { 0 };
	struct meta *m;

	super->head.flags = htole32(SUPER_NEEDS_CHECK);
	super->transaction_id = htole64(7);
	image_seal(image, 0);
	put(image);
	m = open_meta(old);
	assert_true(meta_pool(m)->needs_check);
	assert_int_equal(meta_copy(m, fresh, &e), 0);
	meta_close(m);
	assert_int_equal(meta_stamp(fresh, 9, &e), 0);
	m = open_meta(fresh);
	assert_false(meta_pool(m)->needs_check);
	assert_int_equal(meta_pool(m)->transaction_id, 9);
	assert_int_equal(faults(m), 0);
	meta_close(m);
	/* What was copied is as it was. */
	m = open_meta(old);
	assert_true(meta_pool(m)->needs_check);
	assert_int_equal(ftruncate(fresh_fd, (BLOCKS - 1) * META_BLOCK), 0);
	assert_int_equal(meta_copy(m, fresh, &e), -ENOSPC);
	meta_close(m);
	assert_int_equal(ftruncate(fresh_fd, 0), 0);
	err_clear(&e);
	assert_int_equal(meta_stamp(fresh, 9, &e), -EIO);
}

static void lists(struct losses *l, uint64_t size)
{
	static struct loss list[4];

	memset(list, 0, sizeof(list));
	for (uint32_t i = 0; i < 4; i++) {
		list[i].dev = (struct thin_dev) { .dev_id = i + 1, .size = size };
		list[i].name = (char *[]) { "volume \"a\"", "volume \"b\"", "snapshot \"s\"",
					    "volume \"gone\"" }[i];
	}
	*l = (struct losses) { .n = 4, .list = list };
}

static void compare(struct losses *l, int expected)
{
	struct meta *m = open_meta(old);
	struct err e = { 0 };

	assert_int_equal(losses_before(l, m, &e), 0);
	meta_close(m);
	assert_int_equal(repair(), 0);
	m = open_meta(fresh);
	assert_int_equal(faults(m), 0);
	assert_int_equal(losses_after(l, m, &e), expected);
	meta_close(m);
}

/* thin_repair leaves out a leaf that it can't read, and says nothing of it. */
static void losses(void **state)
{
	struct image *image = new_image();
	uint64_t root = image->devices[0].root;
	uint64_t leaf = le64toh(image_values(image_node(image, root))[3]);
	struct losses l;
	char text[256];

	((uint8_t *)image_block(image, leaf))[100] ^= 1;
	put(image);
	lists(&l, (uint64_t)KEYS * CHUNK);
	compare(&l, 0);
	assert_int_equal(losses_tell(&l, text, sizeof(text)), 2);
	assert_non_null(strstr(text, "chunks of volume \"a\", volume \"gone\""));
	assert_int_equal(l.list[0].dev.lost, 125);
	assert_int_equal(l.list[1].dev.lost, 0);
	assert_int_equal(l.list[2].dev.lost, 0);
	assert_true(l.list[3].dev.lost == THIN_LOST_ALL);
	assert_int_equal(l.next_dev_id, 4);
}

/* A device that maps more than it has is none that was saved. */
static void implausible(void **state)
{
	struct losses l;

	put(new_image());
	lists(&l, (uint64_t)(KEYS - 1) * CHUNK);
	compare(&l, -EUCLEAN);
}

/* Space maps are made anew from the trees, without any loss. */
static void space_maps(void **state)
{
	struct image *image = new_image();
	struct disk_super *super = image_block(image, 0);
	struct losses l;
	char text[256];

	((uint8_t *)image_block(image, le64toh(super->data.bitmaps)))[100] ^= 1;
	((uint8_t *)image_block(image, le64toh(super->metadata.bitmaps)))[100] ^= 1;
	put(image);
	lists(&l, (uint64_t)KEYS * CHUNK);
	l.n = 3;
	compare(&l, 0);
	assert_int_equal(losses_tell(&l, text, sizeof(text)), 0);
}

/*
 * With the list of the devices' trees gone thin_repair takes an older one that it comes
 * across, by which nothing seems lost: as many chunks, but others. The lists tell that.
 */
static void older(void **state)
{
	struct image *image = new_image();
	struct disk_super *super = image_block(image, 0);
	uint64_t roots[3], list, ids[] = { 1, 2, 3 };
	struct err e = { 0 };
	struct losses l;
	struct meta *m;
	char text[256];

	memcpy(roots, image_values(image_node(image, le64toh(super->mappings))), sizeof(roots));
	roots[1] = roots[2];
	list = image_add_node(image, NODE_LEAF, sizeof(*roots), 3, ids, roots);
	image_seal(image, list);
	((uint8_t *)image_block(image, le64toh(super->mappings)))[100] ^= 1;
	put(image);
	lists(&l, (uint64_t)KEYS * CHUNK);
	l.n = 3;
	compare(&l, 0);
	assert_int_equal(losses_tell(&l, text, sizeof(text)), 0);
	m = open_meta(old);
	assert_int_equal(meta_lists(m, &e), -EUCLEAN);
	meta_close(m);
}

static void programs(void **state)
{
	static const char *const missing[] = { "-i", "/nonexistent", "-o", fresh, NULL };
	atomic_bool cancel = true;
	struct err e = { 0 };

	assert_int_equal(program_run(PROGRAM_THIN_REPAIR, missing, NULL, &e), -EIO);
	assert_non_null(strstr(e.text, "thin_repair: "));
	put(new_image());
	err_clear(&e);
	assert_int_equal(program_run(PROGRAM_THIN_REPAIR, (const char *[]) { "-i", "/dev/zero", "-o", fresh,
									     NULL }, &cancel, &e) == 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies), cmocka_unit_test(losses), cmocka_unit_test(implausible),
		cmocka_unit_test(space_maps), cmocka_unit_test(older),
		cmocka_unit_test(programs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
