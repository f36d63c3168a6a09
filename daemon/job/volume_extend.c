// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Make a volume larger, also while initiators use it. The row has the new size
 * from the first transaction on, which is how the space is reserved; the job
 * remembers the old one.
 */
#include "codec.h"
#include "job/flow.h"

static int announce_export(void *obj, void *data)
{
	struct bvol_export *export = obj;
	struct job *job = data;
	struct err e = { 0 };
	int r;

	codec_set(export, BVOL_A_EXPORT_SIZE, size, job->row->size);
	r = change_export(flow_change(job), export, export->status, NULL, &e);
	return r < 0 ? r : job->engine->hooks.announce(export, job->engine->hooks.data, &e);
}

/* A volume without a block device gets the new size when it is given one. */
static int plan_resize(struct job *job, struct action **ret, struct err *e)
{
	bool active;
	int r = flow_active(job, &active, e);

	return r < 0 || !active ? r : flow_plan_activate(job, ret, e);
}

/* The exports serve the new size already: LIO asks the block device. Tell who listens. */
static int done_resize(struct job *job, struct err *e)
{
	_cleanup_volume_ volume = NULL;
	struct store_match match[] = {
		{ .attr = BVOL_A_EXPORT_VOLUME_ID, .id = &job->row->volume_id }, { 0 },
	};
	int r = flow_volume(job, &volume, e);

	if (r < 0)
		return r;
	codec_set(job->row, BVOL_A_JOB_SIZE, size, volume->size);
	r = store_select(flow_store(job), &bvol_type_export, match, NULL, 0, announce_export, job, e);
	if (r < 0)
		return r;
	return change_volume(flow_change(job), volume, flow_idle(job, volume), NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	_cleanup_volume_ volume = NULL;
	int r = flow_volume(job, &volume, e);

	if (r < 0)
		return r;
	codec_set(volume, BVOL_A_VOLUME_SIZE, size, job->row->size);
	return change_volume(flow_change(job), volume, BVOL_VOLUME_STATUS_ERROR_EXTENDING,
			     job->err.text, e);
}

const struct job_flow flow_volume_extend = {
	.kind = "volume-extend",
	.steps = (const struct job_step[]) {
		{ "resize", LANE_POOL, plan_resize, done_resize },
		{ 0 },
	},
	.failed = failed,
};
