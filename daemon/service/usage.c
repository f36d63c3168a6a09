// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How full the pools are: read by workers, kept in memory. Rounds: everyone
 * who asks while a round is under way waits for the next one, whose numbers
 * are younger than his question. A pool that does not answer within a second
 * keeps its old numbers and its worker; the others are not held up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"
#include "util/log.h"

#define ROUND_USEC	(1000 * 1000)
/* What is promised is counted in the database; what is used changes as fast as a disk writes. */
#define RECENT_NSEC	(UINT64_C(500) * 1000 * 1000)

struct waiter {
	struct waiter *next;
	void (*then)(void *data);
	void *data;
};

struct pool_usage {
	struct pool_usage *next;
	struct service *service;
	struct provider_stat *stat;	/* in a worker now */
	unsigned int round;
	struct provider_usage u;	/* all 0 until it was read once */
};

struct usage {
	struct pool_usage *pools;
	struct waiter *now, *next;
	unsigned int round, outstanding;
	/* CLOCK_REALTIME in nanoseconds: this round's start, that of the last one that ended. */
	uint64_t begun, read;
	uint64_t forgotten;	/* what is older has been overtaken */
	struct source *timer;
};

static int round_start(struct service *service);

static struct pool_usage *pool_find(struct service *service, const struct bvol_uuid *id)
{
	struct pool_usage *p = service->usage->pools;

	while (p && memcmp(&p->u.pool_id, id, sizeof(*id)))
		p = p->next;
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->service = service;
	p->u.pool_id = *id;
	p->next = service->usage->pools;
	service->usage->pools = p;
	return p;
}

static void round_end(struct service *service)
{
	struct usage *usage = service->usage;
	struct waiter *w = usage->now, *next;

	usage->timer = source_free(usage->timer);
	usage->now = NULL;
	usage->outstanding = 0;
	usage->read = usage->begun;
	usage->round++;
	for (; w; w = next) {
		next = w->next;
		w->then(w->data);
		free(w);
	}
	if (usage->next && !usage->now)
		round_start(service);
}

static int on_late(struct source *source, uint32_t events, void *data)
{
	log_warn("a pool does not answer; going on without its numbers");
	round_end(data);
	return 0;
}

/* A pool whose kernel side got worse or better is told of, once. */
static void pool_status(struct service *service, const struct provider_usage *u)
{
	struct bvol_pool *pool = NULL;
	struct err e = { 0 };
	bool legal;
	int r = store_get(service->store, &bvol_type_pool, &u->pool_id, (void **)&pool, &e);

	if (r < 0)
		return;
	legal = pool->status == BVOL_POOL_STATUS_AVAILABLE ||
		pool->status == BVOL_POOL_STATUS_READ_ONLY;
	if (legal && pool->status != u->status && !change_begin(&service->change, &e)) {
		r = change_pool(&service->change, pool, u->status,
				u->error[0] ? u->error : NULL, &e);
		if (!r)
			r = change_commit(&service->change, &e);
		if (r < 0)
			change_rollback(&service->change);
	}
	bvol_free(&bvol_type_pool, pool);
}

static int stat_work(void *data, struct err *e)
{
	struct pool_usage *p = data;

	return p->stat->action.act(&p->stat->action, e);
}

static void stat_done(void *data, int result, const struct err *e)
{
	struct pool_usage *p = data;
	struct usage *usage = p->service->usage;
	struct bvol_uuid id = p->u.pool_id;

	if (result < 0) {
		log_warn("pool usage: %s", e->text);
	} else {
		p->u = p->stat->usage;
		p->u.pool_id = id;
		pool_status(p->service, &p->u);
		space_read(p->service, &p->u);
	}
	p->stat->action.free(&p->stat->action);
	p->stat = NULL;
	if (p->round == usage->round && usage->outstanding && --usage->outstanding == 0)
		round_end(p->service);
}

static int pool_start(void *obj, void *data)
{
	struct bvol_pool *pool = obj;
	struct service *service = data;
	const struct provider_ops *provider = provider_find(pool->provider);
	struct pool_usage *p = pool_find(service, &pool->id);
	struct err e = { 0 };

	if ((pool->status != BVOL_POOL_STATUS_AVAILABLE && pool->status != BVOL_POOL_STATUS_READ_ONLY) ||
	    !provider)
		return 0;
	if (!p)
		return -ENOMEM;
	if (p->stat)
		return 0;
	if (provider->pool_stat(pool, &p->stat, &e) < 0) {
		log_warn("pool usage: %s", e.text);
		return 0;
	}
	p->round = service->usage->round;
	service->usage->outstanding++;
	if (workers_run(service->workers, stat_work, stat_done, p) < 0) {
		service->usage->outstanding--;
		p->stat->action.free(&p->stat->action);
		p->stat = NULL;
	}
	return 0;
}

