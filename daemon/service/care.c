// SPDX-License-Identifier: LGPL-2.1-or-later
/* What an operator does for a pool's health. */
#include <errno.h>
#include <stdlib.h>

#include "model/state.h"
#include "service/service.h"

/* A check in a worker: its call is answered when it is done, however long it takes. */
struct look {
	struct call *call;
	struct provider_check *check;
};

static int look_work(void *data, struct err *e)
{
	struct look *look = data;

	return look->check->action.act(&look->check->action, e);
}

static void look_done(void *data, int result, const struct err *why)
{
	struct look *look = data;
	struct bvol_difference **d = look->check->differences;
	int r = result;

	if (result < 0)
		look->call->err = *why;
	for (; !r && d && *d; d++)
		r = call_add(look->call, BVOL_A_RESPONSE_DIFFERENCE, &bvol_type_difference, *d);
	call_end(look->call, r);
	action_free(&look->check->action);
	free(look);
}

int verb_pool_check(struct call *call)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	struct look *look;
	int r = service_find(call->service, &bvol_type_pool, call->request->ref, (void **)&pool,
			     &call->err);

	if (r < 0)
		return r;
	provider = provider_find(pool->provider);
	if (!provider || state_transitional(&state_pool, pool->status) ||
	    engine_is_closed(&call->service->engine, &pool->id) ||
	    engine_heals(&call->service->engine, &pool->id))
		return err_set(&call->err, -EBUSY, "pool %s is being brought up, repaired or taken away; wait for it",
			       pool->name);
	look = calloc(1, sizeof(*look));
	if (!look)
		return -ENOMEM;
	look->call = call;
	r = provider->audit(call->service->store, pool, &look->check, &call->err);
	if (!r)
		r = workers_run(call->service->workers, look_work, look_done, look);
	if (!r)
		return 1;
	if (look->check)
		action_free(&look->check->action);
	free(look);
	return r;
}

static int check_repair(struct call *call, const struct bvol_pool *pool)
{
	if (pool->status == BVOL_POOL_STATUS_CREATING || pool->status == BVOL_POOL_STATUS_DELETING ||
	    engine_is_closed(&call->service->engine, &pool->id))
		return err_set(&call->err, -EBUSY, "pool %s is being brought up or taken away; wait for it",
			       pool->name);
	if (engine_has_job(&call->service->engine, &pool->id))
		return err_set(&call->err, -EBUSY, "a job is at work on pool %s; wait for it, see: bvolctl job list",
			       pool->name);
	return 0;
}

/* Whether there is anything to repair, and whether it can be, the job finds out. */
int verb_pool_repair(struct call *call)
{
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r = service_find(call->service, &bvol_type_pool, call->request->ref, (void **)&pool,
			     &call->err);

	if (!r)
		r = check_repair(call, pool);
	if (r < 0)
		return r;
	row = call_job(call, "pool-repair");
	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, pool->id);
	codec_set(row, BVOL_A_JOB_FORCE, force, call->request->force);
	r = call_begin(call, row, &job);
	if (!r)
		r = usage_fill(call->service, pool);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_POOL, &bvol_type_pool, pool);
	return call_commit(call, job, r);
}
