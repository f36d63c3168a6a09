// SPDX-License-Identifier: LGPL-2.1-or-later
/* Groups: which volumes are snapshotted at one moment. The volumes know it, so it can't drift. */
#include <errno.h>
#include <string.h>

#include "service/service.h"
#include "util/str.h"

/* More than anyone has in one application; its origins hold still one after the other. */
#define MEMBERS_MAX 64

static int add_member(void *obj, void *data)
{
	const struct bvol_volume *volume = obj;
	struct bvol_group *group = data;
	char text[BVOL_UUID_TEXT];

	return codec_append_list(&bvol_type_group, group, BVOL_A_GROUP_VOLUMES,
				 bvol_uuid_text(&volume->id, text));
}

/* Its first member, or -ENOENT. */
static int first_member(struct service *service, const struct bvol_uuid *group_id,
			struct bvol_volume **ret, struct err *e)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_GROUP_ID, .id = group_id }, { 0 },
	};

	return store_first(service->store, &bvol_type_volume, match, (void **)ret, e);
}

static int decorate(struct service *service, void *obj)
{
	struct bvol_group *group = obj;
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_GROUP_ID, .id = &group->id }, { 0 },
	};
	_cleanup_volume_ first = NULL;
	_cleanup_pool_ pool = NULL;
	int r = store_select(service->store, &bvol_type_volume, match, NULL, 0, add_member, group,
			     NULL);

	if (!r)
		r = first_member(service, &group->id, &first, NULL);
	if (!r)
		r = store_get(service->store, &bvol_type_pool, &first->pool_id, (void **)&pool, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return codec_set_string(&bvol_type_group, group, BVOL_A_GROUP_POOL, pool->name);
}

static const struct listing groups = { &bvol_type_group, BVOL_A_RESPONSE_GROUP, decorate };

static int answer(struct call *call, struct bvol_group *group)
{
	int r = decorate(call->service, group);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_GROUP, &bvol_type_group, group);
}

int group_find(struct call *call, const char *ref, struct bvol_group **ret)
{
	return service_find(call->service, &bvol_type_group, ref, (void **)ret, &call->err);
}

int group_admits(struct call *call, const struct bvol_group *group, const char *project,
		 struct bvol_volume **first)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_GROUP_ID, .id = &group->id }, { 0 },
	};
	uint64_t n;
	int r = store_count(call->service->store, &bvol_type_volume, match, &n, &call->err);

	if (!r && n >= MEMBERS_MAX)
		r = err_set(&call->err, -ENOSPC, "group %s has %d volumes, it can't have more",
			    group->name, MEMBERS_MAX);
	if (!r && strcmp(group->project, project))
		r = err_set(&call->err, -EINVAL, "group %s belongs to project %s, not to %s",
			    group->name, group->project, project);
	if (r < 0 || !n)
		return r;
	return first_member(call->service, &group->id, first, &call->err);
}

static int check_join(struct call *call, const struct bvol_group *group,
		      const struct bvol_volume *volume)
{
	_cleanup_volume_ first = NULL;
	int r;

	if (bvol_has(volume, BVOL_A_VOLUME_GROUP_ID))
		return err_set(&call->err, -EEXIST, "volume %s is a member of a group already",
			       volume->name);
	if (volume->status == BVOL_VOLUME_STATUS_DELETING)
		return err_set(&call->err, -EBUSY, "volume %s is being deleted", volume->name);
	r = pool_stays(call, &volume->pool_id);
	if (!r)
		r = group_admits(call, group, volume->project, &first);
	if (!r && first && memcmp(&first->pool_id, &volume->pool_id, sizeof(first->pool_id)))
		r = err_set(&call->err, -EXDEV,
			    "volume %s lies in another pool than the volumes of group %s",
			    volume->name, group->name);
	return r;
}

/* The reason of an error is written anew, so it may not be the volume's own. */
static int write_member(struct call *call, struct bvol_volume *volume)
{
	_cleanup_free_ char *error = volume->error ? strdup(volume->error) : NULL;

	if (volume->error && !error)
		return -ENOMEM;
	return change_volume(&call->service->change, volume, volume->status, error, &call->err);
}

static int join(struct call *call, const struct bvol_group *group, struct bvol_volume *volume)
{
	int r = check_join(call, group, volume);

	if (r < 0)
		return r;
	codec_set(volume, BVOL_A_VOLUME_GROUP_ID, group_id, group->id);
	return write_member(call, volume);
}

static int leave(struct call *call, const struct bvol_group *group, struct bvol_volume *volume)
{
	int r;

	if (!bvol_has(volume, BVOL_A_VOLUME_GROUP_ID) ||
	    memcmp(&volume->group_id, &group->id, sizeof(group->id)))
		return err_set(&call->err, -ENOENT, "volume %s is no member of group %s",
			       volume->name, group->name);
	volume->has &= ~BVOL_BIT(BVOL_A_VOLUME_GROUP_ID);
	r = pool_stays(call, &volume->pool_id);
	return r < 0 ? r : write_member(call, volume);
}

