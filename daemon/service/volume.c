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
	_cleanup_type_ type = NULL;
	struct err e = { 0 };
	char node[32];
	bool found = false;
	int r = volume_type(service, volume, &type, &e);

	if (!r && type)
		r = codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_TYPE, type->name);
	if (r < 0)
		return r;
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

/* What a new volume is a copy of; all NULL and 0 for an empty one. */
struct origin {
	struct bvol_snapshot *snapshot;
	struct bvol_volume *volume;
	const char *kind, *name;
	const struct bvol_uuid *pool_id, *volume_id;
	uint64_t size;
};

static void origin_clear(struct origin *origin)
{
	bvol_free(&bvol_type_snapshot, origin->snapshot);
	bvol_free(&bvol_type_volume, origin->volume);
}

#define _cleanup_origin_ _cleanup_(origin_clear) struct origin

/* The volume that a request names, if it can be copied as it is now. */
static int source_volume(struct call *call, struct bvol_volume **ret)
{
	int r = service_find(call->service, &bvol_type_volume, call->request->volume, (void **)ret,
			     &call->err);

	if (!r && (*ret)->status != BVOL_VOLUME_STATUS_AVAILABLE &&
	    (*ret)->status != BVOL_VOLUME_STATUS_IN_USE)
		r = wrong_status(call, *ret, "copied");
	return r;
}

static int find_origin(struct call *call, struct origin *ret)
{
	const struct bvol_request *rq = call->request;
	int r;

	if (rq->snapshot && rq->volume)
		return err_set(&call->err, -EINVAL,
			       "a volume is made from a snapshot or from a volume, not from both");
	if (rq->snapshot) {
		r = source_snapshot(call, &ret->snapshot);
		if (r < 0)
			return r;
		*ret = (struct origin) { ret->snapshot, NULL, "snapshot", ret->snapshot->name,
					 &ret->snapshot->pool_id, &ret->snapshot->volume_id,
					 ret->snapshot->size };
	} else if (rq->volume) {
		r = source_volume(call, &ret->volume);
		if (r < 0)
			return r;
		*ret = (struct origin) { NULL, ret->volume, "volume", ret->volume->name,
					 &ret->volume->pool_id, &ret->volume->id,
					 ret->volume->size };
	}
	return 0;
}

/* The size asked for, or else the origin's. */
static int new_size(struct call *call, const struct origin *origin, uint64_t *ret)
{
	const struct bvol_request *rq = call->request;
	int r;

	*ret = bvol_has(rq, BVOL_A_REQUEST_SIZE) ? rq->size : origin->size;
	if (!bvol_has(rq, BVOL_A_REQUEST_SIZE) && !origin->name)
		return err_set(&call->err, -EINVAL, "volume create needs a size");
	r = check_size(call, *ret);
	if (!r && *ret < origin->size)
		r = err_set(&call->err, -EINVAL, "%s %s has %llu bytes, the volume can't have less",
			    origin->kind, origin->name, (unsigned long long)origin->size);
	return r;
}

static struct bvol_volume *volume_new(struct call *call, uint64_t size,
				      const struct origin *origin)
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
	if (origin->snapshot)
		codec_set(volume, BVOL_A_VOLUME_SNAPSHOT_ID, snapshot_id, origin->snapshot->id);
	if (origin->volume)
		codec_set(volume, BVOL_A_VOLUME_SOURCE_VOLUME_ID, source_volume_id,
			  origin->volume->id);
	codec_set(volume, BVOL_A_VOLUME_STATUS, status, BVOL_VOLUME_STATUS_CREATING);
	codec_set(volume, BVOL_A_VOLUME_SIZE, size, size);
	codec_set(volume, BVOL_A_VOLUME_CREATED_AT, created_at, now);
	codec_set(volume, BVOL_A_VOLUME_UPDATED_AT, updated_at, now);
	return volume;
}

/* Where a volume has to lie, and because of what. */
struct place {
	const char *kind, *name;
	struct bvol_uuid pool_id;
};

/* One more reason; all have to agree. */
static int place_at(struct call *call, struct place *place, const char *kind, const char *name,
		    const struct bvol_uuid *pool_id)
{
	if (place->name && memcmp(&place->pool_id, pool_id, sizeof(*pool_id)))
		return err_set(&call->err, -EXDEV, "%s %s lies in another pool than %s %s", kind,
			       name, place->kind, place->name);
	*place = (struct place) { kind, name, *pool_id };
	return 0;
}

/* Into the group that was asked for, and its members' pool. */
static int place_in_group(struct call *call, struct bvol_volume *volume,
			  const struct bvol_group *group, struct place *place)
{
	_cleanup_volume_ member = NULL;
	int r = group_admits(call, group, volume->project, &member);

	codec_set(volume, BVOL_A_VOLUME_GROUP_ID, group_id, group->id);
	return r < 0 || !member ? r :
	       place_at(call, place, "group", group->name, &member->pool_id);
}

/* The type that was asked for, or else the origin's; NULL: none. */
static int find_type(struct call *call, const struct origin *origin, struct bvol_volume_type **ret)
{
	_cleanup_volume_ volume = NULL;
	int r;

	if (call->request->type)
		return service_find(call->service, &bvol_type_volume_type, call->request->type,
				    (void **)ret, &call->err);
	if (!origin->volume_id)
		return 0;
	r = store_get(call->service->store, &bvol_type_volume, origin->volume_id, (void **)&volume,
		      &call->err);
	return r < 0 ? r : volume_type(call->service, volume, ret, &call->err);
}

