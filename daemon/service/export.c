// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "fabric/fabric.h"
#include "service/service.h"

#define INITIATORS_MAX	16

static int take_counters(const void *obj, void *data)
{
	const struct bvol_export *from = obj;
	struct bvol_export *to = data;

	if (memcmp(&from->id, &to->id, sizeof(to->id)))
		return 0;
	codec_set(to, BVOL_A_EXPORT_SESSIONS, sessions, from->sessions);
	codec_set(to, BVOL_A_EXPORT_COMMAND_ERRORS, command_errors, from->command_errors);
	codec_set(to, BVOL_A_EXPORT_LOGIN_FAILURES, login_failures, from->login_failures);
	return 1;
}

/* The module's counters of one export. It shows all it has, so this is for who asks for them. */
static int count(struct service *service, struct bvol_export *export)
{
	struct service_wire *wire = &service->wire;
	int r = wire->exports(take_counters, export, wire->wire);

	return r < 0 && r != -ENODEV ? r : 0;
}

static int hide_secret(struct service *service, void *obj)
{
	struct bvol_export *export = obj;

	return export->auth ? codec_set_string(&bvol_type_auth, export->auth, BVOL_A_AUTH_SECRET, NULL)
			    : 0;
}

/* An export by its UUID, or by the UUID or the name of its volume. */
static int find_export(struct call *call, struct bvol_export **ret)
{
	struct service *service = call->service;
	_cleanup_volume_ volume = NULL;
	struct bvol_uuid id;
	int r;

	if (!bvol_uuid_parse(call->request->ref, &id)) {
		r = store_get(service->store, &bvol_type_export, &id, (void **)ret, &call->err);
		if (r != -ENOENT)
			return r;
	}
	r = service_find(service, &bvol_type_volume, call->request->ref, (void **)&volume, &call->err);
	if (!r)
		r = volume_export(service, &volume->id, ret, &call->err);
	if (!r && !*ret)
		r = err_set(&call->err, -ENOENT, "volume %s is not exported", volume->name);
	return r;
}

static int answer(struct call *call, struct bvol_export *export)
{
	int r = call->request->secrets ? 0 : hide_secret(call->service, export);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_EXPORT, &bvol_type_export, export);
}

