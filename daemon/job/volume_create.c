// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Create a volume, empty or from a snapshot or another volume. Quota, capacity and the entry
 * were reserved in the transaction that made the job. A pool that fails is
 * left without a trace, and the job begins again on the next one. The volume's
 * block device appears with its first export: what nobody uses is not there for
 * the node's own programs to look into.
 */
#include "job/flow.h"

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	const struct bvol_uuid *origin = NULL;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_placed_volume(job, &volume, &pool, &provider, e);

	if (r < 0)
		return r;
	if (bvol_has(volume, BVOL_A_VOLUME_SNAPSHOT_ID))
		origin = &volume->snapshot_id;
	else if (bvol_has(volume, BVOL_A_VOLUME_SOURCE_VOLUME_ID))
		origin = &volume->source_volume_id;
	return provider->create(flow_store(job), pool, &volume->id, volume->size, origin, ret, e);
}

static int done_create(struct job *job, struct err *e)
{
	return flow_set_volume(job, BVOL_VOLUME_STATUS_AVAILABLE, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	const struct engine_hooks *hooks = &job->engine->hooks;
	_cleanup_volume_ volume = NULL;
	int r = flow_volume(job, &volume, e);

	if (r < 0)
		return r;
	if (clean && !hooks->reschedule(job, volume, hooks->data, &job->err))
		return 1;
	return change_volume(flow_change(job), volume, BVOL_VOLUME_STATUS_ERROR, job->err.text, e);
}

const struct job_flow flow_volume_create = {
	.kind = "volume-create",
	.steps = (const struct job_step[]) {
		{ "create", LANE_POOL, plan_create, done_create },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "destroy", LANE_POOL, flow_plan_destroy_volume, NULL },
		{ 0 },
	},
	.failed = failed,
};
