// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Random histories of a repository beside a model: writes, full and
 * incremental backups, deletes, gc, scrub, restores, and processes that die
 * in the middle of each of them. What is listed has to be restorable and
 * what the model says, and what was told to be there has to be listed.
 *
 * HISTORIES=1000 for a night; SEED says where they begin. A share of them is
 * lived in a bucket, on a server of which one request in thirty fails somehow,
 * or on the one that S3_ENDPOINT names: then nothing else.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "unit.h"
#include "repobed.h"
#include "s3bed.h"

#define BACKUPS_MAX	64
#define STEPS		14
#define DIED		77
#define NEVER		UINT64_MAX

struct known {
	uint8_t id[REPO_ID];
	struct volume content;
	bool sure;		/* false: the process died while it was made or deleted */
	bool deleted;
};

struct history {
	struct bed bed;
	struct volume v;
	struct known backups[BACKUPS_MAX];
	uint32_t n;
	uint64_t seed;
};

static atomic_int countdown;

static void die_there(const char *step)
{
	if (atomic_fetch_sub(&countdown, 1) == 0)
		_exit(DIED);
}

static void complain_of(struct history *h, const char *what)
{
	fail_msg("seed %llu: %s: %s", (unsigned long long)h->seed, what, h->bed.err.text);
}

static void write_some(struct history *h)
{
	uint32_t n = bed_random(40), at = bed_random(h->v.n);

	for (uint32_t i = 0; i < n; i++) {
		/* Now a run, now somewhere; few different contents, so that chunks repeat. */
		at = bed_random(3) ? (at + 1) % h->v.n : bed_random(h->v.n);
		h->v.pages[at] = bed_random(4) ? bed_random(100000) : bed_random(4);
	}
	if (!bed_random(8)) {
		uint32_t first = bed_random(h->v.n / 16) * 16, size = 16 * (1 + bed_random(8));

		for (uint32_t i = first; i < first + size && i < h->v.n; i++)
			h->v.pages[i] = 1 + i % 16;
	}
}

/* One that is certainly there, or NULL. */
static struct known *any_backup(struct history *h)
{
	for (int tries = 0; tries < 20 && h->n; tries++) {
		struct known *k = &h->backups[bed_random(h->n)];

		if (k->sure && !k->deleted)
			return k;
	}
	return NULL;
}

/* Connections are not for two processes. */
static void open_again(struct history *h)
{
	const struct repo_secret *secret = h->bed.repo->encrypted ? &bed_secret : NULL;

	if (repo_open(h->bed.where, secret, &h->bed.repo, &h->bed.err))
		complain_of(h, "open");
}

