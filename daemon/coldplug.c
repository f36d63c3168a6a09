// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Bringing the kernel to what the database wants, after a start of the daemon
 * (everything runs: nothing is touched) or of the machine (nothing runs). Each
 * pool goes its own way: opened, then its volumes, then their exports, then its
 * jobs; a pool that hangs keeps only its own waiting.
 *
 * A crash anywhere in here is the same as a crash before it: each action finds
 * out by itself what is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"
#include "model/state.h"
#include "util/log.h"

#define DEADLINE_USEC	(10 * 1000 * 1000)

struct item {
	struct action *action;
	struct bvol_uuid id;
	int result;
	struct err err;
};

/* A batch of actions of one pool, acted in order by one worker. */
struct batch {
	struct manager *manager;
	struct bvol_pool *pool;
	const struct provider_ops *provider;
	const char *what;
	void (*then)(struct batch *batch);
	struct item *items;
	size_t n, room;
};

static struct batch *batch_free(struct batch *b)
{
	bvol_free(&bvol_type_pool, b->pool);
	free(b->items);
	free(b);
	return NULL;
}

static int batch_add(struct batch *b, struct action *action, const struct bvol_uuid *id)
{
	if (!action)
		return 0;
	if (b->n == b->room) {
		size_t room = b->room ? 2 * b->room : 64;
		void *more = reallocarray(b->items, room, sizeof(*b->items));

		if (!more) {
			action_free(action);
			return -ENOMEM;
		}
		b->items = more;
		b->room = room;
	}
	b->items[b->n++] = (struct item) { .action = action, .id = *id };
	return 0;
}

static int batch_work(void *data, struct err *e)
{
	struct batch *b = data;
	size_t i;

	for (i = 0; i < b->n; i++) {
		b->items[i].result = b->items[i].action->act(b->items[i].action, &b->items[i].err);
		if (b->items[i].result < 0)
			err_set(&b->items[i].err, b->items[i].result, "%s: %s", b->what,
				strerror(-b->items[i].result));
	}
	return 0;
}

/* Writes what became of one item; item->result says how it went. */
typedef int (*batch_verdict)(struct batch *b, const struct item *item, struct err *e);

/* In a transaction: what the actions have found out, and what could not be done. */
static int batch_record(struct batch *b, batch_verdict verdict, struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < b->n; i++) {
		struct item *item = &b->items[i];

		if (item->result < 0) {
			b->manager->failed++;
			log_err("%s", item->err.text);
		} else if (item->action->commit) {
			r = item->action->commit(item->action, b->manager->service.store, e);
		}
		if (!r)
			r = verdict(b, item, e);
	}
	return r;
}

static void batch_clear(struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		action_free(b->items[i].action);
	b->n = 0;
}

static int batch_commit(struct batch *b, batch_verdict verdict)
{
	struct change *change = &b->manager->service.change;
	struct err e = { 0 };
	int r = change_begin(change, &e);

	if (!r)
		r = batch_record(b, verdict, &e);
	if (!r)
		r = change_commit(change, &e);
	if (r < 0) {
		change_rollback(change);
		log_err("%s: %s", b->what, e.code ? e.text : strerror(-r));
	}
	batch_clear(b);
	return r;
}

static void batch_done(void *data, int result, const struct err *e)
{
	struct batch *b = data;

	b->then(b);
}

static void pool_up(struct batch *b);

/* Plan within a transaction (plans may record an intent), act, go on with then. */
static void batch_run(struct batch *b, const char *what, int (*plan)(struct batch *b, struct err *e),
		      void (*then)(struct batch *b))
{
	struct change *change = &b->manager->service.change;
	struct err e = { 0 };
	int r;

	b->what = what;
	b->then = then;
	r = change_begin(change, &e);
	if (!r)
		r = plan(b, &e);
	if (!r)
		r = change_commit(change, &e);
	if (!r && !b->n) {
		then(b);
		return;
	}
	if (!r)
		r = workers_run(b->manager->workers, batch_work, batch_done, b);
	if (r < 0) {
		change_rollback(change);
		log_err("pool %s: %s: %s", b->pool->name, what, e.code ? e.text : strerror(-r));
		b->manager->failed++;
		batch_clear(b);
		pool_up(b);
	}
}

/* The end of a pool's way, good or bad. */
static void pool_up(struct batch *b)
{
	struct manager *m = b->manager;

	engine_open(&m->service.engine, &b->pool->id);
	keep_changed(&m->service);
	batch_free(b);
	if (--m->opening)
		return;
	/* Pools that have come late bring volumes with them. */
	if (m->ready) {
		service_attach(&m->service);
		space_look(&m->service);
	}
	manager_ready(m);
}

