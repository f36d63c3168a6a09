// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "model/level.h"
#include "service/service.h"
#include "util/str.h"

static int decorate(struct service *service, void *obj)
{
	int r = usage_fill(service, obj);

	return r < 0 ? r : keep_fill(service, obj);
}

static const struct listing pools = { &bvol_type_pool, BVOL_A_RESPONSE_POOL, decorate };

static int answer(struct call *call, struct bvol_pool *pool)
{
	int r = decorate(call->service, pool);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_POOL, &bvol_type_pool, pool);
}

static int check_chunk(struct call *call, const struct provider_ops *provider, uint32_t chunk)
{
	if (chunk >= provider->chunk_min && chunk <= provider->chunk_max &&
	    chunk % provider->chunk_min == 0)
		return 0;
	return err_set(&call->err, -EINVAL,
		       "a chunk has to be a multiple of %u bytes between %u and %u, not %u",
		       provider->chunk_min, provider->chunk_min, provider->chunk_max, chunk);
}

static int name_free(struct call *call, const char *name)
{
	struct store_match match[] = { { .attr = BVOL_A_POOL_NAME, .text = name }, { 0 } };
	_cleanup_pool_ other = NULL;
	int r = store_first(call->service->store, &bvol_type_pool, match, (void **)&other,
			    &call->err);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : err_set(&call->err, -EEXIST, "there is a pool called \"%s\" already", name);
}

static struct bvol_pool *pool_new(struct call *call, const struct provider_ops *provider)
{
	const struct config *config = call->service->config;
	const struct bvol_request *rq = call->request;
	struct bvol_pool *pool = codec_new(&bvol_type_pool);
	size_t n = 0;

	while (rq->devices[n])
		n++;
	if (!pool || change_new_id(&pool->id) < 0 ||
	    codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_NAME, rq->name) < 0 ||
	    codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_PROVIDER, provider->name) < 0 ||
	    codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_WARN, rq->warn ?: config->warn) < 0 ||
	    codec_set_list(&bvol_type_pool, pool, BVOL_A_POOL_DEVICES,
			   (const char *const *)rq->devices, n) < 0) {
		bvol_free(&bvol_type_pool, pool);
		return NULL;
	}
	pool->has |= BVOL_BIT(BVOL_A_POOL_ID);
	codec_set(pool, BVOL_A_POOL_STATUS, status, BVOL_POOL_STATUS_CREATING);
	codec_set(pool, BVOL_A_POOL_CHUNK_SIZE, chunk_size,
		  bvol_has(rq, BVOL_A_REQUEST_CHUNK_SIZE) ? rq->chunk_size : config->chunk_size);
	codec_set(pool, BVOL_A_POOL_RESERVE, reserve,
		  bvol_has(rq, BVOL_A_REQUEST_RESERVE) ? rq->reserve : config->reserve);
	codec_set(pool, BVOL_A_POOL_OVER_SUBSCRIPTION, over_subscription,
		  bvol_has(rq, BVOL_A_REQUEST_OVER_SUBSCRIPTION) ? rq->over_subscription :
								   config->over_subscription);
	codec_set(pool, BVOL_A_POOL_WIPE, wipe, rq->wipe ? rq->wipe : BVOL_WIPE_ZERO);
	codec_set(pool, BVOL_A_POOL_VERIFY, verify, rq->verify);
	codec_set(pool, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_UNSCRUBBED);
	codec_set(pool, BVOL_A_POOL_GROW, grow,
		  bvol_has(rq, BVOL_A_REQUEST_GROW) ? rq->grow : config->grow);
	codec_set(pool, BVOL_A_POOL_DATA_WARNED, data_warned, 0);
	codec_set(pool, BVOL_A_POOL_METADATA_WARNED, metadata_warned, 0);
	codec_set(pool, BVOL_A_POOL_WIPE_RATE, wipe_rate, rq->rate);
	codec_set(pool, BVOL_A_POOL_CREATED_AT, created_at, change_now());
	return pool;
}

static int check_space(struct call *call, const struct bvol_pool *pool, struct levels *levels)
{
	int r = levels_parse(pool->warn, levels, &call->err);

	if (!r && (pool->grow < 1 || pool->grow > 99))
		r = err_set(&call->err, -EINVAL, "a spare is added at 1 to 99 percent, not at %u",
			    pool->grow);
	return r;
}

static int check_pool(struct call *call, const struct provider_ops *provider,
		      const struct bvol_pool *pool)
{
	int r = str_check_name("pool", pool->name, &call->err);
	struct levels levels;

	if (!r)
		r = call_check_wipe(call, pool->wipe, pool->verify);
	if (!r)
		r = call_check_rate(call);
	if (!r)
		r = check_chunk(call, provider, pool->chunk_size);
	if (!r && pool->reserve > 100)
		r = err_set(&call->err, -EINVAL, "the reserve is 0 to 100 percent, not %u",
			    pool->reserve);
	if (!r && (pool->over_subscription < 100 || pool->over_subscription > 100000))
		r = err_set(&call->err, -EINVAL,
			    "the over-subscription is 100 to 100000 percent, not %u",
			    pool->over_subscription);
	if (!r)
		r = check_space(call, pool, &levels);
	return r ? r : name_free(call, pool->name);
}

