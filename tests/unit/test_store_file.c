// SPDX-License-Identifier: LGPL-2.1-or-later
/* The store's file: crashes, locks, damage, foreign and unsafe files. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_fixture.h"

/* In a child that is killed at the end, as by a crash. */
static void crash_after(void (*work)(struct store *store))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct store *store;

		if (store_open(path, &store, &err) < 0)
			_exit(1);
		work(store);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void begin_and_insert(struct store *store)
{
	store_begin(store, NULL);
	for (unsigned int n = 1; n < 400; n++)
		insert_volume(store, n, "name", "p");
}

static void insert_and_commit(struct store *store)
{
	begin_and_insert(store);
	store_commit(store, NULL);
}

static void commit_and_more(struct store *store)
{
	insert_and_commit(store);
	store_begin(store, NULL);
	insert_volume(store, 400, "late", "p");
}

static void just_open(struct store *store)
{
}

static void crashes(void **state)
{
	static const struct {
		void (*work)(struct store *store);
		bool first, last;
	} cases[] = {
		{ just_open, false, false }, { begin_and_insert, false, false },
		{ insert_and_commit, true, false }, { commit_and_more, true, false },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct store *store;

		make_dir();
		crash_after(cases[i].work);
		store = open_store();
		assert_int_equal(store_schema(store), 10);
		assert_int_equal(volume_exists(store, 1), cases[i].first);
		assert_int_equal(volume_exists(store, 399), cases[i].first);
		assert_int_equal(volume_exists(store, 400), cases[i].last);
		store_close(store);
		remove_dir();
	}
}

/* Pairs of volumes, each pair in a transaction that is reported when it is durable. */
static void write_pairs(int report)
{
	struct store *store;

	if (store_open(path, &store, NULL) < 0)
		_exit(1);
	for (unsigned int n = 1;; n++) {
		if (store_begin(store, NULL) < 0 || insert_volume(store, 2 * n - 1, "a", "p") < 0 ||
		    insert_volume(store, 2 * n, "b", "p") < 0 || store_commit(store, NULL) < 0 ||
		    write(report, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

/* Killed wherever it is: what was reported is there, and nothing is there by half. */
static void killed_at_any_moment(void **state)
{
	for (unsigned int i = 0; i < 20; i++) {
		unsigned int n, reported = 0;
		struct store *store;
		uint64_t count;
		int fds[2], status;
		pid_t pid;

		make_dir();
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (!pid)
			write_pairs(fds[1]);
		close(fds[1]);
		while (reported <= i && read(fds[0], &n, sizeof(n)) == sizeof(n))
			reported = n;
		usleep(370 * i % 2000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			reported = n;
		close(fds[0]);
		store = open_store();
		must(store_count(store, &bvol_type_volume, NULL, &count, &err));
		assert_int_equal(count % 2, 0);
		assert_in_range(count / 2, reported, reported + 1);
		store_close(store);
		remove_dir();
	}
}

static off_t log_size(int set)
{
	char log[sizeof(path) + 4];
	struct stat st;

	snprintf(log, sizeof(log), "%s-wal", path);
	if (set >= 0)
		close(open(log, O_WRONLY | O_CREAT, 0600));
	if (set >= 0)
		assert_int_equal(truncate(log, set), 0);
	assert_int_equal(stat(log, &st), 0);
	return st.st_size;
}

/* The log has its length from the start, also after a crash in between, and what is in it counts. */
static void length_of_log(void **state)
{
	static const int sizes[] = { 0, 5000, 65536, 4194304 };
	struct store *store;

	make_dir();
	crash_after(insert_and_commit);
	assert_int_equal(log_size(-1), 4194304);
	store_close(open_store());
	for (size_t i = 0; i < N_OF(sizes); i++) {
		log_size(sizes[i]);
		store = open_store();
		assert_int_equal(log_size(-1), 4194304);
		assert_true(volume_exists(store, 399));
		store_close(store);
	}
	crash_after(just_open);
	store = open_store();
	assert_true(volume_exists(store, 399));
	store_close(store);
	remove_dir();
}

static void one_at_a_time(void **state)
{
	struct store *second = NULL;
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(store_open(path, &second, &err) == -EBUSY && !second &&
		      strstr(err.text, "another process has the state database") ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* In this process too, and the refused one does not break the first one's lock. */
	assert_int_equal(store_open(path, &second, NULL), -EBUSY);
	pid = fork();
	if (!pid)
		_exit(store_open(path, &second, NULL) == -EBUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	must(store_begin(*state, &err));
	must(insert_volume(*state, 1, "v", "p"));
	must(store_commit(*state, &err));
}

static void write_at(off_t offset, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(pwrite(fd, bytes, n, offset), (ssize_t)n);
	close(fd);
}

static void assert_refused(int code, const char *words)
{
	struct store *store = NULL;

	err_clear(&err);
	assert_int_equal(store_open(path, &store, &err), code);
	assert_null(store);
	assert_non_null(strstr(err.text, words));
}

/* Fields of sqlite's file header. */
#define USER_VERSION 60
#define APPLICATION 68

static void foreign_files(void **state)
{
	static const uint8_t newer[] = { 0, 0, 0, 11 }, other[] = { 1, 2, 3, 4 }, ours[] = "bvol";
	struct stat before, after;

	make_dir();
	store_close(open_store());
	stat(path, &before);
	write_at(USER_VERSION, newer, 4);
	assert_refused(-EPROTO, "newer bvold (schema 11, this one knows 10)");
	write_at(APPLICATION, other, 4);
	assert_refused(-EUCLEAN, "another program");
	stat(path, &after);
	assert_int_equal(before.st_size, after.st_size);
	write_at(APPLICATION, ours, 4);
	assert_refused(-EPROTO, "newer bvold");
	remove_dir();
}

static void damaged_files(void **state)
{
	static uint8_t junk[4096];
	struct store *store;

	memset(junk, 0x5a, sizeof(junk));
	make_dir();
	write_at(0, junk, sizeof(junk));
	assert_refused(-EUCLEAN, "damaged");
	unlink(path);

	store = open_store();
	begin_and_insert(store);
	must(store_commit(store, &err));
	store_close(store);
	store_close(open_store());
	write_at(2 * 4096 + 8, junk, sizeof(junk));
	assert_refused(-EUCLEAN, "damaged");
	remove_dir();
}

static void unsafe_files(void **state)
{
	char link[96], real[sizeof(path)];
	struct stat st;

	make_dir();
	store_close(open_store());
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	chmod(path, 0640);
	assert_refused(-EACCES, "chmod 600");
	chmod(path, 0600);

	/* By a linked directory it may be reached, but not be a link. */
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(".", link), 0);
	strcpy(real, path);
	snprintf(path, sizeof(path), "%s/state.db", link);
	store_close(open_store());
	unlink(link);
	assert_int_equal(symlink(real, link), 0);
	strcpy(path, link);
	assert_refused(-EINVAL, "not a regular file");
	snprintf(path, sizeof(path), "%s/none/state.db", dir);
	assert_refused(-ENOENT, "/none/: No such file");
	strcpy(path, dir);
	assert_refused(-EINVAL, "not a regular file");
	remove_dir();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crashes),
		cmocka_unit_test(killed_at_any_moment),
		cmocka_unit_test(length_of_log),
		STORE_TEST(one_at_a_time),
		cmocka_unit_test(foreign_files),
		cmocka_unit_test(damaged_files),
		cmocka_unit_test(unsafe_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
