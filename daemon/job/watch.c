// SPDX-License-Identifier: LGPL-2.1-or-later
/* Jobs whose action takes long: how far they are, and what they are told meanwhile. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec.h"
#include "job/engine.h"
#include "util/log.h"
#include "util/str.h"

#define WATCH_USEC	(500 * 1000)
#define TEXT_MAX	128
#define NS		UINT64_C(1000000000)
#define SOON_NS		(NS / 5)

static const uint64_t momentary = BVOL_BIT(BVOL_A_JOB_RATE) | BVOL_BIT(BVOL_A_JOB_SECONDS_LEFT);

static bool is_among(const char *name, const char *const *names)
{
	while (names && *names && strcmp(*names, name))
		names++;
	return names && *names;
}

/* Is the job at one of these steps, or before it? */
static bool lies_before(const struct job *job, const char *const *names)
{
	for (const struct job_step *step = job->step; step && step->name; step++)
		if (is_among(step->name, names))
			return true;
	return false;
}

bool job_is_cancelled(const struct job *job)
{
	return job->row->cancelled && is_among(job->step->name, job->flow->cancel);
}

/* "1.2 GiB of 4.0 GiB, 80.0 MiB/s, 35 s left" */
static char *progress_text(const struct bvol_job *row, char text[TEXT_MAX])
{
	char done[16], total[16], rate[16];
	int n = snprintf(text, TEXT_MAX, "%s of %s", str_size(row->bytes_done, done),
			 str_size(row->bytes_total, total));

	if (row->paused)
		snprintf(text + n, TEXT_MAX - (size_t)n, ", paused");
	else if (bvol_has(row, BVOL_A_JOB_SECONDS_LEFT))
		snprintf(text + n, TEXT_MAX - (size_t)n, ", %s/s, %" PRIu64 " s left",
			 str_size(row->rate, rate), row->seconds_left);
	return text;
}

/* 100 is what has ended. */
static uint32_t percent(const struct action_progress *p)
{
	return p->done < p->total ? (uint32_t)((unsigned __int128)p->done * 100 / p->total) : 99;
}

/*
 * A transaction of its own, and not the job's: it holds what a crash would lose
 * otherwise, and nothing that anybody was told. Refused, it is made again later.
 */
static void job_keep(struct job *job)
{
	struct change *change = job->engine->change;
	struct err e = { 0 };
	int r = change_begin(change, &e);

	if (!r)
		r = job->action->keep(job->action, change->store, &e);
	if (!r)
		r = store_update(change->store, &bvol_type_job, job->row, &e);
	if (!r)
		r = change_commit(change, &e);
	if (r < 0) {
		change_rollback(change);
		log_warn("how far job %s is was not recorded: %s", job->row->kind, e.text);
	}
}

/* A moving average over some eight looks; the first one counts whole. */
static void measure(struct job *job, uint64_t done)
{
	struct timespec t;
	uint64_t now, rate, ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
	ns = now - job->seen_at;
	/* The end comes at any time, and tells nothing of the speed. */
	if (job->seen_at && ns < SOON_NS)
		return;
	if (job->seen_at && done >= job->seen) {
		rate = (uint64_t)((unsigned __int128)(done - job->seen) * NS / ns);
		job->rate = job->rate ? (7 * job->rate + rate) / 8 : rate;
	}
	job->seen = done;
	job->seen_at = now;
}

static void job_look(struct job *job)
{
	struct bvol_job *row = job->row;
	struct action_progress p = { 0 };
	uint32_t told = row->progress;
	char text[TEXT_MAX];

	job->action->progress(job->action, &p);
	if (!p.total)
		return;
	measure(job, p.done);
	row->has &= ~momentary;
	codec_set(row, BVOL_A_JOB_BYTES_DONE, bytes_done, p.done);
	codec_set(row, BVOL_A_JOB_BYTES_TOTAL, bytes_total, p.total);
	codec_set(row, BVOL_A_JOB_PROGRESS, progress, percent(&p));
	if (!row->paused) {
		codec_set(row, BVOL_A_JOB_RATE, rate, job->rate);
		if (job->rate && p.done <= p.total)
			codec_set(row, BVOL_A_JOB_SECONDS_LEFT, seconds_left,
				  (p.total - p.done + job->rate - 1) / job->rate);
	}
	if (p.keep)
		job_keep(job);
	/* Not whenever a byte was moved: the log of events is for everybody. */
	if (row->progress != told)
		change_progress(job->engine->change, row, progress_text(row, text));
}

