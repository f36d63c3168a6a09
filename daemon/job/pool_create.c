// SPDX-License-Identifier: LGPL-2.1-or-later
/* Make a pool of raw devices. A device that is refused leaves no pool behind. */
#include "job/flow.h"

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_create(flow_store(job), pool, job->row->force, ret, e);
}

static int done_create(struct job *job, struct err *e)
{
	return flow_set_pool(job, BVOL_POOL_STATUS_AVAILABLE, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_pool(job, clean ? BVOL_POOL_STATUS_DELETED : BVOL_POOL_STATUS_ERROR,
			job->err.text, e);
}

const struct job_flow flow_pool_create = {
	.kind = "pool-create",
	.steps = (const struct job_step[]) {
		{ "create", LANE_POOL, plan_create, done_create },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "destroy", LANE_POOL, flow_plan_pool_destroy, NULL },
		{ 0 },
	},
	.failed = failed,
};
