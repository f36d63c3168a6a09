// SPDX-License-Identifier: LGPL-2.1-or-later
/* Runs on a repository that are paused, slowed down and cancelled, and what does not answer. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"
#include "repobed.h"
#include "copy/gate.h"

#define MS		UINT64_C(1000000)
#define PAGES		(16 * 256u)	/* 16 MiB, none of which is zeroes */
/* A second, and some more for a machine that does other things too. */
#define LATE_MS		1500
#define BYTES		((uint64_t)PAGES * PAGE)

static struct bed bed;
static struct volume volume;
static uint8_t first[REPO_ID];

static void nap(unsigned int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* A repository with a backup, and another one's packs for gc to copy: half of each pack is dead. */
static int setup(void **state)
{
	uint8_t old[REPO_ID];

	bed_init(&bed, true, CHUNK_MIN, COMPRESS_NONE);
	volume_init(&volume, PAGES, PAGE);
	for (uint32_t i = 0; i < PAGES; i++)
		volume.pages[i] = i + 1;
	volume_save(&volume, bed.file);
	if (bed_backup(&bed, "old", NULL, old))
		fail_msg("%s", bed.err.text);
	for (uint32_t i = PAGES / 4; i < PAGES; i++)
		volume.pages[i] = i + 2 * PAGES;
	volume_save(&volume, bed.file);
	if (bed_backup(&bed, "first", NULL, first) || bed.repo->ops->remove(bed.repo->driver, REPO_BACKUP, old, &bed.err))
		fail_msg("%s", bed.err.text);
	/* So that each backup of this file has something to store. */
	for (uint32_t i = 0; i < PAGES; i++)
		volume.pages[i] = i + 4 * PAGES;
	volume_save(&volume, bed.file);
	return 0;
}

static int teardown(void **state)
{
	volume_deinit(&volume);
	bed_deinit(&bed);
	return 0;
}

/* Each kind of run */

struct job {
	int (*make)(struct job *job);
	struct repo_run run;
	struct err err;
	pthread_t thread;
	uint64_t ns;
	int code;
	atomic_bool over;
};

static int make_backup(struct job *job)
{
	struct manifest_text text = { (char *)"name", (char *)"b" };
	struct backup_plan plan = { .texts = &text, .n_texts = 1, .threads = 2 };
	struct manifest *m = NULL;
	int r = source_file(bed.file, &plan.source, &job->err);

	if (!r)
		r = backup_run(bed.repo, &plan, &job->run, &m, &job->err);
	backup_source_free(plan.source);
	manifest_free(m);
	return r;
}

static int restore(struct job *job, const char *to)
{
	struct restore_plan plan = { .to = to, .threads = 2 };
	struct restore_result result = { 0 };
	struct manifest *m = NULL;
	int r = manifest_load(bed.repo, first, &m, &job->err);

	plan.m = m;
	if (!r)
		r = restore_run(bed.repo, &plan, &job->run, &result, &job->err);
	manifest_free(m);
	return r;
}

static int make_restore(struct job *job)
{
	return restore(job, bed.out);
}

static int make_verify(struct job *job)
{
	return restore(job, NULL);
}

static int make_gc(struct job *job)
{
	struct gc_result result;

	return gc_run(bed.repo, 0, &job->run, &result, &job->err);
}

static int make_scrub(struct job *job)
{
	struct scrub_plan plan = { .threads = 2 };
	struct scrub_result result;
	int r = scrub_run(bed.repo, &plan, &job->run, &result, &job->err);

	return r ? r : result.damaged || result.hit ? -EBADMSG : 0;
}

static const struct {
	const char *name;
	int (*make)(struct job *job);

} kinds[] = {
	{ "backup", make_backup }, { "restore", make_restore }, { "verify", make_verify },
	{ "gc", make_gc }, { "scrub", make_scrub },
};

static void *job_main(void *data)
{
	struct job *job = data;
	uint64_t begin = gate_now();

	job->code = job->make(job);
	job->ns = gate_now() - begin;
	job->over = true;
	return NULL;
}

static void job_start(struct job *job, int (*make)(struct job *job))
{
	job->make = make;
	assert_int_equal(pthread_create(&job->thread, NULL, job_main, job), 0);
}

static int job_end(struct job *job)
{
	pthread_join(job->thread, NULL);
	return job->code;
}

/* Milliseconds from now until the run is back, which was cancelled. */
static uint64_t job_cancel(struct job *job)
{
	uint64_t begin = gate_now();

	job->run.cancel = true;
	pthread_join(job->thread, NULL);
	return (gate_now() - begin) / MS;
}

/* Pause, rate, cancel */

static void test_a_paused_run_stands_still(void **state)
{
	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct job job = { .run = { .pause = true } };
		uint64_t done;

		job_start(&job, kinds[i].make);
		nap(150);
		done = job.run.done;
		nap(150);
		assert_false(job.over);
		assert_int_equal(job.run.done, done);
		job.run.pause = false;
		if (job_end(&job))
			fail_msg("%s: %s", kinds[i].name, job.err.text);
	}
}

