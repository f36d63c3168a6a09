// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The job engine with a real store, real threads and workflows of its own: what
 * is done, in which order, and what a crash between any two transactions leaves.
 */
#include "store_fixture.h"

#include <pthread.h>

#include "job/engine.h"

static struct change change;
static struct engine engine;
static struct loop *loop;
static struct workers *workers;
static char trace[256];
static char fail_at;		/* the letter of the step that fails */
static unsigned int stop_after;	/* letters after which the process "dies" */
static unsigned int failed_calls, restarts, begun;
static unsigned int rounds;	/* how often the list of steps is gone through once more */
static unsigned int jobs;	/* that have to end */
static bool was_clean;

static void note(char c)
{
	size_t n = strlen(trace);

	assert_true(n + 1 < sizeof(trace));
	trace[n] = c;
	trace[n + 1] = '\0';
}

struct letter {
	struct action action;
	char c;
};

static int act(struct action *a, struct err *e)
{
	struct letter *letter = (struct letter *)a;

	return letter->c == fail_at ? err_set(e, -EIO, "step %c broke", letter->c) : 0;
}

static int commit(struct action *a, struct store *store, struct err *e)
{
	note(((struct letter *)a)->c);
	return 0;
}

static void letter_free(struct action *a)
{
	free(a);
}

static int plan(char c, struct action **ret)
{
	struct letter *letter = calloc(1, sizeof(*letter));

	letter->action = (struct action) { .act = act, .commit = commit, .free = letter_free };
	letter->c = c;
	*ret = &letter->action;
	return 0;
}

static int plan_a(struct job *job, struct action **ret, struct err *e)
{
	return plan('a', ret);
}

static int plan_b(struct job *job, struct action **ret, struct err *e)
{
	return plan('b', ret);
}

static int plan_u(struct job *job, struct action **ret, struct err *e)
{
	return plan('u', ret);
}

/* A step without an action. */
static int plan_none(struct job *job, struct action **ret, struct err *e)
{
	note('n');
	return fail_at == 'n' ? err_set(e, -EINVAL, "no way") : 0;
}

static int done(struct job *job, struct err *e)
{
	return rounds && rounds--;
}

static int failed(struct job *job, bool clean, struct err *e)
{
	failed_calls++;
	was_clean = clean;
	if (!restarts)
		return 0;
	restarts--;
	fail_at = 0;
	return 1;
}

static int begin(struct job *job, struct err *e)
{
	assert_false(store_in_transaction(change.store));
	begun++;
	return fail_at == 'A' ? err_set(e, -EIO, "it was not begun") : 0;
}

/* An action that takes as long as the test wants it to. */
struct long_action {
	struct action action;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool cancelled, paused, end;
	uint64_t rate, done, total;
	unsigned int kept;
};

static struct long_action work;
static unsigned int looks;	/* at its progress */
static void (*on_look)(void);	/* by the loop, between two looks */

static int long_act(struct action *a, struct err *e)
{
	int r;

	pthread_mutex_lock(&work.lock);
	while (!work.cancelled && !work.end)
		pthread_cond_wait(&work.told, &work.lock);
	r = work.cancelled ? -ECANCELED : 0;
	pthread_mutex_unlock(&work.lock);
	return r ? err_set(e, r, "it was stopped") : 0;
}

static void long_end(void)
{
	pthread_mutex_lock(&work.lock);
	work.end = true;
	pthread_cond_signal(&work.told);
	pthread_mutex_unlock(&work.lock);
}

static void long_free(struct action *a)
{
}

static void long_progress(struct action *a, struct action_progress *ret)
{
	looks++;
	*ret = (struct action_progress) { .done = work.done, .total = work.total, .keep = !work.kept };
	if (on_look)
		on_look();
}

static void long_order(struct action *a, enum action_order order, uint64_t value)
{
	pthread_mutex_lock(&work.lock);
	if (order == ACTION_CANCEL)
		work.cancelled = true;
	else if (order == ACTION_RATE)
		work.rate = value;
	else
		work.paused = order == ACTION_PAUSE;
	pthread_cond_signal(&work.told);
	pthread_mutex_unlock(&work.lock);
}

