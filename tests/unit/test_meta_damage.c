// SPDX-License-Identifier: LGPL-2.1-or-later
/* Damaged metadata: an error that names the block, whatever the damage, and no more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"
#include "image.h"
#include "provider/thin/meta/meta.h"

#define KEYS	900
#define CHUNKS	3000
#define CHUNK	(UINT64_C(1) << TIME_BITS)	/* chunk 1 as the value of a mapping */

static char path[32];
static int memory = -1;

static int set_up(void **state)
{
	memory = memfd_create("meta", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	return memory < 0;
}

static int tear_down(void **state)
{
	return close(memory);
}

/* Device 1, its snapshot 2 and 3 of nothing; some chunks are used by three. */
static struct image *small(void)
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
	for (int i = 0; i < KEYS; i += 100)
		image_map(image, 2, keys[i], 2000);
	image_create(image, 3, 0, keys, chunks);
	return image;
}

static int no_device(const struct meta_device *d, void *data)
{
	return 0;
}

static int no_extent(const struct meta_extent *x, void *data)
{
	return 0;
}

static int no_change(const struct meta_change *c, void *data)
{
	return 0;
}

static int no_count(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	return 0;
}

static int do_devices(struct meta *m, struct err *e)
{
	return meta_devices(m, no_device, NULL, e);
}

static int do_mapped(struct meta *m, struct err *e)
{
	return meta_mapped(m, 1, no_extent, NULL, e);
}

static int do_exclusive(struct meta *m, struct err *e)
{
	return meta_exclusive(m, 2, true, no_extent, NULL, e);
}

static int do_diff(struct meta *m, struct err *e)
{
	return meta_diff(m, 1, 2, false, no_change, NULL, e);
}

static int do_same(struct meta *m, struct err *e)
{
	return meta_diff(m, 2, 1, true, no_change, NULL, e);
}

static int do_chunks(struct meta *m, struct err *e)
{
	return meta_chunk_counts(m, no_count, NULL, e);
}

static int do_blocks(struct meta *m, struct err *e)
{
	return meta_block_counts(m, no_count, NULL, e);
}

static int (*const verbs[])(struct meta *m, struct err *e) = {
	do_devices, do_mapped, do_exclusive, do_diff, do_same, do_chunks, do_blocks,
};

static struct disk_super *super(struct image *image)
{
	return image_block(image, 0);
}

static uint64_t child(struct image *image, uint64_t block, uint32_t i)
{
	return le64toh(image_values(image_node(image, block))[i]);
}

/* Blocks that are damaged. */
static uint64_t the_super(struct image *image)
{
	return 0;
}

static uint64_t the_root(struct image *image)
{
	return image->devices[0].root;
}

static uint64_t the_leaf(struct image *image)
{
	return child(image, the_root(image), 3);
}

static uint64_t the_mappings(struct image *image)
{
	return le64toh(super(image)->mappings);
}

static uint64_t the_devices(struct image *image)
{
	return le64toh(super(image)->devices);
}

static uint64_t the_chunk_index(struct image *image)
{
	return le64toh(super(image)->data.bitmaps);
}

static uint64_t the_chunk_bitmap(struct image *image)
{
	return child(image, the_chunk_index(image), 0);
}

static uint64_t the_chunk_counts(struct image *image)
{
	return le64toh(super(image)->data.counts);
}

static uint64_t the_block_index(struct image *image)
{
	return le64toh(super(image)->metadata.bitmaps);
}

#define SUPER(field)	__builtin_offsetof(struct disk_super, field)
#define HEAD(field)	__builtin_offsetof(struct disk_head, field)
#define NODE(field)	__builtin_offsetof(struct disk_node, field)
#define KEY(i)		(32 + 8 * (i))
#define VALUE(i)	(32 + 8 * 252 + 8 * (i))

enum {
	OPEN, DEVICES, MAPPED, EXCLUSIVE, DIFF, SAME, COUNT_CHUNKS, COUNT_BLOCKS,
	BROKEN = 16,	/* with its checksum not mended */
};