static void test_a_run_is_paused_on_its_way(void **state)
{
	struct job job = { .run = { .rate = BYTES / 2 } };
	uint64_t done;

	job_start(&job, make_verify);
	nap(300);
	job.run.pause = true;
	nap(200);
	done = job.run.done;
	assert_in_range(done, 1, BYTES - 1);
	nap(300);
	assert_int_equal(job.run.done, done);
	job.run.pause = false;
	job.run.rate = 0;
	assert_int_equal(job_end(&job), 0);
	assert_int_equal(job.run.done, BYTES);
	assert_int_equal(job.run.total, BYTES);
}

static void test_cancelled_while_paused(void **state)
{
	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct job job = { .run = { .pause = true } };

		job_start(&job, kinds[i].make);
		nap(100);
		assert_in_range(job_cancel(&job), 0, LATE_MS);
		assert_int_equal(job.code, -ECANCELED);
		assert_non_null(strstr(job.err.text, "cancelled"));
	}
	assert_int_equal(copy_abandoned(), 0);
}

/* Anew each time, so that gc has something to copy: setup() is called before. */
static void test_cancelled_while_rate_limited(void **state)
{
	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct job job = { .run = { .rate = 1000 } };

		job_start(&job, kinds[i].make);
		nap(300);
		assert_false(job.over);
		assert_in_range(job_cancel(&job), 0, LATE_MS);
		assert_int_equal(job.code, -ECANCELED);
	}
	assert_int_equal(copy_abandoned(), 0);
}

static void test_cancelled_before_it_began(void **state)
{
	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct job job = { .run = { .cancel = true } };

		job_start(&job, kinds[i].make);
		assert_int_equal(job_end(&job), -ECANCELED);
	}
}

/* A second for all of it, but for what the bucket holds and one request beside. */
static void test_the_rate_is_kept_and_can_be_changed(void **state)
{
	struct job job = { .run = { .rate = BYTES } }, second = { .run = { .rate = 1000 } };

	job_start(&job, make_verify);
	assert_int_equal(job_end(&job), 0);
	assert_in_range(job.ns / MS, 700, 3000);
	job_start(&second, make_verify);
	nap(300);
	assert_false(second.over);
	second.run.rate = 0;
	assert_int_equal(job_end(&second), 0);
}

