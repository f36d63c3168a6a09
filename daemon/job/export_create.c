// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Let an initiator reach a volume. The module hears of the export before the
 * target exists, so that not even the first login is missed. An export that
 * can't be made leaves nothing but, perhaps, the volume's block device, which
 * appears here and stays until the volume is deleted or the node starts again.
 */
#include <errno.h>

#include "fabric/fabric.h"
#include "job/flow.h"

static int announce(struct job *job, struct err *e)
{
	_cleanup_export_ export = NULL;
	int r = flow_export(job, &export, e);

	return r < 0 ? r : job->engine->hooks.announce(export, job->engine->hooks.data, e);
}

/* In the export's lane: it reads the pool's metadata, and while it runs nothing resizes the volume. */
static int plan_activate(struct job *job, struct action **ret, struct err *e)
{
	bool active;
	int r = flow_active(job, &active, e);

	return r < 0 || active ? r : flow_plan_activate(job, ret, e);
}

static int plan_target(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	const struct fabric_ops *fabric;
	_cleanup_export_ export = NULL;
	_cleanup_pool_ pool = NULL;
	char node[32];
	bool found;
	int r;

	r = flow_export(job, &export, e);
	if (!r)
		r = flow_pool(job, &pool, &provider, e);
	if (r < 0)
		return r;
	r = provider->device(&export->volume_id, node, &found);
	if (r < 0 || !found)
		return err_set(e, r < 0 ? r : -ENODEV, "the volume is not active on this node");
	fabric = fabric_find(export->fabric);
	return fabric->add(export, node, ret, e);
}

static int done_target(struct job *job, struct err *e)
{
	return flow_set_export(job, BVOL_EXPORT_STATUS_AVAILABLE, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_export(job, clean ? BVOL_EXPORT_STATUS_DELETED : BVOL_EXPORT_STATUS_ERROR,
			       job->err.text, e);
}

const struct job_flow flow_export_create = {
	.kind = "export-create",
	.begin = announce,
	.steps = (const struct job_step[]) {
		{ "activate", LANE_EXPORT, plan_activate, NULL },
		{ "target", LANE_EXPORT, plan_target, done_target },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "remove", LANE_EXPORT, flow_plan_remove_target, NULL },
		{ "withdraw", LANE_EXPORT, flow_plan_withdraw, NULL },
		{ 0 },
	},
	.failed = failed,
};