/* Overwritten: the block, where in it, how many bytes, with what; which function finds fault, and why. */
static const struct {
	uint64_t (*where)(struct image *image);
	size_t offset, width;
	uint64_t value;
	int verb;
	const char *why;
} damages[] = {
	{ the_super, 200, 1, 1, OPEN | BROKEN, "its checksum is wrong" },
	{ the_super, SUPER(magic), 4, 1, OPEN, "not the superblock" },
	{ the_super, SUPER(version), 4, 3, OPEN, "use a newer bvol" },
	{ the_super, SUPER(version), 4, 0, OPEN, "use a newer bvol" },
	{ the_super, SUPER(incompat), 4, 4, OPEN, "features 0x4" },
	{ the_super, SUPER(block_sectors), 4, 16, OPEN, "blocks of 16 sectors" },
	{ the_super, SUPER(chunk_sectors), 4, 64, OPEN, "chunks of 64 sectors" },
	{ the_super, SUPER(chunk_sectors), 4, 192, OPEN, "chunks of 192 sectors" },
	{ the_super, SUPER(chunk_sectors), 4, 0, OPEN, "chunks of 0 sectors" },
	{ the_super, SUPER(chunk_sectors), 4, 4194304, OPEN, "chunks of 4194304 sectors" },
	{ the_super, SUPER(time), 4, 1 << 24, OPEN, "its time 16777216" },
	{ the_super, SUPER(snapshot), 8, 120, OPEN, "refers to block 120 of 120" },
	{ the_super, SUPER(mappings), 8, 0, OPEN, "refers to blocks 0 and" },
	{ the_super, SUPER(devices), 8, UINT64_MAX, OPEN, "18446744073709551615 of 120" },
	{ the_super, SUPER(metadata.total), 8, 121, OPEN, "121 blocks, its device has 120" },
	{ the_super, SUPER(metadata.total), 8, UINT64_MAX, OPEN, "blocks in use" },
	{ the_super, SUPER(metadata.used), 8, 121, OPEN, "121 of 120 blocks in use" },
	{ the_super, SUPER(data.total), 8, UINT64_MAX / 2, OPEN, "chunks in use" },
	{ the_super, SUPER(data.used), 8, CHUNKS + 1, OPEN, "3001 of 3000 chunks in use" },
	{ the_super, SUPER(data.total), 8, 905, MAPPED, "refers to chunk" },
	{ the_super, SUPER(data.bitmaps), 8, 0, COUNT_CHUNKS, "its space map refers to blocks 0" },
	{ the_super, SUPER(data.counts), 8, 120, COUNT_CHUNKS, "its space map refers to blocks" },
	{ the_super, SUPER(data.used), 8, 3, COUNT_CHUNKS, "the superblock tells of 3" },
	{ the_leaf, 2000, 1, 0xff, MAPPED | BROKEN, "its checksum is wrong" },
	{ the_leaf, HEAD(flags), 4, 0, MAPPED, "neither an inner node nor a leaf" },
	{ the_leaf, HEAD(flags), 4, 3, MAPPED, "neither an inner node nor a leaf" },
	{ the_leaf, HEAD(flags), 4, 1, MAPPED, "is damaged" },
	{ the_leaf, NODE(entries), 4, 253, MAPPED, "it has 253 of at most 252 entries" },
	{ the_leaf, NODE(entries), 4, UINT32_MAX, MAPPED, "of at most 252 entries" },
	{ the_leaf, NODE(entries), 4, 0, MAPPED, "it is empty" },
	{ the_leaf, NODE(entries), 4, 89, MAPPED, "its details tell of 900" },
	{ the_leaf, NODE(max_entries), 4, 255, MAPPED, "no room for 255 entries" },
	{ the_leaf, NODE(max_entries), 4, UINT32_MAX, MAPPED, "no room for" },
	{ the_leaf, NODE(value_size), 4, 16, MAPPED, "its values have 16 bytes" },
	{ the_leaf, NODE(value_size), 4, 0, MAPPED, "its values have 0 bytes" },
	{ the_leaf, KEY(0), 8, 0, MAPPED, "its key 0 is not from 550" },
	{ the_leaf, KEY(5), 8, 550, MAPPED, "its key 550 is not from" },
	{ the_leaf, KEY(89), 8, 730, MAPPED, "its key 730 is not from" },
	{ the_leaf, KEY(89), 8, UINT64_MAX, MAPPED, "its key 18446744073709551615" },
	{ the_leaf, VALUE(4), 8, CHUNKS * CHUNK, MAPPED, "refers to chunk 3000 of 3000" },
	{ the_leaf, VALUE(4), 8, UINT64_MAX, EXCLUSIVE, "refers to chunk" },
	{ the_leaf, VALUE(4), 8, UINT64_MAX, DIFF, "refers to chunk" },
	{ the_root, VALUE(3), 8, 120, MAPPED, "refers to block 120 of 120" },
	{ the_root, VALUE(3), 8, 0, DIFF, "refers to block 0 of 120" },
	{ the_root, VALUE(3), 8, 2, MAPPED, "is damaged" },
	{ the_root, KEY(9), 8, UINT64_MAX / 65536, MAPPED, "is not from" },
	{ the_root, NODE(entries), 4, 0, MAPPED, "it is empty" },
	{ the_root, HEAD(flags), 4, 2, MAPPED, "its details tell of 900" },
	{ the_mappings, VALUE(0), 8, 120, EXCLUSIVE, "device 1 below it refers to block 120" },
	{ the_mappings, VALUE(0), 8, 0, MAPPED, "device 1 below it refers to block 0" },
	{ the_mappings, KEY(2), 8, 1 << 24, EXCLUSIVE, "below 16777216" },
	{ the_mappings, KEY(0), 8, 0, MAPPED, "device 1 is missing" },
	{ the_devices, KEY(2), 8, UINT64_MAX, DEVICES, "is not from" },
	{ the_devices, KEY(1), 8, 1, DEVICES, "its key 1 is not from" },
	{ the_devices, NODE(value_size), 4, 8, DEVICES, "its values have 8 bytes" },
	{ the_devices, 32 + 8 * 126, 8, 899, MAPPED, "its details tell of 899" },
	{ the_chunk_index, KEY(0), 8, 1, COUNT_CHUNKS, "is not from 0 to below 1" },
	{ the_chunk_index, 32 + 8 * 168, 8, 0, COUNT_CHUNKS, "refers to block 0 of 120" },
	{ the_chunk_index, 32 + 8 * 168, 8, 120, COUNT_CHUNKS, "refers to block 120 of 120" },
	{ the_chunk_index, 32 + 8 * 168 + 8, 4, 5, COUNT_CHUNKS, "its index tells of 5" },
	{ the_chunk_bitmap, 16, 1, 1, COUNT_CHUNKS, "is damaged" },
	{ the_chunk_bitmap, 16, 1, 0x55, COUNT_CHUNKS | BROKEN, "is wrong" },
	{ the_chunk_bitmap, 16 + CHUNKS / 4, 1, 1, COUNT_CHUNKS, "behind the end of the device" },
	{ the_chunk_bitmap, 16 + 100, 1, 0xff, COUNT_CHUNKS, "but how often is nowhere" },
	{ the_chunk_counts, NODE(entries), 4, 0, COUNT_CHUNKS, "but how often is nowhere" },
	{ the_chunk_counts, 32 + 8 * 336, 4, 2, COUNT_CHUNKS, "a count of 2 is too low" },
	{ the_chunk_counts, KEY(0), 8, 2001, COUNT_CHUNKS, "but how often is nowhere" },
	{ the_block_index, 16, 8, 0, COUNT_BLOCKS, "refers to block 0 of 120" },
	{ the_block_index, 50, 1, 1, COUNT_BLOCKS | BROKEN, "is wrong" },
};

