// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "job/lane.h"
#include "util/cleanup.h"
#include "util/log.h"

/* How long to wait before a transaction that the store refused is tried again. */
#define RETRY_USEC	(2 * 1000 * 1000)
/* Ended jobs that are kept for people to look at. */
#define ENDED_MAX	1000
#define ENDED_SLACK	100

/* What job_advance() found to be next. */
enum { NEXT_ACT = 1, NEXT_WAIT, NEXT_END };

static void job_run(struct job *job);
static void job_finish_act(struct job *job, int result);

static void job_unlink(struct job *job)
{
	struct job **link = &job->engine->jobs;

	while (*link && *link != job)
		link = &(*link)->next_job;
	if (*link)
		*link = job->next_job;
}

struct job *job_free(struct job *job)
{
	if (!job)
		return NULL;
	job_unlink(job);
	/* Held only where job_prepare()'s transaction failed; nobody can be waiting yet. */
	lane_release(job);
	action_free(job->action);
	bvol_free(&bvol_type_job, job->row);
	free(job);
	return NULL;
}

static const struct job_flow *flow_find(const char *kind)
{
	const struct job_flow *const *flow = job_flows;

	while (*flow && strcmp((*flow)->kind, kind))
		flow++;
	return *flow;
}

static const struct job_step *step_find(const struct job_step *steps, const char *name)
{
	const struct job_step *step = steps;

	while (step && name && step->name) {
		if (!strcmp(step->name, name))
			return step;
		step++;
	}
	return steps;
}

static bool job_undoing(const struct job *job)
{
	return job->row->status == BVOL_JOB_STATUS_UNDOING;
}

static int job_write(struct job *job, uint32_t status, struct err *e)
{
	int r = codec_set_string(&bvol_type_job, job->row, BVOL_A_JOB_STEP,
				 job->step->name ? job->step->name : job->row->step);

	if (r < 0)
		return err_set(e, r, "out of memory");
	return change_job(job->engine->change, job->row, status,
			  job->err.code ? job->err.text : NULL, e);
}

/* The steps have come to their end, good or bad; NEXT_END, or 0 to go on with other steps. */
static int job_end(struct job *job, bool clean, struct err *e)
{
	int r;

	if (!job->err.code) {
		codec_set(job->row, BVOL_A_JOB_PROGRESS, progress, 100);
		r = job_write(job, BVOL_JOB_STATUS_DONE, e);
		return r < 0 ? r : NEXT_END;
	}
	r = job->flow->failed(job, clean, e);
	if (r < 0)
		return r;
	if (r == 1) {
		log_notice("job %s failed and begins again elsewhere: %s", job->row->kind,
			   job->err.text);
		err_clear(&job->err);
		job->step = job->flow->steps;
		return job_write(job, BVOL_JOB_STATUS_RUNNING, e);
	}
	r = job_write(job, BVOL_JOB_STATUS_FAILED, e);
	return r < 0 ? r : NEXT_END;
}

/* A step failed for the reason in why: on with the undo steps, or the end. */
static int job_fail(struct job *job, const struct err *why, struct err *e)
{
	if (!job->err.code)
		job->err = *why;
	log_notice("job %s failed at %s: %s", job->row->kind, job->step->name,
		   *why->text ? why->text : job->err.text);
	if (job_undoing(job) || !job->flow->undo)
		return job_end(job, false, e);
	job->step = job->flow->undo;
	return job_write(job, BVOL_JOB_STATUS_UNDOING, e);
}

/* What a step has come to is written; on to the next one. */
static int job_step_done(struct job *job, struct err *e)
{
	int r = job->step->done ? job->step->done(job, e) : 0;

	if (r != 1) {
		job->step++;
		return r;
	}
	job->step = job_undoing(job) ? job->flow->undo : job->flow->steps;
	return 0;
}

/*
 * In a transaction: plan step after step until one has something to do.
 * Returns NEXT_…, or the store's error, after which the caller rolls back.
 */
