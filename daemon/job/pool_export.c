// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hand a pool over: take it down, leave all that the database has of it on its first
 * device, give it away, forget it. Until it is given away a failure brings it up again.
 * From that write on it is nobody's, perhaps soon another node's: after a crash the job
 * finds it given away and writes nothing more onto it. The rows go in the transaction
 * that ends the job, so that they are here or there, and for a moment in both places,
 * where this node touches them no more.
 */
#include <errno.h>

#include "codec.h"
#include "job/flow.h"
#include "job/rowset.h"

static int plan_give(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	struct records rows = { 0 };
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = rowset_collect(flow_store(job), pool, provider, &rows, e);
	if (!r)
		r = provider->pool_give(pool, &rows, job->row->force, ret, e);
	records_clear(&rows);
	return r;
}

static int done_give(struct job *job, struct err *e)
{
	const struct provider_ops *provider;
	char text[BVOL_SENTENCE_MAX + 1];
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = rowset_drop(flow_store(job), &pool->id, provider, e);
	/* The event tells of its last status, which nobody will find. */
	if (!r)
		r = change_pool(flow_change(job), pool, BVOL_POOL_STATUS_EXPORTED, NULL, e);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "pool %s was exported", pool->name);
	r = change_say(flow_change(job), text);
	return r < 0 ? r : store_delete(flow_store(job), &bvol_type_pool, &pool->id, e);
}

static int plan_open(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_open(flow_store(job), pool, ret, e);
}

/* What was wrong with the pool before is told by the next start. */
static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_pool(job, clean ? BVOL_POOL_STATUS_AVAILABLE : BVOL_POOL_STATUS_ERROR,
			     clean ? NULL : job->err.text, e);
}

const struct job_flow flow_pool_export = {
	.kind = "pool-export",
	.steps = (const struct job_step[]) {
		{ "stop", LANE_POOL, flow_plan_pool_stop, NULL },
		{ "give", LANE_POOL, plan_give, done_give },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo-stop", LANE_POOL, plan_open, NULL },
		{ 0 },
	},
	.failed = failed,
};
