// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "job/snapshots.h"
#include "model/state.h"
#include "sched/quota.h"
#include "service/service.h"
#include "util/str.h"

static int add_part(void *obj, void *data)
{
	const struct bvol_snapshot *snapshot = obj;
	char text[BVOL_UUID_TEXT];

	return codec_append_list(&bvol_type_group_snapshot, data, BVOL_A_GROUP_SNAPSHOT_SNAPSHOTS,
				 bvol_uuid_text(&snapshot->id, text));
}

static int decorate(struct service *service, void *obj)
{
	struct bvol_group_snapshot *gs = obj;
	struct store_match match[] = {
		{ .attr = BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID, .id = &gs->id }, { 0 },
	};

	return store_select(service->store, &bvol_type_snapshot, match, NULL, 0, add_part, gs, NULL);
}

static const struct listing group_snapshots = {
	&bvol_type_group_snapshot, BVOL_A_RESPONSE_GROUP_SNAPSHOT, decorate,
};

static int answer(struct call *call, struct bvol_group_snapshot *gs)
{
	int r = decorate(call->service, gs);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_GROUP_SNAPSHOT, &bvol_type_group_snapshot,
				    gs);
}

static struct bvol_group_snapshot *gs_new(struct call *call, const struct bvol_group *group)
{
	const struct bvol_type *type = &bvol_type_group_snapshot;
	struct bvol_group_snapshot *gs = codec_new(type);

	if (!gs || change_new_id(&gs->id) < 0 ||
	    codec_set_string(type, gs, BVOL_A_GROUP_SNAPSHOT_NAME, call->request->name) < 0 ||
	    codec_set_string(type, gs, BVOL_A_GROUP_SNAPSHOT_PROJECT, group->project) < 0) {
		bvol_free(type, gs);
		return NULL;
	}
	gs->has |= BVOL_BIT(BVOL_A_GROUP_SNAPSHOT_ID);
	codec_set(gs, BVOL_A_GROUP_SNAPSHOT_STATUS, status, BVOL_SNAPSHOT_STATUS_CREATING);
	codec_set(gs, BVOL_A_GROUP_SNAPSHOT_GROUP_ID, group_id, group->id);
	codec_set(gs, BVOL_A_GROUP_SNAPSHOT_CREATED_AT, created_at, change_now());
	return gs;
}

/* What is to be snapshotted, on its way into the database. */
struct taking {
	struct call *call;
	struct bvol_group_snapshot *gs;
	size_t n;
};

/* A part is called like the whole and its volume together. */
static int take_volume(void *obj, void *data)
{
	const struct bvol_volume *volume = obj;
	struct taking *t = data;
	struct call *call = t->call;
	struct service *service = call->service;
	struct quota_ask ask = { .snapshots = 1, .bytes = volume->size };
	_cleanup_snapshot_ snapshot = NULL;
	char name[2 * BVOL_NAME_MAX + 2];
	int r = snapshot_check_volume(call, volume);

	snprintf(name, sizeof(name), "%s-%s", t->gs->name, volume->name);
	if (!r)
		r = str_check_name("snapshot", name, &call->err);
	/* Those before it are in the database already, and so in the sum. */
	if (!r)
		r = quota_check(service->store, volume->project, &service->config->quota, &ask,
				&call->err);
	if (r < 0)
		return r;
	snapshot = snapshot_new(volume, name);
	if (!snapshot)
		return -ENOMEM;
	codec_set(snapshot, BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID, group_snapshot_id, t->gs->id);
	codec_set(t->gs, BVOL_A_GROUP_SNAPSHOT_POOL_ID, pool_id, volume->pool_id);
	t->n++;
	return store_insert(service->store, &bvol_type_snapshot, snapshot, &call->err);
}

/* In the transaction: the parts, room, the entry. */
static int gs_reserve(struct taking *t, const struct bvol_group *group)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_GROUP_ID, .id = &group->id }, { 0 },
	};
	struct call *call = t->call;
	struct service *service = call->service;
	struct bvol_uuid pool;
	int r = store_select(service->store, &bvol_type_volume, match, NULL, 0, take_volume, t,
			     &call->err);

	if (!r && !t->n)
		r = err_set(&call->err, -EINVAL,
			    "group %s has no volumes; first: bvolctl group add %s --volume VOLUME",
			    group->name, group->name);
	if (!r)
		r = service_place(service, 0, &t->gs->pool_id, NULL, &pool, &call->err);
	if (!r)
		r = store_insert(service->store, &bvol_type_group_snapshot, t->gs, &call->err);
	return r;
}