static int job_advance(struct job *job, struct err *e)
{
	struct err why = { 0 };
	int r = 0;

	while (r == 0) {
		if (!job->step->name) {
			r = job_end(job, true, e);
			continue;
		}
		/* What is not going to be done needs no turn. */
		if (!job_is_cancelled(job) && !lane_held(job, job->step)) {
			r = job->lane ? -EAGAIN : lane_try(job, job->step);
			if (r == -EAGAIN) {
				r = job_write(job, job->row->status, e);
				return r < 0 ? r : NEXT_WAIT;
			}
			if (r < 0)
				return err_set(e, r, "out of memory");
		}
		err_clear(&why);
		r = job_is_cancelled(job) ?
		    err_set(&why, -ECANCELED, "it was cancelled before its step %s", job->step->name) :
		    job->step->plan(job, &job->action, &why);
		if (r < 0) {
			err_set(&why, r, "%s: %s", job->step->name, strerror(-r));
			r = job_fail(job, &why, e);
		} else if (job->action) {
			r = job_write(job, job_undoing(job) ? BVOL_JOB_STATUS_UNDOING :
							      BVOL_JOB_STATUS_RUNNING, e);
			return r < 0 ? r : NEXT_ACT;
		} else {
			r = job_step_done(job, e);
		}
	}
	return r;
}

static int act_work(void *data, struct err *e)
{
	struct job *job = data;
	int r = job->action->act(job->action, e);

	return r < 0 ? err_set(e, r, "%s: %s", job->step->name, strerror(-r)) : 0;
}

static void act_done(void *data, int result, const struct err *why)
{
	struct job *job = data;

	job_unwatch(job);
	if (result < 0 && !job->err.code && !job_undoing(job))
		job->err = *why;
	else if (result < 0)
		log_warn("undoing %s: %s", job->row->kind, why->text);
	job_finish_act(job, result);
}

/* Keep at most ENDED_MAX rows of ended jobs; in a transaction of its own, failing is harmless. */
static int job_forget(void *obj, void *data)
{
	struct engine *engine = data;
	struct bvol_job *row = obj;

	if (row->status != BVOL_JOB_STATUS_DONE && row->status != BVOL_JOB_STATUS_FAILED)
		return 0;
	engine->ended--;
	return store_delete(engine->change->store, &bvol_type_job, &row->id, NULL);
}

static void engine_forget(struct engine *engine)
{
	if (engine->ended < ENDED_MAX + ENDED_SLACK || change_begin(engine->change, NULL) < 0)
		return;
	if (store_select(engine->change->store, &bvol_type_job, NULL, NULL, ENDED_SLACK,
			 job_forget, engine, NULL) < 0)
		change_rollback(engine->change);
	else
		change_commit(engine->change, NULL);
}

static void job_act(struct job *job)
{
	const struct job_flow *flow = job->flow;
	struct err e = { 0 };
	int r = 0;

	if (flow->begin && !job->begun && !job_undoing(job))
		r = flow->begin(job, &e);
	job->begun = r == 0;
	if (!r)
		job_watch(job);
	if (r < 0)
		act_done(job, r, &e);
	else if (workers_run(job->engine->workers, act_work, act_done, job) < 0)
		act_done(job, -EAGAIN, &(struct err) { -EAGAIN, "no thread to be had" });
}

/* After the commit: do what job_advance() said. */
static void job_go(struct job *job, int next)
{
	struct engine *engine = job->engine;
	struct bvol_uuid pool_id = job->row->pool_id;
	bool reopens = job->reopens;
	struct job *heir;

	if (next == NEXT_ACT) {
		job_act(job);
		return;
	}
	heir = lane_release(job);
	if (next == NEXT_WAIT) {
		if (!lane_wait(job, job->step))
			job_run(job);
	} else {
		engine->running--;
		engine->ended++;
		log_info("job %s %s", job->row->kind, job->err.code ? "failed" : "done");
		job_free(job);
		engine_forget(engine);
		if (reopens && engine->hooks.reopen)
			engine->hooks.reopen(&pool_id, engine->hooks.data);
	}
	if (heir)
		job_run(heir);
}

/* The state of a job that a transaction may have to give back. */
struct mark {
	const struct job_step *step;
	struct bvol_job *row;
	struct err err;
	struct source *timer;
	struct job *job;
	int result;
	bool acted;
};

static void mark_free(struct mark *mark)
{
	if (!mark)
		return;
	source_free(mark->timer);
	bvol_free(&bvol_type_job, mark->row);
	free(mark);
}

static int on_retry(struct source *source, uint32_t events, void *data)
{
	struct mark *mark = data;
	struct job *job = mark->job;
	bool acted = mark->acted;
	int result = mark->result;

	mark_free(mark);
	if (acted)
		job_finish_act(job, result);
	else
		job_run(job);
	return 0;
}

