// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job/snapshots.h"

static int plan_wipe(struct job *job, struct action **ret, struct err *e)
{
	return flow_wipe(job, &job->row->snapshot_id, ret, e);
}

static int done_destroy(struct job *job, struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r = flow_snapshot(job, &snapshot, e);

	return r < 0 ? r : snapshots_gone(job, snapshot, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_snapshot(job, BVOL_SNAPSHOT_STATUS_ERROR_DELETING, flow_why(job), e);
}

const struct job_flow flow_snapshot_delete = {
	.kind = "snapshot-delete",
	.steps = (const struct job_step[]) {
		{ "wipe", LANE_WIPE, plan_wipe, NULL },
		{ "destroy", LANE_POOL, flow_plan_destroy_snapshot, done_destroy },
		{ 0 },
	},
	.resume = (const char *const[]) { "destroy", "wipe", NULL },
	.takes_long = flow_wipes, .cancel = flow_wipes,
	.failed = failed,
};