static struct bvol_job *gs_job(struct call *call, const char *kind,
			       const struct bvol_group_snapshot *gs)
{
	struct bvol_job *row = call_job(call, kind);

	if (!row)
		return NULL;
	codec_set(row, BVOL_A_JOB_GROUP_SNAPSHOT_ID, group_snapshot_id, gs->id);
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, gs->pool_id);
	return row;
}

int verb_group_snapshot_create(struct call *call)
{
	_cleanup_group_snapshot_ gs = NULL;
	_cleanup_group_ group = NULL;
	struct taking taking = { .call = call };
	struct bvol_job *row;
	struct job *job = NULL;
	int r = str_check_name("group snapshot", call->request->name, &call->err);

	if (!r)
		r = group_find(call, call->request->group, &group);
	if (r < 0)
		return r;
	taking.gs = gs = gs_new(call, group);
	if (!gs)
		return -ENOMEM;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = gs_reserve(&taking, group);
	row = r < 0 ? NULL : gs_job(call, "group-snapshot-create", gs);
	if (!r)
		r = row ? job_new(&call->service->engine, row, &job, &call->err) : -ENOMEM;
	if (!r)
		r = answer(call, gs);
	return call_commit(call, job, r);
}

int verb_group_snapshot_list(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct store_match match[3] = { 0 };
	_cleanup_group_snapshot_ gs = NULL;
	_cleanup_group_ group = NULL;
	size_t n = 0;
	int r = 0;

	if (rq->ref) {
		r = service_find(call->service, &bvol_type_group_snapshot, rq->ref, (void **)&gs,
				 &call->err);
		return r < 0 ? r : answer(call, gs);
	}
	if (rq->project)
		match[n++] = (struct store_match) {
			.attr = BVOL_A_GROUP_SNAPSHOT_PROJECT, .text = rq->project };
	if (rq->group)
		r = group_find(call, rq->group, &group);
	if (group)
		match[n++] = (struct store_match) {
			.attr = BVOL_A_GROUP_SNAPSHOT_GROUP_ID, .id = &group->id };
	return r < 0 ? r : call_list(call, &group_snapshots, match);
}

/* In the transaction: no part can be had by anyone from here on. */
static int doom(struct call *call, struct bvol_group_snapshot *gs, const struct snapshots *parts)
{
	struct change *change = &call->service->change;
	int r = 0;

	for (size_t i = 0; !r && i < parts->n; i++)
		r = change_snapshot(change, parts->list[i], BVOL_SNAPSHOT_STATUS_DELETING, NULL,
				    &call->err);
	return r < 0 ? r : change_group_snapshot(change, gs, BVOL_SNAPSHOT_STATUS_DELETING, NULL,
						 &call->err);
}

int verb_group_snapshot_delete(struct call *call)
{
	_cleanup_group_snapshot_ gs = NULL;
	_cleanup_snapshots_ parts = { 0 };
	struct bvol_job *row;
	struct job *job = NULL;
	int r = service_find(call->service, &bvol_type_group_snapshot, call->request->ref,
			     (void **)&gs, &call->err);

	if (!r && state_transitional(&state_snapshot, gs->status))
		r = err_set(&call->err, -EBUSY, "group snapshot %s is %s; wait for it", gs->name,
			    bvol_enum_name(&bvol_enum_snapshot_status, gs->status));
	if (!r)
		r = snapshots_of(call->service->store, &gs->id, &parts, &call->err);
	for (size_t i = 0; !r && i < parts.n; i++)
		r = snapshot_check_free(call, parts.list[i]);
	if (!r)
		r = call_check_wipe(call, call->request->wipe, call->request->verify);
	if (r < 0)
		return r;
	row = gs_job(call, "group-snapshot-delete", gs);
	if (!row)
		return -ENOMEM;
	r = call_begin(call, row, &job);
	if (!r)
		r = doom(call, gs, &parts);
	if (!r)
		r = answer(call, gs);
	return call_commit(call, job, r);
}