static int long_keep(struct action *a, struct store *store, struct err *e)
{
	assert_true(store_in_transaction(store));
	work.kept++;
	return 0;
}

static int plan_long(struct job *job, struct action **ret, struct err *e)
{
	work.action = (struct action) {
		.act = long_act, .free = long_free, .progress = long_progress,
		.order = long_order, .keep = long_keep,
	};
	*ret = &work.action;
	return 0;
}

static const char *const long_steps[] = { "long", NULL };

static const struct job_flow long_flow = {
	.kind = "long",
	.steps = (const struct job_step[]) {
		{ "first", LANE_POOL, plan_a, NULL },
		{ "long", LANE_WIPE, plan_long, NULL },
		{ "last", LANE_POOL, plan_b, NULL },
		{ 0 },
	},
	.takes_long = long_steps, .cancel = long_steps,
	.failed = failed,
};

/* A step in a repository, of which each waits until the test lets it go. */
struct gated {
	struct action action;
	unsigned int bit;
};

static unsigned int released, began;	/* bits, under work.lock */

static int gated_act(struct action *a, struct err *e)
{
	unsigned int bit = ((struct gated *)a)->bit;

	pthread_mutex_lock(&work.lock);
	began |= bit;
	while (!(released & bit))
		pthread_cond_wait(&work.told, &work.lock);
	pthread_mutex_unlock(&work.lock);
	return 0;
}

static void let_go(unsigned int bits)
{
	pthread_mutex_lock(&work.lock);
	released |= bits;
	pthread_cond_broadcast(&work.told);
	pthread_mutex_unlock(&work.lock);
}

static int plan_gated(struct job *job, struct action **ret, struct err *e)
{
	struct gated *gated = calloc(1, sizeof(*gated));

	gated->action = (struct action) { .act = gated_act, .free = letter_free };
	gated->bit = 1u << job->row->size;
	*ret = &gated->action;
	return 0;
}

static const struct job_flow repo_flow = {
	.kind = "repo",
	.steps = (const struct job_step[]) {
		{ "work", LANE_REPO, plan_gated, NULL },
		{ 0 },
	},
	.cancel = (const char *const[]) { "work", NULL },
	.failed = failed,
};

static const struct job_flow flow = {
	.kind = "test",
	.begin = begin,
	.steps = (const struct job_step[]) {
		{ "first", LANE_POOL, plan_a, NULL },
		{ "middle", LANE_NONE, plan_none, NULL },
		{ "last", LANE_POOL, plan_b, done },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo", LANE_POOL, plan_u, done },
		{ 0 },
	},
	.failed = failed,
};

static const struct job_flow apart_flow = {
	.kind = "apart",
	.steps = (const struct job_step[]) {
		{ "first", LANE_POOL, plan_a, NULL },
		{ "middle", LANE_LEFT, plan_none, NULL },
		{ "last", LANE_POOL, plan_b, NULL },
		{ 0 },
	},
	.failed = failed,
};

const struct job_flow *const job_flows[] = { &flow, &long_flow, &apart_flow, &repo_flow, NULL };

static char told[128];	/* of progress, last */

/* The loop ends when all jobs have, or where the process is to "die". */
static void emit(const struct bvol_event *event, void *data)
{
	assert_int_equal(event->kind, BVOL_EVENT_KIND_JOB_CHANGED);
	if (event->message && event->progress)
		snprintf(told, sizeof(told), "%u %s", event->progress, event->message);
	if (((!strcmp(event->status, "done") || !strcmp(event->status, "failed")) && !--jobs) ||
	    (stop_after && strlen(trace) >= stop_after))
		loop_exit(loop, 0);
}

static int engine_setup(void **state)
{
	setup(state);
	change = (struct change) { .store = *state, .emit = emit };
	must(loop_new(&loop));
	must(workers_new(loop, 4, &workers));
	engine = (struct engine) { .change = &change, .workers = workers, .loop = loop };
	trace[0] = '\0';
	fail_at = 0;
	stop_after = failed_calls = restarts = begun = rounds = 0;
	jobs = 1;
	work = (struct long_action) { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };
	looks = 0;
	on_look = NULL;
	told[0] = '\0';
	return 0;
}

