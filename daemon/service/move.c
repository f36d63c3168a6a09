// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pools that come from another node, or go to one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job/rowset.h"
#include "service/service.h"
#include "util/str.h"

int pool_stays(struct call *call, const struct bvol_uuid *pool_id)
{
	_cleanup_pool_ pool = NULL;
	int r = store_get(call->service->store, &bvol_type_pool, pool_id, (void **)&pool, &call->err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (pool->status != BVOL_POOL_STATUS_EXPORTING && pool->status != BVOL_POOL_STATUS_IMPORTING)
		return 0;
	return err_set(&call->err, -EBUSY, "pool %s is %s; wait for it", pool->name,
		       bvol_enum_name(&bvol_enum_pool_status, pool->status));
}

/* Away */

/* The first volume of the pool that is exported stops the walk. */
static int refuse_exported(void *obj, void *data)
{
	const struct bvol_volume *volume = obj;
	struct call *call = data;
	_cleanup_export_ export = NULL;
	int r = volume_export(call->service, &volume->id, &export, &call->err);

	if (r < 0 || !export)
		return r;
	return err_set(&call->err, -EBUSY,
		       "volume %s is exported, its pool has to stay; first: bvolctl export delete %s",
		       volume->name, volume->name);
}

static int check_no_jobs(struct call *call, const struct bvol_pool *pool)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_JOB_POOL_ID, .id = &pool->id },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_DONE, .not = true },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_FAILED, .not = true },
		{ 0 },
	};
	_cleanup_job_ job = NULL;
	int r = store_first(call->service->store, &bvol_type_job, match, (void **)&job, &call->err);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : err_set(&call->err, -EBUSY,
				   "a job (%s) is at work in pool %s; wait for it, see: bvolctl job list",
				   job->kind, pool->name);
}

static int check_export(struct call *call, const struct bvol_pool *pool)
{
	struct store_match volumes[] = {
		{ .attr = BVOL_A_VOLUME_POOL_ID, .id = &pool->id }, { 0 },
	};
	int r = 0;

	if (pool->status != BVOL_POOL_STATUS_AVAILABLE && pool->status != BVOL_POOL_STATUS_READ_ONLY &&
	    pool->status != BVOL_POOL_STATUS_ERROR)
		return err_set(&call->err, -EBUSY, "pool %s is %s; wait for it", pool->name,
			       bvol_enum_name(&bvol_enum_pool_status, pool->status));
	r = check_no_jobs(call, pool);
	return r < 0 ? r : store_select(call->service->store, &bvol_type_volume, volumes, NULL, 0,
					refuse_exported, call, &call->err);
}

static struct bvol_job *move_job(struct call *call, const char *kind, const struct bvol_uuid *pool_id)
{
	struct bvol_job *row = call_job(call, kind);

	if (!row)
		return NULL;
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, *pool_id);
	codec_set(row, BVOL_A_JOB_FORCE, force, call->request->force);
	return row;
}

int verb_pool_export(struct call *call)
{
	struct service *service = call->service;
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r = service_find(service, &bvol_type_pool, call->request->ref, (void **)&pool, &call->err);

	if (!r)
		r = check_export(call, pool);
	if (r < 0)
		return r;
	row = move_job(call, "pool-export", &pool->id);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = change_pool(&service->change, pool, BVOL_POOL_STATUS_EXPORTING, NULL, &call->err);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_POOL, &bvol_type_pool, pool);
	return call_commit(call, job, r);
}

/* Here */

/* A look at the disks, in a worker; its call goes on when it is done. */
struct look {
	struct call *call;
	struct provider_found *found;
};

/* What the pool is called when neither the copy nor the user says. */
static int plain_pool(struct call *call, const struct provider_found *found, struct bvol_pool *pool)
{
	const struct config *config = call->service->config;
	char text[BVOL_UUID_TEXT], name[sizeof("pool-12345678")];

	bvol_uuid_text(&found->pool_id, text);
	snprintf(name, sizeof(name), "pool-%.8s", text);
	codec_set(pool, BVOL_A_POOL_CHUNK_SIZE, chunk_size, found->chunk_size);
	codec_set(pool, BVOL_A_POOL_RESERVE, reserve, config->reserve);
	codec_set(pool, BVOL_A_POOL_OVER_SUBSCRIPTION, over_subscription, config->over_subscription);
	codec_set(pool, BVOL_A_POOL_WIPE, wipe, BVOL_WIPE_ZERO);
	codec_set(pool, BVOL_A_POOL_VERIFY, verify, 0);
	codec_set(pool, BVOL_A_POOL_GROW, grow, config->grow);
	codec_set(pool, BVOL_A_POOL_DATA_WARNED, data_warned, 0);
	codec_set(pool, BVOL_A_POOL_METADATA_WARNED, metadata_warned, 0);
	codec_set(pool, BVOL_A_POOL_WIPE_RATE, wipe_rate, 0);
	codec_set(pool, BVOL_A_POOL_CREATED_AT, created_at, change_now());
	if (codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_NAME, name) < 0 ||
	    codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_WARN, config->warn) < 0)
		return -ENOMEM;
	return codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_PROVIDER, provider_thin.name);
}

static int set_paths(struct bvol_pool *pool, uint16_t attr, char *const *paths)
{
	size_t n = 0;

	while (paths[n])
		n++;
	return codec_set_list(&bvol_type_pool, pool, attr, (const char *const *)paths, n);
}