/* In a process that dies at the step-th change of the repository, if step is not negative. */
static int in_process(struct history *h, int step, int (*act)(struct history *h, void *arg), void *arg)
{
	int status;
	pid_t pid;

	if (step < 0)
		return act(h, arg);
	pid = fork();
	if (!pid) {
		if (bed_place)
			open_again(h);
		atomic_store(&countdown, step);
		driver_failpoint = die_there;
		_exit(act(h, arg) ? 1 : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == DIED ? -EINTR : WEXITSTATUS(status);
}

struct making {
	uint8_t id[REPO_ID];
	const uint8_t *parent;
};

static int make(struct history *h, void *arg)
{
	const struct manifest_text text = { (char *)"name", (char *)"b" };
	struct backup_plan plan = { .texts = &text, .n_texts = 1, .threads = 2 };
	struct manifest *parent = NULL, *m = NULL;
	struct making *making = arg;
	struct repo_run run = { 0 };
	int r = source_file(h->bed.file, &plan.source, &h->bed.err);

	memcpy(plan.id, making->id, REPO_ID);
	if (!r && making->parent)
		r = manifest_load(h->bed.repo, making->parent, &parent, &h->bed.err);
	plan.parent = parent;
	if (!r)
		r = backup_run(h->bed.repo, &plan, &run, &m, &h->bed.err);
	manifest_free(m);
	manifest_free(parent);
	backup_source_free(plan.source);
	return r;
}

static void back_up(struct history *h, int step)
{
	struct known *k = &h->backups[h->n], *parent = bed_random(3) ? any_backup(h) : NULL;
	struct making making = { .parent = parent ? parent->id : NULL };
	int r;

	if (h->n == BACKUPS_MAX)
		return;
	volume_save(&h->v, h->bed.file);
	assert_int_equal(crypto_uuid(making.id, &h->bed.err), 0);
	r = in_process(h, step, make, &making);
	if (r && r != -EINTR)
		complain_of(h, "backup");
	memcpy(k->id, making.id, REPO_ID);
	volume_copy(&k->content, &h->v);
	k->sure = !r;
	k->deleted = false;
	h->n++;
}

static int drop(struct history *h, void *arg)
{
	return h->bed.repo->ops->remove(h->bed.repo->driver, REPO_BACKUP, arg, &h->bed.err);
}

static void delete_one(struct history *h, int step)
{
	struct known *k = any_backup(h);
	int r;

	if (!k)
		return;
	r = in_process(h, step, drop, k->id);
	if (r && r != -EINTR)
		complain_of(h, "delete");
	k->deleted = !r;
	k->sure = !r;
}

static int collect(struct history *h, void *arg)
{
	return bed_gc(&h->bed, *(uint64_t *)arg, NULL);
}

/* Nobody else is at work, so that leases are those of the dead; without that it waits for them. */
static void run_gc(struct history *h, int step)
{
	uint64_t dead = bed_random(4) ? 1 : NEVER;
	int r = in_process(h, step, collect, &dead);

	if (r && r != -EINTR && r != 1 && r != -EBUSY)
		complain_of(h, "gc");
}

static int look(struct history *h, void *arg)
{
	struct scrub_result result;
	int r = bed_scrub(&h->bed, &result, NULL, 0);

	return r ? r : result.damaged || result.hit ? -EBADMSG : 0;
}

static void run_scrub(struct history *h, int step)
{
	int r = in_process(h, step, look, NULL);

	if (r && r != -EINTR)
		complain_of(h, "scrub");
}

static void check_restore(struct history *h, struct known *k)
{
	if (bed_random(2))
		volume_save(&h->v, h->bed.out);
	if (bed_restore(&h->bed, k->id, bed_random(2)))
		complain_of(h, "restore");
	if (!volume_is(&k->content, h->bed.out))
		complain_of(h, "a restore is not what was backed up");
}

struct listed {
	struct history *h;
	uint32_t n;
	bool there[BACKUPS_MAX];
};

static int see(void *data, struct manifest *m, struct err *e)
{
	struct listed *l = data;

	for (uint32_t i = 0; i < l->h->n; i++)
		if (!memcmp(l->h->backups[i].id, m->id, REPO_ID))
			l->there[i] = true;
	l->n++;
	manifest_free(m);
	return 0;
}

/* Everything that is listed, and everything that has to be. */
static void check_all(struct history *h)
{
	struct listed l = { .h = h };

	if (manifest_each(h->bed.repo, NULL, see, NULL, &l, &h->bed.err))
		complain_of(h, "list");
	for (uint32_t i = 0; i < h->n; i++) {
		struct known *k = &h->backups[i];

		if (k->sure && l.there[i] == k->deleted)
			complain_of(h, k->deleted ? "a deleted backup is listed" : "a backup is not listed");
		/* The crash decided. */
		k->deleted = !l.there[i];
		k->sure = true;
		if (l.there[i])
			check_restore(h, k);
	}
}

static void live(uint64_t seed)
{
	struct history h = { .seed = seed };
	bool large;

	bed_seed(seed);
	large = !bed_random(20);
	bed_init(&h.bed, bed_random(2), CHUNK_MIN << bed_random(2), bed_random(3));
	volume_init(&h.v, large ? 18000 : 16 + bed_random(600), 1 + bed_random(PAGE));
	for (int i = 0; i < STEPS; i++) {
		int step = bed_random(3) ? -1 : (int)bed_random(30);
		struct known *k;

		switch (bed_random(9)) {
		case 0: case 1: case 2:
			write_some(&h);
			break;
		case 3: case 4: case 5:
			back_up(&h, step);
			break;
		case 6:
			delete_one(&h, step);
			break;
		case 7:
			if (bed_random(3))
				run_gc(&h, step);
			else
				run_scrub(&h, step);
			break;
		default:
			k = any_backup(&h);
			if (k)
				check_restore(&h, k);
		}
	}
	check_all(&h);
	run_gc(&h, -1);
	run_scrub(&h, -1);
	check_all(&h);
	for (uint32_t i = 0; i < h.n; i++)
		volume_deinit(&h.backups[i].content);
	volume_deinit(&h.v);
	bed_deinit(&h.bed);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_random_histories(void **state)
{
	uint64_t n = number("HISTORIES", 25), seed = number("SEED", 1);

	for (uint64_t i = 0; i < n; i++)
		live(seed + i);
}

static struct s3bed server;

static void in_bucket(char *where, size_t size)
{
	static unsigned int n;
	const char *endpoint = getenv("S3_ENDPOINT");
	char prefix[16];

	assert_true(size >= S3BED_WHERE);
	snprintf(prefix, sizeof(prefix), "h%u", ++n);
	if (endpoint)
		snprintf(where, size, "s3://%s/%s?endpoint=%s&region=%s", getenv("S3_BUCKET"), prefix, endpoint,
			 getenv("S3_REGION"));
	else
		s3bed_where(&server, prefix, "", where);
}

static void test_random_histories_in_a_bucket(void **state)
{
	uint64_t n = number("HISTORIES", 25), seed = number("SEED", 1);
	bool own = !getenv("S3_ENDPOINT");

	if (own) {
		s3bed_start(&server, false);
		s3bed_control(&server, "{\"page\": 5, \"chaos\": 3}");
	}
	bed_place = in_bucket;
	for (uint64_t i = 0; i < (n + 7) / 8; i++)
		live(seed + i);
	bed_place = NULL;
	if (own) {
		assert_in_range(s3bed_number(&server, "failed"), 1, UINT32_MAX);
		s3bed_stop(&server);
	}
}

/* Writers in processes of their own, a gc that never rests, and deletes: nothing is lost. */
#define WRITERS	3
#define ROUNDS	6

static void write_and_delete(struct history *h, unsigned int who)
{
	uint8_t ids[ROUNDS][REPO_ID];

	bed_seed(who * 1000 + 7);
	snprintf(h->bed.file, sizeof(h->bed.file), "%s/file%u", h->bed.dir, who);
	snprintf(h->bed.out, sizeof(h->bed.out), "%s/out%u", h->bed.dir, who);
	for (int i = 0; i < ROUNDS; i++) {
		write_some(h);
		volume_save(&h->v, h->bed.file);
		if (bed_backup(&h->bed, "b", i ? ids[i - 1] : NULL, ids[i]) ||
		    bed_restore(&h->bed, ids[i], false) || !volume_is(&h->v, h->bed.out)) {
			fprintf(stderr, "writer %u: %s\n", who, h->bed.err.text);
			_exit(1);
		}
		if (i > 1)
			drop(h, ids[i - 2]);
	}
	_exit(0);
}

static void test_many_writers_and_a_gc(void **state)
{
	struct history h = { 0 };
	struct scrub_result result;
	unsigned int left = WRITERS;

	bed_init(&h.bed, true, CHUNK_MIN, COMPRESS_ZSTD);
	volume_init(&h.v, 2000, PAGE);
	for (uint32_t i = 0; i < h.v.n; i++)
		h.v.pages[i] = i / 3;
	for (unsigned int i = 0; i < WRITERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid)
			write_and_delete(&h, i);
	}
	while (left) {
		struct gc_result gc;
		int status;

		if (bed_gc(&h.bed, 0, &gc))
			complain_of(&h, "gc");
		while (left && waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			left--;
		}
	}
	assert_int_equal(bed_gc(&h.bed, 0, NULL), 0);
	assert_int_equal(bed_scrub(&h.bed, &result, NULL, 0), 0);
	assert_int_equal(result.damaged + result.hit, 0);
	assert_int_equal(result.backups, WRITERS * 2);
	volume_deinit(&h.v);
	bed_deinit(&h.bed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_histories),
		cmocka_unit_test(test_random_histories_in_a_bucket),
		cmocka_unit_test(test_many_writers_and_a_gc),
	};

	if (getenv("S3_ENDPOINT"))
		cmocka_set_test_filter("*bucket");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
