// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/type.h"
#include "sched/sched.h"
#include "service/service.h"
#include "util/log.h"

struct candidates {
	struct service *service;
	struct sched_candidate *list;
	size_t n;
};

static int add_candidate(void *obj, void *data)
{
	struct candidates *c = data;
	struct sched_candidate *more = reallocarray(c->list, c->n + 1, sizeof(*more));
	struct bvol_pool *pool;
	int r;

	if (!more)
		return -ENOMEM;
	c->list = more;
	pool = codec_copy(&bvol_type_pool, obj);
	if (!pool)
		return -ENOMEM;
	c->list[c->n++] = (struct sched_candidate) { .pool = pool, .thin = true };
	r = usage_fill(c->service, pool);
	return r;
}

int service_place(struct service *service, uint64_t size, const struct bvol_uuid *pool_id,
		  char *const *tried, struct bvol_uuid *ret, struct err *e)
{
	return service_place_typed(service, size, pool_id, tried, NULL, ret, e);
}

int service_place_typed(struct service *service, uint64_t size, const struct bvol_uuid *pool_id,
			char *const *tried, const struct bvol_volume_type *type,
			struct bvol_uuid *ret, struct err *e)
{
	struct sched_request request = {
		.size = size, .pool_id = pool_id, .tried = (const char *const *)tried,
		.backend = type_spec(type, "volume_backend_name"),
	};
	struct candidates c = { .service = service };
	size_t picked, i;
	int r;

	r = store_select(service->store, &bvol_type_pool, NULL, NULL, 0, add_candidate, &c, e);
	if (!r)
		r = sched_pick(c.list, c.n, &request, &picked, e);
	if (!r)
		*ret = c.list[picked].pool->id;
	for (i = 0; i < c.n; i++)
		bvol_free(&bvol_type_pool, (void *)c.list[i].pool);
	free(c.list);
	return r;
}

/* In the job's transaction. A copy stays in its origin's pool, who asked for one gets that. */
static int reschedule(struct job *job, struct bvol_volume *volume, void *data, struct err *e)
{
	struct service *service = data;
	_cleanup_type_ type = NULL;
	char text[BVOL_UUID_TEXT];
	struct bvol_uuid pool;
	int r;

	if (bvol_has(volume, BVOL_A_VOLUME_SNAPSHOT_ID) ||
	    bvol_has(volume, BVOL_A_VOLUME_SOURCE_VOLUME_ID) || job->row->pinned)
		return -ENOSPC;
	r = codec_append_list(&bvol_type_job, job->row, BVOL_A_JOB_TRIED,
			      bvol_uuid_text(&volume->pool_id, text));
	if (!r)
		r = volume_type(service, volume, &type, NULL);
	if (!r)
		r = service_place_typed(service, volume->size, NULL, job->row->tried, type, &pool,
					NULL);
	if (r < 0)
		return r;
	codec_set(volume, BVOL_A_VOLUME_POOL_ID, pool_id, pool);
	codec_set(job->row, BVOL_A_JOB_POOL_ID, pool_id, pool);
	return change_volume(&service->change, volume, volume->status, NULL, e);
}

static int announce(const struct bvol_export *export, void *data, struct err *e)
{
	struct service *service = data;

	return service->wire.announce(export, service->wire.wire, e);
}

static int withdraw(const struct bvol_uuid *export_id, void *data, struct err *e)
{
	struct service *service = data;

	return service->wire.withdraw(export_id, service->wire.wire, e);
}

static void reopen(const struct bvol_uuid *pool_id, void *data)
{
	struct service *service = data;

	service->reopen(pool_id, service->manager);
}

/* The wire numbers it and sends it on; the service is a listener like any other. */
static void emit(const struct bvol_event *event, void *data)
{
	struct service *service = data;

	/* A pool that has got one spare may want the next. */
	if (event->kind == BVOL_EVENT_KIND_POOL_EXTENDED)
		space_look(service);
	/* What is gone has made room. */
	if (event->status && (!strcmp(event->status, "deleted") || !strcmp(event->status, "exported")))
		usage_forget(service);
	service->wire.emit(event, service->wire.wire);
}

static void committed(void *data)
{
	keep_changed(data);
}

int service_init(struct service *service, struct err *e)
{
	service->change = (struct change) {
		.store = service->store, .emit = emit, .committed = committed, .data = service,
	};
	service->engine = (struct engine) {
		.change = &service->change,
		.workers = service->workers,
		.loop = service->loop,
		.repos_max = service->config->backup_jobs,
		.hooks = {
			.announce = announce,
			.withdraw = withdraw,
			.attached = service_attached,
			.reschedule = reschedule,
			.project = service->config->project,
			.reopen = reopen,
			.data = service,
		},
	};
	return usage_init(service) < 0 || keep_init(service) < 0 ? -ENOMEM : space_init(service);
}

void service_deinit(struct service *service)
{
	service->attach_timer = source_free(service->attach_timer);
	free(service->attached);
	service->attached = NULL;
	space_deinit(service);
	keep_deinit(service);
	usage_deinit(service);
	engine_deinit(&service->engine);
}