static int run(int verb, struct err *e)
{
	struct meta *m;
	int code = meta_open(path, META_COMMITTED, NULL, &m, e);

	if (code || verb == OPEN)
		return code;
	code = verbs[verb - 1](m, e);
	meta_close(m);
	return code;
}

static void table(void **state)
{
	for (size_t i = 0; i < N_OF(damages); i++) {
		struct image *image = small();
		bool broken = damages[i].verb & BROKEN;
		struct err e = { 0 };
		uint64_t block;
		char name[32];
		int code;

		image_finish(image, false);
		block = damages[i].where(image);
		for (size_t byte = 0; byte < damages[i].width; byte++)
			((uint8_t *)image_block(image, block))[damages[i].offset + byte] =
				(uint8_t)(damages[i].value >> 8 * byte);
		if (!broken)
			image_seal(image, block);
		image_write(image, memory);
		code = run(damages[i].verb & ~BROKEN, &e);
		snprintf(name, sizeof(name), "block %lu of the pool's", block);
		if ((code != -EUCLEAN && code != -EOPNOTSUPP) || !strstr(e.text, damages[i].why) ||
		    strncmp(e.text, name, code == -EOPNOTSUPP ? 0 : broken ? strlen(name) : 6))
			fail_msg("damage %zu (%s): %d, %s", i, damages[i].why, code, e.text);
		image_free(image);
	}
}