static void test_runs_share_a_limit(void **state)
{
	struct copy_limit *limit = copy_limit_new(BYTES);
	struct job jobs[2] = { { .run = { .limit = limit } }, { .run = { .limit = limit } } };
	uint64_t begin = gate_now();

	for (int i = 0; i < 2; i++)
		job_start(&jobs[i], make_verify);
	for (int i = 0; i < 2; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	assert_in_range((gate_now() - begin) / MS, 1600, 8000);
	copy_limit_unref(limit);
}

/* What does not answer */

static sem_t reached, go_on;
static const char *hang_at;

static void hang(const char *step)
{
	if (!hang_at || strcmp(step, hang_at))
		return;
	sem_post(&reached);
	while (sem_wait(&go_on))
		;
}

static void await_none_abandoned(void)
{
	for (int i = 0; copy_abandoned() && i < 3000; i++)
		nap(10);
	assert_int_equal(copy_abandoned(), 0);
}

static size_t count(enum repo_kind kind)
{
	uint8_t (*ids)[REPO_ID];
	size_t n = bed_list(&bed, kind, &ids);

	free(ids);
	return n;
}

/*
 * The caller is back while the repository still hangs, and frees what is his: the sanitizer tells
 * what the run should have kept. When the repository is back, the run ends and leaves no backup.
 */
static void hang_in(const char *step, int (*make)(struct job *job))
{
	size_t backups = count(REPO_BACKUP);
	struct job *job = calloc(1, sizeof(*job));
	struct repo *again;

	hang_at = step;
	job_start(job, make);
	while (sem_wait(&reached))
		;
	assert_in_range(job_cancel(job), 600, LATE_MS);
	assert_int_equal(job->code, -ETIMEDOUT);
	assert_non_null(strstr(job->err.text, "does not answer"));
	free(job);
	assert_int_equal(copy_abandoned(), 1);
	assert_int_equal(repo_open(bed.repo_path, &bed_secret, &again, &bed.err), 0);
	repo_close(bed.repo);
	bed.repo = again;
	hang_at = NULL;
	/* More than one thread may stand there. */
	for (int i = 0; i < 16; i++)
		sem_post(&go_on);
	await_none_abandoned();
	sem_init(&go_on, 0, 0);
	sem_init(&reached, 0, 0);
	assert_int_equal(count(REPO_BACKUP), backups);
	assert_int_equal(count(REPO_LEASE), 0);
}

static void test_a_repository_that_hangs(void **state)
{
	sem_init(&reached, 0, 0);
	sem_init(&go_on, 0, 0);
	driver_failpoint = hang;
	hang_in("put", make_backup);
	hang_in("append", make_backup);
	hang_in("sync", make_backup);
	hang_in("put", make_scrub);
	hang_in("put", make_gc);
	hang_in("remove", make_gc);
	driver_failpoint = NULL;
}

/* Whoever says so waits for a run that hangs, however long, and nothing is left behind. */
static void test_a_caller_that_stays(void **state)
{
	size_t backups = count(REPO_BACKUP);
	struct job job = { .run = { .stays = true } };

	sem_init(&reached, 0, 0);
	sem_init(&go_on, 0, 0);
	driver_failpoint = hang;
	hang_at = "sync";
	job_start(&job, make_backup);
	while (sem_wait(&reached))
		;
	job.run.cancel = true;
	nap(1500);
	assert_false(job.over);
	assert_int_equal(copy_abandoned(), 0);
	hang_at = NULL;
	for (int i = 0; i < 16; i++)
		sem_post(&go_on);
	assert_int_equal(job_end(&job), -ECANCELED);
	driver_failpoint = NULL;
	assert_int_equal(copy_abandoned(), 0);
	assert_int_equal(count(REPO_BACKUP), backups);
	assert_int_equal(count(REPO_LEASE), 0);
}

/* A pipe in which there is nothing yet. */
static struct source *pipe_source;
static int ends[2];

static void free_pipe(struct source *source)
{
	close(source->fd);
	free(source);
}

static int all_data(struct source *source, uint64_t offset, uint64_t *length, bool has_parent,
		    enum source_state *ret, struct err *e)
{
	*ret = SOURCE_DATA;
	return 0;
}

static const struct source_ops pipe_ops = { .free = free_pipe, .state = all_data };

static int back_up_pipe(struct job *job)
{
	struct manifest_text text = { (char *)"name", (char *)"pipe" };
	struct backup_plan plan = { .source = pipe_source, .texts = &text, .n_texts = 1, .threads = 1 };
	struct manifest *m = NULL;
	int r = backup_run(bed.repo, &plan, &job->run, &m, &job->err);

	backup_source_free(plan.source);
	manifest_free(m);
	return r;
}

static void test_a_source_that_hangs(void **state)
{
	struct job *job = calloc(1, sizeof(*job));
	size_t backups = count(REPO_BACKUP);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pipe_source = calloc(1, sizeof(*pipe_source));
	*pipe_source = (struct source) {
		.ops = &pipe_ops, .fd = ends[0], .size = CHUNK_MIN, .name = "the pipe",
	};
	job_start(job, back_up_pipe);
	nap(300);
	assert_false(job->over);
	assert_in_range(job_cancel(job), 600, LATE_MS);
	assert_int_equal(job->code, -ETIMEDOUT);
	assert_non_null(strstr(job->err.text, "the pipe"));
	free(job);
	assert_int_equal(copy_abandoned(), 1);
	close(ends[1]);
	await_none_abandoned();
	assert_int_equal(count(REPO_BACKUP), backups);
	assert_int_equal(count(REPO_LEASE), 0);
}

/* The lease of a run that waits */

struct waiter {
	struct run run;
	atomic_uint kept;
};

static int keep(void *data, struct err *e)
{
	struct waiter *w = data;

	return ++w->kept < 2 ? 0 : err_set(e, -ESTALE, "taken away");
}

static int wait_for_it(struct run *run, struct err *e)
{
	run->keep = keep;
	run->keep_data = run;
	return run_take(run, 1, e);
}

static void waiter_free(struct run *run)
{
	run_deinit(run);
	free(run);
}

static void test_who_waits_keeps_his_lease(void **state)
{
	struct waiter *w = calloc(1, sizeof(*w));
	struct repo_run told = { .pause = true };
	struct err e = { 0 };

	assert_int_equal(run_init(&w->run, wait_for_it, waiter_free, &e), 0);
	assert_int_equal(run_attend(&w->run, &told, &e), -ESTALE);
	assert_string_equal(e.text, "taken away");
	assert_int_equal(w->kept, 2);
	run_unref(&w->run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_paused_run_stands_still, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_run_is_paused_on_its_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_while_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_while_rate_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_before_it_began, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_rate_is_kept_and_can_be_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs_share_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_repository_that_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_caller_that_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_source_that_hangs, setup, teardown),
		cmocka_unit_test(test_who_waits_keeps_his_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
