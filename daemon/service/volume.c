// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "sched/quota.h"
#include "service/service.h"
#include "util/str.h"

#define SECTOR	512

int volume_decorate(struct service *service, void *obj)
{
	struct bvol_volume *volume = obj;
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	struct err e = { 0 };
	char node[32];
	bool found = false;
	int r;

	r = store_get(service->store, &bvol_type_pool, &volume->pool_id, (void **)&pool, &e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	provider = provider_find(pool->provider);
	if (provider && !provider->device(&volume->id, node, &found) && found)
		r = codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_DEVICE, node);
	return r < 0 ? r : codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_POOL, pool->name);
}

static const struct listing volumes = {
	&bvol_type_volume, BVOL_A_RESPONSE_VOLUME, volume_decorate,
};

static int answer(struct call *call, struct bvol_volume *volume)
{
	int r = volume_decorate(call->service, volume);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_VOLUME, &bvol_type_volume, volume);
}

static int check_size(struct call *call, uint64_t size)
{
	if (size == 0 || size > INT64_MAX)
		return err_set(&call->err, -EINVAL, "a volume has at least %u bytes and less than 8 EiB",
			       SECTOR);
	if (size % SECTOR)
		return err_set(&call->err, -EINVAL, "the size has to be a multiple of %u bytes, %llu is not",
			       SECTOR, (unsigned long long)size);
	return 0;
}

int volume_export(struct service *service, const struct bvol_uuid *volume_id,
		  struct bvol_export **ret, struct err *e)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_EXPORT_VOLUME_ID, .id = volume_id }, { 0 },
	};
	int r = store_first(service->store, &bvol_type_export, match, (void **)ret, e);

	if (r == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	return r;
}

int volume_settled(struct call *call, const struct bvol_volume *volume, const char *todo)
{
	_cleanup_export_ export = NULL;
	int r = volume_export(call->service, &volume->id, &export, &call->err);

	if (r < 0)
		return r;
	if (export)
		return err_set(&call->err, -EBUSY,
			       "volume %s is exported and can't be %s; first: bvolctl export delete %s",
			       volume->name, todo, volume->name);
	if (volume->status == BVOL_VOLUME_STATUS_IN_USE)
		return err_set(&call->err, -EBUSY, "volume %s is in-use and can't be %s",
			       volume->name, todo);
	return 0;
}

static int wrong_status(struct call *call, const struct bvol_volume *volume, const char *todo)
{
	return err_set(&call->err, -EBUSY, "volume %s is %s and can't be %s", volume->name,
		       bvol_enum_name(&bvol_enum_volume_status, volume->status), todo);
}

static int find_volume(struct call *call, struct bvol_volume **ret)
{
	return service_find(call->service, &bvol_type_volume, call->request->ref, (void **)ret,
			    &call->err);
}

/* The snapshot that a request names, if it can be read from. */
static int source_snapshot(struct call *call, struct bvol_snapshot **ret)
{
	int r = service_find(call->service, &bvol_type_snapshot, call->request->snapshot,
			     (void **)ret, &call->err);

	if (!r && (*ret)->status != BVOL_SNAPSHOT_STATUS_AVAILABLE)
		r = err_set(&call->err, -EBUSY, "snapshot %s is %s, not available", (*ret)->name,
			    bvol_enum_name(&bvol_enum_snapshot_status, (*ret)->status));
	return r;
}

static struct bvol_volume *volume_new(struct call *call, uint64_t size,
				      const struct bvol_snapshot *snapshot)
{
	const struct bvol_request *rq = call->request;
	struct bvol_volume *volume = codec_new(&bvol_type_volume);
	uint64_t now = change_now();

	if (!volume || change_new_id(&volume->id) < 0 ||
	    codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_NAME, rq->name) < 0 ||
	    codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_PROJECT,
			     rq->project ? rq->project : call->service->config->project) < 0) {
		bvol_free(&bvol_type_volume, volume);
		return NULL;
	}
	volume->has |= BVOL_BIT(BVOL_A_VOLUME_ID);
	if (snapshot)
		codec_set(volume, BVOL_A_VOLUME_SNAPSHOT_ID, snapshot_id, snapshot->id);
	codec_set(volume, BVOL_A_VOLUME_STATUS, status, BVOL_VOLUME_STATUS_CREATING);
	codec_set(volume, BVOL_A_VOLUME_SIZE, size, size);
	codec_set(volume, BVOL_A_VOLUME_CREATED_AT, created_at, now);
	codec_set(volume, BVOL_A_VOLUME_UPDATED_AT, updated_at, now);
	return volume;
}