/* A write that went to the wrong place. */
static void misplaced(void **state)
{
	struct image *image = small();
	struct err e = { 0 };
	char why[128];

	image_finish(image, false);
	memcpy(image_block(image, the_leaf(image)), image_block(image, the_mappings(image)), META_BLOCK);
	image_write(image, memory);
	assert_int_equal(run(MAPPED, &e), -EUCLEAN);
	snprintf(why, sizeof(why), "block %lu of the pool's metadata is damaged: it was written for block %lu",
		 the_leaf(image), the_mappings(image));
	assert_string_equal(e.text, why);
	image_free(image);
}

/* Blocks that refer to themselves, to their parents, or all to the same. */
static void loops(void **state)
{
	for (int kind = 1; kind < 4; kind++) {
		struct image *image = small();
		uint64_t keys[252], children[252], root;
		struct err e = { 0 };

		image_finish(image, false);
		root = the_root(image);
		for (int i = 0; i < 252; i++) {
			keys[i] = 10 + (uint64_t)i;
			children[i] = htole64(kind & 1 ? root : the_leaf(image));
		}
		/* A chain of nodes with one child each, or as many as there is room for. */
		image_node(image, root)->entries = htole32(kind & 2 ? 252 : 1);
		memcpy(image_node(image, root)->keys, keys, sizeof(keys));
		memcpy(image_values(image_node(image, root)), children, sizeof(children));
		image_seal(image, root);
		image_write(image, memory);
		assert_int_equal(run(MAPPED, &e), -EUCLEAN);
		err_clear(&e);
		assert_int_equal(run(DIFF, &e), -EUCLEAN);
		err_clear(&e);
		assert_int_equal(run(EXCLUSIVE, &e), -EUCLEAN);
		image_free(image);
	}
}

/* Any byte of any block, with the seal broken and mended. */
static void anywhere(void **state)
{
	struct image *image = small();
	uint64_t silent = 0;

	srand(1);
	image_finish(image, false);
	image_write(image, memory);
	for (uint64_t turn = 0; turn < 6 * image->next; turn++) {
		uint64_t block = turn % image->next;
		uint8_t *bytes = image_block(image, block), before[META_BLOCK];
		bool mend = turn / image->next > 0;
		struct err e = { 0 };

		memcpy(before, bytes, META_BLOCK);
		bytes[rand() % 2 ? rand() % META_BLOCK : rand() % 48] ^= (uint8_t)(1 << rand() % 8);
		if (mend)
			image_seal(image, block);
		assert_int_equal(pwrite(memory, bytes, META_BLOCK, (off_t)(block * META_BLOCK)), META_BLOCK);
		for (int verb = DEVICES; verb <= COUNT_BLOCKS; verb++) {
			err_clear(&e);
			silent += !run(verb, &e);
			if (e.code && e.code != -EUCLEAN && e.code != -EOPNOTSUPP && e.code != -ENOENT)
				fail_msg("block %lu: %s", block, e.text);
			if (e.code == -EUCLEAN && strncmp(e.text, "block ", 6))
				fail_msg("no block in: %s", e.text);
			/* Five times 50 ms for a superblock are enough. */
			if (!block && !mend)
				break;
		}
		memcpy(bytes, before, META_BLOCK);
		assert_int_equal(pwrite(memory, bytes, META_BLOCK, (off_t)(block * META_BLOCK)), META_BLOCK);
	}
	/* Most blocks have no part in most questions. */
	assert_true(silent > 0);
	image_free(image);
}

/* Metadata that ends anywhere. */
static void cut(void **state)
{
	struct image *image = small();

	image_finish(image, false);
	image_write(image, memory);
	for (off_t size = 119; size >= 0; size -= 7) {
		struct err e = { 0 };

		assert_int_equal(ftruncate(memory, size * META_BLOCK + 100), 0);
		assert_int_equal(run(MAPPED, &e), size ? -EUCLEAN : -EIO);
	}
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(misplaced),
		cmocka_unit_test(loops),
		cmocka_unit_test(anywhere),
		cmocka_unit_test(cut),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