static size_t list_length(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static struct bvol_export *export_new(struct call *call, const struct bvol_volume *volume)
{
	const struct bvol_request *rq = call->request;
	struct bvol_export *export = codec_new(&bvol_type_export);

	if (!export || change_new_id(&export->id) < 0 ||
	    codec_set_list(&bvol_type_export, export, BVOL_A_EXPORT_INITIATORS,
			   (const char *const *)rq->initiators, list_length(rq->initiators)) < 0 ||
	    codec_set_list(&bvol_type_export, export, BVOL_A_EXPORT_PORTALS,
			   (const char *const *)rq->portals, list_length(rq->portals)) < 0 ||
	    codec_set_string(&bvol_type_export, export, BVOL_A_EXPORT_PROJECT, volume->project) < 0) {
		bvol_free(&bvol_type_export, export);
		return NULL;
	}
	export->has |= BVOL_BIT(BVOL_A_EXPORT_ID);
	codec_set(export, BVOL_A_EXPORT_STATUS, status, BVOL_EXPORT_STATUS_CREATING);
	codec_set(export, BVOL_A_EXPORT_FABRIC, fabric,
		  bvol_has(rq, BVOL_A_REQUEST_FABRIC) ? rq->fabric : BVOL_FABRIC_ISCSI);
	codec_set(export, BVOL_A_EXPORT_VOLUME_ID, volume_id, volume->id);
	codec_set(export, BVOL_A_EXPORT_SIZE, size, volume->size);
	codec_set(export, BVOL_A_EXPORT_CREATED_AT, created_at, change_now());
	return export;
}

static int can_export(struct call *call, const struct bvol_volume *volume)
{
	_cleanup_export_ other = NULL;
	int r = volume_export(call->service, &volume->id, &other, &call->err);

	if (r < 0)
		return r;
	if (other)
		return err_set(&call->err, -EEXIST, "volume %s is exported already, as %s", volume->name,
			       other->target);
	if (volume->status != BVOL_VOLUME_STATUS_AVAILABLE)
		return err_set(&call->err, -EBUSY, "volume %s is %s and can't be exported", volume->name,
			       bvol_enum_name(&bvol_enum_volume_status, volume->status));
	if (list_length(call->request->initiators) > INITIATORS_MAX ||
	    list_length(call->request->portals) > INITIATORS_MAX)
		return err_set(&call->err, -E2BIG, "an export has at most %d initiators and portals",
			       INITIATORS_MAX);
	return 0;
}

static struct bvol_job *export_job(struct call *call, const char *kind,
				   const struct bvol_export *export)
{
	struct bvol_job *row = call_job(call, kind);

	if (!row)
		return NULL;
	codec_set(row, BVOL_A_JOB_EXPORT_ID, export_id, export->id);
	codec_set(row, BVOL_A_JOB_VOLUME_ID, volume_id, export->volume_id);
	return row;
}

/* Where the exported volume lies: after a crash a job waits for its pool. */
static int export_pool(struct call *call, const struct bvol_export *export, struct bvol_uuid *ret)
{
	_cleanup_volume_ volume = NULL;
	int r = store_get(call->service->store, &bvol_type_volume, &export->volume_id,
			  (void **)&volume, &call->err);

	if (!r)
		*ret = volume->pool_id;
	return r;
}

int verb_export_create(struct call *call)
{
	const struct fabric_ops *fabric;
	_cleanup_volume_ volume = NULL;
	_cleanup_export_ export = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r;

	r = service_find(call->service, &bvol_type_volume, call->request->volume, (void **)&volume,
			 &call->err);
	if (!r)
		r = can_export(call, volume);
	if (r < 0)
		return r;
	export = export_new(call, volume);
	if (!export)
		return -ENOMEM;
	fabric = fabric_find(export->fabric);
	if (!fabric)
		return err_set(&call->err, -EOPNOTSUPP, "this bvold can't export over %s",
			       bvol_enum_name(&bvol_enum_fabric, export->fabric));
	r = fabric->prepare(call->service->fabric_config, export, &call->err);
	if (r < 0)
		return r;
	row = export_job(call, "export-create", export);
	if (!row)
		return -ENOMEM;
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, volume->pool_id);
	r = call_begin(call, row, &job);
	if (!r)
		r = store_insert(call->service->store, &bvol_type_export, export, &call->err);
	/* The one answer that tells the secret unasked. */
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_EXPORT, &bvol_type_export, export);
	return call_commit(call, job, r);
}

int verb_export_list(struct call *call)
{
	static const struct listing hidden = {
		&bvol_type_export, BVOL_A_RESPONSE_EXPORT, hide_secret,
	};
	_cleanup_export_ export = NULL;
	int r;

	if (!call->request->ref && call->request->secrets)
		return err_set(&call->err, -EINVAL, "secrets are shown of one export at a time");
	if (!call->request->ref)
		return call_list(call, &hidden, NULL);
	r = find_export(call, &export);
	if (!r)
		r = count(call->service, export);
	return r < 0 ? r : answer(call, export);
}

int verb_export_delete(struct call *call)
{
	_cleanup_export_ export = NULL;
	struct bvol_job *row;
	struct job *job = NULL;
	int r = find_export(call, &export);

	if (!r && (export->status == BVOL_EXPORT_STATUS_CREATING ||
		   export->status == BVOL_EXPORT_STATUS_DELETING))
		r = err_set(&call->err, -EBUSY, "the export is %s; wait for it",
			    bvol_enum_name(&bvol_enum_export_status, export->status));
	if (r < 0)
		return r;
	row = export_job(call, "export-delete", export);
	if (!row)
		return -ENOMEM;
	r = export_pool(call, export, &row->pool_id);
	if (r < 0) {
		bvol_free(&bvol_type_job, row);
		return r;
	}
	row->has |= BVOL_BIT(BVOL_A_JOB_POOL_ID);
	r = call_begin(call, row, &job);
	if (!r)
		r = change_export(&call->service->change, export, BVOL_EXPORT_STATUS_DELETING, NULL,
				  &call->err);
	if (!r)
		r = answer(call, export);
	return call_commit(call, job, r);
}
