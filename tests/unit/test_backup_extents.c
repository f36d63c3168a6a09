// SPDX-License-Identifier: LGPL-2.1-or-later
/* Backups of which it is known what the volume maps and what has changed, as of thin devices. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"
#include "repobed.h"

#define BLOCKS_MAX 1024

/* A thin device in blocks of its pool: each is mapped or not, and the same as in the parent or not. */
struct thin {
	uint32_t unit;			/* pages of a block */
	struct volume v;
	bool mapped[BLOCKS_MAX], same[BLOCKS_MAX];
	uint32_t n;
};

static uint32_t stamp = 1;

static void thin_init(struct thin *t, uint32_t unit, uint32_t pages, uint32_t tail)
{
	*t = (struct thin) { .unit = unit, .n = (pages + unit - 1) / unit };
	assert_in_range(t->n, 1, BLOCKS_MAX);
	volume_init(&t->v, pages, tail);
}

/* Some pages of a block become others; a block that is not mapped is zeroes. */
static void write_block(struct thin *t, uint32_t block, bool unmap)
{
	t->same[block] = false;
	t->mapped[block] = !unmap;
	for (uint32_t i = block * t->unit; i < (block + 1) * t->unit && i < t->v.n; i++)
		if (unmap)
			t->v.pages[i] = 0;
		else if (bed_random(3))
			t->v.pages[i] = bed_random(9) ? ++stamp : 0;
}

/* What of the blocks the list says, adjacent ones joined or not, by chance. */
static size_t extents_of(const struct thin *t, const bool *set, struct copy_extent *list)
{
	uint64_t size = (uint64_t)(t->v.n - 1) * PAGE + t->v.tail;
	size_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct copy_extent x = { (uint64_t)i * t->unit * PAGE, (uint64_t)t->unit * PAGE };

		if (!set[i])
			continue;
		if (x.offset + x.length > size)
			x.length = size - x.offset;
		if (n && list[n - 1].offset + list[n - 1].length == x.offset && bed_random(2))
			list[n - 1].length += x.length;
		else
			list[n++] = x;
	}
	return n;
}

static int back_up(struct bed *bed, const struct thin *t, const uint8_t *parent_id, uint8_t id[REPO_ID])
{
	struct copy_extent mapped[BLOCKS_MAX], same[BLOCKS_MAX];
	size_t n_mapped = extents_of(t, t->mapped, mapped), n_same = extents_of(t, t->same, same);
	struct manifest_text text = { (char *)"name", (char *)"thin" };
	struct backup_plan plan = { .texts = &text, .n_texts = 1, .threads = 2 };
	struct manifest *parent = NULL, *m = NULL;
	struct repo_run run = { 0 };
	int r = source_extents(bed->file, mapped, n_mapped, same, n_same, &plan.source, &bed->err);

	if (!r && parent_id)
		r = manifest_load(bed->repo, parent_id, &parent, &bed->err);
	plan.parent = parent;
	if (!r)
		r = backup_run(bed->repo, &plan, &run, &m, &bed->err);
	if (!r) {
		memcpy(id, m->id, REPO_ID);
		bed_counts = *m;
		assert_int_equal(run.done, run.total);
	}
	manifest_free(m);
	manifest_free(parent);
	backup_source_free(plan.source);
	return r;
}

static void check_ok(struct bed *bed, int r)
{
	if (r)
		fail_msg("%d: %s", r, bed->err.text);
}

/* Chunks that lie within extents of the list alone, or within none of them. */
static void spoil(const struct bed *bed, const struct thin *t, const bool *set, bool want, uint32_t chunk)
{
	int fd = open(bed->file, O_WRONLY | O_CLOEXEC);
	uint64_t size = (uint64_t)(t->v.n - 1) * PAGE + t->v.tail;

	assert_true(fd >= 0);
	for (uint64_t at = 0; at < size; at += chunk) {
		uint64_t end = at + chunk < size ? at + chunk : size, unit = (uint64_t)t->unit * PAGE;
		bool all = true;

		for (uint64_t b = at / unit; b <= (end - 1) / unit; b++)
			all = all && set[b] == want;
		if (all)
			assert_int_equal(pwrite(fd, "spoilt", 6, (off_t)at), 6);
	}
	close(fd);
}

