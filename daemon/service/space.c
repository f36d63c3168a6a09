// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Care for the space of the pools. The kernel tells when a pool's data pass the
 * mark (levels_mark()), when metadata get scarce and when the pool changes its
 * mode: a descriptor of device-mapper becomes readable. It tells of the mark once,
 * so that above it the numbers are read every few seconds, and as long as they
 * move; nothing is read of pools that are idle and low. Whoever reads them, each
 * reading comes here:
 *
 *	a threshold is crossed	an event, and what was told is recorded with it
 *	data above "grow"	the first spare is added (job pool-grow)
 *	metadata half full	they grow (job pool-metadata)
 *	below the mark again	the kernel is asked to tell again (job pool-adjust)
 *
 * A job that a crash has cut off goes on like any other; one that was never begun
 * is begun by the first reading after the start.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "model/level.h"
#include "service/service.h"
#include "sys/dm.h"
#include "util/log.h"
#include "util/str.h"

#define NEAR_USEC	(2 * 1000 * 1000)
#define MOVING_USEC	(15 * 1000 * 1000)

struct watch {
	struct watch *next;
	struct bvol_uuid id;
	struct rate rate;
	uint32_t events;	/* of the kernel, when they were last looked at */
	bool read, above;
	uint64_t data_used, metadata_used;	/* at the last reading */
	/* When more metadata were last asked for, so that it is not asked twice in vain. */
	uint64_t asked_total;
	size_t asked_devices;
};

struct space {
	struct watch *pools;
	struct source *timer, *source;
	uint64_t due;		/* of the timer, CLOCK_REALTIME in nanoseconds */
	int fd;
};

static struct watch *watch_find(struct service *service, const struct bvol_uuid *id)
{
	struct watch *w = service->space->pools;

	while (w && memcmp(&w->id, id, sizeof(*id)))
		w = w->next;
	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->id = *id;
	w->next = service->space->pools;
	service->space->pools = w;
	return w;
}

static void nothing(void *data)
{
}

/* Every reading looks whether it was the last one. */
void space_look(struct service *service)
{
	if (usage_refresh(service, nothing, NULL) < 0)
		log_err("out of memory: the pools' space is not looked at");
}

static int on_timer(struct source *source, uint32_t events, void *data)
{
	struct service *service = data;

	service->space->timer = source_free(service->space->timer);
	space_look(service);
	return 0;
}

static void look_in(struct service *service, uint64_t usec)
{
	struct space *space = service->space;
	uint64_t due = change_now() + usec * 1000;

	if (space->timer && space->due <= due)
		return;
	source_free(space->timer);
	space->timer = NULL;
	space->due = due;
	if (loop_timer(service->loop, usec, on_timer, service, &space->timer) < 0)
		log_err("out of memory: the pools' space is not looked at");
}

/* Jobs */

static int begin_job(struct service *service, const struct bvol_pool *pool, const char *kind,
		     const char *device, struct err *e)
{
	struct bvol_job *row = codec_new(&bvol_type_job);
	struct job *job = NULL;
	int r;

	if (!row || codec_set_string(&bvol_type_job, row, BVOL_A_JOB_KIND, kind) < 0 ||
	    codec_set_list(&bvol_type_job, row, BVOL_A_JOB_DEVICES, &device, device ? 1 : 0) < 0) {
		bvol_free(&bvol_type_job, row);
		return -ENOMEM;
	}
	codec_set(row, BVOL_A_JOB_POOL_ID, pool_id, pool->id);
	codec_set(row, BVOL_A_JOB_UID, uid, (uint32_t)getuid());
	codec_set(row, BVOL_A_JOB_PID, pid, (uint32_t)getpid());
	r = change_begin(&service->change, e);
	if (r < 0) {
		bvol_free(&bvol_type_job, row);
		return r;
	}
	r = job_new(&service->engine, row, &job, e);
	if (!r)
		r = job_prepare(job, e);
	if (!r)
		r = change_commit(&service->change, e);
	if (!r) {
		job_start(job);
		return 0;
	}
	change_rollback(&service->change);
	job_free(job);
	return r;
}

static void start_job(struct service *service, const struct bvol_pool *pool, const char *kind,
		      const char *device)
{
	static const char *const kinds[] = { "pool-grow", "pool-metadata", "pool-adjust", NULL };
	struct err e = { 0 };
	int r;

	if (engine_has(&service->engine, &pool->id, kinds))
		return;
	r = begin_job(service, pool, kind, device, &e);
	if (r < 0)
		log_err("pool %s: %s can't begin: %s", pool->name, kind, e.code ? e.text : strerror(-r));
}

