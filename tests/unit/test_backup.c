// SPDX-License-Identifier: LGPL-2.1-or-later
/* Backups into real folders, and back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "unit.h"
#include "repobed.h"

#define MIB_PAGES 256u

static void fill(struct volume *v, uint32_t first, uint32_t n, uint32_t seed)
{
	for (uint32_t i = first; i < first + n; i++)
		v->pages[i] = seed + i;
}

static void check_ok(struct bed *bed, int r)
{
	if (r)
		fail_msg("%d: %s", r, bed->err.text);
}

static void round_trip(bool encrypted, uint32_t chunk_size, enum compression c, uint32_t pages, uint32_t tail)
{
	struct volume v;
	struct bed bed;
	uint8_t id[REPO_ID];

	bed_init(&bed, encrypted, chunk_size, c);
	volume_init(&v, pages, tail);
	for (uint32_t i = 0; i < pages; i++)
		v.pages[i] = i % 50 < 20 ? i + 1 : i % 50 < 30 ? 7 : 0;
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "b", NULL, id));
	check_ok(&bed, bed_restore(&bed, id, false));
	assert_true(volume_is(&v, bed.out));
	volume_deinit(&v);
	bed_deinit(&bed);
}

static void test_round_trips(void **state)
{
	round_trip(true, CHUNK_MIN, COMPRESS_ZSTD, 20 * MIB_PAGES, PAGE);
	round_trip(true, CHUNK_MIN, COMPRESS_ZSTD, 65 * MIB_PAGES + 5, 17);
	round_trip(false, CHUNK_MIN, COMPRESS_LZ4, 3 * MIB_PAGES + 1, 1);
	round_trip(false, CHUNK_MAX, COMPRESS_NONE, 9 * MIB_PAGES + 1, 512);
	round_trip(true, 1u << 20, COMPRESS_LZ4, 3 * MIB_PAGES, 100);
	round_trip(true, CHUNK_MIN, COMPRESS_ZSTD, 1, 1);
	round_trip(true, CHUNK_MIN, COMPRESS_ZSTD, 0, PAGE);
}

static void test_a_second_backup_stores_next_to_nothing(void **state)
{
	struct volume v;
	struct bed bed;
	uint8_t a[REPO_ID], b[REPO_ID];
	uint64_t first;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	volume_init(&v, 66 * MIB_PAGES, PAGE);
	fill(&v, 0, 8 * MIB_PAGES, 1);
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "a", NULL, a));
	first = bed_counts.added;
	assert_int_equal(bed_counts.data, 128);
	assert_int_equal(bed_counts.zero, 66 * 16 - 128);
	check_ok(&bed, bed_backup(&bed, "b", NULL, b));
	assert_int_equal(bed_counts.stored, 0);
	assert_int_equal(bed_counts.added, 0);
	check_ok(&bed, bed_backup(&bed, "c", a, b));
	assert_int_equal(bed_counts.same, 128);
	assert_true(first > 4 << 20);
	volume_deinit(&v);
	bed_deinit(&bed);
}

static void test_scattered_pages_become_patches(void **state)
{
	struct volume v, later;
	struct bed bed;
	uint8_t a[REPO_ID], b[REPO_ID], c[REPO_ID];

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	volume_init(&v, 8 * MIB_PAGES, PAGE);
	fill(&v, 0, 8 * MIB_PAGES, 1);
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "a", NULL, a));
	volume_copy(&later, &v);
	for (uint32_t i = 3; i < later.n; i += 40)
		later.pages[i] += 1000003;
	volume_save(&later, bed.file);
	check_ok(&bed, bed_backup(&bed, "b", a, b));
	assert_true(bed_counts.patches >= 40);
	assert_true(bed_counts.added < 2 * PAGE * bed_counts.patches);
	/* A patch of a patch is one of the base. */
	later.pages[3] = 5;
	volume_save(&later, bed.file);
	check_ok(&bed, bed_backup(&bed, "c", b, c));
	assert_int_equal(bed_counts.patches, 1);
	check_ok(&bed, bed_restore(&bed, c, false));
	assert_true(volume_is(&later, bed.out));
	/* Each one alone can go. */
	assert_int_equal(bed.repo->ops->remove(bed.repo->driver, REPO_BACKUP, a, &bed.err), 0);
	assert_int_equal(bed.repo->ops->remove(bed.repo->driver, REPO_BACKUP, b, &bed.err), 0);
	check_ok(&bed, bed_gc(&bed, 0, NULL));
	check_ok(&bed, bed_restore(&bed, c, false));
	assert_true(volume_is(&later, bed.out));
	volume_deinit(&v);
	volume_deinit(&later);
	bed_deinit(&bed);
}

