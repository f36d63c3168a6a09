// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Delete a volume. Its block device goes first: whoever holds it open stops the
 * job while the volume is still whole. From the second step on it is doomed.
 * After a crash it goes back to the wipe, which finds out what is left to do.
 */
#include <errno.h>

#include "job/flow.h"

static int plan_deactivate(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->deactivate(flow_store(job), pool, &job->row->volume_id, ret, e);
}

static int plan_wipe(struct job *job, struct action **ret, struct err *e)
{
	return flow_wipe(job, &job->row->volume_id, ret, e);
}

static int done_destroy(struct job *job, struct err *e)
{
	int r = flow_record_volume(job, BVOL_WIPED_VOLUME, &job->row->volume_id, e);

	return r < 0 ? r : flow_set_volume(job, BVOL_VOLUME_STATUS_DELETED, NULL, e);
}

/* Someone holds the block device open: as if it had not been asked. Else it needs a look. */
static int failed(struct job *job, bool clean, struct err *e)
{
	if (job->step == job->flow->steps && job->err.code == -EBUSY)
		return flow_set_volume(job, BVOL_VOLUME_STATUS_AVAILABLE, NULL, e);
	return flow_set_volume(job, BVOL_VOLUME_STATUS_ERROR_DELETING, flow_why(job), e);
}

const struct job_flow flow_volume_delete = {
	.kind = "volume-delete",
	.steps = (const struct job_step[]) {
		{ "deactivate", LANE_POOL, plan_deactivate, NULL },
		{ "wipe", LANE_WIPE, plan_wipe, NULL },
		{ "destroy", LANE_POOL, flow_plan_destroy_volume, done_destroy },
		{ 0 },
	},
	.resume = (const char *const[]) { "destroy", "wipe", NULL },
	.takes_long = flow_wipes, .cancel = flow_wipes,
	.failed = failed,
};