/* In the transaction: quota, a pool, the entry. */
static int volume_reserve(struct call *call, struct bvol_volume *volume,
			  const struct bvol_snapshot *snapshot)
{
	struct service *service = call->service;
	const struct bvol_uuid *wanted = snapshot ? &snapshot->pool_id : NULL;
	struct quota_ask ask = { .volumes = 1, .bytes = volume->size };
	_cleanup_pool_ pool = NULL;
	int r = 0;

	if (call->request->pool)
		r = service_find(service, &bvol_type_pool, call->request->pool, (void **)&pool,
				 &call->err);
	if (!r && pool && wanted && memcmp(&pool->id, wanted, sizeof(*wanted)))
		r = err_set(&call->err, -EXDEV, "snapshot %s lies in another pool than %s",
			    snapshot->name, pool->name);
	if (!r)
		r = quota_check(service->store, volume->project, &service->config->quota, &ask,
				&call->err);
	if (!r)
		r = service_place(service, volume->size, pool ? &pool->id : wanted, NULL,
				  &volume->pool_id, &call->err);
	if (r < 0)
		return r;
	volume->has |= BVOL_BIT(BVOL_A_VOLUME_POOL_ID);
	return store_insert(service->store, &bvol_type_volume, volume, &call->err);
}

int verb_volume_create(struct call *call)
{
	const struct bvol_request *rq = call->request;
	_cleanup_snapshot_ snapshot = NULL;
	_cleanup_volume_ volume = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	uint64_t size = rq->size;
	int r;

	r = str_check_name("volume", rq->name, &call->err);
	if (!r && rq->project)
		r = str_check_name("project", rq->project, &call->err);
	if (!r && rq->snapshot)
		r = source_snapshot(call, &snapshot);
	if (!r && !bvol_has(rq, BVOL_A_REQUEST_SIZE))
		r = snapshot ? 0 : err_set(&call->err, -EINVAL, "volume create needs a size");
	if (!r && snapshot && !bvol_has(rq, BVOL_A_REQUEST_SIZE))
		size = snapshot->size;
	if (!r)
		r = check_size(call, size);
	if (!r && snapshot && size < snapshot->size)
		r = err_set(&call->err, -EINVAL, "snapshot %s has %llu bytes, the volume can't have less",
			    snapshot->name, (unsigned long long)snapshot->size);
	if (r < 0)
		return r;
	volume = volume_new(call, size, snapshot);
	row = call_job(call, "volume-create");
	if (!volume || !row) {
		bvol_free(&bvol_type_job, row);
		return -ENOMEM;
	}
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = volume_reserve(call, volume, snapshot);
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, volume->id);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, volume->pool_id);
	codec_set(row, BVOL_A_JOB_PINNED, pinned, rq->pool != NULL);
	if (snapshot)
		codec_set(row, BVOL_A_JOB_SNAPSHOT_ID, snapshot_id, snapshot->id);
	if (!r)
		r = job_new(&call->service->engine, row, &job, &call->err);
	else
		bvol_free(&bvol_type_job, row);
	if (!r)
		r = answer(call, volume);
	return call_commit(call, job, r);
}

int verb_volume_list(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct store_match match[3] = { 0 };
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	size_t n = 0;
	int r = 0;

	if (rq->ref) {
		r = find_volume(call, &volume);
		return r < 0 ? r : answer(call, volume);
	}
	if (rq->project)
		match[n++] = (struct store_match) { .attr = BVOL_A_VOLUME_PROJECT, .text = rq->project };
	if (rq->pool)
		r = service_find(call->service, &bvol_type_pool, rq->pool, (void **)&pool, &call->err);
	if (pool)
		match[n++] = (struct store_match) { .attr = BVOL_A_VOLUME_POOL_ID, .id = &pool->id };
	return r < 0 ? r : call_list(call, &volumes, match);
}

/* A job on an existing volume: into its transitional status and off. */
static int volume_start(struct call *call, struct bvol_volume *volume, struct bvol_job *row,
			uint32_t status)
{
	struct job *job = NULL;
	int r;

	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, volume->id);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, volume->pool_id);
	r = call_begin(call, row, &job);
	if (!r)
		r = change_volume(&call->service->change, volume, status, NULL, &call->err);
	if (!r)
		r = answer(call, volume);
	return call_commit(call, job, r);
}

