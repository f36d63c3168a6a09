// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every kind of damage to every kind of file: it is seen, nothing wrong is restored, nobody cries wolf. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "unit.h"
#include "repobed.h"

#define PAGES 200u

struct scene {
	struct bed bed;
	struct volume v[2];
	uint8_t ids[2][REPO_ID];
};

static void build(struct scene *s, bool encrypted)
{
	bed_init(&s->bed, encrypted, CHUNK_MIN, COMPRESS_ZSTD);
	volume_init(&s->v[0], PAGES, PAGE);
	for (uint32_t i = 0; i < PAGES; i++)
		s->v[0].pages[i] = i + 1;
	volume_save(&s->v[0], s->bed.file);
	assert_int_equal(bed_backup(&s->bed, "first", NULL, s->ids[0]), 0);
	volume_copy(&s->v[1], &s->v[0]);
	s->v[1].pages[5] = 12345;
	volume_save(&s->v[1], s->bed.file);
	assert_int_equal(bed_backup(&s->bed, "second", s->ids[0], s->ids[1]), 0);
	assert_int_equal(bed_counts.patches, 1);
}

static void tear_down(struct scene *s)
{
	volume_deinit(&s->v[0]);
	volume_deinit(&s->v[1]);
	bed_deinit(&s->bed);
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1u << (at % 8);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/*
 * Both backups: each is restored right or not at all. Returns how many were
 * refused; the repository is opened anew, as who needs it would.
 */
static int refused(struct scene *s, bool encrypted)
{
	struct repo *again = NULL, *before = s->bed.repo;
	int n = 0;

	err_clear(&s->bed.err);
	if (repo_open(s->bed.repo_path, encrypted ? &bed_secret : NULL, &again, &s->bed.err))
		return 2;
	s->bed.repo = again;
	for (int i = 0; i < 2; i++) {
		int r = bed_restore(&s->bed, s->ids[i], false);

		assert_true(r <= 0);
		if (r) {
			assert_true(*s->bed.err.text || r == -ENOENT);
			n++;
		} else {
			assert_true(volume_is(&s->v[i], s->bed.out));
		}
	}
	s->bed.repo = before;
	repo_close(again);
	return n;
}

static bool scrub_sees(struct scene *s)
{
	struct scrub_result result;
	char words[8192];
	int r = bed_scrub(&s->bed, &result, words, sizeof(words));

	return r || result.damaged || result.hit;
}

static uint8_t *load(const char *path, off_t size)
{
	uint8_t *bytes = malloc((size_t)size);
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	close(fd);
	return bytes;
}

/* Scrub removes an index that is damaged, so it may be gone. */
static void save(const char *path, const uint8_t *bytes, off_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
	close(fd);
}

/* Positions to flip: all of what is small, else every header, the ends, and some between. */
static off_t next_position(off_t at, off_t size)
{
	if (size < 400 || at < 200 || at > size - 130)
		return at + 5;
	return at + 97 + size / 60;
}

/* What scrub may have repaired by itself (an index) must be whole afterwards. */
static void check_flips(bool encrypted, enum repo_kind kind)
{
	struct scene s;
	uint8_t (*ids)[REPO_ID];
	unsigned int flips = 0, seen = 0;
	size_t n;

	build(&s, encrypted);
	assert_false(scrub_sees(&s));
	assert_int_equal(refused(&s, encrypted), 0);
	n = bed_list(&s.bed, kind, &ids);
	assert_true(n);
	for (size_t i = 0; i < n; i++) {
		char path[192];
		struct stat st;
		uint8_t *whole;

		bed_path(&s.bed, kind, ids[i], path);
		assert_int_equal(stat(path, &st), 0);
		whole = load(path, st.st_size);
		for (off_t at = 0; at < st.st_size; at = next_position(at, st.st_size)) {
			uint8_t (*marks)[REPO_ID];
			size_t n_marks;
			bool hurt;

			flip(path, at);
			hurt = refused(&s, encrypted);
			/* A key or the configuration that is damaged opens nothing, which is seen. */
			if (kind != REPO_CONFIG && kind != REPO_KEYS && !(at % 3))
				hurt |= scrub_sees(&s);
			flips++;
			seen += hurt || (kind == REPO_PACK && at % 3) || (kind == REPO_INDEX && at % 3);
			if (!hurt && kind != REPO_PACK && kind != REPO_INDEX)
				fail_msg("%s: nobody saw byte %lld", path, (long long)at);
			if (!hurt && !(at % 3))
				fail_msg("%s: scrub did not see byte %lld", path, (long long)at);
			save(path, whole, st.st_size);
			n_marks = bed_list(&s.bed, REPO_MARK, &marks);
			for (size_t j = 0; j < n_marks; j++)
				s.bed.repo->ops->remove(s.bed.repo->driver, REPO_MARK, marks[j], NULL);
			free(marks);
		}
		free(whole);
	}
	free(ids);
	assert_int_equal(seen, flips);
	/* No false alarm once all is as it was. */
	assert_int_equal(refused(&s, encrypted), 0);
	assert_false(scrub_sees(&s));
	tear_down(&s);
}

static void test_flips_in_packs(void **state)
{
	check_flips(true, REPO_PACK);
	check_flips(false, REPO_PACK);
}

static void test_flips_in_manifests(void **state)
{
	check_flips(true, REPO_BACKUP);
	check_flips(false, REPO_BACKUP);
}

static void test_flips_in_indexes(void **state)
{
	check_flips(true, REPO_INDEX);
}

static void test_flips_in_keys_and_configuration(void **state)
{
	check_flips(true, REPO_KEYS);
	check_flips(true, REPO_CONFIG);
	check_flips(false, REPO_KEYS);
	check_flips(false, REPO_CONFIG);
}

/* Cut, lengthened, gone, another one's, another repository's. */
static void test_whole_objects(void **state)
{
	static const enum repo_kind kinds[] = { REPO_CONFIG, REPO_KEYS, REPO_PACK, REPO_BACKUP };
	static const char *const ways[] = {
		"truncate -s -1 %1$s", "truncate -s 100 %1$s", "truncate -s 0 %1$s", "rm %1$s",
		"echo >>%1$s", "cat %2$s >%1$s",
	};

	for (size_t k = 0; k < N_OF(kinds); k++) {
		for (size_t w = 0; w < N_OF(ways); w++) {
			struct scene s, other;
			uint8_t (*ids)[REPO_ID], (*others)[REPO_ID];
			char path[192], theirs[192], command[512];

			build(&s, true);
			build(&other, true);
			bed_list(&s.bed, kinds[k], &ids);
			bed_list(&other.bed, kinds[k], &others);
			bed_path(&s.bed, kinds[k], ids[0], path);
			bed_path(&other.bed, kinds[k], others[0], theirs);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(command, sizeof(command), ways[w], path, theirs);
#pragma GCC diagnostic pop
			assert_int_equal(system(command), 0);
			if (!refused(&s, true) && !scrub_sees(&s))
				fail_msg("nobody saw: %s", command);
			free(ids);
			free(others);
			tear_down(&s);
			tear_down(&other);
		}
	}
}

static void test_two_objects_changed_places(void **state)
{
	static const enum repo_kind kinds[] = { REPO_PACK, REPO_BACKUP, REPO_INDEX };

	for (size_t k = 0; k < N_OF(kinds); k++) {
		uint8_t (*ids)[REPO_ID];
		char a[192], b[192], c[200];
		struct scene s;

		build(&s, true);
		assert_true(bed_list(&s.bed, kinds[k], &ids) >= 2);
		bed_path(&s.bed, kinds[k], ids[0], a);
		bed_path(&s.bed, kinds[k], ids[1], b);
		snprintf(c, sizeof(c), "%s/c", s.bed.dir);
		assert_int_equal(rename(a, c) | rename(b, a) | rename(c, b), 0);
		assert_true(refused(&s, true));
		assert_true(scrub_sees(&s));
		free(ids);
		tear_down(&s);
	}
}

static void test_a_lost_index_is_made_again(void **state)
{
	struct scrub_result result;
	uint8_t (*ids)[REPO_ID];
	struct scene s;
	size_t n;

	build(&s, true);
	n = bed_list(&s.bed, REPO_INDEX, &ids);
	for (size_t i = 0; i < n; i++)
		s.bed.repo->ops->remove(s.bed.repo->driver, REPO_INDEX, ids[i], NULL);
	free(ids);
	assert_int_equal(refused(&s, true), 2);
	assert_int_equal(bed_scrub(&s.bed, &result, NULL, 0), 0);
	assert_int_equal(result.damaged + result.hit, 0);
	assert_int_equal(result.rebuilt, 2);
	assert_int_equal(refused(&s, true), 0);
	tear_down(&s);
}

/* What scrub has named is stored again by the next backup that has it, which heals the old ones. */
static void test_a_second_copy_heals(void **state)
{
	struct scrub_result result;
	uint8_t (*ids)[REPO_ID], id[REPO_ID];
	char path[192], words[8192];
	struct scene s;
	struct stat st;
	size_t n;

	build(&s, true);
	n = bed_list(&s.bed, REPO_PACK, &ids);
	for (size_t i = 0; i < n; i++) {
		bed_path(&s.bed, REPO_PACK, ids[i], path);
		assert_int_equal(stat(path, &st), 0);
		if (st.st_size > 100000)
			flip(path, 1000);
	}
	free(ids);
	assert_int_equal(refused(&s, true), 2);
	assert_non_null(strstr(s.bed.err.text, "chunk "));
	assert_int_equal(bed_scrub(&s.bed, &result, words, sizeof(words)), 0);
	assert_int_equal(result.hit, 2);
	assert_non_null(strstr(words, "(first) can't be restored"));
	assert_non_null(strstr(words, "(second) can't be restored"));
	volume_save(&s.v[0], s.bed.file);
	assert_int_equal(bed_backup(&s.bed, "third", NULL, id), 0);
	assert_true(bed_counts.stored);
	if (refused(&s, true))
		fail_msg("%s", s.bed.err.text);
	assert_int_equal(bed_scrub(&s.bed, &result, words, sizeof(words)), 0);
	assert_int_equal(result.hit, 0);
	tear_down(&s);
}

static void test_a_newer_version(void **state)
{
	uint8_t (*ids)[REPO_ID];
	struct repo *again;
	struct err e = { 0 };
	char path[192];
	struct scene s;
	int fd;

	build(&s, true);
	bed_list(&s.bed, REPO_CONFIG, &ids);
	bed_path(&s.bed, REPO_CONFIG, ids[0], path);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "\2", 1, 10), 1);
	close(fd);
	assert_int_equal(repo_open(s.bed.repo_path, &bed_secret, &again, &e), -EPROTONOSUPPORT);
	assert_non_null(strstr(e.text, "has version 2 of the format, and this program knows version 1"));
	free(ids);
	tear_down(&s);
}

