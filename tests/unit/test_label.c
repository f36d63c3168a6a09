// SPDX-License-Identifier: LGPL-2.1-or-later
/* The label on a pool's devices, and what else the thin provider puts into words and reads from them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "provider/thin/disk.h"
#include "provider/thin/kernel.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct err err;

static struct label planned(uint64_t size, uint32_t index, uint32_t chunk)
{
	struct label label = {
		.index = index, .count = index + 1, .chunk_size = chunk, .device_size = size,
	};

	for (size_t i = 0; i < sizeof(label.pool_id.b); i++)
		label.pool_id.b[i] = (uint8_t)(i * 17);
	assert_int_equal(label_plan(&label, size, "/dev/test", &err), 0);
	return label;
}

static uint64_t length_of(const struct label *label, enum label_role role)
{
	const struct label_segment *s = label_find(label, role);

	return s ? s->length : 0;
}

static void test_layout(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t index, chunk;
		uint64_t metadata, room, data;
	} cases[] = {
		{ 64 * MIB, 0, 65536, 16 * MIB, 0, 16 * MIB },
		{ 2 * GIB, 0, 65536, 16 * MIB, 48 * MIB, 1904 * MIB },
		{ 2 * GIB + 12345, 0, 65536, 16 * MIB, 48 * MIB, 1904 * MIB },
		{ 17 * MIB, 1, 65536, 0, 0, 16 * MIB },
		{ 64 * GIB, 1, 65536, 0, 128 * MIB, 64 * GIB - 257 * MIB },
		{ 1024 * GIB, 0, 65536, 2 * GIB, 6 * GIB, 1008 * GIB - 16 * MIB },
		{ 1024 * GIB, 0, 1 << 20, 128 * MIB, 384 * MIB, 1023 * GIB - 16 * MIB },
		{ 65536 * GIB, 0, 65536, 16192 * MIB, 0, 65536 * GIB - 2 * 16192 * MIB - 16 * MIB },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct label label = planned(cases[i].size, cases[i].index, cases[i].chunk);

		assert_int_equal(length_of(&label, LABEL_METADATA), cases[i].metadata);
		assert_int_equal(length_of(&label, LABEL_SPARE), cases[i].metadata);
		assert_int_equal(length_of(&label, LABEL_ROOM), cases[i].room);
		assert_int_equal(length_of(&label, LABEL_DATA), cases[i].data);
		assert_int_equal(length_of(&label, LABEL_SELF), MIB);
		assert_int_equal(label_find(&label, LABEL_DATA)->offset % MIB, 0);
	}
}

/* What lies behind the label, as "role length", lengths in MiB; whatever has grown is still sound. */
static void assert_segments(const struct label *label, const char *wanted)
{
	uint8_t block[LABEL_SIZE];
	struct label back;
	char text[256] = "";
	uint64_t at = 0;

	for (uint32_t i = 0; i < label->n_segments; i++) {
		const struct label_segment *s = &label->segments[i];

		assert_int_equal(s->offset, at);
		at += s->length;
		if (i)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u %llu",
				 *text ? ", " : "", s->role, (unsigned long long)(s->length / MIB));
	}
	assert_string_equal(text, wanted);
	label_encode(label, block);
	assert_int_equal(label_decode(block, &back), 0);
}

static void test_growth(void **state)
{
	struct label label = planned(4 * GIB, 0, 65536);

	assert_segments(&label, "2 15, 3 16, 6 48, 4 16, 6 48, 5 3952");
	assert_int_equal(label_grow(&label, 16 * MIB), 16 * MIB);
	assert_segments(&label, "2 15, 3 32, 6 32, 4 32, 6 32, 5 3952");
	assert_int_equal(label_grow(&label, 64 * MIB), 32 * MIB);
	assert_segments(&label, "2 15, 3 64, 4 64, 5 3952");
	assert_int_equal(label_grow(&label, MIB), 0);
	assert_segments(&label, "2 15, 3 64, 4 64, 5 3952");

	label = planned(64 * GIB, 1, 65536);
	assert_segments(&label, "6 128, 6 128, 5 65279");
	assert_int_equal(label_grow(&label, 100 * MIB), 100 * MIB);
	assert_segments(&label, "3 100, 6 28, 4 100, 6 28, 5 65279");
	assert_int_equal(label_grow(&label, 100 * MIB), 28 * MIB);
	assert_segments(&label, "3 128, 4 128, 5 65279");
}

