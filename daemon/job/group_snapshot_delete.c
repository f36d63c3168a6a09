// SPDX-License-Identifier: LGPL-2.1-or-later
/* Delete the snapshots of a group snapshot, one after the other; it goes with the last one. */
#include "job/snapshots.h"

static int plan_wipe(struct job *job, struct action **ret, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = snapshots_of(flow_store(job), &job->row->group_snapshot_id, &s, e);

	return r < 0 || !s.n ? r : flow_wipe(job, &s.list[0]->id, ret, e);
}

static int plan_destroy(struct job *job, struct action **ret, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = snapshots_of(flow_store(job), &job->row->group_snapshot_id, &s, e);

	return r < 0 || !s.n ? r : flow_destroy(job, &s.list[0]->id, ret, e);
}

static int done_destroy(struct job *job, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = snapshots_of(flow_store(job), &job->row->group_snapshot_id, &s, e);

	if (!r && s.n)
		r = snapshots_gone(job, s.list[0], e);
	return r < 0 ? r : s.n > 1;
}

/* Those that are left need a look. */
static int failed(struct job *job, bool clean, struct err *e)
{
	const char *why = flow_why(job);
	_cleanup_group_snapshot_ gs = NULL;
	_cleanup_snapshots_ s = { 0 };
	int r = snapshots_of(flow_store(job), &job->row->group_snapshot_id, &s, e);

	for (size_t i = 0; !r && i < s.n; i++)
		r = change_snapshot(flow_change(job), s.list[i], BVOL_SNAPSHOT_STATUS_ERROR_DELETING,
				    why, e);
	if (!r)
		r = store_get(flow_store(job), &bvol_type_group_snapshot,
			      &job->row->group_snapshot_id, (void **)&gs, e);
	return r < 0 ? r : change_group_snapshot(flow_change(job), gs,
						 BVOL_SNAPSHOT_STATUS_ERROR_DELETING,
						 why, e);
}

const struct job_flow flow_group_snapshot_delete = {
	.kind = "group-snapshot-delete",
	.steps = (const struct job_step[]) {
		{ "wipe", LANE_WIPE, plan_wipe, NULL },
		{ "destroy", LANE_POOL, plan_destroy, done_destroy },
		{ 0 },
	},
	.resume = (const char *const[]) { "destroy", "wipe", NULL },
	.takes_long = flow_wipes, .cancel = flow_wipes,
	.failed = failed,
};
