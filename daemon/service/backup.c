// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "service/service.h"
#include "util/str.h"

static int count_children(struct service *service, const struct bvol_uuid *id, uint32_t status, uint64_t *ret)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_BACKUP_PARENT_ID, .id = id },
		{ .attr = BVOL_A_BACKUP_STATUS, .number = status }, { 0 },
	};

	return store_count(service->store, &bvol_type_backup, match, ret, NULL);
}

static int decorate(struct service *service, void *obj)
{
	struct bvol_backup *backup = obj;
	_cleanup_repository_ repository = NULL;
	uint64_t n;
	int r = store_get(service->store, &bvol_type_repository, &backup->repository_id, (void **)&repository,
			  NULL);

	if (!r)
		r = codec_set_string(&bvol_type_backup, backup, BVOL_A_BACKUP_REPOSITORY, repository->name);
	if (!r)
		r = count_children(service, &backup->id, BVOL_BACKUP_STATUS_AVAILABLE, &n);
	if (!r)
		codec_set(backup, BVOL_A_BACKUP_HAS_DEPENDENT_BACKUPS, has_dependent_backups, n > 0);
	return r;
}

static const struct listing backups = { &bvol_type_backup, BVOL_A_RESPONSE_BACKUP, decorate };

int backup_answer(struct call *call, struct bvol_backup *backup)
{
	int r = decorate(call->service, backup);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_BACKUP, &bvol_type_backup, backup);
}

int backup_find(struct call *call, struct bvol_backup **ret)
{
	return service_find(call->service, &bvol_type_backup, call->request->ref, (void **)ret, &call->err);
}

/* What it is called in a sentence. */
static const char *name_of(const struct bvol_backup *backup, char text[BVOL_UUID_TEXT])
{
	return backup->name ?: bvol_uuid_text(&backup->id, text);
}

int backup_check_status(struct call *call, const struct bvol_backup *backup, const char *todo)
{
	char text[BVOL_UUID_TEXT];

	if (backup->status == BVOL_BACKUP_STATUS_AVAILABLE)
		return 0;
	return err_set(&call->err, -EBUSY, "backup %s is %s and can't be %s", name_of(backup, text),
		       bvol_enum_name(&bvol_enum_backup_status, backup->status), todo);
}

struct bvol_job *backup_job(struct call *call, const char *kind, const struct bvol_backup *backup)
{
	struct bvol_job *row = call_job(call, kind);

	if (!row)
		return NULL;
	codec_set(row, BVOL_A_JOB_BACKUP_ID, backup_id, backup->id);
	codec_set(row, BVOL_A_JOB_REPOSITORY_ID, repository_id, backup->repository_id);
	codec_set(row, BVOL_A_JOB_RATE_LIMIT, rate_limit, call->request->rate);
	return row;
}

/* Creating: what is to be backed up */

struct origin {
	struct bvol_volume *volume;
	struct bvol_snapshot *snapshot;	/* NULL: the volume itself */
};

static void origin_clear(struct origin *origin)
{
	bvol_free(&bvol_type_volume, origin->volume);
	bvol_free(&bvol_type_snapshot, origin->snapshot);
}

#define _cleanup_origin_ _cleanup_(origin_clear) struct origin

static int find_snapshot(struct call *call, struct origin *ret)
{
	struct service *service = call->service;
	int r = service_find(service, &bvol_type_snapshot, call->request->snapshot, (void **)&ret->snapshot,
			     &call->err);

	if (!r && ret->snapshot->status != BVOL_SNAPSHOT_STATUS_AVAILABLE)
		r = err_set(&call->err, -EBUSY, "snapshot %s is %s and can't be backed up", ret->snapshot->name,
			    bvol_enum_name(&bvol_enum_snapshot_status, ret->snapshot->status));
	if (!r)
		r = snapshot_check_free(call, ret->snapshot);
	return r < 0 ? r : store_get(service->store, &bvol_type_volume, &ret->snapshot->volume_id,
				     (void **)&ret->volume, &call->err);
}

static int find_volume(struct call *call, struct origin *ret)
{
	struct service *service = call->service;
	struct bvol_uuid pool;
	int r = service_find(service, &bvol_type_volume, call->request->volume, (void **)&ret->volume,
			     &call->err);

	if (!r && ret->volume->status != BVOL_VOLUME_STATUS_AVAILABLE &&
	    ret->volume->status != BVOL_VOLUME_STATUS_IN_USE)
		r = err_set(&call->err, -EBUSY,
			    "volume %s is %s; to be backed up it has to be available or in-use",
			    ret->volume->name, bvol_enum_name(&bvol_enum_volume_status, ret->volume->status));
	/* From the temporary snapshot on every write takes space. */
	return r < 0 ? r : service_place(service, 0, &ret->volume->pool_id, NULL, &pool, &call->err);
}

static int find_origin(struct call *call, struct origin *ret)
{
	const struct bvol_request *rq = call->request;

	if (!rq->snapshot == !rq->volume)
		return err_set(&call->err, -EINVAL, "a backup is made of a volume or of a snapshot%s",
			       rq->volume ? ", not of both" : "");
	return rq->snapshot ? find_snapshot(call, ret) : find_volume(call, ret);
}