/* A spare has nothing but its label. */
static void test_spare(void **state)
{
	struct label label = planned(2 * GIB, 0, 65536), back;
	uint8_t block[LABEL_SIZE];

	label.n_segments = 1;
	label_encode(&label, block);
	assert_int_equal(label_decode(block, &back), -EBADMSG);
	label.spare = true;
	label_encode(&label, block);
	assert_int_equal(label_decode(block, &back), 0);
	assert_true(back.spare);
	assert_false(back.ready);
}

static void test_too_small(void **state)
{
	struct label label = { .count = 1, .chunk_size = 65536, .device_size = 63 * MIB };

	err_clear(&err);
	assert_int_equal(label_plan(&label, label.device_size, "/dev/x", &err), -ENOSPC);
	assert_non_null(strstr(err.text, "/dev/x has 63.0 MiB, this pool needs at least 64.0 MiB"));
	label.device_size = 64 * MIB - 1;
	assert_int_equal(label_plan(&label, label.device_size, "/dev/x", &err), -ENOSPC);
	label.chunk_size = 1 << 30;
	label.device_size = GIB;
	assert_int_equal(label_plan(&label, GIB, "/dev/x", &err), -ENOSPC);
}

static void test_round_trip(void **state)
{
	struct label label = planned(3 * GIB, 0, 131072), back;
	uint8_t block[LABEL_SIZE];

	label.ready = true;
	label_encode(&label, block);
	assert_memory_equal(block, "BVOLPOOL\2\0\0\0", 12);
	assert_int_equal(label_decode(block, &back), 0);
	assert_memory_equal(&label, &back, sizeof(label));
}

/* A pool is one node's, until it is exported or taken by force. */
static void test_owner(void **state)
{
	struct label label = planned(3 * GIB, 0, 65536), back;
	uint8_t block[LABEL_SIZE];

	assert_int_equal(label_is_mine(&label, "p", &err), 0);
	label_own(&label, LABEL_OWNED);
	label_encode(&label, block);
	assert_int_equal(label_decode(block, &back), 0);
	assert_int_equal(label_is_mine(&back, "p", &err), 1);
	assert_int_equal(back.owner.generation, 1);
	back.owner.node.b[3] ^= 1;
	strcpy(back.owner.name, "other");
	err_clear(&err);
	assert_int_equal(label_is_mine(&back, "p", &err), -EBUSY);
	assert_non_null(strstr(err.text, "belongs to node other"));
	label_own(&back, LABEL_FREE);
	label_encode(&back, block);
	assert_int_equal(label_decode(block, &back), 0);
	assert_int_equal(back.owner.generation, 2);
	err_clear(&err);
	assert_int_equal(label_is_mine(&back, "p", &err), -EBUSY);
	assert_non_null(strstr(err.text, "belongs to no node"));
	/* A name that is none. */
	strcpy(label.owner.name, "a\n\033b");
	label_encode(&label, block);
	assert_int_equal(label_decode(block, &back), 0);
	assert_string_equal(back.owner.name, "a??b");
}

