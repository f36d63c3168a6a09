// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * More space for a pool, while it is used: devices that a user names, spares to be
 * kept until they are needed, and such a spare, which the daemon adds by itself.
 * A spare that can't be added is no spare any more, so that writes don't wait for
 * space that does not come.
 */
#include <inttypes.h>
#include <string.h>

#include "job/flow.h"

static int plan(struct job *job, bool spare, struct action **ret, struct err *e)
{
	const struct provider_extend how = {
		.devices = job->row->devices,
		.spare = spare,
		.force = job->row->force,
		.again = job->row->status != BVOL_JOB_STATUS_QUEUED,
	};
	const struct provider_ops *provider;
	struct provider_extended *extended = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->pool_extend(flow_store(job), pool, &how, &extended, e);
	*ret = extended ? &extended->action : NULL;
	return r;
}

static int plan_extend(struct job *job, struct action **ret, struct err *e)
{
	return plan(job, false, ret, e);
}

static int plan_spare(struct job *job, struct action **ret, struct err *e)
{
	return plan(job, true, ret, e);
}

static int plan_adjust(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_adjust(flow_store(job), pool, false, ret, e);
}

static int plan_release(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_release(flow_store(job), pool, job->row->devices, ret, e);
}

/* The devices in one string, for a sentence. */
static const char *names(const struct job *job, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (char **path = job->row->devices; path && *path && n < size; path++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", *path);
	return buf;
}

static int tell(struct job *job, const char *what, const char *why, struct err *e)
{
	const struct provider_ops *provider;
	char text[BVOL_SENTENCE_MAX + 1], devices[256];
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "pool %s: %s %s%s%s", pool->name, names(job, devices, sizeof(devices)),
		 what, why ? ": " : "", why ?: "");
	return change_pool_tell(flow_change(job), pool, &(struct change_tale) {
			.kind = BVOL_EVENT_KIND_POOL_EXTENDED, .status = "data", .message = text }, e);
}

static int tell_added(struct job *job, const char *what, struct err *e)
{
	const struct provider_extended *extended = (const struct provider_extended *)job->action;
	char text[96];

	snprintf(text, sizeof(text), "the volumes' I/O stood still for at most %" PRIu64 " ns",
		 extended->pause);
	return tell(job, what, text, e);
}

static int done_extend(struct job *job, struct err *e)
{
	return tell_added(job, "added", e);
}

static int done_grow(struct job *job, struct err *e)
{
	return tell_added(job, "added, which was kept for that", e);
}

/* Nothing has changed. */
static int failed(struct job *job, bool clean, struct err *e)
{
	return 0;
}

static int failed_grow(struct job *job, bool clean, struct err *e)
{
	return tell(job, "could not be added and is no spare any more", job->err.text, e);
}

const struct job_flow flow_pool_extend = {
	.kind = "pool-extend",
	.steps = (const struct job_step[]) {
		{ "extend", LANE_POOL, plan_extend, done_extend },
		{ 0 },
	},
	.failed = failed,
};

const struct job_flow flow_pool_spare = {
	.kind = "pool-spare",
	.steps = (const struct job_step[]) {
		{ "label", LANE_POOL, plan_spare, NULL },
		{ "adjust", LANE_POOL, plan_adjust, NULL },
		{ 0 },
	},
	.failed = failed,
};

const struct job_flow flow_pool_grow = {
	.kind = "pool-grow",
	.steps = (const struct job_step[]) {
		{ "extend", LANE_POOL, plan_extend, done_grow },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "release", LANE_POOL, plan_release, NULL },
		{ "adjust", LANE_POOL, plan_adjust, NULL },
		{ 0 },
	},
	.failed = failed_grow,
};
