// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Make a pool that is on disks the database's. Its own row and the provider's are in the
 * database when the job begins, which is what it takes to bring it up; nobody else does
 * anything with it meanwhile. Its volumes come with the last transaction, out of the copy
 * that the pool carries, so that an import is whole or not there. One that fails gives
 * the pool back to nobody, who may be asked for it again.
 *
 * A pool whose metadata are damaged is not brought up: it has the status error, and what
 * the copy tells of.
 */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "job/flow.h"
#include "job/rowset.h"

/* Events for single things; what is more is in one sentence. */
#define TOLD_MAX 50

static int plan_take(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_take(pool, job->row->force, ret, e);
}

static int plan_open(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 || pool->error ? r : provider->pool_open(flow_store(job), pool, ret, e);
}

static int plan_fill(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	struct provider_kept *kept;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->pool_kept(pool, job->row->force, &kept, e);
	if (!r)
		*ret = &kept->action;
	return r;
}

static int tell(struct job *job, const struct bvol_pool *pool, const char *text, struct err *e)
{
	return change_pool_tell(flow_change(job), pool, &(struct change_tale) {
			.kind = BVOL_EVENT_KIND_POOL_CHANGED, .status = "importing", .message = text }, e);
}

static int tell_all(struct job *job, const struct bvol_pool *pool,
		    const struct rowset_report *report, struct err *e)
{
	char text[BVOL_SENTENCE_MAX + 1];
	int r = 0;

	for (size_t i = 0; !r && i < report->n_told && i < TOLD_MAX; i++) {
		snprintf(text, sizeof(text), "pool %s: %.400s", pool->name, report->told[i]);
		r = tell(job, pool, text, e);
	}
	if (r || report->n_told <= TOLD_MAX)
		return r;
	snprintf(text, sizeof(text), "pool %s: and %zu more of the kind", pool->name,
		 report->n_told - TOLD_MAX);
	return tell(job, pool, text, e);
}

static int finish(struct job *job, struct bvol_pool *pool, const struct rowset_report *report,
		  struct err *e)
{
	_cleanup_free_ char *damage = pool->error ? strdup(pool->error) : NULL;
	char text[BVOL_SENTENCE_MAX + 1];
	int r;

	if (pool->error && !damage)
		return -ENOMEM;
	r = change_pool(flow_change(job), pool,
			damage ? BVOL_POOL_STATUS_ERROR : BVOL_POOL_STATUS_AVAILABLE, damage, e);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text),
		 "pool %s was imported with %zu volumes and %zu snapshots, %zu of them recovered, %zu lost",
		 pool->name, report->volumes, report->snapshots, report->recovered, report->lost);
	return change_say(flow_change(job), text);
}

static int done_fill(struct job *job, struct err *e)
{
	const struct provider_kept *kept = (const struct provider_kept *)job->action;
	const struct engine_hooks *hooks = &job->engine->hooks;
	const struct provider_ops *provider;
	struct rowset_report report = { 0 };
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = rowset_insert(flow_store(job), pool, provider, &kept->rows, hooks->project, &report, e);
	if (!r)
		r = tell_all(job, pool, &report, e);
	if (!r)
		r = finish(job, pool, &report, e);
	rowset_report_clear(&report);
	return r;
}

static int plan_give(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_give(pool, NULL, true, ret, e);
}

/* One that ran before, because its database was lost under it, and that is used, goes on. */
static int failed(struct job *job, bool clean, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = rowset_drop(flow_store(job), &pool->id, provider, e);
	return r < 0 ? r : change_pool(flow_change(job), pool, BVOL_POOL_STATUS_DELETED, job->err.text, e);
}

const struct job_flow flow_pool_import = {
	.kind = "pool-import",
	.steps = (const struct job_step[]) {
		{ "take", LANE_POOL, plan_take, NULL },
		{ "open", LANE_POOL, plan_open, NULL },
		{ "fill", LANE_POOL, plan_fill, done_fill },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo-open", LANE_POOL, flow_plan_pool_stop, NULL },
		{ "undo-take", LANE_POOL, plan_give, NULL },
		{ 0 },
	},
	/* Where the machine has started again the pool is not up any more. */
	.resume = (const char *const[]) { "fill", "open", NULL },
	.failed = failed,
};