static void test_not_a_label(void **state)
{
	uint8_t block[LABEL_SIZE] = { 0 };
	struct label label = planned(3 * GIB, 0, 65536), back;

	assert_int_equal(label_decode(block, &back), 1);
	label_encode(&label, block);
	block[0] = 'b';
	assert_int_equal(label_decode(block, &back), 1);
	block[0] = 'B';
	for (size_t i = 8; i < LABEL_SIZE; i++) {
		block[i] ^= 0x10;
		assert_int_equal(label_decode(block, &back), -EBADMSG);
		block[i] ^= 0x10;
	}
	assert_int_equal(label_decode(block, &back), 0);
}

/* Labels with a right checksum that can't be true. */
static void test_unsound(void **state)
{
	const struct label good = planned(3 * GIB, 0, 65536);
	uint8_t block[LABEL_SIZE];
	struct label bad, back;

#define REFUSED(change) do { bad = good; change; label_encode(&bad, block); \
		assert_int_equal(label_decode(block, &back), -EBADMSG); } while (0)
	REFUSED(bad.index = 1);
	REFUSED(bad.count = 0);
	REFUSED(bad.count = LABEL_DEVICES_MAX + 1);
	REFUSED(bad.chunk_size = 0);
	REFUSED(bad.chunk_size = 100);
	REFUSED(bad.chunk_size = UINT32_C(1) << 31);
	REFUSED(bad.n_segments = 0);
	REFUSED(bad.segments[4].length += MIB);
	REFUSED(bad.segments[4].offset -= MIB);
	REFUSED(bad.segments[4].offset = UINT64_MAX / MIB * MIB);
	REFUSED(bad.segments[2].length = 0);
	REFUSED(bad.segments[2].offset += 512);
	REFUSED(bad.segments[2].role = 99);
	REFUSED(bad.device_size = MIB);
	REFUSED(bad.owner.state = LABEL_FREE + 1);
#undef REFUSED
}

/* On a file, which takes direct I/O as a disk does (or, on tmpfs of old kernels, does not: then skip). */
static void test_on_disk(void **state)
{
	char path[] = "/var/tmp/bvol-label-XXXXXX";
	struct label label = planned(3 * GIB, 0, 65536), back;
	uint8_t zero[LABEL_SIZE] = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)MIB), 0);
	if (fcntl(fd, F_SETFL, O_RDWR | O_DIRECT)) {
		close(fd);
		skip();
	}
	fcntl(fd, F_SETFL, O_RDWR);
	assert_int_equal(label_read(fd, "f", &back, &err), 1);
	assert_int_equal(label_write(fd, "f", &label, &err), 0);
	assert_int_equal(label_read(fd, "f", &back, &err), 0);
	assert_memory_equal(&label, &back, sizeof(label));
	assert_int_equal(pwrite(fd, zero, LABEL_SIZE, 0), LABEL_SIZE);
	assert_int_equal(label_read(fd, "f", &back, &err), 0);
	assert_int_equal(pwrite(fd, "x", 1, LABEL_COPY + 99), 1);
	assert_int_equal(label_read(fd, "f", &back, &err), -EBADMSG);
	assert_int_equal(label_erase(fd, "f", &err), 0);
	assert_int_equal(label_read(fd, "f", &back, &err), 1);
	close(fd);
}