static int round_start(struct service *service)
{
	struct usage *usage = service->usage;
	struct err e = { 0 };
	int r;

	usage->now = usage->next;
	usage->next = NULL;
	usage->begun = change_now();
	r = store_select(service->store, &bvol_type_pool, NULL, NULL, 0, pool_start, service, &e);
	if (r < 0)
		log_warn("pool usage: %s", e.text);
	if (!usage->outstanding)
		round_end(service);
	else
		r = loop_timer(service->loop, ROUND_USEC, on_late, service, &usage->timer);
	return r;
}

/* One that has come since the last round has no numbers yet. */
static int is_unread(void *obj, void *data)
{
	struct bvol_pool *pool = obj;
	struct pool_usage *p = pool_find(data, &pool->id);

	return pool->status == BVOL_POOL_STATUS_AVAILABLE && (!p || !p->u.data_total);
}

bool usage_is_recent(struct service *service)
{
	const struct usage *usage = service->usage;
	uint64_t age = change_now() - usage->read;

	/* After a step back of the clock it is huge. */
	return age < RECENT_NSEC && usage->read > usage->forgotten &&
	       !store_select(service->store, &bvol_type_pool, NULL, NULL, 0, is_unread, service, NULL);
}

void usage_forget(struct service *service)
{
	service->usage->forgotten = change_now();
}

int usage_refresh(struct service *service, void (*then)(void *data), void *data)
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct waiter) { .next = service->usage->next, .then = then, .data = data };
	service->usage->next = w;
	if (!service->usage->now)
		round_start(service);
	return 0;
}

/* On its way up, or asked in an earlier round and silent since: nothing new is placed there. */
static int mark_silent(struct service *service, const struct pool_usage *p, struct bvol_pool *pool)
{
	if ((!engine_is_unknown(&service->engine, &pool->id) &&
	     (!p->stat || p->round == service->usage->round)) ||
	    (pool->status != BVOL_POOL_STATUS_AVAILABLE &&
	     pool->status != BVOL_POOL_STATUS_READ_ONLY))
		return 0;
	codec_set(pool, BVOL_A_POOL_STATUS, status, BVOL_POOL_STATUS_ERROR);
	return codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_ERROR,
				engine_is_unknown(&service->engine, &pool->id) ?
				"it is still being brought up" : "it does not answer");
}

int usage_fill(struct service *service, struct bvol_pool *pool)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_POOL_ID, .id = &pool->id }, { 0 },
	};
	struct pool_usage *p = pool_find(service, &pool->id);
	uint64_t provisioned;
	int r;

	if (!p)
		return -ENOMEM;
	codec_set(pool, BVOL_A_POOL_DATA_TOTAL, data_total, p->u.data_total);
	codec_set(pool, BVOL_A_POOL_DATA_USED, data_used, p->u.data_used);
	codec_set(pool, BVOL_A_POOL_METADATA_TOTAL, metadata_total, p->u.metadata_total);
	codec_set(pool, BVOL_A_POOL_METADATA_USED, metadata_used, p->u.metadata_used);
	codec_set(pool, BVOL_A_POOL_TRANSACTION_ID, transaction_id, p->u.transaction_id);
	r = store_sum(service->store, &bvol_type_volume, BVOL_A_VOLUME_SIZE, match, &provisioned,
		      NULL);
	if (r < 0)
		return r;
	codec_set(pool, BVOL_A_POOL_PROVISIONED, provisioned, provisioned);
	r = space_fill(service, pool, &p->u);
	return r < 0 ? r : mark_silent(service, p, pool);
}

int usage_init(struct service *service)
{
	service->usage = calloc(1, sizeof(*service->usage));
	return service->usage ? 0 : -ENOMEM;
}

void usage_deinit(struct service *service)
{
	struct usage *usage = service->usage;
	struct pool_usage *p;

	if (!usage)
		return;
	usage->timer = source_free(usage->timer);
	while ((p = usage->pools)) {
		usage->pools = p->next;
		if (!p->stat)
			free(p);
	}
	free(usage);
	service->usage = NULL;
}
