// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Each pool carries a copy of what the database has of it. A moment after a transaction
 * the rows are written down for each pool, and where they differ from what it carries a
 * worker writes them onto it. No call waits for that; while nothing changes there is no
 * timer; writing down takes at most a twentieth of the loop's time, however many volumes
 * there are. A pool that hangs keeps its worker and is not written to by another one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "job/rowset.h"
#include "service/service.h"
#include "util/log.h"
#include "util/sha256.h"

#define PAUSE_USEC	(1000 * 1000)
/* The pause is as many times what writing down has taken. */
#define PAUSE_TIMES	20

struct keep_pool {
	struct keep_pool *next;
	struct service *service;
	struct bvol_uuid id;
	struct provider_kept *writing;	/* in a worker now */
	char hash[SHA256_TEXT];		/* of what it carries, "" before that is known */
	char fresh[SHA256_TEXT];	/* of what is being written */
	uint64_t at;
	char error[BVOL_SENTENCE_MAX + 1];
};

struct keep {
	struct source *timer;
	bool armed;
	uint64_t pause;		/* microseconds */
	struct keep_pool *pools;
};

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct keep_pool *find(const struct service *service, const struct bvol_uuid *id)
{
	struct keep_pool *p = service->keep->pools;

	while (p && memcmp(&p->id, id, sizeof(*id)))
		p = p->next;
	return p;
}

static struct keep_pool *find_or_new(struct service *service, const struct bvol_uuid *id)
{
	struct keep_pool *p = find(service, id);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->service = service;
	p->id = *id;
	p->next = service->keep->pools;
	service->keep->pools = p;
	return p;
}

/* What can't be written is told once, and tried again with the next change. */
static void complain(struct keep_pool *p, const char *why)
{
	if (strcmp(p->error, why))
		log_warn("the copy of the database's rows on a pool is not current: %s", why);
	snprintf(p->error, sizeof(p->error), "%s", why);
	p->hash[0] = '\0';
}

static int keep_work(void *data, struct err *e)
{
	struct keep_pool *p = data;

	return p->writing->action.act(&p->writing->action, e);
}

static void keep_done(void *data, int result, const struct err *why)
{
	struct keep_pool *p = data;

	if (result < 0) {
		complain(p, why->text);
	} else {
		p->error[0] = '\0';
		memcpy(p->hash, p->fresh, sizeof(p->hash));
		p->at = p->writing->at;
	}
	p->writing = (void *)action_free(&p->writing->action);
	/* What has changed meanwhile was not looked at for this pool. */
	keep_changed(p->service);
}

/* In a worker, if it differs. */
static void keep_pool(struct service *service, struct bvol_pool *pool, struct keep_pool *p)
{
	const struct provider_ops *provider = provider_find(pool->provider);
	struct records rows = { 0 };
	struct err e = { 0 };
	int r = provider ? rowset_collect(service->store, pool, provider, &rows, &e) : 0;

	if (!r && provider)
		r = sha256_text(rows.data, rows.n, p->fresh);
	if (!r && provider && strcmp(p->fresh, p->hash)) {
		r = provider->pool_keep(pool, &rows, &p->writing, &e);
		if (!r)
			r = workers_run(service->workers, keep_work, keep_done, p);
		if (r < 0 && p->writing)
			p->writing = (void *)action_free(&p->writing->action);
	}
	records_clear(&rows);
	if (r < 0)
		complain(p, *e.text ? e.text : strerror(-r));
}

/* A pool that is not up is written to when it comes. */
static int look_at(void *obj, void *data)
{
	struct service *service = data;
	struct bvol_pool *pool = obj;
	struct keep_pool *p;

	if ((pool->status != BVOL_POOL_STATUS_AVAILABLE && pool->status != BVOL_POOL_STATUS_READ_ONLY) ||
	    engine_is_closed(&service->engine, &pool->id))
		return 0;
	p = find_or_new(service, &pool->id);
	if (p && !p->writing)
		keep_pool(service, pool, p);
	return 0;
}

/* Those that are not there any more. */
static void forget(struct service *service)
{
	struct keep_pool **link = &service->keep->pools, *p;

	while ((p = *link)) {
		_cleanup_pool_ pool = NULL;

		if (!p->writing && store_get(service->store, &bvol_type_pool, &p->id, (void **)&pool,
					     NULL) == -ENOENT) {
			*link = p->next;
			free(p);
		} else {
			link = &p->next;
		}
	}
}

static int on_timer(struct source *source, uint32_t events, void *data)
{
	struct service *service = data;
	uint64_t begun = now_usec(), took;
	struct err e = { 0 };

	service->keep->armed = false;
	forget(service);
	if (store_select(service->store, &bvol_type_pool, NULL, NULL, 0, look_at, service, &e) < 0)
		log_warn("the copies of the database's rows are not current: %s", e.text);
	took = (now_usec() - begun) * PAUSE_TIMES;
	service->keep->pause = took > PAUSE_USEC ? took : PAUSE_USEC;
	return 0;
}

void keep_changed(struct service *service)
{
	struct keep *k = service->keep;
	int r;

	if (!k || k->armed)
		return;
	r = k->timer ? source_again(k->timer, k->pause) :
		       loop_timer(service->loop, k->pause, on_timer, service, &k->timer);
	k->armed = r >= 0;
}

int keep_fill(struct service *service, struct bvol_pool *pool)
{
	const struct keep_pool *p = find(service, &pool->id);
	const char *state;

	if (!p || (!p->at && !*p->error))
		return 0;
	if (p->at)
		codec_set(pool, BVOL_A_POOL_COPIED_AT, copied_at, p->at);
	state = *p->error ? p->error : service->keep->armed || p->writing ? "behind" : "current";
	return codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_COPY, state);
}

int keep_init(struct service *service)
{
	service->keep = calloc(1, sizeof(*service->keep));
	if (!service->keep)
		return -ENOMEM;
	service->keep->pause = PAUSE_USEC;
	return 0;
}

/* What a worker still has is lost, as in a crash. */
void keep_deinit(struct service *service)
{
	struct keep *k = service->keep;
	struct keep_pool *p;

	if (!k)
		return;
	source_free(k->timer);
	while ((p = k->pools)) {
		k->pools = p->next;
		if (!p->writing)
			free(p);
	}
	free(k);
	service->keep = NULL;
}