/* One that could not be put back is tried again at the next start. */
static int export_verdict(struct batch *b, const struct item *item, struct err *e)
{
	struct service *service = &b->manager->service;
	_cleanup_export_ export = NULL;
	uint32_t status = item->result < 0 ? BVOL_EXPORT_STATUS_ERROR : BVOL_EXPORT_STATUS_AVAILABLE;
	int r = store_get(service->store, &bvol_type_export, &item->id, (void **)&export, e);

	if (r < 0 || export->status == status)
		return r;
	return change_export(&service->change, export, status,
			     item->result < 0 ? item->err.text : NULL, e);
}

static void exports_done(struct batch *b)
{
	struct err e = { 0 };

	batch_commit(b, export_verdict);
	if (engine_resume(&b->manager->service.engine, &b->pool->id, &e) < 0)
		log_err("pool %s: %s", b->pool->name, e.text);
	pool_up(b);
}

static int plan_export(void *obj, void *data)
{
	struct bvol_export *export = obj;
	struct batch *b = data;
	struct store *store = b->manager->service.store;
	const struct fabric_ops *fabric = fabric_find(export->fabric);
	_cleanup_volume_ volume = NULL;
	struct action *action = NULL;
	struct err e = { 0 };
	char node[32];
	bool found;
	int r;

	if ((export->status != BVOL_EXPORT_STATUS_AVAILABLE &&
	     export->status != BVOL_EXPORT_STATUS_ERROR) || !fabric)
		return 0;
	r = store_get(store, &bvol_type_volume, &export->volume_id, (void **)&volume, &e);
	if (r < 0 || memcmp(&volume->pool_id, &b->pool->id, sizeof(b->pool->id)))
		return r == -ENOENT ? 0 : r;
	r = b->provider->device(&export->volume_id, node, &found);
	if (!r && found)
		r = fabric->add(export, node, &action, &e);
	if (r < 0 || !found) {
		log_err("export %s: %s", export->target,
			r < 0 ? e.text : "its volume is not active");
		b->manager->failed++;
		return 0;
	}
	return batch_add(b, action, &export->id);
}

static int plan_exports(struct batch *b, struct err *e)
{
	return store_select(b->manager->service.store, &bvol_type_export, NULL, NULL, 0, plan_export,
			    b, e);
}

/* The status stays what is wanted; the error says why the device is not there. */
static int volume_verdict(struct batch *b, const struct item *item, struct err *e)
{
	struct service *service = &b->manager->service;
	_cleanup_volume_ volume = NULL;
	int r = store_get(service->store, &bvol_type_volume, &item->id, (void **)&volume, e);

	if (r < 0 || (item->result == 0 && !volume->error))
		return r;
	return change_volume(&service->change, volume, volume->status,
			     item->result < 0 ? item->err.text : NULL, e);
}

static void volumes_done(struct batch *b)
{
	batch_commit(b, volume_verdict);
	batch_run(b, "bringing exports up", plan_exports, exports_done);
}

/* A block device is wanted for an export; one that is there is set right. */
static int volume_wanted(struct batch *b, const struct bvol_volume *volume, bool *ret, struct err *e)
{
	_cleanup_export_ export = NULL;
	char node[32];
	int r = volume_export(&b->manager->service, &volume->id, &export, e);

	*ret = export;
	return r < 0 || export ? r : b->provider->device(&volume->id, node, ret);
}

/* Volumes that a job works on are left to that job, which knows what it was at. */
static int plan_volume(void *obj, void *data)
{
	struct bvol_volume *volume = obj;
	struct batch *b = data;
	struct action *action = NULL;
	struct err e = { 0 };
	bool wanted;
	int r;

	switch (volume->status) {
	case BVOL_VOLUME_STATUS_AVAILABLE:
	case BVOL_VOLUME_STATUS_IN_USE:
	case BVOL_VOLUME_STATUS_EXTENDING:
	case BVOL_VOLUME_STATUS_ERROR_EXTENDING:
	case BVOL_VOLUME_STATUS_BACKING_UP:
		break;
	default:
		return 0;
	}
	r = volume_wanted(b, volume, &wanted, &e);
	if (!r && wanted)
		r = b->provider->activate(b->manager->service.store, b->pool, &volume->id,
					  volume->size, &action, &e);
	if (r < 0) {
		log_err("volume %s: %s", volume->name, e.code ? e.text : strerror(-r));
		b->manager->failed++;
		return 0;
	}
	return batch_add(b, action, &volume->id);
}