/* The parent */

struct latest {
	struct bvol_backup *best;
};

static int compare_latest(void *obj, void *data)
{
	struct bvol_backup *backup = obj;
	struct latest *latest = data;

	if (latest->best && latest->best->data_at >= backup->data_at)
		return 0;
	bvol_free(&bvol_type_backup, latest->best);
	latest->best = codec_copy(&bvol_type_backup, backup);
	return latest->best ? 0 : -ENOMEM;
}

static int find_latest(struct call *call, const struct bvol_volume *volume,
		       const struct bvol_repository *repository, struct bvol_backup **ret)
{
	char id[BVOL_UUID_TEXT];
	struct store_match match[] = {
		{ .attr = BVOL_A_BACKUP_VOLUME_ID, .text = bvol_uuid_text(&volume->id, id) },
		{ .attr = BVOL_A_BACKUP_REPOSITORY_ID, .id = &repository->id },
		{ .attr = BVOL_A_BACKUP_STATUS, .number = BVOL_BACKUP_STATUS_AVAILABLE }, { 0 },
	};
	struct latest latest = { NULL };
	int r = store_select(call->service->store, &bvol_type_backup, match, NULL, 0, compare_latest, &latest,
			     &call->err);

	*ret = latest.best;
	if (!r && !latest.best)
		r = err_set(&call->err, -ENOENT,
			    "there is no backup of volume %s in repository %s that this one could follow; make a full one first",
			    volume->name, repository->name);
	return r;
}

static int find_parent(struct call *call, const struct bvol_volume *volume,
		       const struct bvol_repository *repository, struct bvol_backup **ret)
{
	const struct bvol_request *rq = call->request;
	int r;

	if (rq->parent && rq->incremental)
		return err_set(&call->err, -EINVAL,
			       "--incremental chooses the parent; leave out that or --parent");
	if (rq->incremental)
		return find_latest(call, volume, repository, ret);
	if (!rq->parent)
		return 0;
	r = service_find(call->service, &bvol_type_backup, rq->parent, (void **)ret, &call->err);
	if (!r)
		r = backup_check_status(call, *ret, "a parent");
	if (!r && memcmp(&(*ret)->repository_id, &repository->id, sizeof(repository->id)))
		r = err_set(&call->err, -EXDEV, "backup %s is in another repository than %s", rq->parent,
			    repository->name);
	return r;
}

/* The row */

static int set_type(struct call *call, const struct bvol_volume *volume, struct bvol_backup *backup)
{
	const struct bvol_type *type = &bvol_type_backup;
	_cleanup_type_ volume_type_row = NULL;
	size_t n = 0;
	int r = volume_type(call->service, volume, &volume_type_row, &call->err);

	if (r < 0 || !volume_type_row)
		return r;
	r = codec_set_string(type, backup, BVOL_A_BACKUP_VOLUME_TYPE, volume_type_row->name);
	while (volume_type_row->extra_specs && volume_type_row->extra_specs[n])
		n++;
	return r || !n ? r : codec_set_list(type, backup, BVOL_A_BACKUP_EXTRA_SPECS,
					    (const char *const *)volume_type_row->extra_specs, n);
}

static int backup_new(struct call *call, const struct origin *origin, const struct bvol_repository *repository,
		      const struct bvol_backup *parent, struct bvol_backup **ret)
{
	const struct bvol_type *type = &bvol_type_backup;
	const struct bvol_volume *volume = origin->volume;
	struct bvol_backup *b = *ret = codec_new(type);
	char id[BVOL_UUID_TEXT];
	int r = b ? change_new_id(&b->id) : -ENOMEM;

	if (!r)
		r = codec_set_string(type, b, BVOL_A_BACKUP_NAME, call->request->name);
	if (!r)
		r = codec_set_string(type, b, BVOL_A_BACKUP_VOLUME_ID, bvol_uuid_text(&volume->id, id));
	if (!r)
		r = codec_set_string(type, b, BVOL_A_BACKUP_VOLUME_NAME, volume->name);
	if (!r)
		r = codec_set_string(type, b, BVOL_A_BACKUP_PROJECT, volume->project);
	if (!r)
		r = set_type(call, volume, b);
	if (r < 0)
		return r;
	b->has |= BVOL_BIT(BVOL_A_BACKUP_ID);
	codec_set(b, BVOL_A_BACKUP_STATUS, status, BVOL_BACKUP_STATUS_CREATING);
	codec_set(b, BVOL_A_BACKUP_REPOSITORY_ID, repository_id, repository->id);
	codec_set(b, BVOL_A_BACKUP_SIZE, size, origin->snapshot ? origin->snapshot->size : volume->size);
	codec_set(b, BVOL_A_BACKUP_IS_INCREMENTAL, is_incremental, parent != NULL);
	codec_set(b, BVOL_A_BACKUP_CREATED_AT, created_at, change_now());
	codec_set(b, BVOL_A_BACKUP_UPDATED_AT, updated_at, b->created_at);
	if (parent)
		codec_set(b, BVOL_A_BACKUP_PARENT_ID, parent_id, parent->id);
	if (origin->snapshot)
		codec_set(b, BVOL_A_BACKUP_SNAPSHOT_ID, snapshot_id, origin->snapshot->id);
	return 0;
}