static int on_watch(struct source *source, uint32_t events, void *data)
{
	struct engine *engine = data;

	engine->watching = false;
	for (struct job *job = engine->jobs; job; job = job->next_job) {
		if (!job->watched)
			continue;
		job_look(job);
		engine->watching = true;
	}
	if (engine->watching)
		source_again(source, WATCH_USEC);
	return 0;
}

static void give_order(struct job *job, enum action_order order, uint64_t value)
{
	if (job->watched)
		job->action->order(job->action, order, value);
}

/* Without a timer nobody sees the progress, and the work is done all the same. */
void job_watch(struct job *job)
{
	struct engine *engine = job->engine;
	const struct bvol_job *row = job->row;

	if (!job->action->progress)
		return;
	job->watched = true;
	job->seen_at = job->rate = 0;
	give_order(job, ACTION_RATE, row->rate_limit);
	if (row->paused)
		give_order(job, ACTION_PAUSE, 0);
	if (job_is_cancelled(job))
		give_order(job, ACTION_CANCEL, 0);
	if (engine->watching)
		return;
	engine->watching = true;
	if (engine->watch)
		source_again(engine->watch, WATCH_USEC);
	else
		loop_timer(engine->loop, WATCH_USEC, on_watch, engine, &engine->watch);
}

void job_unwatch(struct job *job)
{
	if (!job->watched)
		return;
	job_look(job);
	job->watched = false;
	job->row->has &= ~momentary;
}

static struct job *job_find(const struct engine *engine, const struct bvol_uuid *id)
{
	struct job *job = engine->jobs;

	while (job && memcmp(&job->row->id, id, sizeof(*id)))
		job = job->next_job;
	return job;
}

const struct bvol_job *engine_job(const struct engine *engine, const struct bvol_uuid *id)
{
	const struct job *job = job_find(engine, id);

	return job ? job->row : NULL;
}

static int check_order(const struct job *job, enum action_order order, struct err *e)
{
	const struct bvol_job *row = job->row;

	if (order == ACTION_CANCEL && !lies_before(job, job->flow->cancel))
		return err_set(e, -EBUSY, "a %s job can't be cancelled%s; wait for its end", row->kind,
			       job->flow->steps->name && job->step != job->flow->steps ?
			       " at this step" : "");
	if (order != ACTION_CANCEL && !lies_before(job, job->flow->takes_long))
		return err_set(e, -EBUSY, "the %s job has no step before it that takes long; wait for its end",
			       row->kind);
	return 0;
}

static void set_order(struct bvol_job *row, enum action_order order, uint64_t value)
{
	switch (order) {
	case ACTION_CANCEL:
		codec_set(row, BVOL_A_JOB_CANCELLED, cancelled, 1);
		break;
	case ACTION_PAUSE:
	case ACTION_RESUME:
		codec_set(row, BVOL_A_JOB_PAUSED, paused, order == ACTION_PAUSE);
		row->has &= ~momentary;
		break;
	case ACTION_RATE:
		codec_set(row, BVOL_A_JOB_RATE_LIMIT, rate_limit, value);
	}
}

/* A crash before the commit: nobody was told. After it: job_watch() gives the order again. */
int job_order(struct engine *engine, const struct bvol_uuid *id, enum action_order order,
	      uint64_t value, struct err *e)
{
	struct job *job = job_find(engine, id);
	struct bvol_job *before;
	int r;

	if (!job)
		return err_set(e, -EBUSY, "the job's pool is not up; see: bvolctl pool list");
	r = check_order(job, order, e);
	if (r < 0)
		return r;
	before = codec_copy(&bvol_type_job, job->row);
	if (!before)
		return err_set(e, -ENOMEM, "out of memory");
	set_order(job->row, order, value);
	r = change_begin(engine->change, e);
	if (!r)
		r = change_job(engine->change, job->row, job->row->status,
			       job->err.code ? job->err.text : NULL, e);
	if (!r)
		r = change_commit(engine->change, e);
	if (r < 0) {
		change_rollback(engine->change);
		bvol_free(&bvol_type_job, job->row);
		job->row = before;
		return r;
	}
	bvol_free(&bvol_type_job, before);
	/* The rate begins anew. */
	job->seen_at = job->rate = 0;
	give_order(job, order, value);
	if (job_is_cancelled(job))
		job_wake(job);
	return 0;
}