/*
 * Versions of a volume, each with the one before as its parent. On disk, chunks that are not to be read
 * have other bytes than the volume: whoever reads them all the same is found out.
 */
static void history(uint32_t chunk, uint32_t unit, uint32_t pages, uint32_t tail)
{
	uint8_t ids[4][REPO_ID];
	struct volume versions[4];
	struct thin t;
	struct bed bed;

	bed_init(&bed, true, chunk, COMPRESS_ZSTD);
	thin_init(&t, unit, pages, tail);
	for (uint32_t i = 0; i < t.n; i++)
		if (bed_random(2))
			write_block(&t, i, false);
	for (int v = 0; v < 4; v++) {
		for (uint32_t i = 0; i < t.n; i++) {
			t.same[i] = v && t.mapped[i];
			if (v && !bed_random(8))
				write_block(&t, i, !bed_random(3));
		}
		volume_copy(&versions[v], &t.v);
		volume_save(&t.v, bed.file);
		spoil(&bed, &t, t.mapped, false, chunk);
		spoil(&bed, &t, t.same, true, chunk);
		check_ok(&bed, back_up(&bed, &t, v ? ids[v - 1] : NULL, ids[v]));
	}
	for (int v = 0; v < 4; v++) {
		check_ok(&bed, bed_restore(&bed, ids[v], false));
		assert_true(volume_is(&versions[v], bed.out));
		volume_deinit(&versions[v]);
	}
	volume_deinit(&t.v);
	bed_deinit(&bed);
}

/* The pool's blocks as large as the repository's chunks, smaller, larger, and at odds with them. */
static void test_restores_are_what_the_volume_was(void **state)
{
	static const uint32_t chunks[] = { CHUNK_MIN, 4 * CHUNK_MIN, 16 * CHUNK_MIN };
	static const uint32_t units[] = { 16, 48, 64, 256, 7 };

	bed_seed(11);
	for (size_t c = 0; c < N_OF(chunks); c++)
		for (size_t u = 0; u < N_OF(units); u++)
			history(chunks[c], units[u], 1600 + bed_random(900), 1 + bed_random(PAGE));
	/* Beyond one page of the map. */
	history(CHUNK_MIN, 64, 17 * 1024, PAGE);
}

static void test_what_is_the_same_is_not_read(void **state)
{
	uint8_t a[REPO_ID], b[REPO_ID];
	struct thin t;
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	thin_init(&t, 16, 16 * 64, PAGE);
	for (uint32_t i = 0; i < 32; i++)
		for (uint32_t p = 0; p < 16; p++)
			t.v.pages[i * 16 + p] = ++stamp;
	memset(t.mapped, true, 32);
	volume_save(&t.v, bed.file);
	check_ok(&bed, back_up(&bed, &t, NULL, a));
	assert_int_equal(bed_counts.data, 32);
	assert_int_equal(bed_counts.zero, 32);
	/* All is lost; one block is said to have changed, and one to be there no more. */
	assert_int_equal(truncate(bed.file, 0), 0);
	assert_int_equal(truncate(bed.file, 16 * 64 * PAGE), 0);
	memset(t.same, true, 30);
	t.mapped[31] = false;
	check_ok(&bed, back_up(&bed, &t, a, b));
	assert_int_equal(bed_counts.same, 30);
	assert_int_equal(bed_counts.data, 30);
	assert_int_equal(bed_counts.zero, 34);
	assert_int_equal(bed_counts.stored, 0);
	/* Without a parent nothing is the same. */
	check_ok(&bed, back_up(&bed, &t, NULL, b));
	assert_int_equal(bed_counts.zero, 64);
	volume_deinit(&t.v);
	bed_deinit(&bed);
}

