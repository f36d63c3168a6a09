// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * End an export and its sessions. The module forgets it last, so that the
 * logouts are still told of it.
 */
#include "job/flow.h"

static int done_withdraw(struct job *job, struct err *e)
{
	return flow_set_export(job, BVOL_EXPORT_STATUS_DELETED, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_export(job, BVOL_EXPORT_STATUS_ERROR_DELETING, job->err.text, e);
}

const struct job_flow flow_export_delete = {
	.kind = "export-delete",
	.steps = (const struct job_step[]) {
		{ "remove", LANE_EXPORT, flow_plan_remove_target, NULL },
		{ "withdraw", LANE_EXPORT, flow_plan_withdraw, done_withdraw },
		{ 0 },
	},
	.failed = failed,
};