static int no_snapshots(struct call *call, const struct bvol_volume *volume)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_SNAPSHOT_VOLUME_ID, .id = &volume->id }, { 0 },
	};
	uint64_t n;
	int r = store_count(call->service->store, &bvol_type_snapshot, match, &n, &call->err);

	if (!r && n)
		r = err_set(&call->err, -EBUSY,
			    "volume %s has %llu snapshot%s; delete first what bvolctl snapshot list --volume %s shows",
			    volume->name, (unsigned long long)n, n == 1 ? "" : "s", volume->name);
	return r;
}

int verb_volume_delete(struct call *call)
{
	_cleanup_volume_ volume = NULL;
	struct bvol_job *row;
	int r = find_volume(call, &volume);

	if (!r)
		r = volume_settled(call, volume, "deleted");
	if (!r)
		r = no_snapshots(call, volume);
	if (!r && volume->status != BVOL_VOLUME_STATUS_AVAILABLE &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR_EXTENDING &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR_DELETING)
		r = wrong_status(call, volume, "deleted");
	if (!r)
		r = call_check_wipe(call, call->request->wipe, call->request->verify);
	if (r < 0)
		return r;
	row = call_job(call, "volume-delete");
	return volume_start(call, volume, row, BVOL_VOLUME_STATUS_DELETING);
}

/* While an export is made its volume is given a block device, of the size that it has then. */
static int no_export_in_the_making(struct call *call, const struct bvol_volume *volume)
{
	_cleanup_export_ export = NULL;
	int r = volume_export(call->service, &volume->id, &export, &call->err);

	if (!r && export && export->status == BVOL_EXPORT_STATUS_CREATING)
		r = err_set(&call->err, -EBUSY,
			    "volume %s is just being exported; extend it when that is done", volume->name);
	return r;
}

int verb_volume_extend(struct call *call)
{
	struct service *service = call->service;
	_cleanup_volume_ volume = NULL;
	struct quota_ask ask = { 0 };
	struct bvol_job *row;
	struct bvol_uuid pool;
	uint64_t size = call->request->size;
	int r = find_volume(call, &volume);

	if (!r)
		r = check_size(call, size);
	if (!r && volume->status != BVOL_VOLUME_STATUS_AVAILABLE &&
	    volume->status != BVOL_VOLUME_STATUS_IN_USE &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR_EXTENDING)
		r = wrong_status(call, volume, "extended");
	if (!r && size <= volume->size)
		r = err_set(&call->err, -EINVAL,
			    "volume %s has %llu bytes; extend it to more than that",
			    volume->name, (unsigned long long)volume->size);
	if (!r)
		r = no_export_in_the_making(call, volume);
	if (r < 0)
		return r;
	/* Checked against what this loop alone changes; the new size is written in one step. */
	ask.bytes = size - volume->size;
	r = quota_check(service->store, volume->project, &service->config->quota, &ask, &call->err);
	if (!r)
		r = service_place(service, ask.bytes, &volume->pool_id, NULL, &pool, &call->err);
	if (r < 0)
		return r;
	row = call_job(call, "volume-extend");
	if (row)
		codec_set(row, BVOL_A_JOB_SIZE, size, volume->size);
	codec_set(volume, BVOL_A_VOLUME_SIZE, size, size);
	return volume_start(call, volume, row, BVOL_VOLUME_STATUS_EXTENDING);
}

int verb_volume_revert(struct call *call)
{
	_cleanup_snapshot_ snapshot = NULL;
	_cleanup_volume_ volume = NULL;
	struct bvol_job *row;
	int r = find_volume(call, &volume);

	if (!r)
		r = source_snapshot(call, &snapshot);
	if (!r && memcmp(&snapshot->volume_id, &volume->id, sizeof(volume->id)))
		r = err_set(&call->err, -EINVAL, "snapshot %s is not one of volume %s",
			    snapshot->name, volume->name);
	if (!r)
		r = volume_settled(call, volume, "reverted");
	if (!r && volume->status != BVOL_VOLUME_STATUS_AVAILABLE)
		r = wrong_status(call, volume, "reverted");
	if (r < 0)
		return r;
	row = call_job(call, "volume-revert");
	if (row)
		codec_set(row, BVOL_A_JOB_SNAPSHOT_ID, snapshot_id, snapshot->id);
	return volume_start(call, volume, row, BVOL_VOLUME_STATUS_REVERTING);
}