static void test_restore_writes_only_what_differs(void **state)
{
	struct restore_result result = { 0 };
	struct repo_run run = { 0 };
	struct restore_plan plan = { .diff = true };
	struct manifest *m;
	struct volume v;
	struct bed bed;
	uint8_t id[REPO_ID];

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	volume_init(&v, 4 * MIB_PAGES, PAGE);
	fill(&v, 0, 2 * MIB_PAGES, 1);
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "a", NULL, id));
	check_ok(&bed, bed_restore(&bed, id, false));
	fill(&v, 0, 1, 77);
	fill(&v, 3 * MIB_PAGES, 1, 78);
	volume_save(&v, bed.out);
	assert_int_equal(manifest_load(bed.repo, id, &m, &bed.err), 0);
	plan.to = bed.out;
	plan.m = m;
	check_ok(&bed, restore_run(bed.repo, &plan, &run, &result, &bed.err));
	assert_int_equal(result.written, CHUNK_MIN);
	assert_int_equal(result.zeroed, CHUNK_MIN);
	fill(&v, 0, 1, 1);
	v.pages[3 * MIB_PAGES] = 0;
	assert_true(volume_is(&v, bed.out));
	manifest_free(m);
	volume_deinit(&v);
	bed_deinit(&bed);
}

static int append(void *data, const void *bytes, size_t n, struct err *e)
{
	return fwrite(bytes, 1, n, data) == n ? 0 : -EIO;
}

static void test_a_look_inside(void **state)
{
	uint8_t id[REPO_ID], real[70000], want[70000];
	struct manifest *m;
	struct volume v;
	struct bed bed;
	FILE *out;
	int fd;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	volume_init(&v, MIB_PAGES, 100);
	fill(&v, 0, MIB_PAGES / 2, 1);
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "a", NULL, id));
	assert_int_equal(manifest_load(bed.repo, id, &m, &bed.err), 0);
	out = fmemopen(real, sizeof(real), "w");
	check_ok(&bed, restore_cat(bed.repo, m, 12345, 66000, append, out, &bed.err));
	fclose(out);
	fd = open(bed.file, O_RDONLY);
	assert_int_equal(pread(fd, want, 66000, 12345), 66000);
	close(fd);
	assert_memory_equal(real, want, 66000);
	assert_int_equal(restore_cat(bed.repo, m, m->size, 1, append, NULL, &bed.err), -ERANGE);
	assert_int_equal(restore_cat(bed.repo, m, UINT64_MAX, 2, append, NULL, &bed.err), -ERANGE);
	manifest_free(m);
	volume_deinit(&v);
	bed_deinit(&bed);
}

static void test_gc_frees_what_no_backup_needs(void **state)
{
	uint8_t a[REPO_ID], b[REPO_ID];
	struct gc_result result;
	struct volume v;
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_NONE);
	volume_init(&v, 16 * MIB_PAGES, PAGE);
	fill(&v, 0, 16 * MIB_PAGES, 1);
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "a", NULL, a));
	memset(v.pages + MIB_PAGES, 0, 15 * MIB_PAGES * sizeof(uint32_t));
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "b", NULL, b));
	check_ok(&bed, bed_gc(&bed, 0, &result));
	assert_int_equal(result.deleted_packs, 0);
	assert_int_equal(bed.repo->ops->remove(bed.repo->driver, REPO_BACKUP, a, &bed.err), 0);
	check_ok(&bed, bed_gc(&bed, 0, &result));
	assert_true(result.freed > 15 << 20);
	assert_true(result.copied < 2 << 20);
	check_ok(&bed, bed_restore(&bed, b, false));
	assert_true(volume_is(&v, bed.out));
	assert_int_equal(bed.repo->ops->remove(bed.repo->driver, REPO_BACKUP, b, &bed.err), 0);
	check_ok(&bed, bed_gc(&bed, 0, &result));
	check_ok(&bed, bed_gc(&bed, 0, &result));
	assert_int_equal(result.packs, 0);
	volume_deinit(&v);
	bed_deinit(&bed);
}

/* A writer that began before the mark keeps gc from deleting; one that was silent is fenced. */
static void test_gc_waits_for_writers(void **state)
{
	uint8_t a[REPO_ID], lease[REPO_ID] = { 9 };
	struct session *session;
	struct gc_result result;
	struct manifest *m;
	struct volume v;
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_NONE);
	volume_init(&v, MIB_PAGES, PAGE);
	fill(&v, 0, MIB_PAGES, 1);
	volume_save(&v, bed.file);
	check_ok(&bed, bed_backup(&bed, "a", NULL, a));
	check_ok(&bed, session_begin(bed.repo, lease, 0, NULL, &session, &bed.err));
	assert_int_equal(bed.repo->ops->remove(bed.repo->driver, REPO_BACKUP, a, &bed.err), 0);
	check_ok(&bed, bed_gc(&bed, 0, &result));
	assert_int_equal(result.waiting, 1);
	assert_int_equal(result.deleted_packs, 0);
	check_ok(&bed, bed_gc(&bed, 1, &result));
	assert_int_equal(result.fenced, 1);
	assert_int_equal(result.deleted_packs, 1);
	/* It wakes up, and can't commit any more, lease or not. */
	assert_int_equal(manifest_new(0, CHUNK_MIN, &m, &bed.err), 0);
	memcpy(m->id, lease, REPO_ID);
	assert_int_equal(manifest_put(bed.repo, m, &bed.err), -EEXIST);
	assert_int_equal(session_commit(session, m, &bed.err), -ESTALE);
	manifest_free(m);
	session_end(session);
	volume_deinit(&v);
	bed_deinit(&bed);
}

