// SPDX-License-Identifier: LGPL-2.1-or-later
/* The copy of the database's rows that a pool carries: where it lies, and what is in it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "codec.h"
#include "provider/thin/kept.h"
#include "store/records.h"
#include "util/crc32c.h"

#define MIB (UINT64_C(1) << 20)
#define ROWS MIB
#define SLOT (15 * MIB / 2)

static struct err err;
static struct disk disk;

/* A first device as large as its copy needs, that reads as zeroes. */
static int open_device(void **state)
{
	char path[] = "/var/tmp/bvol-kept-XXXXXX";

	disk = (struct disk) { .path = "f", .fd = mkstemp(path), .label = {
		.count = 1, .chunk_size = 65536, .device_size = 64 * MIB, .n_segments = 1,
		.segments = { { LABEL_ROWS, ROWS, 15 * MIB } },
	} };
	assert_true(disk.fd >= 0);
	unlink(path);
	memset(&disk.label.pool_id, 7, sizeof(disk.label.pool_id));
	assert_int_equal(ftruncate(disk.fd, 64 * MIB), 0);
	err_clear(&err);
	return 0;
}

static int close_device(void **state)
{
	close(disk.fd);
	return 0;
}

static void write_copy(const char *text)
{
	assert_int_equal(kept_write(&disk, text, strlen(text), 1, NULL, &err), 0);
}

/* What is read is this text, NULL for nothing. */
static void expect(const char *text, bool older)
{
	struct kept kept;
	void *data;
	int code = kept_read(&disk, &kept, &data, &err);

	if (!text) {
		assert_int_equal(code, 1);
		return;
	}
	assert_int_equal(code, 0);
	assert_int_equal(kept.length, strlen(text));
	assert_memory_equal(data, text, kept.length);
	assert_int_equal(kept.older, older);
	free(data);
}

static void flip(uint64_t offset)
{
	uint8_t byte;

	assert_int_equal(pread(disk.fd, &byte, 1, (off_t)offset), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(disk.fd, &byte, 1, (off_t)offset), 1);
	fsync(disk.fd);
}

static void test_slots(void **state)
{
	struct kept kept;

	expect(NULL, false);
	write_copy("one");
	expect("one", false);
	write_copy("two");
	expect("two", false);
	write_copy("three");
	expect("three", false);
	assert_int_equal(kept_write(&disk, "three", 5, 99, &kept, &err), 0);
	assert_int_equal(kept.generation, 3);
	assert_int_equal(kept.at, 1);
	write_copy("");
	expect("", false);
	disk.label.pool_id.b[0]++;
	expect(NULL, false);
}

/* Each field of the newer slot's block, and its copy: the older one is taken, never a wrong one. */
static void test_damage(void **state)
{
	static const uint64_t at[] = { 8, 12, 16, 32, 40, 48, 56, 119, 120, 183, 200, 4095, 4096, 4098 };

	for (size_t i = 0; i < N_OF(at); i++) {
		close_device(state);
		open_device(state);
		write_copy("older");
		write_copy("newer");
		flip(ROWS + SLOT + at[i]);
		expect("older", true);
		flip(ROWS + SLOT + at[i]);
		expect("newer", false);
	}
	/* Without its magic it counts as never written. */
	flip(ROWS + SLOT);
	expect("older", false);
	flip(ROWS + 4096);
	assert_int_equal(kept_read(&disk, &(struct kept) { 0 }, &(void *) { NULL }, &err), -EBADMSG);
	write_copy("mended");
	expect("mended", false);
}

/* A crash while the copy after next is written: its block is the old one still. */
static void test_cut_off(void **state)
{
	write_copy("first");
	write_copy("second");
	write_copy("third");
	assert_int_equal(pwrite(disk.fd, "FOUR", 4, ROWS + SLOT + 4096), 4);
	expect("third", false);
	flip(ROWS + 4096);
	assert_int_equal(kept_read(&disk, &(struct kept) { 0 }, &(void *) { NULL }, &err), -EBADMSG);
}

/* A block with a copy that the disk has not taken: never the only whole one is written over. */
static void test_not_taken(void **state)
{
	write_copy("first");
	write_copy("second");
	flip(ROWS + SLOT + 4096);
	write_copy("third");
	expect("third", false);
	flip(ROWS + SLOT + 4096);
	expect("first", true);
	/* Nor is it taken for what is to be written. */
	write_copy("third");
	expect("third", false);
}

/* What a foreign disk says of itself is not believed without bounds. */
static void test_bounds(void **state)
{
	struct label label = { .n_segments = 1, .segments = { { LABEL_ROWS, ROWS, UINT64_MAX / MIB * MIB } } };

	assert_true(kept_room(&label) <= 64 * MIB);
}