static int plan_volumes(struct batch *b, struct err *e)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_POOL_ID, .id = &b->pool->id }, { 0 },
	};

	return store_select(b->manager->service.store, &bvol_type_volume, match, NULL, 0, plan_volume,
			    b, e);
}

static int pool_verdict(struct batch *b, const struct item *item, struct err *e)
{
	uint32_t status = item->result < 0 ? BVOL_POOL_STATUS_ERROR : BVOL_POOL_STATUS_AVAILABLE;

	/* The reason may be another one than last time. */
	if (b->pool->status == status && status != BVOL_POOL_STATUS_ERROR)
		return 0;
	return change_pool(&b->manager->service.change, b->pool, status,
			   item->result < 0 ? item->err.text : NULL, e);
}

/* A pool that can't be trusted serves nothing; its jobs wait for the day it can. */
static void pool_done(struct batch *b)
{
	bool open = b->n && b->items[0].result == 0;

	if (!open)
		latecomers_watch(b->manager);
	if (batch_commit(b, pool_verdict) < 0 || !open)
		pool_up(b);
	else
		batch_run(b, "bringing volumes up", plan_volumes, volumes_done);
}

static int plan_pool(struct batch *b, struct err *e)
{
	struct action *action = NULL;
	int r = b->provider->pool_open(b->manager->service.store, b->pool, &action, e);

	return r < 0 ? r : batch_add(b, action, &b->pool->id);
}

static int pool_start(void *obj, void *data)
{
	struct manager *m = data;
	struct batch *b = calloc(1, sizeof(*b));
	struct err e = { 0 };
	bool works;
	int r;

	if (!b)
		return -ENOMEM;
	b->manager = m;
	b->pool = codec_copy(&bvol_type_pool, obj);
	/* A repair that was cut off goes on first, and asks for this when it has ended. */
	r = b->pool ? engine_heal(&m->service.engine, &b->pool->id, &e) : -ENOMEM;
	if (r) {
		batch_free(b);
		return r < 0 ? r : 0;
	}
	works = m->ready && b->pool->status == BVOL_POOL_STATUS_AVAILABLE;
	if (engine_close(&m->service.engine, &b->pool->id, works) < 0) {
		batch_free(b);
		return -ENOMEM;
	}
	b->provider = provider_find(b->pool->provider);
	m->opening++;
	if (!b->provider)
		pool_up(b);
	else if (state_transitional(&state_pool, b->pool->status))
		exports_done(b);
	else
		batch_run(b, "opening the pool", plan_pool, pool_done);
	return 0;
}

static int pool_again(void *obj, void *data)
{
	const struct bvol_pool *pool = obj;

	return pool->status == BVOL_POOL_STATUS_ERROR ? pool_start(obj, data) : 0;
}

int manager_coldplug_again(struct manager *m, struct err *e)
{
	return store_select(m->service.store, &bvol_type_pool, NULL, NULL, 0, pool_again, m, e);
}

/* After a repair. */
void manager_reopen(const struct bvol_uuid *pool_id, void *data)
{
	struct manager *m = data;
	void *pool = NULL;
	struct err e = { 0 };
	int r = store_get(m->service.store, &bvol_type_pool, pool_id, &pool, &e);

	if (!r) {
		r = pool_start(pool, m);
		bvol_free(&bvol_type_pool, pool);
	}
	if (r < 0)
		log_err("can't bring a pool up: %s", e.code ? e.text : strerror(-r));
}

static int on_deadline(struct source *source, uint32_t events, void *data)
{
	log_warn("going on without the pools that do not answer");
	manager_ready(data);
	return 0;
}

int manager_coldplug(struct manager *m, struct err *e)
{
	int r;

	r = loop_timer(m->loop, DEADLINE_USEC, on_deadline, m, &m->deadline);
	if (!r)
		r = engine_count(&m->service.engine, e);
	/* Jobs that need no pool wait for none. */
	if (!r)
		r = engine_resume(&m->service.engine, NULL, e);
	/* Counted once for this walk, so that a pool that is up at once does not end it. */
	m->opening = 1;
	if (!r)
		r = store_select(m->service.store, &bvol_type_pool, NULL, NULL, 0, pool_start, m, e);
	if (r < 0)
		return err_set(e, r, "can't bring the pools up: %s", strerror(-r));
	if (--m->opening == 0)
		manager_ready(m);
	return 0;
}
