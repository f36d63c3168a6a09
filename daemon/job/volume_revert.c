// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Give a volume the content of one of its snapshots. The copy is a device
 * named by the job; it changes places with the volume's own, which is then
 * the one to go. Until the exchange the volume has all its old content, after
 * it all the snapshot's.
 */
#include "job/flow.h"

static int plan_copy(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_placed_volume(job, &volume, &pool, &provider, e);

	if (r < 0)
		return r;
	return provider->create(flow_store(job), pool, &job->row->id, volume->size,
				&job->row->snapshot_id, ret, e);
}

static int plan_exchange(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_placed_volume(job, &volume, &pool, &provider, e);

	if (r < 0)
		return r;
	return provider->exchange(flow_store(job), pool, &volume->id, &job->row->id, volume->size,
				  ret, e);
}

/* The old content, which is the copy's since the exchange; before it the copy has none of its own. */
static int plan_wipe(struct job *job, struct action **ret, struct err *e)
{
	return flow_wipe(job, &job->row->id, ret, e);
}

static int plan_drop(struct job *job, struct action **ret, struct err *e)
{
	return flow_destroy(job, &job->row->id, ret, e);
}

static int done_drop(struct job *job, struct err *e)
{
	int r = flow_record_volume(job, BVOL_WIPED_REVERTED, &job->row->id, e);

	return r < 0 ? r : flow_set_volume(job, BVOL_VOLUME_STATUS_AVAILABLE, NULL, e);
}

/* Whether the copy had the volume's old content depends on how far it came; one without has few bytes. */
static int done_undo(struct job *job, struct err *e)
{
	return flow_record_volume(job, BVOL_WIPED_REVERTED, &job->row->id, e);
}

/* Undone, the volume is what it was before. */
static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_volume(job, clean ? BVOL_VOLUME_STATUS_AVAILABLE : BVOL_VOLUME_STATUS_ERROR,
			       clean ? NULL : job->err.text, e);
}

const struct job_flow flow_volume_revert = {
	.kind = "volume-revert",
	.steps = (const struct job_step[]) {
		{ "copy", LANE_POOL, plan_copy, NULL },
		{ "exchange", LANE_POOL, plan_exchange, NULL },
		{ "wipe", LANE_WIPE, plan_wipe, NULL },
		{ "drop", LANE_POOL, plan_drop, done_drop },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo-wipe", LANE_WIPE, plan_wipe, NULL },
		{ "undo-copy", LANE_POOL, plan_drop, done_undo },
		{ 0 },
	},
	.resume = (const char *const[]) { "drop", "wipe", "undo-copy", "undo-wipe", NULL },
	.takes_long = flow_wipes,
	.failed = failed,
};