/* Thresholds */

static int tell(struct service *service, const struct bvol_pool *pool,
		const struct provider_usage *u, bool data, uint32_t level, struct err *e)
{
	uint64_t used = data ? u->data_used : u->metadata_used;
	uint64_t total = data ? u->data_total : u->metadata_total;
	char text[BVOL_SENTENCE_MAX + 1], used_text[16], total_text[16];

	snprintf(text, sizeof(text), "pool %s: %u%% of its %s are in use, %s of %s%s", pool->name,
		 level_percent(used, total), data ? "data space" : "metadata space",
		 str_size(used, used_text), str_size(total, total_text),
		 !data || level < 100 ? "" :
		 u->waits ? "; writes that need more wait for it" : "; writes that need more fail");
	return change_pool_tell(&service->change, pool, &(struct change_tale) {
			.kind = BVOL_EVENT_KIND_POOL_THRESHOLD, .status = data ? "data" : "metadata",
			.message = text, .size = used, .progress = level }, e);
}

/* One transaction for the events and for what was told. */
static int record_levels(struct service *service, struct bvol_pool *pool,
			 const struct provider_usage *u, uint32_t data, uint32_t metadata,
			 struct err *e)
{
	int r = change_begin(&service->change, e);

	if (!r && data > pool->data_warned)
		r = tell(service, pool, u, true, data, e);
	if (!r && metadata > pool->metadata_warned)
		r = tell(service, pool, u, false, metadata, e);
	codec_set(pool, BVOL_A_POOL_DATA_WARNED, data_warned, data);
	codec_set(pool, BVOL_A_POOL_METADATA_WARNED, metadata_warned, metadata);
	if (!r)
		r = store_update(service->store, &bvol_type_pool, pool, e);
	if (!r)
		r = change_commit(&service->change, e);
	if (r < 0)
		change_rollback(&service->change);
	return r;
}

static void check_levels(struct service *service, struct bvol_pool *pool,
			 const struct provider_usage *u)
{
	struct levels levels;
	uint32_t data, metadata;
	struct err e = { 0 };

	if (levels_parse(pool->warn, &levels, &e) < 0)
		return;
	data = levels_crossed(&levels, pool->data_warned, u->data_used, u->data_total);
	metadata = levels_crossed(&levels, pool->metadata_warned, u->metadata_used,
				  u->metadata_total);
	if ((data != pool->data_warned || metadata != pool->metadata_warned) &&
	    record_levels(service, pool, u, data, metadata, &e) < 0)
		log_err("pool %s: %s", pool->name, e.text);
}

/* Readings */

static bool wants_metadata(const struct watch *w, const struct bvol_pool *pool,
			   const struct provider_usage *u)
{
	size_t devices = 0;

	while (pool->devices[devices])
		devices++;
	return u->metadata_used >= u->metadata_total / 2 &&
	       (w->asked_total != u->metadata_total || w->asked_devices != devices);
}

static void check_growth(struct service *service, struct watch *w, const struct bvol_pool *pool,
			 const struct provider_usage *u, bool fell)
{
	bool spares = pool->spares && pool->spares[0];

	if (pool->status != BVOL_POOL_STATUS_AVAILABLE)
		return;
	if (spares && (u->full || level_percent(u->data_used, u->data_total) >= (pool->grow ?: LEVELS_GROW))) {
		start_job(service, pool, "pool-grow", pool->spares[0]);
	} else if (wants_metadata(w, pool, u)) {
		w->asked_total = u->metadata_total;
		w->asked_devices = 0;
		while (pool->devices[w->asked_devices])
			w->asked_devices++;
		start_job(service, pool, "pool-metadata", NULL);
	} else if (fell) {
		start_job(service, pool, "pool-adjust", NULL);
	}
}

/* How far the use of a pool may change without anybody having written to it. */
static bool has_moved(const struct watch *w, const struct provider_usage *u)
{
	uint64_t least = u->metadata_total / 100;

	return w->read && (u->data_used != w->data_used ||
			   u->metadata_used > w->metadata_used + least ||
			   u->metadata_used + least < w->metadata_used);
}