static int engine_teardown(void **state)
{
	engine_deinit(&engine);
	workers_stop(workers);
	loop_free(loop);
	return teardown(state);
}

/* Begins a transaction. */
static struct job *job_begin_kind(unsigned int pool, const char *kind)
{
	struct bvol_job *row = codec_new(&bvol_type_job);
	struct job *job;

	codec_set_string(&bvol_type_job, row, BVOL_A_JOB_KIND, kind);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, uuid(pool));
	must(change_begin(&change, &err));
	must(job_new(&engine, row, &job, &err));
	must(job_prepare(job, &err));
	return job;
}

static struct job *job_begin(unsigned int pool)
{
	return job_begin_kind(pool, "test");
}

static struct bvol_uuid job_make_kind(unsigned int pool, const char *kind)
{
	struct job *job = job_begin_kind(pool, kind);
	struct bvol_uuid id = job->row->id;

	must(change_commit(&change, &err));
	job_start(job);
	return id;
}

static struct bvol_uuid job_make(unsigned int pool)
{
	return job_make_kind(pool, "test");
}

static struct bvol_job *job_row(const struct bvol_uuid *id)
{
	void *row;

	must(store_get(change.store, &bvol_type_job, id, &row, &err));
	return row;
}

static void assert_job(const struct bvol_uuid *id, uint32_t status, const char *step, const char *error)
{
	struct bvol_job *row = job_row(id);

	assert_int_equal(row->status, status);
	assert_string_equal(row->step, step);
	if (error)
		assert_string_equal(row->error, error);
	else
		assert_null(row->error);
	bvol_free(&bvol_type_job, row);
}

/* Nothing of the old process is left but the database. */
static void new_process(void)
{
	engine_deinit(&engine);
	workers_stop(workers);
	loop_free(loop);
	store_rollback(change.store);
	must(loop_new(&loop));
	must(workers_new(loop, 4, &workers));
	engine = (struct engine) { .change = &change, .workers = workers, .loop = loop };
}

static void steps_run_in_order(void **state)
{
	struct bvol_uuid id = job_make(1);

	must(loop_run(loop));
	assert_string_equal(trace, "anb");
	assert_job(&id, BVOL_JOB_STATUS_DONE, "last", NULL);
	assert_int_equal(engine.running, 0);
	assert_null(engine.lanes);
}

static void the_first_intent_comes_with_the_job(void **state)
{
	struct job *job = job_begin(1);
	struct bvol_job *row;

	must(change_commit(&change, &err));
	row = job_row(&job->row->id);
	assert_int_equal(row->status, BVOL_JOB_STATUS_RUNNING);
	assert_string_equal(row->step, "first");
	bvol_free(&bvol_type_job, row);
	assert_int_equal(begun, 0);
	job_start(job);
	assert_int_equal(begun, 1);
	must(loop_run(loop));
	assert_string_equal(trace, "anb");
	assert_int_equal(begun, 1);
}

static void what_cannot_begin_is_undone(void **state)
{
	struct bvol_uuid id;

	fail_at = 'A';
	id = job_make(1);
	must(loop_run(loop));
	assert_string_equal(trace, "u");
	assert_true(was_clean);
	assert_job(&id, BVOL_JOB_STATUS_FAILED, "undo", "it was not begun");
	assert_null(engine.lanes);
}

static void a_job_that_is_rolled_back_leaves_nothing(void **state)
{
	struct job *job = job_begin(1);
	struct bvol_uuid id = job->row->id;
	void *row;

	assert_non_null(engine.lanes);
	change_rollback(&change);
	job_free(job);
	assert_null(engine.lanes);
	assert_int_equal(engine.running, 0);
	assert_int_equal(store_get(change.store, &bvol_type_job, &id, &row, NULL), -ENOENT);
	steps_run_in_order(state);
}

static void a_failed_step_is_undone(void **state)
{
	struct bvol_uuid id;

	fail_at = 'b';
	id = job_make(1);
	must(loop_run(loop));
	assert_string_equal(trace, "anu");
	assert_int_equal(failed_calls, 1);
	assert_true(was_clean);
	assert_job(&id, BVOL_JOB_STATUS_FAILED, "undo", "step b broke");
	assert_null(engine.lanes);
}