/* What the store says when it is full, busy or damaged; anything else is said about the job. */
static bool is_temporary(int code)
{
	switch (code) {
	case -ENOENT:
	case -EEXIST:
	case -EINVAL:
	case -ENOSYS:
	case -EPROTO:
		return false;
	}
	return true;
}

/*
 * The rows don't fit together, which no repetition mends: a bug, or somebody
 * else's hand in the database. The job ends, so that it keeps nobody waiting;
 * what it worked on stays as it is, for people to look at.
 */
static int job_give_up(struct job *job, const struct err *why)
{
	struct err e = { 0 };
	int r = change_begin(job->engine->change, &e);

	job->err = *why;
	log_err("job %s is given up at %s: %s", job->row->kind, job->step->name, why->text);
	if (!r)
		r = job_write(job, BVOL_JOB_STATUS_FAILED, &e);
	if (!r)
		r = change_commit(job->engine->change, &e);
	if (r < 0)
		change_rollback(job->engine->change);
	return r;
}

/*
 * The store refused a transaction. Nothing of it is durable and nobody was
 * told, so the job goes back to where it was and the transaction is made
 * again later. A crash meanwhile is a crash between act and commit.
 */
static void job_retry(struct job *job, struct mark *mark, int code, const struct err *why)
{
	change_rollback(job->engine->change);
	bvol_free(&bvol_type_job, job->row);
	job->row = mark->row;
	job->step = mark->step;
	job->err = mark->err;
	mark->row = NULL;
	if (!is_temporary(code) && !job_give_up(job, why)) {
		mark_free(mark);
		job->action = action_free(job->action);
		job_go(job, NEXT_END);
		return;
	}
	log_err("job %s waits for the database: %s", job->row->kind, why->text);
	if (!mark->acted)
		job->action = action_free(job->action);
	if (loop_timer(job->engine->loop, RETRY_USEC, on_retry, mark, &mark->timer) < 0)
		abort();	/* out of memory: the next start goes on from the row */
}

static struct mark *mark_new(struct job *job, bool acted, int result)
{
	struct mark *mark = calloc(1, sizeof(*mark));

	if (!mark)
		abort();
	*mark = (struct mark) {
		.step = job->step, .row = codec_copy(&bvol_type_job, job->row), .err = job->err,
		.job = job, .result = result, .acted = acted,
	};
	if (!mark->row)
		abort();
	return mark;
}

/* A transaction that begins with the job's next plan. */
static void job_run(struct job *job)
{
	struct mark *mark = mark_new(job, false, 0);
	struct err e = { 0 };
	int next = 0, r;

	r = change_begin(job->engine->change, &e);
	if (!r) {
		next = job_advance(job, &e);
		r = next < 0 ? next : change_commit(job->engine->change, &e);
	}
	if (r < 0) {
		job_retry(job, mark, r, &e);
		return;
	}
	mark_free(mark);
	job_go(job, next);
}

/* A transaction that begins with the result of the job's action. */
static void job_finish_act(struct job *job, int result)
{
	struct mark *mark = mark_new(job, true, result);
	struct action *action = job->action;
	struct err e = { 0 };
	int next = 0, r;

	r = change_begin(job->engine->change, &e);
	if (!r && result < 0) {
		r = job_fail(job, &(struct err) { result, "" }, &e);
	} else if (!r) {
		r = action->commit ? action->commit(action, job->engine->change->store, &e) : 0;
		if (!r)
			r = job_step_done(job, &e);
	}
	job->action = NULL;
	if (!r)
		r = job_advance(job, &e);
	next = r;
	if (r >= 0)
		r = change_commit(job->engine->change, &e);
	if (r < 0) {
		action_free(job->action);
		job->action = action;
		job_retry(job, mark, r, &e);
		return;
	}
	mark_free(mark);
	action_free(action);
	job_go(job, next);
}

int engine_count(struct engine *engine, struct err *e)
{
	static const uint32_t ends[] = { BVOL_JOB_STATUS_DONE, BVOL_JOB_STATUS_FAILED };
	uint64_t n;
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct store_match match[] = {
			{ .attr = BVOL_A_JOB_STATUS, .number = ends[i] }, { 0 },
		};

		r = store_count(engine->change->store, &bvol_type_job, match, &n, e);
		if (!r)
			engine->ended += (unsigned int)n;
	}
	return r;
}

