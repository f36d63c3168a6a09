// SPDX-License-Identifier: LGPL-2.1-or-later
/* The daemon's own care for a pool: the kernel's notification set anew, larger metadata. */
#include "job/flow.h"

static int plan(struct job *job, bool metadata, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_adjust(flow_store(job), pool, metadata, ret, e);
}

static int plan_adjust(struct job *job, struct action **ret, struct err *e)
{
	return plan(job, false, ret, e);
}

static int plan_metadata(struct job *job, struct action **ret, struct err *e)
{
	return plan(job, true, ret, e);
}

static int done_metadata(struct job *job, struct err *e)
{
	const struct provider_ops *provider;
	char text[BVOL_SENTENCE_MAX + 1];
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "pool %s: its metadata have more space", pool->name);
	return change_pool_tell(flow_change(job), pool, &(struct change_tale) {
			.kind = BVOL_EVENT_KIND_POOL_EXTENDED, .status = "metadata", .message = text }, e);
}

/* The pool goes on as it was. */
static int failed(struct job *job, bool clean, struct err *e)
{
	return 0;
}

const struct job_flow flow_pool_adjust = {
	.kind = "pool-adjust",
	.steps = (const struct job_step[]) {
		{ "adjust", LANE_POOL, plan_adjust, NULL },
		{ 0 },
	},
	.failed = failed,
};

const struct job_flow flow_pool_metadata = {
	.kind = "pool-metadata",
	.steps = (const struct job_step[]) {
		{ "metadata", LANE_POOL, plan_metadata, done_metadata },
		{ 0 },
	},
	.failed = failed,
};