static const struct wrong {
	struct copy_extent list[2];
	size_t n;
	int code;
	const char *words;
} wrongs[] = {
	{ { { 8192, 4096 }, { 0, 4096 } }, 2, -EINVAL, "out of order" },
	{ { { 0, 4097 }, { 4096, 4096 } }, 2, -EINVAL, "overlap" },
	{ { { 0, 4096 }, { 0, 4096 } }, 2, -EINVAL, "overlap" },
	{ { { 4096, 61441 } }, 1, -ERANGE, "65537" },
	{ { { 65536, 1 } }, 1, -ERANGE, "65536" },
	{ { { UINT64_MAX, 2 } }, 1, -EINVAL, "2^63" },
};

static void test_lists_that_make_no_sense(void **state)
{
	const struct copy_extent all = { 0, 65536 }, none = { 65536, 0 };
	struct source *source = NULL;
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	close(open(bed.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(truncate(bed.file, 65536), 0);
	for (size_t i = 0; i < N_OF(wrongs); i++) {
		const struct wrong *w = &wrongs[i];

		err_clear(&bed.err);
		assert_int_equal(source_extents(bed.file, w->list, w->n, NULL, 0, &source, &bed.err), w->code);
		assert_non_null(strstr(bed.err.text, w->words));
		err_clear(&bed.err);
		assert_int_equal(source_extents(bed.file, &all, 1, w->list, w->n, &source, &bed.err), w->code);
		assert_non_null(strstr(bed.err.text, w->words));
	}
	assert_int_equal(source_extents(bed.dir, NULL, 0, NULL, 0, &source, &bed.err), -EINVAL);
	assert_int_equal(source_extents("/nowhere", NULL, 0, NULL, 0, &source, &bed.err), -ENOENT);
	assert_null(source);
	check_ok(&bed, source_extents(bed.file, &all, 1, &none, 1, &source, &bed.err));
	backup_source_free(source);
	bed_deinit(&bed);
}

/* Every byte's state beside a table of all of them, and never further than it is so. */
static void test_states(void **state)
{
	enum { SIZE = 4096, TRIES = 200 };
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	close(open(bed.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(truncate(bed.file, SIZE), 0);
	bed_seed(5);
	for (int t = 0; t < TRIES; t++) {
		struct copy_extent lists[2][64];
		uint8_t is[2][SIZE] = { 0 };
		size_t n[2] = { 0 };
		struct source *source;

		for (int k = 0; k < 2; k++)
			for (uint64_t at = bed_random(100); at < SIZE && n[k] < 64; at += bed_random(90)) {
				uint64_t length = 1 + bed_random(100);

				length = length < SIZE - at ? length : SIZE - at;
				lists[k][n[k]++] = (struct copy_extent) { at, length };
				memset(is[k] + at, 1, length);
				at += length;
			}
		check_ok(&bed, source_extents(bed.file, lists[0], n[0], lists[1], n[1], &source, &bed.err));
		for (int i = 0; i < 400; i++) {
			uint64_t at = bed_random(SIZE), length = 1 + bed_random(300), want = 0;
			bool parent = bed_random(2);
			enum source_state got, first = SOURCE_ZERO;

			length = length < SIZE - at ? length : SIZE - at;
			for (want = 0; want < length; want++) {
				enum source_state s = !is[0][at + want] ? SOURCE_ZERO :
					parent && is[1][at + want] ? SOURCE_SAME : SOURCE_DATA;

				first = want ? first : s;
				if (s != first)
					break;
			}
			assert_int_equal(source->ops->state(source, at, &length, parent, &got, &bed.err), 0);
			assert_int_equal(got, first);
			/* It may stop before, where a list changes and the state does not. */
			assert_in_range(length, 1, want);
		}
		backup_source_free(source);
	}
	bed_deinit(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_lists_that_make_no_sense),
		cmocka_unit_test(test_what_is_the_same_is_not_read),
		cmocka_unit_test(test_restores_are_what_the_volume_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