static struct bvol_job *pool_job(struct call *call, const char *kind, const struct bvol_pool *pool)
{
	struct bvol_job *row = call_job(call, kind);

	if (row)
		codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, pool->id);
	return row;
}

int verb_pool_create(struct call *call)
{
	const struct provider_ops *provider = &provider_thin;
	_cleanup_pool_ pool = pool_new(call, provider);
	struct bvol_job *row;
	struct job *job = NULL;
	int r;

	if (!pool)
		return -ENOMEM;
	r = check_pool(call, provider, pool);
	if (r < 0)
		return r;
	row = pool_job(call, "pool-create", pool);
	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_FORCE, force, call->request->force);
	r = call_begin(call, row, &job);
	if (!r)
		r = store_insert(call->service->store, &bvol_type_pool, pool, &call->err);
	if (!r)
		r = answer(call, pool);
	return call_commit(call, job, r);
}

int verb_pool_list(struct call *call)
{
	struct bvol_pool *pool;
	int r;

	if (!call->request->ref)
		return call_list(call, &pools, NULL);
	r = service_find(call->service, &bvol_type_pool, call->request->ref, (void **)&pool,
			 &call->err);
	if (r < 0)
		return r;
	r = answer(call, pool);
	bvol_free(&bvol_type_pool, pool);
	return r;
}

int verb_pool_extend(struct call *call)
{
	const struct bvol_request *rq = call->request;
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	size_t n = 0;
	int r;

	r = service_find(call->service, &bvol_type_pool, rq->ref, (void **)&pool, &call->err);
	if (!r && pool->status != BVOL_POOL_STATUS_AVAILABLE)
		r = err_set(&call->err, -EBUSY, "pool %s is %s and can't be extended", pool->name,
			    bvol_enum_name(&bvol_enum_pool_status, pool->status));
	if (r < 0)
		return r;
	row = pool_job(call, rq->spare ? "pool-spare" : "pool-extend", pool);
	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_FORCE, force, rq->force);
	while (rq->devices[n])
		n++;
	if (codec_set_list(&bvol_type_job, row, BVOL_A_JOB_DEVICES, (const char *const *)rq->devices,
			   n) < 0) {
		bvol_free(&bvol_type_job, row);
		return -ENOMEM;
	}
	r = call_begin(call, row, &job);
	if (!r)
		r = answer(call, pool);
	return call_commit(call, job, r);
}

/* What the request sets; *mark: the use at which the kernel is to tell. */
static int set_fields(struct call *call, struct bvol_pool *pool, uint32_t *mark)
{
	const struct bvol_request *rq = call->request;
	struct levels levels;
	int r = 0;

	if (bvol_has(rq, BVOL_A_REQUEST_WIPE))
		pool->wipe = rq->wipe ? rq->wipe : BVOL_WIPE_ZERO;
	if (bvol_has(rq, BVOL_A_REQUEST_VERIFY))
		pool->verify = rq->verify;
	if (bvol_has(rq, BVOL_A_REQUEST_RATE))
		codec_set(pool, BVOL_A_POOL_WIPE_RATE, wipe_rate, rq->rate);
	if (bvol_has(rq, BVOL_A_REQUEST_GROW))
		codec_set(pool, BVOL_A_POOL_GROW, grow, rq->grow);
	if (rq->warn)
		r = codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_WARN, rq->warn);
	if (!r)
		r = call_check_wipe(call, pool->wipe, pool->verify);
	if (!r)
		r = call_check_rate(call);
	if (!r)
		r = check_space(call, pool, &levels);
	if (!r)
		*mark = levels_mark(&levels, pool->grow);
	return r;
}

static uint32_t mark_of(const struct bvol_pool *pool)
{
	struct levels levels;

	return levels_parse(pool->warn, &levels, NULL) < 0 ? 0 :
	       levels_mark(&levels, pool->grow ?: LEVELS_GROW);
}

/*
 * How deletes wipe from now on, and when the space is told of; a rate is heard of by
 * what runs. The kernel hears of a new mark by a job, which a crash can't lose; one
 * that fails leaves the old mark there, and pool_open() sets the new one.
 */