static void a_failed_plan_is_undone(void **state)
{
	struct bvol_uuid id;

	fail_at = 'n';
	id = job_make(1);
	must(loop_run(loop));
	assert_string_equal(trace, "anu");
	assert_job(&id, BVOL_JOB_STATUS_FAILED, "undo", "no way");
}

static void a_job_can_begin_again(void **state)
{
	struct bvol_uuid id;

	fail_at = 'b';
	restarts = 1;
	id = job_make(1);
	must(loop_run(loop));
	assert_string_equal(trace, "anuanb");
	assert_job(&id, BVOL_JOB_STATUS_DONE, "last", NULL);
}

static void steps_are_gone_through_again(void **state)
{
	struct bvol_uuid id;

	rounds = 2;
	id = job_make(1);
	must(loop_run(loop));
	assert_string_equal(trace, "anbanbanb");
	assert_job(&id, BVOL_JOB_STATUS_DONE, "last", NULL);
	new_process();
	trace[0] = '\0';
	fail_at = 'b';
	rounds = 2;
	jobs = 1;
	id = job_make(1);
	must(loop_run(loop));
	assert_string_equal(trace, "anuuu");
	assert_job(&id, BVOL_JOB_STATUS_FAILED, "undo", "step b broke");
	assert_null(engine.lanes);
}

static void a_lane_is_for_one_at_a_time(void **state)
{
	struct bvol_uuid first, second;

	jobs = 2;
	first = job_make(1);
	second = job_make(1);
	must(loop_run(loop));
	assert_job(&first, BVOL_JOB_STATUS_DONE, "last", NULL);
	assert_job(&second, BVOL_JOB_STATUS_DONE, "last", NULL);
	assert_string_equal(trace, "anbanb");
	assert_null(engine.lanes);
}

static void a_lane_can_be_left(void **state)
{
	struct bvol_uuid first, second;

	jobs = 2;
	first = job_make_kind(1, "apart");
	second = job_make_kind(1, "apart");
	must(loop_run(loop));
	assert_job(&first, BVOL_JOB_STATUS_DONE, "last", NULL);
	assert_job(&second, BVOL_JOB_STATUS_DONE, "last", NULL);
	assert_string_equal(trace, "ananbb");
	assert_null(engine.lanes);
}

/* Dies after each letter, as often as there are letters; the next process goes on. */
static void a_crash_loses_no_step(void **state)
{
	unsigned int at;

	for (at = 1; at <= 3; at++) {
		struct bvol_uuid pool = uuid(at), id;

		trace[0] = '\0';
		stop_after = at;
		id = job_make(at);
		must(loop_run(loop));
		new_process();
		stop_after = 0;
		jobs = 1;
		must(engine_resume(&engine, &pool, &err));
		if (engine.running)
			must(loop_run(loop));
		assert_job(&id, BVOL_JOB_STATUS_DONE, "last", NULL);
		assert_non_null(strchr(trace, 'a'));
		assert_non_null(strchr(trace, 'b'));
		assert_null(strchr(trace, 'u'));
		new_process();
	}
}

static void undoing_goes_on_after_a_crash(void **state)
{
	struct bvol_job *row = codec_new(&bvol_type_job);
	struct bvol_uuid pool = uuid(9);

	codec_set(row, BVOL_A_JOB_ID, id, uuid(8));
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, pool);
	codec_set(row, BVOL_A_JOB_STATUS, status, BVOL_JOB_STATUS_UNDOING);
	codec_set(row, BVOL_A_JOB_PROGRESS, progress, 0);
	codec_set(row, BVOL_A_JOB_CREATED_AT, created_at, 1);
	codec_set(row, BVOL_A_JOB_UPDATED_AT, updated_at, 1);
	codec_set_string(&bvol_type_job, row, BVOL_A_JOB_KIND, "test");
	codec_set_string(&bvol_type_job, row, BVOL_A_JOB_STEP, "undo");
	codec_set_string(&bvol_type_job, row, BVOL_A_JOB_ERROR, "it broke");
	must(change_begin(&change, &err));
	must(store_insert(change.store, &bvol_type_job, row, &err));
	must(change_commit(&change, &err));
	must(engine_resume(&engine, &pool, &err));
	must(loop_run(loop));
	assert_string_equal(trace, "u");
	assert_job(&row->id, BVOL_JOB_STATUS_FAILED, "undo", "it broke");
	bvol_free(&bvol_type_job, row);
}