static size_t closed_find(const struct engine *engine, const struct bvol_uuid *pool_id)
{
	size_t i = 0;

	while (i < engine->n_closed && memcmp(&engine->closed[i].pool_id, pool_id, sizeof(*pool_id)))
		i++;
	return i;
}

bool engine_is_closed(const struct engine *engine, const struct bvol_uuid *pool_id)
{
	return closed_find(engine, pool_id) < engine->n_closed;
}

bool engine_is_unknown(const struct engine *engine, const struct bvol_uuid *pool_id)
{
	size_t i = closed_find(engine, pool_id);

	return i < engine->n_closed && !engine->closed[i].works;
}

int engine_close(struct engine *engine, const struct bvol_uuid *pool_id, bool works)
{
	void *more = reallocarray(engine->closed, engine->n_closed + 1, sizeof(*engine->closed));

	if (!more)
		return -ENOMEM;
	engine->closed = more;
	engine->closed[engine->n_closed++] = (struct closed) { *pool_id, works };
	return 0;
}

void engine_open(struct engine *engine, const struct bvol_uuid *pool_id)
{
	size_t i = closed_find(engine, pool_id);

	if (i < engine->n_closed)
		engine->closed[i] = engine->closed[--engine->n_closed];
}

void engine_deinit(struct engine *engine)
{
	engine->watch = source_free(engine->watch);
	engine_limits_free(engine);
	free(engine->closed);
	engine->closed = NULL;
	engine->n_closed = 0;
}