/* In the transaction: quota, a pool, the entry. */
static int volume_reserve(struct call *call, struct bvol_volume *volume,
			  const struct origin *origin)
{
	const struct bvol_request *rq = call->request;
	struct service *service = call->service;
	struct quota_ask ask = { .volumes = 1, .bytes = volume->size };
	_cleanup_group_ group = NULL;
	_cleanup_type_ type = NULL;
	_cleanup_pool_ pool = NULL;
	struct place place = { 0 };
	int r = 0;

	if (rq->pool)
		r = service_find(service, &bvol_type_pool, rq->pool, (void **)&pool, &call->err);
	if (!r && pool)
		r = place_at(call, &place, "pool", pool->name, &pool->id);
	if (!r && origin->name)
		r = place_at(call, &place, origin->kind, origin->name, origin->pool_id);
	if (!r && rq->group)
		r = group_find(call, rq->group, &group);
	if (!r && group)
		r = place_in_group(call, volume, group, &place);
	if (!r)
		r = find_type(call, origin, &type);
	if (!r)
		r = quota_check(service->store, volume->project, &service->config->quota, &ask,
				&call->err);
	if (!r)
		r = service_place_typed(service, volume->size, place.name ? &place.pool_id : NULL,
					NULL, type, &volume->pool_id, &call->err);
	if (r < 0)
		return r;
	if (type)
		codec_set(volume, BVOL_A_VOLUME_VOLUME_TYPE_ID, volume_type_id, type->id);
	volume->has |= BVOL_BIT(BVOL_A_VOLUME_POOL_ID);
	return store_insert(service->store, &bvol_type_volume, volume, &call->err);
}

int verb_volume_create(struct call *call)
{
	const struct bvol_request *rq = call->request;
	_cleanup_origin_ origin = { 0 };
	_cleanup_volume_ volume = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	uint64_t size = 0;
	int r;

	r = str_check_name("volume", rq->name, &call->err);
	if (!r && rq->project)
		r = str_check_name("project", rq->project, &call->err);
	if (!r)
		r = find_origin(call, &origin);
	if (!r)
		r = new_size(call, &origin, &size);
	if (r < 0)
		return r;
	volume = volume_new(call, size, &origin);
	row = call_job(call, "volume-create");
	if (!volume || !row) {
		bvol_free(&bvol_type_job, row);
		return -ENOMEM;
	}
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = volume_reserve(call, volume, &origin);
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, volume->id);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, volume->pool_id);
	codec_set(row, BVOL_A_JOB_PINNED, pinned, rq->pool || rq->group);
	if (origin.snapshot)
		codec_set(row, BVOL_A_JOB_SNAPSHOT_ID, snapshot_id, origin.snapshot->id);
	if (!r)
		r = job_new(&call->service->engine, row, &job, &call->err);
	else
		bvol_free(&bvol_type_job, row);
	if (!r)
		r = answer(call, volume);
	return call_commit(call, job, r);
}

/* Whatever happened to it while a worker looked. */
static int answer_mapped(struct call *call, const struct provider_mapped *mapped)
{
	_cleanup_volume_ volume = NULL;
	int r = find_volume(call, &volume);

	if (r < 0)
		return r;
	if (mapped) {
		codec_set(volume, BVOL_A_VOLUME_MAPPED, mapped, mapped->mapped);
		codec_set(volume, BVOL_A_VOLUME_EXCLUSIVE, exclusive, mapped->exclusive);
		codec_set(volume, BVOL_A_VOLUME_SHARED, shared, mapped->mapped - mapped->exclusive);
	}
	return answer(call, volume);
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
		if (!r && rq->usage)
			return mapped_ask(call, &volume->pool_id, &volume->id, answer_mapped);
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

/* What copies it has to find it as it was when that was asked for. */
static int no_copies_in_the_making(struct call *call, const struct bvol_volume *volume,
				   const char *todo)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_SOURCE_VOLUME_ID, .id = &volume->id },
		{ .attr = BVOL_A_VOLUME_STATUS, .number = BVOL_VOLUME_STATUS_CREATING }, { 0 },
	};
	_cleanup_volume_ copy = NULL;
	int r = store_first(call->service->store, &bvol_type_volume, match, (void **)&copy,
			    &call->err);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : err_set(&call->err, -EBUSY,
				   "volume %s is just being copied to %s and can't be %s; wait for it",
				   volume->name, copy->name, todo);
}

static int no_group(struct call *call, const struct bvol_volume *volume)
{
	_cleanup_group_ group = NULL;
	int r = bvol_has(volume, BVOL_A_VOLUME_GROUP_ID) ?
		store_get(call->service->store, &bvol_type_group, &volume->group_id, (void **)&group,
			  &call->err) : 0;

	if (!r && group)
		r = err_set(&call->err, -EBUSY,
			    "volume %s is a member of group %s; first: bvolctl group remove %s --volume %s",
			    volume->name, group->name, group->name, volume->name);
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
	if (!r)
		r = no_copies_in_the_making(call, volume, "deleted");
	/* What is left of its temporary snapshot goes as the volume's type wants it. */
	if (!r)
		r = call_check_jobs(call, BVOL_A_JOB_VOLUME_ID, &volume->id, "backup-create", "volume");
	if (!r)
		r = no_group(call, volume);
	if (!r && volume->status != BVOL_VOLUME_STATUS_AVAILABLE &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR_RESTORING &&
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
	if (!r)
		r = no_copies_in_the_making(call, volume, "reverted");
	if (r < 0)
		return r;
	row = call_job(call, "volume-revert");
	if (row)
		codec_set(row, BVOL_A_JOB_SNAPSHOT_ID, snapshot_id, snapshot->id);
	return volume_start(call, volume, row, BVOL_VOLUME_STATUS_REVERTING);
}