static void test_status(void **state)
{
	static const struct {
		const char *text;
		int code;
		struct thin_status status;
	} cases[] = {
		{ "7 419/4096 3/15616 - rw discard_passdown error_if_no_space - 1024 ", 0,
		  { THIN_WRITE, false, 7, 419, 4096, 3, 15616, 0, false } },
		{ "7 419/4096 15616/15616 - out_of_data_space discard_passdown error_if_no_space - 1024", 0,
		  { THIN_NO_SPACE, false, 7, 419, 4096, 15616, 15616, 0, false } },
		{ "7 419/4096 3/15616 1234 ro no_discard_passdown queue_if_no_space needs_check 1024", 0,
		  { THIN_READ_ONLY, true, 7, 419, 4096, 3, 15616, 1234, true } },
		{ "18446744073709551615 0/0 0/0 - rw a b -", 0,
		  { THIN_WRITE, false, UINT64_MAX, 0, 0, 0, 0, 0, false } },
		{ "Fail", 0, { THIN_FAILED, false, 0, 0, 0, 0, 0, 0, false } },
		{ "Error", 0, { THIN_FAILED, false, 0, 0, 0, 0, 0, 0, false } },
		{ "Failure", -EBADMSG, { 0 } },
		{ "", -EBADMSG, { 0 } },
		{ "7 419/4096", -EBADMSG, { 0 } },
		{ "7 419/4096 3/15616 - rw", -EBADMSG, { 0 } },
		{ "7 419/4096 3/15616 - rwx a b - 1024", -EBADMSG, { 0 } },
		{ "7 419/4096 3/15616 - rw a b ? 1024", -EBADMSG, { 0 } },
		{ "7 419 3/15616 - rw a b - 1024", -EBADMSG, { 0 } },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct thin_status status = { 0 };

		assert_int_equal(thin_status_parse(cases[i].text, &status), cases[i].code);
		assert_int_equal(status.mode, cases[i].status.mode);
		assert_int_equal(status.needs_check, cases[i].status.needs_check);
		assert_int_equal(status.transaction_id, cases[i].status.transaction_id);
		assert_int_equal(status.metadata_used, cases[i].status.metadata_used);
		assert_int_equal(status.snapshot, cases[i].status.snapshot);
		assert_int_equal(status.metadata_total, cases[i].status.metadata_total);
		assert_int_equal(status.data_used, cases[i].status.data_used);
		assert_int_equal(status.data_total, cases[i].status.data_total);
		assert_int_equal(status.queue, cases[i].status.queue);
	}
}

static void test_names(void **state)
{
	struct bvol_uuid id = { { 0x12, 0x34, 0xab } }, back;
	char text[THIN_NAME_MAX];

	assert_string_equal(thin_name(&id, THIN_POOL, text),
			    "bvol-1234ab00-0000-0000-0000-000000000000-pool");
	assert_string_equal(thin_name(&id, THIN_VOLUME, text),
			    "bvol-1234ab00-0000-0000-0000-000000000000");
	assert_string_equal(thin_dm_uuid(&id, THIN_META, text),
			    "BVOL-1234ab00-0000-0000-0000-000000000000-meta");
	assert_false(thin_role_uuid(text, THIN_VOLUME, &back));
	assert_true(thin_role_uuid(thin_dm_uuid(&id, THIN_VOLUME, text), THIN_VOLUME, &back));
	assert_memory_equal(&id, &back, sizeof(id));
	assert_false(thin_role_uuid("BVOL-", THIN_VOLUME, &back));
	assert_false(thin_role_uuid("LVM-", THIN_VOLUME, &back));
	assert_false(thin_role_uuid("BVOL-1234ab00-0000-0000-0000-000000000000-thinner", THIN_VOLUME, &back));
}

static void test_paths(void **state)
{
	static const char *const good[] = { "/dev/sda", "/dev/disk/by-id/nvme-x_1", "/dev/vg/lv.." };
	static const char *const bad[] = {
		"", "sda", "/dev/", "/dev", "/devices/sda", "/dev/../etc/passwd", "/dev/s da", "/dev/a\n",
		"/dev/\x1b[31m", "/dev/\xc3\xa4", "/etc/passwd", "/dev/dir/",
	};
	char longest[300] = "/dev/";

	for (size_t i = 0; i < N_OF(good); i++)
		assert_int_equal(disk_check_path(good[i], &err), 0);
	for (size_t i = 0; i < N_OF(bad); i++)
		assert_int_equal(disk_check_path(bad[i], &err), -EINVAL);
	memset(longest + 5, 'x', sizeof(longest) - 6);
	assert_int_equal(disk_check_path(longest, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_spare),
		cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_not_a_label),
		cmocka_unit_test(test_unsound),
		cmocka_unit_test(test_on_disk),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