/* In a transaction: what move does, to each volume of the request. */
static int move_members(struct call *call, const struct bvol_group *group,
			int (*move)(struct call *call, const struct bvol_group *group,
				    struct bvol_volume *volume))
{
	int r = 0;

	for (char **ref = call->request->members; !r && ref && *ref; ref++) {
		_cleanup_volume_ volume = NULL;

		r = service_find(call->service, &bvol_type_volume, *ref, (void **)&volume,
				 &call->err);
		if (!r)
			r = move(call, group, volume);
	}
	return r;
}

static struct bvol_group *group_new(struct call *call)
{
	const struct bvol_request *rq = call->request;
	const char *project = rq->project ? rq->project : call->service->config->project;
	struct bvol_group *group = codec_new(&bvol_type_group);

	if (!group || change_new_id(&group->id) < 0 ||
	    codec_set_string(&bvol_type_group, group, BVOL_A_GROUP_NAME, rq->name) < 0 ||
	    codec_set_string(&bvol_type_group, group, BVOL_A_GROUP_PROJECT, project) < 0) {
		bvol_free(&bvol_type_group, group);
		return NULL;
	}
	group->has |= BVOL_BIT(BVOL_A_GROUP_ID);
	codec_set(group, BVOL_A_GROUP_STATUS, status, BVOL_GROUP_STATUS_AVAILABLE);
	codec_set(group, BVOL_A_GROUP_CREATED_AT, created_at, change_now());
	return group;
}

int verb_group_create(struct call *call)
{
	const struct bvol_request *rq = call->request;
	_cleanup_group_ group = NULL;
	int r = str_check_name("group", rq->name, &call->err);

	if (!r && rq->project)
		r = str_check_name("project", rq->project, &call->err);
	if (r < 0)
		return r;
	group = group_new(call);
	if (!group)
		return -ENOMEM;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = store_insert(call->service->store, &bvol_type_group, group, &call->err);
	if (!r)
		r = move_members(call, group, join);
	if (!r)
		r = answer(call, group);
	return call_commit(call, NULL, r);
}

static int change_members(struct call *call,
			  int (*move)(struct call *call, const struct bvol_group *group,
				      struct bvol_volume *volume))
{
	_cleanup_group_ group = NULL;
	int r = group_find(call, call->request->ref, &group);

	if (r < 0)
		return r;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = move_members(call, group, move);
	if (!r)
		r = answer(call, group);
	return call_commit(call, NULL, r);
}

int verb_group_add(struct call *call)
{
	return change_members(call, join);
}

int verb_group_remove(struct call *call)
{
	return change_members(call, leave);
}

int verb_group_list(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct store_match match[] = {
		{ .attr = rq->project ? BVOL_A_GROUP_PROJECT : 0, .text = rq->project }, { 0 },
	};
	_cleanup_group_ group = NULL;
	int r;

	if (!rq->ref)
		return call_list(call, &groups, match);
	r = group_find(call, rq->ref, &group);
	return r < 0 ? r : answer(call, group);
}

struct leaving {
	struct call *call;
	const struct bvol_group *group;
};

static int leave_one(void *obj, void *data)
{
	struct leaving *l = data;

	return leave(l->call, l->group, obj);
}

/* Its volumes stay. */
int verb_group_delete(struct call *call)
{
	_cleanup_group_ group = NULL;
	struct store *store = call->service->store;
	struct leaving leaving = { .call = call };
	uint64_t n = 0;
	int r = group_find(call, call->request->ref, &group);

	if (r < 0)
		return r;
	struct store_match snapshots[] = {
		{ .attr = BVOL_A_GROUP_SNAPSHOT_GROUP_ID, .id = &group->id }, { 0 },
	};
	struct store_match members[] = {
		{ .attr = BVOL_A_VOLUME_GROUP_ID, .id = &group->id }, { 0 },
	};

	leaving.group = group;
	r = store_count(store, &bvol_type_group_snapshot, snapshots, &n, &call->err);
	if (!r && n)
		r = err_set(&call->err, -EBUSY,
			    "group %s has %llu group snapshot%s; delete first what bvolctl group snapshot-list --group %s shows",
			    group->name, (unsigned long long)n, n == 1 ? "" : "s", group->name);
	if (r < 0)
		return r;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = store_select(store, &bvol_type_volume, members, NULL, 0, leave_one, &leaving,
				 &call->err);
	if (!r)
		r = store_delete(store, &bvol_type_group, &group->id, &call->err);
	codec_set(group, BVOL_A_GROUP_STATUS, status, BVOL_GROUP_STATUS_DELETED);
	if (!r)
		r = answer(call, group);
	return call_commit(call, NULL, r);
}