static int begin_origin(struct call *call, struct origin *origin)
{
	struct change *change = &call->service->change;

	return origin->snapshot ?
	       change_snapshot(change, origin->snapshot, BVOL_SNAPSHOT_STATUS_BACKING_UP, NULL, &call->err) :
	       change_volume(change, origin->volume, BVOL_VOLUME_STATUS_BACKING_UP, NULL, &call->err);
}

int verb_backup_create(struct call *call)
{
	_cleanup_repository_ repository = NULL;
	_cleanup_backup_ backup = NULL;
	_cleanup_backup_ parent = NULL;
	_cleanup_origin_ origin = { 0 };
	struct bvol_job *row;
	struct job *job = NULL;
	int r = str_check_name("backup", call->request->name, &call->err);

	if (!r)
		r = find_origin(call, &origin);
	if (!r)
		r = repository_find(call, call->request->repository, &repository);
	if (!r)
		r = find_parent(call, origin.volume, repository, &parent);
	if (!r)
		r = backup_new(call, &origin, repository, parent, &backup);
	if (r < 0)
		return r;
	row = backup_job(call, "backup-create", backup);
	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, origin.volume->id);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, origin.volume->pool_id);
	if (origin.snapshot)
		codec_set(row, BVOL_A_JOB_SNAPSHOT_ID, snapshot_id, origin.snapshot->id);
	r = call_begin(call, row, &job);
	if (!r)
		r = store_insert(call->service->store, &bvol_type_backup, backup, &call->err);
	if (!r)
		r = begin_origin(call, &origin);
	if (!r)
		r = backup_answer(call, backup);
	return call_commit(call, job, r);
}

int verb_backup_list(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct store_match match[4] = { 0 };
	_cleanup_repository_ repository = NULL;
	_cleanup_volume_ volume = NULL;
	_cleanup_backup_ backup = NULL;
	char id[BVOL_UUID_TEXT];
	size_t n = 0;
	int r = 0;

	if (rq->ref) {
		r = backup_find(call, &backup);
		return r < 0 ? r : backup_answer(call, backup);
	}
	if (rq->project)
		match[n++] = (struct store_match) { .attr = BVOL_A_BACKUP_PROJECT, .text = rq->project };
	if (rq->repository)
		r = repository_find(call, rq->repository, &repository);
	if (repository)
		match[n++] = (struct store_match) {
			.attr = BVOL_A_BACKUP_REPOSITORY_ID, .id = &repository->id };
	if (!r && rq->volume)
		r = service_find(call->service, &bvol_type_volume, rq->volume, (void **)&volume, &call->err);
	if (volume)
		match[n++] = (struct store_match) {
			.attr = BVOL_A_BACKUP_VOLUME_ID, .text = bvol_uuid_text(&volume->id, id) };
	return r < 0 ? r : call_list(call, &backups, match);
}

/* One that is just compared with it needs it; those that are made stand for themselves. */
static int is_no_parent(struct call *call, const struct bvol_backup *backup)
{
	uint64_t n;
	int r = count_children(call->service, &backup->id, BVOL_BACKUP_STATUS_CREATING, &n);

	return r < 0 || !n ? r : err_set(&call->err, -EBUSY,
					 "another backup is just being made with this one as its parent; wait for it");
}

static int can_delete(struct call *call, const struct bvol_backup *backup)
{
	_cleanup_repository_ repository = NULL;
	int r = call_check_jobs(call, BVOL_A_JOB_BACKUP_ID, &backup->id, NULL, "backup");

	if (!r)
		r = is_no_parent(call, backup);
	if (!r && backup->status != BVOL_BACKUP_STATUS_ERROR &&
	    backup->status != BVOL_BACKUP_STATUS_ERROR_DELETING)
		r = backup_check_status(call, backup, "deleted");
	if (!r)
		r = store_get(call->service->store, &bvol_type_repository, &backup->repository_id,
			      (void **)&repository, &call->err);
	if (!r && scan_runs(repository->name))
		r = err_set(&call->err, -EBUSY, "repository %s is just being read; wait for it",
			    repository->name);
	return r;
}

int verb_backup_delete(struct call *call)
{
	_cleanup_backup_ backup = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r = backup_find(call, &backup);

	if (!r)
		r = can_delete(call, backup);
	if (r < 0)
		return r;
	row = backup_job(call, "backup-delete", backup);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = change_backup(&call->service->change, backup, BVOL_BACKUP_STATUS_DELETING, NULL,
				  &call->err);
	if (!r)
		r = backup_answer(call, backup);
	return call_commit(call, job, r);
}

int verb_backup_verify(struct call *call)
{
	_cleanup_backup_ backup = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r = backup_find(call, &backup);

	if (!r)
		r = backup_check_status(call, backup, "verified");
	if (r < 0)
		return r;
	row = backup_job(call, "backup-verify", backup);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_JOB, &bvol_type_job, job->row);
	return call_commit(call, job, r);
}