static void test_somebody_elses_manifest(void **state)
{
	struct scene s, other;
	char path[192], theirs[192], command[512];

	build(&s, true);
	build(&other, true);
	bed_path(&s.bed, REPO_BACKUP, other.ids[0], path);
	bed_path(&other.bed, REPO_BACKUP, other.ids[0], theirs);
	snprintf(command, sizeof(command), "cp %s %s", theirs, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(bed_restore(&s.bed, other.ids[0], false), -EBADMSG);
	assert_non_null(strstr(s.bed.err.text, "belongs to another repository"));
	tear_down(&s);
	tear_down(&other);
}

static int links_nowhere(const char *repo, const char *folder)
{
	char from[256], to[256];

	snprintf(from, sizeof(from), "%s/%s", repo, folder);
	snprintf(to, sizeof(to), "%s-moved", repo);
	return rename(from, to) ?: symlink(to, from);
}

/* Who can write into the folder can't lead us out of it. */
static void test_links_are_not_followed(void **state)
{
	static const char *const folders[] = { "backups", "packs", "index", "leases", "tmp" };

	for (size_t i = 0; i < N_OF(folders); i++) {
		uint8_t id[REPO_ID];
		struct scene s;

		build(&s, true);
		assert_int_equal(links_nowhere(s.bed.repo_path, folders[i]), 0);
		assert_true(bed_backup(&s.bed, "x", NULL, id) < 0);
		tear_down(&s);
	}
}

/* A small file system: full, then read-only, then gone. */
static void test_places_that_fail(void **state)
{
	struct repo_choice choice = { .compression = COMPRESS_NONE };
	char repo[128], mounted[96];
	uint8_t id[REPO_ID];
	struct repo *whole;
	struct scene s;
	uint8_t (*ids)[REPO_ID];
	size_t n;

	build(&s, true);
	snprintf(mounted, sizeof(mounted), "%s/small", s.bed.dir);
	snprintf(repo, sizeof(repo), "%s/r", mounted);
	assert_int_equal(mkdir(mounted, 0700), 0);
	if (mount("none", mounted, "tmpfs", 0, "size=700K")) {
		print_message("no file system could be mounted: %s\n", strerror(errno));
		tear_down(&s);
		skip();
	}
	whole = s.bed.repo;
	s.bed.repo = NULL;
	assert_int_equal(repo_create(repo, &choice, NULL, &s.bed.repo, &s.bed.err), 0);
	memset(s.v[0].pages + 50, 0, 150 * sizeof(uint32_t));
	volume_save(&s.v[0], s.bed.file);
	assert_int_equal(bed_backup(&s.bed, "fits", NULL, id), 0);
	volume_save(&s.v[1], s.bed.file);
	for (int i = 0; i < 3; i++) {
		uint8_t failed[REPO_ID];

		assert_int_equal(bed_backup(&s.bed, "too large", NULL, failed), -ENOSPC);
		n = bed_list(&s.bed, REPO_BACKUP, &ids);
		assert_int_equal(n, 1);
		free(ids);
	}
	assert_int_equal(bed_restore(&s.bed, id, false), 0);
	assert_true(volume_is(&s.v[0], s.bed.out));
	/* What failed is cleared, and there is room again. */
	assert_int_equal(bed_gc(&s.bed, 1, NULL), 0);
	assert_int_equal(bed_restore(&s.bed, id, false), 0);
	assert_int_equal(mount("none", mounted, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=700K"), 0);
	assert_int_equal(bed_backup(&s.bed, "read-only", NULL, id), -EROFS);
	assert_int_equal(umount2(mounted, MNT_DETACH), 0);
	assert_true(bed_backup(&s.bed, "gone", NULL, id) < 0);
	repo_close(s.bed.repo);
	s.bed.repo = whole;
	tear_down(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips_in_packs),
		cmocka_unit_test(test_flips_in_manifests),
		cmocka_unit_test(test_flips_in_indexes),
		cmocka_unit_test(test_flips_in_keys_and_configuration),
		cmocka_unit_test(test_whole_objects),
		cmocka_unit_test(test_two_objects_changed_places),
		cmocka_unit_test(test_a_lost_index_is_made_again),
		cmocka_unit_test(test_a_second_copy_heals),
		cmocka_unit_test(test_a_newer_version),
		cmocka_unit_test(test_somebody_elses_manifest),
		cmocka_unit_test(test_links_are_not_followed),
		cmocka_unit_test(test_places_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
