// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job/flow.h"

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_snapshot_ snapshot = NULL;
	_cleanup_pool_ pool = NULL;
	int r;

	r = flow_snapshot(job, &snapshot, e);
	if (!r)
		r = flow_pool(job, &pool, &provider, e);
	if (r < 0)
		return r;
	return provider->create(flow_store(job), pool, &snapshot->id, snapshot->size,
				&snapshot->volume_id, ret, e);
}

static int done_create(struct job *job, struct err *e)
{
	return flow_set_snapshot(job, BVOL_SNAPSHOT_STATUS_AVAILABLE, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_snapshot(job, BVOL_SNAPSHOT_STATUS_ERROR, job->err.text, e);
}

const struct job_flow flow_snapshot_create = {
	.kind = "snapshot-create",
	.steps = (const struct job_step[]) {
		{ "create", LANE_POOL, plan_create, done_create },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "destroy", LANE_POOL, flow_plan_destroy_snapshot, NULL },
		{ 0 },
	},
	.failed = failed,
};
