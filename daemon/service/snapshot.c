// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "model/state.h"
#include "sched/quota.h"
#include "service/service.h"
#include "util/str.h"

static const struct listing snapshots = { &bvol_type_snapshot, BVOL_A_RESPONSE_SNAPSHOT, NULL };

static int answer(struct call *call, const struct bvol_snapshot *snapshot)
{
	return call_add(call, BVOL_A_RESPONSE_SNAPSHOT, &bvol_type_snapshot, snapshot);
}

static int find_volume(struct call *call, struct bvol_volume **ret)
{
	return service_find(call->service, &bvol_type_volume, call->request->volume, (void **)ret,
			    &call->err);
}

/* A snapshot promises no space, but from here on every write to its volume takes some. */
static int pool_has_room(struct call *call, const struct bvol_volume *volume)
{
	struct bvol_uuid pool;

	return service_place(call->service, 0, &volume->pool_id, NULL, &pool, &call->err);
}

struct bvol_snapshot *snapshot_new(const struct bvol_volume *volume, const char *name)
{
	struct bvol_snapshot *s = codec_new(&bvol_type_snapshot);

	if (!s || change_new_id(&s->id) < 0 ||
	    codec_set_string(&bvol_type_snapshot, s, BVOL_A_SNAPSHOT_NAME, name) < 0 ||
	    codec_set_string(&bvol_type_snapshot, s, BVOL_A_SNAPSHOT_PROJECT, volume->project) < 0) {
		bvol_free(&bvol_type_snapshot, s);
		return NULL;
	}
	s->has |= BVOL_BIT(BVOL_A_SNAPSHOT_ID);
	codec_set(s, BVOL_A_SNAPSHOT_STATUS, status, BVOL_SNAPSHOT_STATUS_CREATING);
	codec_set(s, BVOL_A_SNAPSHOT_SIZE, size, volume->size);
	codec_set(s, BVOL_A_SNAPSHOT_VOLUME_ID, volume_id, volume->id);
	codec_set(s, BVOL_A_SNAPSHOT_POOL_ID, pool_id, volume->pool_id);
	codec_set(s, BVOL_A_SNAPSHOT_CREATED_AT, created_at, change_now());
	return s;
}

static struct bvol_job *snapshot_job(struct call *call, const char *kind,
				     const struct bvol_snapshot *s)
{
	struct bvol_job *row = call_job(call, kind);

	if (!row)
		return NULL;
	codec_set(row, BVOL_A_JOB_SNAPSHOT_ID, snapshot_id, s->id);
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, s->volume_id);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, s->pool_id);
	return row;
}

int snapshot_check_volume(struct call *call, const struct bvol_volume *volume)
{
	if (volume->status == BVOL_VOLUME_STATUS_AVAILABLE ||
	    volume->status == BVOL_VOLUME_STATUS_IN_USE)
		return 0;
	return err_set(&call->err, -EBUSY, "volume %s is %s; a snapshot needs it available or in-use",
		       volume->name, bvol_enum_name(&bvol_enum_volume_status, volume->status));
}

int verb_snapshot_create(struct call *call)
{
	struct service *service = call->service;
	struct quota_ask ask = { .snapshots = 1 };
	_cleanup_snapshot_ snapshot = NULL;
	_cleanup_volume_ volume = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r;

	r = str_check_name("snapshot", call->request->name, &call->err);
	if (!r)
		r = find_volume(call, &volume);
	if (!r)
		r = snapshot_check_volume(call, volume);
	if (!r)
		r = pool_has_room(call, volume);
	if (r < 0)
		return r;
	ask.bytes = volume->size;
	snapshot = snapshot_new(volume, call->request->name);
	row = snapshot ? snapshot_job(call, "snapshot-create", snapshot) : NULL;
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = quota_check(service->store, snapshot->project, &service->config->quota, &ask,
				&call->err);
	if (!r)
		r = store_insert(service->store, &bvol_type_snapshot, snapshot, &call->err);
	if (!r)
		r = answer(call, snapshot);
	return call_commit(call, job, r);
}

static int find_snapshot(struct call *call, struct bvol_snapshot **ret)
{
	return service_find(call->service, &bvol_type_snapshot, call->request->ref, (void **)ret,
			    &call->err);
}

/* Whatever happened to it while a worker looked. */
static int answer_mapped(struct call *call, const struct provider_mapped *mapped)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r = find_snapshot(call, &snapshot);

	if (r < 0)
		return r;
	if (mapped) {
		codec_set(snapshot, BVOL_A_SNAPSHOT_MAPPED, mapped, mapped->mapped);
		codec_set(snapshot, BVOL_A_SNAPSHOT_EXCLUSIVE, exclusive, mapped->exclusive);
		codec_set(snapshot, BVOL_A_SNAPSHOT_SHARED, shared,
			  mapped->mapped - mapped->exclusive);
	}
	return answer(call, snapshot);
}

int verb_snapshot_list(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct store_match match[3] = { 0 };
	_cleanup_snapshot_ snapshot = NULL;
	_cleanup_volume_ volume = NULL;
	size_t n = 0;
	int r = 0;

	if (rq->ref) {
		r = find_snapshot(call, &snapshot);
		if (!r && rq->usage)
			return mapped_ask(call, &snapshot->pool_id, &snapshot->id, answer_mapped);
		return r < 0 ? r : answer(call, snapshot);
	}
	if (rq->project)
		match[n++] = (struct store_match) {
			.attr = BVOL_A_SNAPSHOT_PROJECT, .text = rq->project };
	if (rq->volume)
		r = find_volume(call, &volume);
	if (volume)
		match[n++] = (struct store_match) {
			.attr = BVOL_A_SNAPSHOT_VOLUME_ID, .id = &volume->id };
	return r < 0 ? r : call_list(call, &snapshots, match);
}

/* A job that reads the snapshot: a volume made from it, or its own volume's revert. */
static int find_reader(void *obj, void *data)
{
	struct bvol_job *row = obj;
	struct call *call = data;
	char text[BVOL_UUID_TEXT];

	if (row->status == BVOL_JOB_STATUS_DONE || row->status == BVOL_JOB_STATUS_FAILED)
		return 0;
	return err_set(&call->err, -EBUSY, "the snapshot is in use by the %s job %s; wait for it",
		       row->kind, bvol_uuid_text(&row->id, text));
}

int snapshot_check_free(struct call *call, const struct bvol_snapshot *snapshot)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_JOB_SNAPSHOT_ID, .id = &snapshot->id }, { 0 },
	};

	if (bvol_has(snapshot, BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID) &&
	    state_transitional(&state_snapshot, snapshot->status))
		return err_set(&call->err, -EBUSY, "snapshot %s is %s, with its group; wait for it",
			       snapshot->name,
			       bvol_enum_name(&bvol_enum_snapshot_status, snapshot->status));
	return store_select(call->service->store, &bvol_type_job, match, NULL, 0, find_reader, call,
			    &call->err);
}

int verb_snapshot_delete(struct call *call)
{
	_cleanup_snapshot_ snapshot = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r;

	r = find_snapshot(call, &snapshot);
	if (!r)
		r = snapshot_check_free(call, snapshot);
	if (!r)
		r = call_check_wipe(call, call->request->wipe, call->request->verify);
	if (r < 0)
		return r;
	row = snapshot_job(call, "snapshot-delete", snapshot);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = change_snapshot(&call->service->change, snapshot,
				    BVOL_SNAPSHOT_STATUS_DELETING, NULL, &call->err);
	if (!r)
		r = answer(call, snapshot);
	return call_commit(call, job, r);
}
