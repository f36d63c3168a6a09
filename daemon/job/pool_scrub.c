// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Overwrite what no volume of a pool has, through a device that has the pool's
 * UUID. It goes at the end, also of a job that failed or was cancelled; if it can't,
 * because a disk does not answer, the next scrub takes it away first. In no lane
 * while it works, so that no delete waits for it; a pool has one such job at a time.
 */
#include "codec.h"
#include "job/flow.h"

/* Of the device: how much of the pool is kept from the volumes at once. */
#define SLICE_BYTES (UINT64_C(1) << 30)

static int plan_drop(struct job *job, struct action **ret, struct err *e)
{
	return flow_destroy(job, &job->row->pool_id, ret, e);
}

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	uint64_t chunks;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0)
		return r;
	chunks = SLICE_BYTES / pool->chunk_size;
	return provider->create(flow_store(job), pool, &pool->id, chunks * pool->chunk_size, NULL,
				ret, e);
}

static int plan_scrub(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	struct provider_scrub *scrub = NULL;
	struct provider_wipe how;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0)
		return r;
	how = flow_wipe_policy(job, pool);
	codec_set(pool, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_SCRUBBING);
	r = store_update(flow_store(job), &bvol_type_pool, pool, e);
	if (!r)
		r = provider->scrub(flow_store(job), pool, &pool->id, &how, &scrub, e);
	if (r < 0)
		return r;
	scrub->wiped.started_at = change_now();
	*ret = &scrub->action;
	return 0;
}

/* What became free after the job was asked for may have been left out. */
static int done_scrub(struct job *job, struct err *e)
{
	const struct provider_scrub *scrub = (const struct provider_scrub *)job->action;
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = flow_record_scrub(job, pool, &scrub->wiped, e);
	if (r < 0)
		return r;
	codec_set(pool, BVOL_A_POOL_SCRUBBED_AT, scrubbed_at, job->row->created_at);
	if (pool->scrub == BVOL_SCRUB_SCRUBBING)
		codec_set(pool, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_SCRUBBED);
	return store_update(flow_store(job), &bvol_type_pool, pool, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_unscrubbed(job, e);
}

static const char *const scrubs[] = { "scrub", NULL };

const struct job_flow flow_pool_scrub = {
	.kind = "pool-scrub",
	.steps = (const struct job_step[]) {
		{ "clear", LANE_POOL, plan_drop, NULL },
		{ "create", LANE_POOL, plan_create, NULL },
		{ "scrub", LANE_LEFT, plan_scrub, done_scrub },
		{ "drop", LANE_POOL, plan_drop, NULL },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo-create", LANE_POOL, plan_drop, NULL },
		{ 0 },
	},
	.takes_long = scrubs, .cancel = scrubs,
	.failed = failed,
};