/* One that comes from another node, goes to one, or is being repaired has no other job. */
static int check_pool(struct engine *engine, const struct bvol_uuid *pool_id, struct err *e)
{
	struct bvol_pool *pool;
	uint32_t status;
	int r;

	if (engine_is_closed(engine, pool_id))
		return err_set(e, -EBUSY, "the pool is still being brought up; see: bvolctl pool list");
	if (engine_heals(engine, pool_id))
		return err_set(e, -EBUSY, "the pool is being repaired; wait for that job");
	r = store_get(engine->change->store, &bvol_type_pool, pool_id, (void **)&pool, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	status = pool->status;
	bvol_free(&bvol_type_pool, pool);
	if (status != BVOL_POOL_STATUS_EXPORTING && status != BVOL_POOL_STATUS_IMPORTING)
		return 0;
	return err_set(e, -EBUSY, "the pool is %s; see: bvolctl pool list",
		       bvol_enum_name(&bvol_enum_pool_status, status));
}

int job_new(struct engine *engine, struct bvol_job *row, struct job **ret, struct err *e)
{
	struct job *job;
	int r = check_pool(engine, &row->pool_id, e);

	if (r < 0) {
		bvol_free(&bvol_type_job, row);
		return r;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		bvol_free(&bvol_type_job, row);
		return err_set(e, -ENOMEM, "out of memory");
	}
	job->engine = engine;
	job->row = row;
	job->flow = flow_find(row->kind);
	job->step = job->flow ? job->flow->steps : NULL;
	codec_set(row, BVOL_A_JOB_STATUS, status, BVOL_JOB_STATUS_QUEUED);
	codec_set(row, BVOL_A_JOB_PROGRESS, progress, 0);
	codec_set(row, BVOL_A_JOB_CREATED_AT, created_at, change_now());
	codec_set(row, BVOL_A_JOB_UPDATED_AT, updated_at, row->created_at);
	r = job->flow ? change_new_id(&row->id) : -ENOSYS;
	row->has |= BVOL_BIT(BVOL_A_JOB_ID);
	r = r < 0 ? err_set(e, r, "no workflow %s", row->kind)
		  : store_insert(engine->change->store, &bvol_type_job, row, e);
	if (r < 0) {
		job_free(job);
		return r;
	}
	*ret = job;
	return 0;
}

int job_prepare(struct job *job, struct err *e)
{
	int r;

	if (!lane_held(job, job->step) && lane_try(job, job->step) < 0)
		return 0;
	r = job_advance(job, e);
	if (r < 0)
		return r;
	job->next = r;
	return 0;
}

void job_wake(struct job *job)
{
	if (lane_leave(job))
		job_run(job);
}

char *engine_waits(const struct engine *engine, const struct bvol_uuid *id)
{
	char uuid[BVOL_UUID_TEXT], *text = NULL;
	const struct job *job = engine->jobs, *other;
	int n;

	while (job && memcmp(&job->row->id, id, sizeof(*id)))
		job = job->next_job;
	other = job ? lane_blocker(job) : NULL;
	if (!other)
		return NULL;
	if (other == job)
		n = asprintf(&text, "for one of %u jobs that work in repositories on this node to end",
			     engine->repos);
	else
		n = asprintf(&text, "for the %s job %s to get on", other->row->kind,
			     bvol_uuid_text(&other->row->id, uuid));
	return n < 0 ? NULL : text;
}

void job_start(struct job *job)
{
	job->engine->running++;
	job->next_job = job->engine->jobs;
	job->engine->jobs = job;
	if (job->next)
		job_go(job, job->next);
	else if (job_is_cancelled(job) || lane_held(job, job->step) || !lane_wait(job, job->step))
		job_run(job);
}

static const char *resume_at(const struct job_flow *flow, const char *step)
{
	const char *const *pair = flow->resume;

	for (; step && pair && *pair; pair += 2)
		if (!strcmp(pair[0], step))
			return pair[1];
	return step;
}

static bool is_at_work(const struct engine *engine, const struct bvol_uuid *pool_id, bool any)
{
	const struct job *job = engine->jobs;

	while (job && (memcmp(&job->row->pool_id, pool_id, sizeof(*pool_id)) ||
		       !(any || (job->flow && job->flow->heals))))
		job = job->next_job;
	return job;
}

bool engine_heals(const struct engine *engine, const struct bvol_uuid *pool_id)
{
	return is_at_work(engine, pool_id, false);
}

bool engine_has_job(const struct engine *engine, const struct bvol_uuid *pool_id)
{
	return is_at_work(engine, pool_id, true);
}

static int job_resume(void *obj, void *data)
{
	struct engine *engine = data;
	struct bvol_job *row = obj;
	struct job *job;

	if (row->status == BVOL_JOB_STATUS_DONE || row->status == BVOL_JOB_STATUS_FAILED)
		return 0;
	job = calloc(1, sizeof(*job));
	row = codec_copy(&bvol_type_job, row);
	if (!job || !row) {
		free(job);
		bvol_free(&bvol_type_job, row);
		return -ENOMEM;
	}
	job->engine = engine;
	job->row = row;
	job->flow = flow_find(row->kind);
	if (!job->flow) {
		log_err("job %s is unknown to this bvold and stays as it is", row->kind);
		job_free(job);
		return 0;
	}
	job->step = step_find(job_undoing(job) ? job->flow->undo : job->flow->steps,
			      resume_at(job->flow, row->step));
	if (job_undoing(job))
		err_set(&job->err, -EIO, "%s", row->error ? row->error : "interrupted");
	/* Nobody has opened its pool since the start. */
	job->reopens = job->flow->heals;
	log_notice("job %s goes on at %s", row->kind, job->step->name);
	job_start(job);
	return 0;
}

bool engine_has(const struct engine *engine, const struct bvol_uuid *pool_id,
		const char *const *kinds)
{
	for (const struct job *job = engine->jobs; job; job = job->next_job) {
		if (memcmp(&job->row->pool_id, pool_id, sizeof(*pool_id)))
			continue;
		for (const char *const *kind = kinds; *kind; kind++)
			if (!strcmp(job->row->kind, *kind))
				return true;
	}
	return false;
}

static int job_heal(void *obj, void *data)
{
	const struct job_flow *flow = flow_find(((struct bvol_job *)obj)->kind);

	return flow && flow->heals ? job_resume(obj, data) : 0;
}

int engine_heal(struct engine *engine, const struct bvol_uuid *pool_id, struct err *e)
{
	struct store_match match[] = { { .attr = BVOL_A_JOB_POOL_ID, .id = pool_id }, { 0 } };
	int r = store_select(engine->change->store, &bvol_type_job, match, NULL, 0, job_heal, engine,
			     e);

	return r < 0 ? r : engine_heals(engine, pool_id);
}

int engine_resume(struct engine *engine, const struct bvol_uuid *pool_id, struct err *e)
{
	struct store_match match[] = { { .attr = BVOL_A_JOB_POOL_ID, .id = pool_id }, { 0 } };

	return store_select(engine->change->store, &bvol_type_job, match, NULL, 0, job_resume,
			    engine, e);
}
