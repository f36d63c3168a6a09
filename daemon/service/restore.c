// SPDX-License-Identifier: LGPL-2.1-or-later
/* Onto which volume a backup is restored. */
#include <errno.h>
#include <string.h>

#include "sched/quota.h"
#include "service/service.h"
#include "util/str.h"

#define SECTOR 512

/* The volume's own name, project and type come back with it, unless others are asked for. */
static struct bvol_volume *volume_new(struct call *call, const struct bvol_backup *backup)
{
	const struct bvol_request *rq = call->request;
	const struct bvol_type *type = &bvol_type_volume;
	struct bvol_volume *volume = codec_new(type);
	const char *name = rq->name ?: backup->volume_name ?: backup->name;
	const char *project = rq->project ?: backup->project ?: call->service->config->project;
	uint64_t now = change_now();

	if (!volume || change_new_id(&volume->id) < 0 ||
	    codec_set_string(type, volume, BVOL_A_VOLUME_NAME, name) < 0 ||
	    codec_set_string(type, volume, BVOL_A_VOLUME_PROJECT, project) < 0) {
		bvol_free(type, volume);
		return NULL;
	}
	volume->has |= BVOL_BIT(BVOL_A_VOLUME_ID);
	codec_set(volume, BVOL_A_VOLUME_STATUS, status, BVOL_VOLUME_STATUS_CREATING);
	codec_set(volume, BVOL_A_VOLUME_SIZE, size, backup->size + (SECTOR - backup->size % SECTOR) % SECTOR);
	codec_set(volume, BVOL_A_VOLUME_CREATED_AT, created_at, now);
	codec_set(volume, BVOL_A_VOLUME_UPDATED_AT, updated_at, now);
	return volume;
}

/* Of a manifest that another program wrote nothing is known to be there. */
static int check_new(struct call *call, const struct bvol_backup *backup)
{
	if (!call->request->name && !backup->volume_name && !backup->name)
		return err_set(&call->err, -EINVAL, "the backup has no name that the volume could have: --name");
	return backup->size ? 0 : err_set(&call->err, -EINVAL, "the backup has no bytes to make a volume of");
}

/* A type may say what becomes of the bytes at the end, so it is not left out silently. */
static int find_type(struct call *call, const struct bvol_backup *backup, struct bvol_volume_type **ret)
{
	const char *name = call->request->type ?: backup->volume_type;
	struct err why = { 0 };
	int r = name ? service_find(call->service, &bvol_type_volume_type, name, (void **)ret, &why) : 0;

	if (r == -ENOENT && !call->request->type)
		return err_set(&call->err, r,
			       "the volume was of type %s, which is not here; make it (bvolctl type create) or name another one by --type",
			       name);
	return r < 0 ? err_set(&call->err, r, "%s", why.text) : 0;
}

static int reserve(struct call *call, struct bvol_volume *volume, const struct bvol_volume_type *type)
{
	struct service *service = call->service;
	struct quota_ask ask = { .volumes = 1, .bytes = volume->size };
	_cleanup_pool_ pool = NULL;
	int r = 0;

	if (call->request->pool)
		r = service_find(service, &bvol_type_pool, call->request->pool, (void **)&pool, &call->err);
	if (!r)
		r = quota_check(service->store, volume->project, &service->config->quota, &ask, &call->err);
	if (!r)
		r = service_place_typed(service, volume->size, pool ? &pool->id : NULL, NULL, type,
					&volume->pool_id, &call->err);
	if (r < 0)
		return r;
	if (type)
		codec_set(volume, BVOL_A_VOLUME_VOLUME_TYPE_ID, volume_type_id, type->id);
	volume->has |= BVOL_BIT(BVOL_A_VOLUME_POOL_ID);
	return store_insert(service->store, &bvol_type_volume, volume, &call->err);
}

static int check_target(struct call *call, const struct bvol_backup *backup, const struct bvol_volume *volume)
{
	const struct bvol_request *rq = call->request;
	int r;

	if (rq->name || rq->pool || rq->type || rq->project)
		return err_set(&call->err, -EINVAL,
			       "--name, --pool, --type and --project are for a new volume, not with --volume");
	r = volume_settled(call, volume, "restored to");
	if (!r)
		r = call_check_jobs(call, BVOL_A_JOB_VOLUME_ID, &volume->id, NULL, "volume");
	if (!r && volume->status != BVOL_VOLUME_STATUS_AVAILABLE &&
	    volume->status != BVOL_VOLUME_STATUS_ERROR_RESTORING)
		r = err_set(&call->err, -EBUSY, "volume %s is %s and can't be restored to", volume->name,
			    bvol_enum_name(&bvol_enum_volume_status, volume->status));
	if (!r && volume->size < backup->size)
		r = err_set(&call->err, -ENOSPC, "volume %s has %llu bytes, too few for the backup's %llu",
			    volume->name, (unsigned long long)volume->size, (unsigned long long)backup->size);
	return r;
}

/* In the transaction: the volume as it is to be while it is restored. */
static int take_volume(struct call *call, struct bvol_volume *volume, const struct bvol_volume_type *type,
		       bool made)
{
	return made ? reserve(call, volume, type) :
	       change_volume(&call->service->change, volume, BVOL_VOLUME_STATUS_RESTORING_BACKUP, NULL,
			     &call->err);
}

static int run(struct call *call, struct bvol_backup *backup, struct bvol_volume *volume,
	       const struct bvol_volume_type *type, bool made)
{
	struct service *service = call->service;
	struct bvol_job *row = backup_job(call, "backup-restore", backup);
	struct job *job = NULL;
	int r;

	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, volume->id);
	codec_set(row, BVOL_A_JOB_MADE, made, made);
	codec_set(row, BVOL_A_JOB_FORCE, force, volume->status == BVOL_VOLUME_STATUS_ERROR_RESTORING);
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = take_volume(call, volume, type, made);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, volume->pool_id);
	if (!r)
		r = job_new(&service->engine, row, &job, &call->err);
	else
		bvol_free(&bvol_type_job, row);
	if (!r)
		r = change_backup(&service->change, backup, BVOL_BACKUP_STATUS_RESTORING, NULL, &call->err);
	if (!r)
		r = volume_decorate(service, volume);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_VOLUME, &bvol_type_volume, volume);
	return call_commit(call, job, r);
}

int verb_backup_restore(struct call *call)
{
	const struct bvol_request *rq = call->request;
	_cleanup_backup_ backup = NULL;
	_cleanup_volume_ volume = NULL;
	_cleanup_type_ type = NULL;
	int r = backup_find(call, &backup);

	if (!r)
		r = backup_check_status(call, backup, "restored");
	if (!r && rq->volume) {
		r = service_find(call->service, &bvol_type_volume, rq->volume, (void **)&volume, &call->err);
		if (!r)
			r = check_target(call, backup, volume);
	} else if (!r) {
		r = check_new(call, backup);
		if (!r && !(volume = volume_new(call, backup)))
			r = -ENOMEM;
		if (!r)
			r = str_check_name("volume", volume->name, &call->err);
		if (!r)
			r = str_check_name("project", volume->project, &call->err);
		if (!r)
			r = find_type(call, backup, &type);
	}
	return r < 0 ? r : run(call, backup, volume, type, !rq->volume);
}