/* As the copy has it, but where it lies and whether it can be started. */
static int found_pool(struct call *call, const struct provider_found *found, struct bvol_pool **ret)
{
	struct bvol_pool *pool = NULL;
	int r = 0;

	if (found->kept)
		r = rowset_pool(&found->rows, &pool, &call->err);
	else if (!(pool = codec_new(&bvol_type_pool)))
		r = -ENOMEM;
	else
		r = plain_pool(call, found, pool);
	if (!r && call->request->name)
		r = codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_NAME, call->request->name);
	if (!r)
		r = set_paths(pool, BVOL_A_POOL_DEVICES, found->devices);
	if (!r)
		r = set_paths(pool, BVOL_A_POOL_SPARES, found->spares);
	if (!r)
		r = codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_PROVIDER, provider_thin.name);
	if (!r)
		r = codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_ERROR,
				     *found->damage ? found->damage : NULL);
	if (r < 0) {
		bvol_free(&bvol_type_pool, pool);
		return r;
	}
	/* The label decides of what the copy tells otherwise. */
	codec_set(pool, BVOL_A_POOL_ID, id, found->pool_id);
	codec_set(pool, BVOL_A_POOL_CHUNK_SIZE, chunk_size, found->chunk_size);
	codec_set(pool, BVOL_A_POOL_STATUS, status, BVOL_POOL_STATUS_IMPORTING);
	if (!found->clean || pool->scrub != BVOL_SCRUB_SCRUBBED)
		codec_set(pool, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_UNSCRUBBED);
	*ret = pool;
	return 0;
}

static int check_name(struct call *call, const struct bvol_pool *pool)
{
	struct store_match match[] = { { .attr = BVOL_A_POOL_NAME, .text = pool->name }, { 0 } };
	_cleanup_pool_ other = NULL;
	int r = str_check_name("pool", pool->name, &call->err);

	if (r < 0)
		return r;
	r = store_first(call->service->store, &bvol_type_pool, match, (void **)&other, &call->err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : err_set(&call->err, -EEXIST,
				   "there is a pool called \"%s\" here already; give this one another name with --name",
				   pool->name);
}

/* Inside a transaction: what the job begins with. */
static int put_pool(struct call *call, const struct bvol_pool *pool, struct provider_found *found)
{
	struct store *store = call->service->store;
	int r = 0;

	for (size_t i = 0; !r && i < found->n_extra; i++)
		r = change_new_id(&found->extra[i].id);
	if (!r)
		r = store_insert(store, &bvol_type_pool, pool, &call->err);
	return r ? r : provider_thin.pool_adopt(store, found, &call->err);
}

/* All that the job will do to the database, and back: what does not fit is refused before it begins. */
static int try_rows(struct call *call, const struct bvol_pool *pool, struct provider_found *found)
{
	struct service *service = call->service;
	struct rowset_report report = { 0 };
	int r = change_begin(&service->change, &call->err);

	if (r < 0)
		return r;
	r = put_pool(call, pool, found);
	if (!r)
		r = rowset_insert(service->store, pool, &provider_thin, &found->rows, service->config->project,
				  &report, &call->err);
	change_rollback(&service->change);
	rowset_report_clear(&report);
	return r;
}

static int start_import(struct call *call, struct provider_found *found)
{
	_cleanup_pool_ pool = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r = found_pool(call, found, &pool);

	if (!r)
		r = check_name(call, pool);
	if (!r)
		r = try_rows(call, pool, found);
	if (r < 0)
		return r;
	row = move_job(call, "pool-import", &pool->id);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = put_pool(call, pool, found);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_POOL, &bvol_type_pool, pool);
	return call_commit(call, job, r);
}

static int look_work(void *data, struct err *e)
{
	struct look *look = data;

	return look->found->action.act(&look->found->action, e);
}

static void look_done(void *data, int result, const struct err *why)
{
	struct look *look = data;
	struct call *call = look->call;

	call->service->importing = false;
	if (result < 0)
		call->err = *why;
	call_end(call, result < 0 ? result : start_import(call, look->found));
	action_free(&look->found->action);
	free(look);
}

/* Two looks at the same disks would take each other's devices away. */
static int check_alone(struct call *call)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_JOB_KIND, .text = "pool-import" },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_DONE, .not = true },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_FAILED, .not = true },
		{ 0 },
	};
	uint64_t n;
	int r = store_count(call->service->store, &bvol_type_job, match, &n, &call->err);

	if (r < 0 || (!n && !call->service->importing))
		return r;
	return err_set(&call->err, -EBUSY, "a pool is being imported; wait for that, then try again");
}

int verb_pool_import(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct service *service = call->service;
	struct look *look;
	int r = check_alone(call);

	if (!r && rq->name)
		r = str_check_name("pool", rq->name, &call->err);
	if (r < 0)
		return r;
	look = calloc(1, sizeof(*look));
	if (!look)
		return -ENOMEM;
	look->call = call;
	r = provider_thin.pool_find(service->store, rq->ref, rq->force, &look->found, &call->err);
	if (!r)
		r = workers_run(service->workers, look_work, look_done, look);
	if (!r) {
		service->importing = true;
		return 1;
	}
	if (look->found)
		action_free(&look->found->action);
	free(look);
	return r;
}