static void end_at_third_look(void)
{
	work.done += 100;
	if (looks == 3)
		long_end();
}

static void progress_is_told_and_kept(void **state)
{
	struct bvol_uuid id;
	struct bvol_job *row;

	work.total = 1000;
	on_look = end_at_third_look;
	id = job_make_kind(1, "long");
	must(loop_run(loop));
	assert_true(looks >= 4);
	assert_string_equal(trace, "ab");
	assert_true(work.kept >= 1);
	assert_true(strstr(told, "30 300 B of 1000 B, ") == told);
	assert_non_null(strstr(told, " s left"));
	row = job_row(&id);
	assert_int_equal(row->bytes_done, 300);
	assert_int_equal(row->progress, 100);
	assert_false(engine.watching && engine.jobs);
	bvol_free(&bvol_type_job, row);
}

static struct bvol_uuid ordered;

static void order(enum action_order what, uint64_t value)
{
	must(job_order(&engine, &ordered, what, value, &err));
}

static void slow_pause_and_cancel(void)
{
	const struct bvol_job *row = engine_job(&engine, &ordered);

	if (looks == 1) {
		order(ACTION_RATE, 5 << 20);
		order(ACTION_PAUSE, 0);
		assert_int_equal(work.rate, 5 << 20);
		assert_true(work.paused);
		assert_int_equal(row->paused, 1);
	} else if (looks == 2) {
		order(ACTION_RESUME, 0);
		assert_false(work.paused);
		order(ACTION_CANCEL, 0);
	}
}

static void a_job_is_ordered_about(void **state)
{
	work.total = 1000;
	on_look = slow_pause_and_cancel;
	ordered = job_make_kind(1, "long");
	must(loop_run(loop));
	assert_string_equal(trace, "a");
	assert_int_equal(failed_calls, 1);
	assert_job(&ordered, BVOL_JOB_STATUS_FAILED, "long", "it was stopped");
	assert_int_equal(job_order(&engine, &ordered, ACTION_PAUSE, 0, &err), -EBUSY);
	err_clear(&err);
}

/* Told before the step begins: it holds, also in another process. */
static void orders_wait_for_their_step(void **state)
{
	struct bvol_uuid pool = uuid(1);

	ordered = job_make_kind(1, "long");
	order(ACTION_PAUSE, 0);
	order(ACTION_RATE, 7);
	new_process();
	jobs = 1;
	work.total = 1000;
	on_look = end_at_third_look;
	must(engine_resume(&engine, &pool, &err));
	must(loop_run(loop));
	assert_true(work.paused);
	assert_int_equal(work.rate, 7);
	assert_job(&ordered, BVOL_JOB_STATUS_DONE, "last", NULL);
	new_process();
	jobs = 1;
	ordered = job_make_kind(1, "long");
	order(ACTION_CANCEL, 0);
	must(loop_run(loop));
	assert_job(&ordered, BVOL_JOB_STATUS_FAILED, "long", "it was cancelled before its step long");
}

static void what_is_short_takes_no_orders(void **state)
{
	static const enum action_order orders[] = { ACTION_CANCEL, ACTION_PAUSE, ACTION_RATE };
	struct bvol_uuid id = job_make(1);
	struct bvol_job *row;

	for (size_t i = 0; i < N_OF(orders); i++) {
		assert_int_equal(job_order(&engine, &id, orders[i], 1, &err), -EBUSY);
		assert_non_null(strstr(err.text, "test job"));
		err_clear(&err);
	}
	must(loop_run(loop));
	row = job_row(&id);
	assert_false(row->cancelled || row->paused || row->rate_limit);
	bvol_free(&bvol_type_job, row);
}

static struct bvol_uuid repo_make(unsigned int repository, unsigned int number)
{
	struct bvol_job *row = codec_new(&bvol_type_job);
	struct bvol_uuid id;
	struct job *job;