/* A gc that was taken for dead notices that another one works, and leaves it its lease. */
static void test_one_gc_at_a_time(void **state)
{
	struct session *first, *second, *third;
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_NONE);
	check_ok(&bed, session_begin(bed.repo, gc_lease, 0, NULL, &first, &bed.err));
	assert_int_equal(session_begin(bed.repo, gc_lease, 0, NULL, &third, &bed.err), -EEXIST);
	assert_int_equal(bed.repo->ops->remove(bed.repo->driver, REPO_LEASE, gc_lease, &bed.err), 0);
	check_ok(&bed, session_begin(bed.repo, gc_lease, 0, NULL, &second, &bed.err));
	assert_int_equal(session_renew(first, true, &bed.err), -ESTALE);
	session_end(first);
	err_clear(&bed.err);
	check_ok(&bed, session_renew(second, true, &bed.err));
	session_end(second);
	bed_deinit(&bed);
}

static int any_backup(void *data, struct manifest *m, struct err *e)
{
	++*(int *)data;
	manifest_free(m);
	return 0;
}

static void test_a_cancel_leaves_nothing_listed(void **state)
{
	struct manifest_text text = { (char *)"name", (char *)"x" };
	struct backup_plan plan = { .texts = &text, .n_texts = 1 };
	struct repo_run run = { .cancel = true };
	struct manifest *m;
	struct volume v;
	struct bed bed;
	int n = 0;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_NONE);
	volume_init(&v, MIB_PAGES, PAGE);
	fill(&v, 0, MIB_PAGES, 1);
	volume_save(&v, bed.file);
	assert_int_equal(source_file(bed.file, &plan.source, &bed.err), 0);
	assert_int_equal(backup_run(bed.repo, &plan, &run, &m, &bed.err), -ECANCELED);
	assert_int_equal(manifest_each(bed.repo, NULL, any_backup, NULL, &n, &bed.err), 0);
	assert_int_equal(n, 0);
	backup_source_free(plan.source);
	volume_deinit(&v);
	bed_deinit(&bed);
}

static void test_keys(void **state)
{
	static const struct repo_secret word = { KEY_PASSPHRASE, "swordfish", 9 };
	static const struct repo_secret wrong = { KEY_PASSPHRASE, "swordfisk", 9 };
	static const struct repo_secret file = { KEY_FILE, "x123456789abcdef0123456789ABCDEF", 32 };
	struct repo *again;
	struct bed bed;

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_NONE);
	assert_int_equal(repo_open(bed.repo_path, NULL, &again, &bed.err), -ENOKEY);
	err_clear(&bed.err);
	assert_int_equal(repo_open(bed.repo_path, &wrong, &again, &bed.err), -EKEYREJECTED);
	assert_non_null(strstr(bed.err.text, "this passphrase does not open"));
	err_clear(&bed.err);
	assert_int_equal(repo_open(bed.repo_path, &file, &again, &bed.err), -EKEYREJECTED);
	assert_non_null(strstr(bed.err.text, "this key file does not open"));
	err_clear(&bed.err);
	check_ok(&bed, repo_key_add(bed.repo, &word, "second", &bed.err));
	check_ok(&bed, repo_open(bed.repo_path, &word, &again, &bed.err));
	assert_memory_equal(again->root, bed.repo->root, REPO_KEY);
	repo_close(again);
	bed_deinit(&bed);
}

static void test_refusals(void **state)
{
	struct repo_choice choice = { .chunk_size = 12345 };
	struct repo *repo;
	struct err e = { 0 };
	struct bed bed;

	bed_init(&bed, false, CHUNK_MIN, COMPRESS_NONE);
	assert_int_equal(repo_create(bed.file, &choice, NULL, &repo, &e), -EINVAL);
	err_clear(&e);
	choice.chunk_size = 0;
	assert_int_equal(repo_create(bed.dir, &choice, NULL, &repo, &e), -EEXIST);
	assert_non_null(strstr(e.text, "is not empty"));
	err_clear(&e);
	assert_int_equal(repo_open(bed.dir, NULL, &repo, &e), -ENOENT);
	assert_non_null(strstr(e.text, "there is no repository in"));
	bed_deinit(&bed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_a_second_backup_stores_next_to_nothing),
		cmocka_unit_test(test_scattered_pages_become_patches),
		cmocka_unit_test(test_restore_writes_only_what_differs),
		cmocka_unit_test(test_a_look_inside),
		cmocka_unit_test(test_gc_frees_what_no_backup_needs),
		cmocka_unit_test(test_gc_waits_for_writers),
		cmocka_unit_test(test_one_gc_at_a_time),
		cmocka_unit_test(test_a_cancel_leaves_nothing_listed),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