static void test_later(void **state)
{
	uint8_t block[4096];
	uint32_t crc;

	write_copy("one");
	assert_int_equal(pread(disk.fd, block, sizeof(block), ROWS), (ssize_t)sizeof(block));
	block[8] = 2;
	memset(block + 12, 0, sizeof(crc));
	crc = htole32(~crc32c(~0U, block, sizeof(block)));
	memcpy(block + 12, &crc, sizeof(crc));
	assert_int_equal(pwrite(disk.fd, block, sizeof(block), ROWS), (ssize_t)sizeof(block));
	fsync(disk.fd);
	assert_int_equal(kept_read(&disk, &(struct kept) { 0 }, &(void *) { NULL }, &err), -EPROTO);
	assert_non_null(strstr(err.text, "newer version"));
}

static void test_room(void **state)
{
	uint8_t *much = calloc(1, SLOT);

	write_copy("small");
	assert_int_equal(kept_room(&disk.label), SLOT - 4096);
	assert_int_equal(kept_write(&disk, much, SLOT - 4095, 1, NULL, &err), -EFBIG);
	assert_non_null(strstr(err.text, "no room"));
	expect("small", false);
	err_clear(&err);
	assert_int_equal(kept_write(&disk, much, SLOT - 4096, 1, NULL, &err), 0);
	free(much);
}

/* Records */

static const records_types types = {
	[RECORD_POOL] = &bvol_type_pool, [RECORD_VOLUME] = &bvol_type_volume,
};

static struct bvol_volume *volume_called(const char *name)
{
	struct bvol_volume *v = codec_new(&bvol_type_volume);

	v->has |= BVOL_BIT(BVOL_A_VOLUME_ID);
	codec_set(v, BVOL_A_VOLUME_SIZE, size, 4096);
	assert_int_equal(codec_set_string(&bvol_type_volume, v, BVOL_A_VOLUME_NAME, name), 0);
	return v;
}

static int join_names(enum record_tag tag, void *obj, void *data)
{
	assert_int_equal(tag, RECORD_VOLUME);
	strcat(data, ((struct bvol_volume *)obj)->name);
	return 0;
}

static void add(struct records *r, const char *name)
{
	struct bvol_volume *v = volume_called(name);

	assert_int_equal(records_add(r, RECORD_VOLUME, &bvol_type_volume, v, &err), 0);
	bvol_free(&bvol_type_volume, v);
}

static void test_records(void **state)
{
	struct records r = { 0 };
	char names[64] = "";

	assert_int_equal(records_walk(NULL, 0, types, join_names, names, &err), 0);
	add(&r, "a");
	add(&r, "longer");
	add(&r, "c");
	assert_int_equal(r.n % 4, 0);
	assert_int_equal(records_walk(r.data, r.n, types, join_names, names, &err), 0);
	assert_string_equal(names, "alongerc");
	/* Nobody asks for them: passed over. */
	assert_int_equal(records_walk(r.data, r.n, (records_types) { 0 }, join_names, names, &err), 0);
	assert_string_equal(names, "alongerc");
	/* Cut off anywhere but between two: damaged. */
	for (size_t n = 1; n < 8; n++)
		assert_int_equal(records_walk(r.data, r.n - n, types, join_names, names, NULL), -EBADMSG);
	records_clear(&r);
}

static void test_records_later(void **state)
{
	struct records r = { 0 };
	char names[64] = "";
	uint16_t attr = 4000;

	add(&r, "a");
	/* Its last attribute becomes one that nobody knows. */
	memcpy(r.data + 8 + 2, &attr, sizeof(attr));
	assert_int_equal(records_walk(r.data, r.n, types, join_names, names, &err), -EPROTO);
	assert_non_null(strstr(err.text, "newer version"));
	r.n = 0;
	err_clear(&err);
	add(&r, "a");
	r.data[0] = RECORD_TAGS;
	assert_int_equal(records_walk(r.data, r.n, types, join_names, names, &err), -EPROTO);
	r.data[0] = 0;
	assert_int_equal(records_walk(r.data, r.n, types, join_names, names, NULL), -EPROTO);
	records_clear(&r);
	assert_string_equal(names, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_slots, open_device, close_device),
		cmocka_unit_test_setup_teardown(test_damage, open_device, close_device),
		cmocka_unit_test_setup_teardown(test_cut_off, open_device, close_device),
		cmocka_unit_test_setup_teardown(test_not_taken, open_device, close_device),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test_setup_teardown(test_later, open_device, close_device),
		cmocka_unit_test_setup_teardown(test_room, open_device, close_device),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_records_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
