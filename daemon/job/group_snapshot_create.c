// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Snapshots of a group's members at one moment. They come to be together, under
 * one transaction id of the pool: all or, after a failure or a crash that the job
 * doesn't survive, none.
 */
#include "job/snapshots.h"

static int members(struct job *job, struct snapshots *ret, struct err *e)
{
	return snapshots_of(flow_store(job), &job->row->group_snapshot_id, ret, e);
}

static int set_status(struct job *job, uint32_t status, const char *error, struct err *e)
{
	_cleanup_group_snapshot_ gs = NULL;
	int r = store_get(flow_store(job), &bvol_type_group_snapshot, &job->row->group_snapshot_id,
			  (void **)&gs, e);

	return r < 0 ? r : change_group_snapshot(flow_change(job), gs, status, error, e);
}

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = members(job, &s, e);

	return r < 0 ? r : snapshots_take(job, &s, ret, e);
}

static int done_create(struct job *job, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = members(job, &s, e);

	if (!r)
		r = snapshots_taken(job, &s, e);
	return r < 0 ? r : set_status(job, BVOL_SNAPSHOT_STATUS_AVAILABLE, NULL, e);
}

/* One after the other: the first device that is there. */
static int plan_destroy(struct job *job, struct action **ret, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = members(job, &s, e);

	for (size_t i = 0; !r && !*ret && i < s.n; i++)
		r = flow_destroy(job, &s.list[i]->id, ret, e);
	return r;
}

/* Until there is none. */
static int done_destroy(struct job *job, struct err *e)
{
	return job->action != NULL;
}

static int failed(struct job *job, bool clean, struct err *e)
{
	_cleanup_snapshots_ s = { 0 };
	int r = members(job, &s, e);

	for (size_t i = 0; !r && i < s.n; i++)
		r = change_snapshot(flow_change(job), s.list[i], BVOL_SNAPSHOT_STATUS_ERROR,
				    job->err.text, e);
	return r < 0 ? r : set_status(job, BVOL_SNAPSHOT_STATUS_ERROR, job->err.text, e);
}

const struct job_flow flow_group_snapshot_create = {
	.kind = "group-snapshot-create",
	.steps = (const struct job_step[]) {
		{ "create", LANE_POOL, plan_create, done_create },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "destroy", LANE_POOL, plan_destroy, done_destroy },
		{ 0 },
	},
	.failed = failed,
};