void space_read(struct service *service, const struct provider_usage *u)
{
	/* It takes space that it gives back. */
	static const char *const scrub[] = { "pool-scrub", NULL };
	struct watch *w = watch_find(service, &u->pool_id);
	uint32_t percent = level_percent(u->data_used, u->data_total), mark;
	_cleanup_pool_ pool = NULL;
	struct levels levels;
	bool fell;

	if (!w || u->status == BVOL_POOL_STATUS_ERROR || !u->data_total ||
	    store_get(service->store, &bvol_type_pool, &u->pool_id, (void **)&pool, NULL) < 0 ||
	    levels_parse(pool->warn, &levels, NULL) < 0)
		return;
	mark = levels_mark(&levels, pool->grow ?: LEVELS_GROW);
	/* Whether the kernel has told before this daemon's time is known from the last event alone. */
	if (!w->read)
		w->above = pool->data_warned;
	fell = w->above && percent + LEVELS_BACK < mark;
	w->above = percent >= mark || (w->above && !fell);
	if (u->full || !engine_has(&service->engine, &pool->id, scrub)) {
		check_levels(service, pool, u);
		if (!engine_is_closed(&service->engine, &pool->id))
			check_growth(service, w, pool, u, fell);
	}
	if (w->above)
		look_in(service, NEAR_USEC);
	else if (has_moved(w, u))
		look_in(service, MOVING_USEC);
	rate_add(&w->rate, change_now(), u->data_used);
	w->read = true;
	w->data_used = u->data_used;
	w->metadata_used = u->metadata_used;
}

int space_fill(struct service *service, struct bvol_pool *pool, const struct provider_usage *u)
{
	struct watch *w = watch_find(service, &pool->id);
	uint64_t rate;

	if (!w)
		return -ENOMEM;
	if (!u->data_total)
		return 0;
	codec_set(pool, BVOL_A_POOL_PROMISED, promised,
		  (uint32_t)((unsigned __int128)pool->provisioned * 100 / u->data_total));
	if (rate_get(&w->rate, &rate)) {
		codec_set(pool, BVOL_A_POOL_FILL_RATE, fill_rate, rate);
		if (rate)
			codec_set(pool, BVOL_A_POOL_FULL_IN, full_in,
				  (u->data_total - u->data_used) / rate);
	}
	return codec_set_string(&bvol_type_pool, pool, BVOL_A_POOL_FULL, u->waits ? "waits" : "fails");
}

/* The kernel */

/* Has anything happened to this pool since the last look? */
static int check_events(void *obj, void *data)
{
	struct bvol_pool *pool = obj;
	struct service *service = data;
	const struct provider_ops *provider = provider_find(pool->provider);
	struct watch *w = watch_find(service, &pool->id);
	uint32_t events;

	if (!w || !provider || provider->pool_events(pool, &events) < 0 || events == w->events)
		return 0;
	w->events = events;
	return 1;
}

/* Whatever happens to any device of device-mapper leads here, most of it by ourselves. */
static int on_event(struct source *source, uint32_t events, void *data)
{
	struct service *service = data;
	struct err e = { 0 };

	if (dm_events_arm(service->space->fd, &e) < 0) {
		log_err("%s; the pools' space is read only when somebody asks", e.text);
		service->space->source = source_free(source);
		return 0;
	}
	if (store_select(service->store, &bvol_type_pool, NULL, NULL, 0, check_events, service, &e) == 1)
		space_look(service);
	return 0;
}

void space_start(struct service *service)
{
	struct space *space = service->space;
	struct err e = { 0 };
	int r = dm_events_open(&space->fd, &e);

	if (!r)
		r = loop_io(service->loop, space->fd, EPOLLIN, on_event, service, &space->source);
	if (r < 0)
		log_err("%s; the pools' space is read only when somebody asks",
			e.code ? e.text : strerror(-r));
	space_look(service);
}

int space_init(struct service *service)
{
	service->space = calloc(1, sizeof(*service->space));
	if (!service->space)
		return -ENOMEM;
	service->space->fd = -1;
	return 0;
}

void space_deinit(struct service *service)
{
	struct space *space = service->space;
	struct watch *w;

	if (!space)
		return;
	source_free(space->timer);
	source_free(space->source);
	if (space->fd >= 0)
		close(space->fd);
	while ((w = space->pools)) {
		space->pools = w->next;
		free(w);
	}
	free(space);
	service->space = NULL;
}