	codec_set_string(&bvol_type_job, row, BVOL_A_JOB_KIND, "repo");
	codec_set(row, BVOL_A_JOB_REPOSITORY_ID, repository_id, uuid(repository));
	codec_set(row, BVOL_A_JOB_SIZE, size, number);
	must(change_begin(&change, &err));
	must(job_new(&engine, row, &job, &err));
	must(job_prepare(job, &err));
	id = job->row->id;
	must(change_commit(&change, &err));
	job_start(job);
	return id;
}

static void assert_waits(const struct bvol_uuid *id, const char *part)
{
	char *text = engine_waits(&engine, id);

	assert_int_equal(!text, !part);
	assert_true(!part || strstr(text, part));
	free(text);
}

/* One in each repository, two on the node; who waits says for what, and can be told to stop. */
static void repositories_are_shared(void **state)
{
	struct bvol_uuid first, second, other, third;

	engine.repos_max = 2;
	released = began = 0;
	jobs = 4;
	first = repo_make(1, 0);
	second = repo_make(1, 1);
	other = repo_make(2, 2);
	third = repo_make(3, 3);
	assert_int_equal(engine.repos, 2);
	assert_waits(&first, NULL);
	assert_waits(&second, "for the repo job");
	assert_waits(&other, NULL);
	assert_waits(&third, "for one of 2 jobs");
	ordered = second;
	order(ACTION_CANCEL, 0);
	assert_job(&second, BVOL_JOB_STATUS_FAILED, "work", "it was cancelled before its step work");
	assert_int_equal(engine.repos, 2);
	let_go(1u << 0 | 1u << 2 | 1u << 3);
	must(loop_run(loop));
	assert_int_equal(began, 1u << 0 | 1u << 2 | 1u << 3);
	assert_job(&third, BVOL_JOB_STATUS_DONE, "work", NULL);
	assert_int_equal(engine.repos, 0);
	assert_null(engine.lanes);
}

/* It has no pool that would bring it back. */
static void a_job_without_a_pool_goes_on_too(void **state)
{
	struct bvol_uuid id, pool = uuid(1);

	released = 1;
	id = repo_make(1, 0);
	new_process();
	must(engine_resume(&engine, &pool, &err));
	assert_null(engine.jobs);
	must(engine_resume(&engine, NULL, &err));
	must(loop_run(loop));
	assert_job(&id, BVOL_JOB_STATUS_DONE, "work", NULL);
}

static void ids_sort_by_time(void **state)
{
	struct bvol_uuid last, next;
	int i;

	must(change_new_id(&last));
	for (i = 0; i < 10000; i++) {
		must(change_new_id(&next));
		assert_true(memcmp(&last, &next, sizeof(last)) < 0);
		assert_int_equal(next.b[6] >> 4, 7);
		assert_int_equal(next.b[8] >> 6, 2);
		last = next;
	}
}

#define ENGINE_TEST(test) cmocka_unit_test_setup_teardown(test, engine_setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(steps_run_in_order),
		ENGINE_TEST(the_first_intent_comes_with_the_job),
		ENGINE_TEST(what_cannot_begin_is_undone),
		ENGINE_TEST(a_job_that_is_rolled_back_leaves_nothing),
		ENGINE_TEST(a_failed_step_is_undone),
		ENGINE_TEST(a_failed_plan_is_undone),
		ENGINE_TEST(a_job_can_begin_again),
		ENGINE_TEST(steps_are_gone_through_again),
		ENGINE_TEST(a_lane_is_for_one_at_a_time),
		ENGINE_TEST(a_lane_can_be_left),
		ENGINE_TEST(a_crash_loses_no_step),
		ENGINE_TEST(undoing_goes_on_after_a_crash),
		ENGINE_TEST(progress_is_told_and_kept),
		ENGINE_TEST(a_job_is_ordered_about),
		ENGINE_TEST(orders_wait_for_their_step),
		ENGINE_TEST(what_is_short_takes_no_orders),
		ENGINE_TEST(repositories_are_shared),
		ENGINE_TEST(a_job_without_a_pool_goes_on_too),
		cmocka_unit_test(ids_sort_by_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
