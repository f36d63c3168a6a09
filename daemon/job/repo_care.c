// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Freeing what no backup of a repository needs, and reading all of it to find what
 * is damaged. Both may be begun again at any time, so a crash needs no more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "copy/repo/gc.h"
#include "copy/repo/scrub.h"
#include "job/repo.h"
#include "util/log.h"
#include "util/str.h"

/* Damages that the job tells of, one by one; the log has them all. */
#define DAMAGES_MAX 12

struct repo_care {
	struct repo_task task;
	struct gc_result gc;
	struct scrub_plan plan;
	struct scrub_result scrub;
	char *damages[DAMAGES_MAX];
	size_t n_damages;
};

static void care_free(struct repo_task *task)
{
	struct repo_care *t = (struct repo_care *)task;

	while (t->n_damages)
		free(t->damages[--t->n_damages]);
	free(t);
}

static int plan_task(struct job *job, int (*work)(struct repo_task *, struct repo *, struct err *),
		     struct action **ret, struct err *e)
{
	struct repo_care *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	t->task.work = work;
	t->task.free = care_free;
	t->plan.percent = job->row->share;
	return repo_plan(job, &t->task, ret, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return 0;
}

static int gc_work(struct repo_task *task, struct repo *repo, struct err *e)
{
	struct repo_care *t = (struct repo_care *)task;

	return gc_run(repo, 0, &t->task.run, &t->gc, e);
}

static int plan_gc(struct job *job, struct action **ret, struct err *e)
{
	return plan_task(job, gc_work, ret, e);
}

static int done_gc(struct job *job, struct err *e)
{
	const struct gc_result *g = &((struct repo_care *)job->action)->gc;
	char freed[16], copied[16];
	int r = flow_report(job, "%llu of %llu packs deleted, %s freed, %s copied out of what was mostly dead",
			    (unsigned long long)g->deleted_packs, (unsigned long long)g->packs,
			    str_size(g->freed, freed), str_size(g->copied, copied));

	if (!r && g->fenced)
		r = flow_report(job, "%llu writers were silent for an hour and were taken for dead",
				(unsigned long long)g->fenced);
	if (!r && g->waiting)
		r = flow_report(job, "the deleting waits for the end of %llu writers: run it again then",
				(unsigned long long)g->waiting);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

const struct job_flow flow_repository_gc = {
	.kind = "repository-gc",
	.steps = (const struct job_step[]) {
		{ "gc", LANE_REPO, plan_gc, done_gc },
		{ 0 },
	},
	.takes_long = (const char *const[]) { "gc", NULL },
	.cancel = (const char *const[]) { "gc", NULL },
	.failed = failed,
};

static void keep_damage(void *data, const char *sentence)
{
	struct repo_care *t = data;

	log_warn("repository %s: %s", t->task.name, sentence);
	if (t->n_damages < DAMAGES_MAX && (t->damages[t->n_damages] = strdup(sentence)))
		t->n_damages++;
}

static int scrub_work(struct repo_task *task, struct repo *repo, struct err *e)
{
	struct repo_care *t = (struct repo_care *)task;

	t->plan.report = keep_damage;
	t->plan.data = t;
	return scrub_run(repo, &t->plan, &t->task.run, &t->scrub, e);
}

static int plan_scrub(struct job *job, struct action **ret, struct err *e)
{
	return plan_task(job, scrub_work, ret, e);
}

/* What is damaged is no reason for the job to fail: it has found it. */
static int done_scrub(struct job *job, struct err *e)
{
	const struct repo_care *t = (struct repo_care *)job->action;
	const struct scrub_result *s = &t->scrub;
	char bytes[16];
	int r = flow_report(job, "%llu chunks in %llu packs read, %s; %llu damaged, which hits %llu of %llu backups",
			    (unsigned long long)s->records, (unsigned long long)s->packs,
			    str_size(s->bytes, bytes), (unsigned long long)s->damaged,
			    (unsigned long long)s->hit, (unsigned long long)s->backups);

	for (size_t i = 0; i < t->n_damages && !r; i++)
		r = flow_report(job, "%s", t->damages[i]);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

const struct job_flow flow_repository_scrub = {
	.kind = "repository-scrub",
	.steps = (const struct job_step[]) {
		{ "scrub", LANE_REPO, plan_scrub, done_scrub },
		{ 0 },
	},
	.takes_long = (const char *const[]) { "scrub", NULL },
	.cancel = (const char *const[]) { "scrub", NULL },
	.failed = failed,
};