int verb_pool_set(struct call *call)
{
	const uint64_t wipes = ARG(WIPE) | ARG(VERIFY) | ARG(RATE), space = ARG(WARN) | ARG(GROW);
	const struct bvol_request *rq = call->request;
	struct service *service = call->service;
	_cleanup_free_ char *error = NULL;
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row = NULL;
	struct job *job = NULL;
	uint32_t before, mark;
	int r = service_find(service, &bvol_type_pool, rq->ref, (void **)&pool, &call->err);

	if (!r && !(rq->has & (wipes | space)))
		r = err_set(&call->err, -EINVAL, "pool set needs something to set");
	if (r < 0)
		return r;
	before = mark_of(pool);
	error = pool->error ? strdup(pool->error) : NULL;
	r = set_fields(call, pool, &mark);
	if (!r && mark != before && pool->status == BVOL_POOL_STATUS_AVAILABLE)
		r = (row = pool_job(call, "pool-adjust", pool)) ? 0 : -ENOMEM;
	if (!r)
		r = call_begin(call, row, &job);
	if (!r)
		r = change_pool(&service->change, pool, pool->status, error, &call->err);
	if (!r)
		r = answer(call, pool);
	r = call_commit(call, job, r);
	if (r < 0)
		return r;
	engine_limit_set(&service->engine, pool);
	if (rq->has & space)
		space_look(service);
	return r;
}

static int pool_empty(struct call *call, const struct bvol_pool *pool)
{
	struct store_match volumes[] = {
		{ .attr = BVOL_A_VOLUME_POOL_ID, .id = &pool->id }, { 0 },
	};
	struct store_match snapshots[] = {
		{ .attr = BVOL_A_SNAPSHOT_POOL_ID, .id = &pool->id }, { 0 },
	};
	struct store *store = call->service->store;
	uint64_t n_volumes, n_snapshots;
	int r;

	r = store_count(store, &bvol_type_volume, volumes, &n_volumes, &call->err);
	if (!r)
		r = store_count(store, &bvol_type_snapshot, snapshots, &n_snapshots, &call->err);
	if (!r && (n_volumes || n_snapshots))
		r = err_set(&call->err, -EBUSY,
			    "pool %s has %llu volume%s and %llu snapshot%s; delete them first",
			    pool->name, (unsigned long long)n_volumes, n_volumes == 1 ? "" : "s",
			    (unsigned long long)n_snapshots, n_snapshots == 1 ? "" : "s");
	return r;
}

static int not_scrubbing(struct call *call, const struct bvol_pool *pool)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_JOB_POOL_ID, .id = &pool->id },
		{ .attr = BVOL_A_JOB_KIND, .text = "pool-scrub" },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_DONE, .not = true },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_FAILED, .not = true },
		{ 0 },
	};
	uint64_t n;
	int r = store_count(call->service->store, &bvol_type_job, match, &n, &call->err);

	return r < 0 || !n ? r : err_set(&call->err, -EBUSY,
					 "pool %s is being scrubbed; wait for that job", pool->name);
}

int verb_pool_delete(struct call *call)
{
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r;

	r = service_find(call->service, &bvol_type_pool, call->request->ref, (void **)&pool,
			 &call->err);
	if (!r && (pool->status == BVOL_POOL_STATUS_CREATING ||
		   pool->status == BVOL_POOL_STATUS_DELETING))
		r = err_set(&call->err, -EBUSY, "pool %s is %s; wait for it", pool->name,
			    bvol_enum_name(&bvol_enum_pool_status, pool->status));
	if (!r)
		r = not_scrubbing(call, pool);
	if (!r)
		r = pool_empty(call, pool);
	if (r < 0)
		return r;
	row = pool_job(call, "pool-delete", pool);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = change_pool(&call->service->change, pool, BVOL_POOL_STATUS_DELETING, NULL,
				&call->err);
	if (!r)
		r = answer(call, pool);
	return call_commit(call, job, r);
}

static int check_scrub(struct call *call, const struct bvol_pool *pool)
{
	uint32_t policy = call->request->wipe ? call->request->wipe : pool->wipe;

	if (pool->status != BVOL_POOL_STATUS_AVAILABLE)
		return err_set(&call->err, -EBUSY, "pool %s is %s; only an available one can be scrubbed",
			       pool->name, bvol_enum_name(&bvol_enum_pool_status, pool->status));
	if (policy != BVOL_WIPE_ZERO && policy != BVOL_WIPE_RANDOM)
		return err_set(&call->err, -EINVAL,
			       "a pool is scrubbed by zero or random, not by %s; say which with --wipe",
			       bvol_enum_name(&bvol_enum_wipe, policy));
	return not_scrubbing(call, pool);
}

int verb_pool_scrub(struct call *call)
{
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r;

	r = service_find(call->service, &bvol_type_pool, call->request->ref, (void **)&pool,
			 &call->err);
	if (!r)
		r = check_scrub(call, pool);
	if (r < 0)
		return r;
	row = pool_job(call, "pool-scrub", pool);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = answer(call, pool);
	return call_commit(call, job, r);
}
