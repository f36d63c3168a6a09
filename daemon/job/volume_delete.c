// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "job/flow.h"

static int done_destroy(struct job *job, struct err *e)
{
	return flow_set_volume(job, BVOL_VOLUME_STATUS_DELETED, NULL, e);
}

/* Someone holds the device open: as if it had not been asked. Else it needs a look. */
static int failed(struct job *job, bool clean, struct err *e)
{
	if (job->err.code == -EBUSY)
		return flow_set_volume(job, BVOL_VOLUME_STATUS_AVAILABLE, NULL, e);
	return flow_set_volume(job, BVOL_VOLUME_STATUS_ERROR_DELETING, job->err.text, e);
}

const struct job_flow flow_volume_delete = {
	.kind = "volume-delete",
	.steps = (const struct job_step[]) {
		{ "destroy", LANE_POOL, flow_plan_destroy_volume, done_destroy },
		{ 0 },
	},
	.failed = failed,
};
