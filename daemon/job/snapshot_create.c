// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job/snapshots.h"

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r = flow_snapshot(job, &snapshot, e);

	return r < 0 ? r : snapshots_take(job, &(struct snapshots) { &snapshot, 1 }, ret, e);
}

static int done_create(struct job *job, struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r = flow_snapshot(job, &snapshot, e);

	return r < 0 ? r : snapshots_taken(job, &(struct snapshots) { &snapshot, 1 }, e);
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
