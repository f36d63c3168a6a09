// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/type.h"
#include "service/service.h"
#include "util/str.h"

static const struct listing types = { &bvol_type_volume_type, BVOL_A_RESPONSE_TYPE, NULL };

static int answer(struct call *call, const struct bvol_volume_type *type)
{
	return call_add(call, BVOL_A_RESPONSE_TYPE, &bvol_type_volume_type, type);
}

static int find_type(struct call *call, struct bvol_volume_type **ret)
{
	return service_find(call->service, &bvol_type_volume_type, call->request->ref, (void **)ret,
			    &call->err);
}

int volume_type(struct service *service, const struct bvol_volume *volume,
		struct bvol_volume_type **ret, struct err *e)
{
	*ret = NULL;
	if (!bvol_has(volume, BVOL_A_VOLUME_VOLUME_TYPE_ID))
		return 0;
	return store_get(service->store, &bvol_type_volume_type, &volume->volume_type_id,
			 (void **)ret, e);
}

static int name_free(struct call *call, const struct bvol_volume_type *type, const char *name)
{
	struct store_match match[] = { { .attr = BVOL_A_VOLUME_TYPE_NAME, .text = name }, { 0 } };
	_cleanup_type_ other = NULL;
	int r = str_check_name("type", name, &call->err);

	if (!r)
		r = store_first(call->service->store, &bvol_type_volume_type, match, (void **)&other,
				&call->err);
	if (r == -ENOENT || (!r && !memcmp(&other->id, &type->id, sizeof(type->id))))
		return 0;
	return r < 0 ? r : err_set(&call->err, -EEXIST,
				   "there is a volume type called \"%s\" already", name);
}

static int in_use(struct call *call, const struct bvol_volume_type *type, const char *todo)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_VOLUME_TYPE_ID, .id = &type->id }, { 0 },
	};
	uint64_t n;
	int r = store_count(call->service->store, &bvol_type_volume, match, &n, &call->err);

	if (!r && n)
		r = err_set(&call->err, -EBUSY, "%llu volume%s of type %s; it can't be %s",
			    (unsigned long long)n, n == 1 ? " is" : "s are", type->name, todo);
	return r;
}

static int append(struct bvol_volume_type *type, const char *spec)
{
	return codec_append_list(&bvol_type_volume_type, type, BVOL_A_VOLUME_TYPE_EXTRA_SPECS, spec);
}

/* The spec with this key goes; another one comes in its place, or behind the others, or none. */
static int replace_spec(struct bvol_volume_type *type, const char *key, const char *spec)
{
	char **old = type->extra_specs;
	int r = 0;

	type->extra_specs = NULL;
	type->has &= ~BVOL_BIT(BVOL_A_VOLUME_TYPE_EXTRA_SPECS);
	for (char **one = old; one && *one; one++) {
		bool same = type_same_key(*one, key);

		if (!r && (!same || spec))
			r = append(type, same ? spec : *one);
		if (same)
			spec = NULL;
		free(*one);
	}
	free(old);
	return r || !spec ? r : append(type, spec);
}

static int put_spec(struct call *call, struct bvol_volume_type *type, const char *spec)
{
	size_t n = 0;
	int r = type_check_spec(spec, &call->err);

	while (type->extra_specs && type->extra_specs[n])
		n++;
	if (!r && n == TYPE_SPECS_MAX)
		r = err_set(&call->err, -ENOSPC, "a type has at most %d extra specs",
			    TYPE_SPECS_MAX);
	return r < 0 ? r : replace_spec(type, spec, spec);
}

/* What create and set have in common. */
static int put_fields(struct call *call, struct bvol_volume_type *type)
{
	const struct bvol_request *rq = call->request;
	int r = 0;

	if (rq->public && rq->private)
		return err_set(&call->err, -EINVAL, "a type is public or private, not both");
	if (rq->name)
		r = name_free(call, type, rq->name);
	if (!r && rq->name)
		r = codec_set_string(&bvol_type_volume_type, type, BVOL_A_VOLUME_TYPE_NAME, rq->name);
	if (!r && rq->description)
		r = type_check_description(rq->description, &call->err);
	if (!r && rq->description)
		r = codec_set_string(&bvol_type_volume_type, type, BVOL_A_VOLUME_TYPE_DESCRIPTION,
				     rq->description);
	if (rq->public || rq->private)
		codec_set(type, BVOL_A_VOLUME_TYPE_PUBLIC, public, !rq->private);
	for (char **spec = rq->extra_specs; !r && spec && *spec; spec++)
		r = put_spec(call, type, *spec);
	return r;
}

int verb_type_create(struct call *call)
{
	_cleanup_type_ type = codec_new(&bvol_type_volume_type);
	int r;

	if (!type || change_new_id(&type->id) < 0)
		return -ENOMEM;
	type->has |= BVOL_BIT(BVOL_A_VOLUME_TYPE_ID);
	codec_set(type, BVOL_A_VOLUME_TYPE_PUBLIC, public, 1);
	codec_set(type, BVOL_A_VOLUME_TYPE_CREATED_AT, created_at, change_now());
	r = put_fields(call, type);
	if (r < 0)
		return r;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = store_insert(call->service->store, &bvol_type_volume_type, type, &call->err);
	if (!r)
		r = answer(call, type);
	return call_commit(call, NULL, r);
}

int verb_type_list(struct call *call)
{
	_cleanup_type_ type = NULL;
	int r;

	if (!call->request->ref)
		return call_list(call, &types, NULL);
	r = find_type(call, &type);
	return r < 0 ? r : answer(call, type);
}

static int type_write(struct call *call, const struct bvol_volume_type *type)
{
	int r = call_begin(call, NULL, NULL);

	if (!r)
		r = store_update(call->service->store, &bvol_type_volume_type, type, &call->err);
	if (!r)
		r = answer(call, type);
	return call_commit(call, NULL, r);
}

/* What a volume was made with stays what it is: Cinder's rule. */
int verb_type_set(struct call *call)
{
	_cleanup_type_ type = NULL;
	int r = find_type(call, &type);

	if (!r && call->request->extra_specs)
		r = in_use(call, type, "given other extra specs");
	if (!r)
		r = put_fields(call, type);
	return r < 0 ? r : type_write(call, type);
}

static int drop_spec(struct call *call, struct bvol_volume_type *type, const char *key)
{
	if (strchr(key, '=') || !type_spec(type, key))
		return err_set(&call->err, -ENOENT, "type %s has no extra spec %s", type->name, key);
	return replace_spec(type, key, NULL);
}

int verb_type_unset(struct call *call)
{
	_cleanup_type_ type = NULL;
	int r = find_type(call, &type);

	if (!r)
		r = in_use(call, type, "given other extra specs");
	for (char **key = call->request->keys; !r && key && *key; key++)
		r = drop_spec(call, type, *key);
	return r < 0 ? r : type_write(call, type);
}

int verb_type_delete(struct call *call)
{
	_cleanup_type_ type = NULL;
	int r = find_type(call, &type);

	if (!r)
		r = in_use(call, type, "deleted");
	if (r < 0)
		return r;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = store_delete(call->service->store, &bvol_type_volume_type, &type->id, &call->err);
	if (!r)
		r = answer(call, type);
	return call_commit(call, NULL, r);
}
