// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sessions of the exports: the module knows them all. Without it there is
 * what configfs shows, read by a worker; and that reading is also what makes
 * the kernel tell a module of sessions that are older and idle.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/fabric.h"
#include "service/service.h"
#include "util/log.h"

struct session_read {
	struct call *call;	/* NULL: nobody wants the answer */
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

static int add_session(const void *obj, void *data)
{
	return call_add_next(data, BVOL_A_RESPONSE_SESSION, &bvol_type_session, obj);
}

static void session_done(void *data, int result, const struct err *why)
{
	struct session_read *read = data;
	struct call *call = read->call;
	size_t i;

	if (!call && result < 0)
		log_warn("sessions: %s", why->text);
	if (call && result < 0)
		call->err = *why;
	for (i = 0; call && !result && read->sessions->sessions[i]; i++)
		result = add_session(read->sessions->sessions[i], call);
	session_read_free(read);
	if (call)
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

/* 1: a worker reads, session_done() follows. 0: there are no exports. */
static int session_read(struct service *service, struct call *call, struct err *e)
{
	struct session_read *read = calloc(1, sizeof(*read));
	int r;

	if (!read)
		return -ENOMEM;
	read->call = call;
	r = store_select(service->store, &bvol_type_export, NULL, NULL, 0, collect_export, read, e);
	if (!r && read->n) {
		r = fabric_iscsi.sessions(read->exports, &read->sessions, e);
		if (!r)
			r = workers_run(service->workers, session_work, session_done, read);
		if (!r)
			return 1;
	}
	session_read_free(read);
	return r;
}

void service_recall(struct service *service)
{
	struct err e = { 0 };
	int r = session_read(service, NULL, &e);

	if (r < 0)
		log_warn("sessions: %s", e.code ? e.text : strerror(-r));
}

int verb_session_list(struct call *call)
{
	struct service *service = call->service;
	int r = service->wire.sessions(add_session, call, service->wire.wire);

	return r == -ENODEV ? session_read(service, call, &call->err) : r;
}
