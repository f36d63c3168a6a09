// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mend a pool's metadata. While it is on, the pool takes no other job, also after a
 * crash (heals); when it has ended the pool is brought up as at a start, with its
 * volumes, exports and the jobs that waited for it. What the repair could not save
 * has the status error from the moment at which the mended metadata are the pool's.
 */
#include <errno.h>
#include <stdio.h>

#include "job/flow.h"
#include "util/str.h"

static int plan_mend(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	struct provider_mend *mend = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->pool_mend(flow_store(job), pool, job->row->force, &mend, e);
	*ret = mend ? &mend->action : NULL;
	return r;
}

/* From here on the pool is down. */
static int plan_swap(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	struct provider_swap *swap = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->pool_swap(flow_store(job), pool, &swap, e);
	if (r < 0)
		return r;
	*ret = &swap->action;
	job->reopens = true;
	return change_pool(flow_change(job), pool, BVOL_POOL_STATUS_ERROR, "it is being repaired", e);
}

static const char *reason(const struct provider_loss *loss, char *text, size_t size)
{
	char bytes[16];

	if (loss->whole)
		snprintf(text, size, "it was lost in a repair of its pool's metadata; delete it");
	else
		snprintf(text, size, "a repair of its pool's metadata could not save %s of it; delete it",
			 str_size(loss->bytes, bytes));
	return text;
}

/* What is on its way from one status to another is left to its job. */
static int lose(struct job *job, const struct provider_loss *loss, struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	_cleanup_volume_ volume = NULL;
	char text[128];
	int r = store_get(flow_store(job), &bvol_type_volume, &loss->id, (void **)&volume, e);

	if (!r && (volume->status == BVOL_VOLUME_STATUS_AVAILABLE ||
		   volume->status == BVOL_VOLUME_STATUS_IN_USE ||
		   volume->status == BVOL_VOLUME_STATUS_ERROR_EXTENDING))
		return change_volume(flow_change(job), volume, BVOL_VOLUME_STATUS_ERROR,
				     reason(loss, text, sizeof(text)), e);
	if (r != -ENOENT)
		return r;
	r = store_get(flow_store(job), &bvol_type_snapshot, &loss->id, (void **)&snapshot, e);
	if (!r && snapshot->status == BVOL_SNAPSHOT_STATUS_AVAILABLE)
		return change_snapshot(flow_change(job), snapshot, BVOL_SNAPSHOT_STATUS_ERROR,
				       reason(loss, text, sizeof(text)), e);
	return r == -ENOENT ? 0 : r;
}

static int done_swap(struct job *job, struct err *e)
{
	const struct provider_swap *swap = (const struct provider_swap *)job->action;
	int r = 0;

	for (size_t i = 0; !r && i < swap->n; i++)
		r = lose(job, &swap->lost[i], e);
	return r;
}

static int plan_open(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_open(flow_store(job), pool, ret, e);
}

static int done_open(struct job *job, struct err *e)
{
	return flow_set_pool(job, BVOL_POOL_STATUS_AVAILABLE, NULL, e);
}

/* A pool that runs as before keeps its status; another one is looked at when the job has ended. */
static int failed(struct job *job, bool clean, struct err *e)
{
	const struct provider_mend *mend = (const struct provider_mend *)job->action;

	if (job->step == job->flow->steps && (!mend || !mend->down))
		return 0;
	job->reopens = true;
	return flow_set_pool(job, BVOL_POOL_STATUS_ERROR, job->err.text, e);
}

const struct job_flow flow_pool_repair = {
	.kind = "pool-repair",
	.heals = true,
	.steps = (const struct job_step[]) {
		{ "mend", LANE_POOL, plan_mend, NULL },
		{ "swap", LANE_POOL, plan_swap, done_swap },
		{ "open", LANE_POOL, plan_open, done_open },
		{ 0 },
	},
	.cancel = (const char *const[]) { "mend", NULL },
	.failed = failed,
};
