// SPDX-License-Identifier: LGPL-2.1-or-later
/* Verbs that only look: jobs, sessions, the daemon itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/fabric.h"
#include "service/service.h"

int verb_job_list(struct call *call)
{
	static const struct listing jobs = { &bvol_type_job, BVOL_A_RESPONSE_JOB, NULL };
	struct store_match open[] = {
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_DONE, .not = true },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_FAILED, .not = true },
		{ 0 },
	};
	void *job = NULL;
	int r;

	if (!call->request->ref)
		return call_list(call, &jobs, call->request->all ? NULL : open);
	r = service_find(call->service, &bvol_type_job, call->request->ref, &job, &call->err);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_JOB, &bvol_type_job, job);
	bvol_free(&bvol_type_job, job);
	return r;
}

static int add_session(const void *obj, void *data)
{
	return call_add(data, BVOL_A_RESPONSE_SESSION, &bvol_type_session, obj);
}

/* Without the module: what configfs shows, read by a worker. */
struct session_read {
	struct call *call;
	struct fabric_sessions *sessions;
	struct bvol_export **exports;
	size_t n;
};

static void session_read_free(struct session_read *read)
{
	size_t i;

	if (read->sessions)
		read->sessions->action.free(&read->sessions->action);
	for (i = 0; i < read->n; i++)
		bvol_free(&bvol_type_export, read->exports[i]);
	free(read->exports);
	free(read);
}

static int session_work(void *data, struct err *e)
{
	struct session_read *read = data;

	return read->sessions->action.act(&read->sessions->action, e);
}

static void session_done(void *data, int result, const struct err *why)
{
	struct session_read *read = data;
	struct call *call = read->call;
	size_t i;

	if (result < 0)
		call->err = *why;
	for (i = 0; !result && read->sessions->sessions && read->sessions->sessions[i]; i++)
		result = add_session(read->sessions->sessions[i], call);
	session_read_free(read);
	call_end(call, result);
}

static int collect_export(void *obj, void *data)
{
	struct session_read *read = data;
	struct bvol_export **more = reallocarray(read->exports, read->n + 2, sizeof(*more));

	if (!more)
		return -ENOMEM;
	read->exports = more;
	more[read->n] = codec_copy(&bvol_type_export, obj);
	if (!more[read->n])
		return -ENOMEM;
	more[++read->n] = NULL;
	return 0;
}

int verb_session_list(struct call *call)
{
	struct service *service = call->service;
	struct session_read *read;
	int r;

	r = service->wire.sessions(add_session, call, service->wire.wire);
	if (r != -ENODEV)
		return r;
	read = calloc(1, sizeof(*read));
	if (!read)
		return -ENOMEM;
	read->call = call;
	r = store_select(service->store, &bvol_type_export, NULL, NULL, 0, collect_export, read,
			 &call->err);
	if (!r && !read->n) {
		session_read_free(read);
		return 0;
	}
	if (!r)
		r = fabric_iscsi.sessions(read->exports, &read->sessions, &call->err);
	if (!r)
		r = workers_run(service->workers, session_work, session_done, read);
	if (r < 0) {
		session_read_free(read);
		return r;
	}
	return 1;
}

static int count_rows(struct call *call, const struct bvol_type *type, uint32_t *ret)
{
	uint64_t n;
	int r = store_count(call->service->store, type, NULL, &n, &call->err);

	*ret = (uint32_t)n;
	return r;
}

int verb_info(struct call *call)
{
	struct service *service = call->service;
	struct bvol_info *info = codec_new(&bvol_type_info);
	_cleanup_free_ char *store = NULL;
	int r;

	if (!info || asprintf(&store, "sqlite:%s/bvol.db", service->config->state_dir) < 0) {
		bvol_free(&bvol_type_info, info);
		return -ENOMEM;
	}
	codec_set(info, BVOL_A_INFO_DAEMON_PID, daemon_pid, (uint32_t)getpid());
	service->wire.describe(info, service->wire.wire);
	codec_set(info, BVOL_A_INFO_SCHEMA, schema, store_schema(service->store));
	codec_set(info, BVOL_A_INFO_JOBS, jobs, service->engine.running);
	r = count_rows(call, &bvol_type_pool, &info->pools);
	if (!r)
		r = count_rows(call, &bvol_type_volume, &info->volumes);
	if (!r)
		r = count_rows(call, &bvol_type_snapshot, &info->snapshots);
	info->has |= BVOL_BIT(BVOL_A_INFO_POOLS) | BVOL_BIT(BVOL_A_INFO_VOLUMES) |
		     BVOL_BIT(BVOL_A_INFO_SNAPSHOTS);
	if (!r)
		r = codec_set_string(&bvol_type_info, info, BVOL_A_INFO_DAEMON_VERSION, BVOL_VERSION);
	if (!r)
		r = codec_set_string(&bvol_type_info, info, BVOL_A_INFO_STORE, store);
	if (r < 0) {
		bvol_free(&bvol_type_info, info);
		return r;
	}
	return codec_append_nest(&bvol_type_response, call->response, BVOL_A_RESPONSE_INFO, info);
}
