// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "sched/quota.h"
#include "service/service.h"
#include "util/str.h"

static int answer(struct call *call, const char *project)
{
	struct service *service = call->service;
	struct bvol_quota *quota;
	int r = quota_get(service->store, project, &service->config->quota, &quota, &call->err);

	if (r < 0)
		return r;
	r = call_add_next(call, BVOL_A_RESPONSE_QUOTA, &bvol_type_quota, quota);
	bvol_free(&bvol_type_quota, quota);
	return r;
}

static int add_row(void *obj, void *data)
{
	struct bvol_quota *row = obj;
	struct call *call = data;

	return strcmp(row->project, call->service->config->project) ? answer(call, row->project) : 0;
}

/* The default project, then every one that has limits of its own. */
int verb_quota_list(struct call *call)
{
	int r;

	if (call->request->ref) {
		r = str_check_name("project", call->request->ref, &call->err);
		return r < 0 ? r : answer(call, call->request->ref);
	}
	r = answer(call, call->service->config->project);
	return r < 0 ? r : store_select(call->service->store, &bvol_type_quota, NULL, NULL, 0, add_row,
					call, &call->err);
}

static int check_limit(struct call *call, const char *what, int64_t limit)
{
	return limit >= -1 ? 0 : err_set(&call->err, -EINVAL,
					 "a limit of %s is -1 (none) or a number, not %lld", what,
					 (long long)limit);
}

int verb_quota_set(struct call *call)
{
	const struct bvol_request *rq = call->request;
	struct store *store = call->service->store;
	struct bvol_quota *quota = NULL;
	bool known = true;
	int r;

	r = str_check_name("project", rq->ref, &call->err);
	if (!r)
		r = check_limit(call, "volumes", rq->volumes);
	if (!r)
		r = check_limit(call, "snapshots", rq->snapshots);
	if (!r)
		r = check_limit(call, "gigabytes", rq->gigabytes);
	if (r < 0)
		return r;
	r = store_get(store, &bvol_type_quota, rq->ref, (void **)&quota, &call->err);
	if (r == -ENOENT) {
		/* What is not named stays empty and follows the configuration. */
		known = false;
		quota = codec_new(&bvol_type_quota);
		r = quota ? codec_set_string(&bvol_type_quota, quota, BVOL_A_QUOTA_PROJECT, rq->ref)
			  : -ENOMEM;
	}
	if (r < 0) {
		bvol_free(&bvol_type_quota, quota);
		return r;
	}
	if (bvol_has(rq, BVOL_A_REQUEST_VOLUMES))
		codec_set(quota, BVOL_A_QUOTA_VOLUMES, volumes, rq->volumes);
	if (bvol_has(rq, BVOL_A_REQUEST_SNAPSHOTS))
		codec_set(quota, BVOL_A_QUOTA_SNAPSHOTS, snapshots, rq->snapshots);
	if (bvol_has(rq, BVOL_A_REQUEST_GIGABYTES))
		codec_set(quota, BVOL_A_QUOTA_GIGABYTES, gigabytes, rq->gigabytes);
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = known ? store_update(store, &bvol_type_quota, quota, &call->err)
			  : store_insert(store, &bvol_type_quota, quota, &call->err);
	bvol_free(&bvol_type_quota, quota);
	if (!r)
		r = answer(call, rq->ref);
	return call_commit(call, NULL, r);
}
