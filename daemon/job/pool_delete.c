// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job/flow.h"

static int done_destroy(struct job *job, struct err *e)
{
	return flow_set_pool(job, BVOL_POOL_STATUS_DELETED, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_pool(job, BVOL_POOL_STATUS_ERROR, job->err.text, e);
}

const struct job_flow flow_pool_delete = {
	.kind = "pool-delete",
	.steps = (const struct job_step[]) {
		{ "destroy", LANE_POOL, flow_plan_pool_destroy, done_destroy },
		{ 0 },
	},
	.failed = failed,
};
