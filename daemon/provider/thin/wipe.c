// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/hold.h"
#include "provider/thin/thin.h"
#include "provider/thin/window.h"
#include "provider/thin/wipe.h"
#include "provider/thin/wiped.h"
#include "sys/dm.h"
#include "util/cleanup.h"

/* While others hold still, no more than this is wiped... */
#define QUIET_BYTES	(UINT64_C(32) << 20)
/* ...unless they write so fast that it is never less. */
#define ROUNDS		8
/*
 * Between these a run of the copy engine takes some seconds, so that a crash
 * costs no more and neither do the runs.
 */
#define WINDOW_MIN	(UINT64_C(16) << 20)
#define WINDOW_MAX	(UINT64_C(4) << 30)
#define SHORT_NS	UINT64_C(4000000000)
#define LONG_NS		UINT64_C(16000000000)
/* A run that went fast may have met a cache. */
#define WINDOW_GROWTH	16

bool thin_wiped(const struct bvol_uuid *id)
{
	return wiped_get(id);
}

void thin_wipe_forget(const struct bvol_uuid *id)
{
	wiped_forget(id);
}

/* What to do */

struct mapping {
	struct wiped *w;
	uint64_t own;	/* chunks that it maps alone */
	struct err *e;
};

static int add_extent(const struct meta_extent *extent, void *data)
{
	struct mapping *m = data;
	uint64_t i;

	if (m->w->orders.cancelled)
		return err_set(m->e, -ECANCELED, "cancelled");
	if (extent->data + extent->length > m->w->todo.n)
		return err_set(m->e, -EUCLEAN, "chunk %" PRIu64 " of the pool lies beyond its end",
			       extent->data);
	for (i = extent->data; i < extent->data + extent->length; i++) {
		if (bits_test(&m->w->done, i))
			continue;
		bits_set(&m->w->todo, i);
		m->w->left++;
	}
	m->own += extent->length;
	return 0;
}

/* The loop counts what is done. */
static int make_room(struct wiped *w, uint64_t chunks)
{
	int code;

	pthread_mutex_lock(&w->orders.lock);
	code = bits_size(&w->done, chunks);
	pthread_mutex_unlock(&w->orders.lock);
	return code ? code : bits_size(&w->todo, chunks);
}

/* Find out what the device has alone and was not wiped yet. One that is gone has nothing. */
static int look(struct wiped *w, struct meta *meta, struct err *e)
{
	struct mapping mapping = { .w = w, .e = e };
	struct meta_device device;
	uint64_t chunks = meta_pool(meta)->chunks;
	struct err inner = { 0 };
	int code = meta_device(meta, w->dev_id, &device, &inner);

	w->left = 0;
	w->shares = w->whole = false;
	if (code == -ENOENT)
		return 0;
	if (code)
		return err_set(e, code, "%s", inner.text);
	if (make_room(w, chunks))
		return err_set(e, -ENOMEM, "out of memory");
	bits_clear(&w->todo);
	/* By the trees alone: nobody's data depends on time stamps that a repair may have lost. */
	code = meta_exclusive(meta, w->dev_id, true, add_extent, &mapping, e);
	if (code)
		return code;
	w->shares = mapping.own < device.mapped;
	wiped_go_on(w);
	pthread_mutex_lock(&w->orders.lock);
	w->total = w->chunks + w->left;
	pthread_mutex_unlock(&w->orders.lock);
	return 0;
}

static int look_once(struct wiped *w, struct err *e)
{
	struct meta *meta;
	int code = thin_hold(&w->pool, &meta, e), released;

	if (code)
		return code;
	code = look(w, meta, e);
	released = thin_let_go(&w->pool, meta, e);
	return code ? code : released;
}

/* Doing it */

/* The next runs of chunks that are to do, together at most a window of bytes; how many. */
static size_t next_runs(struct wiped *w, uint64_t *chunk, struct window_run runs[WINDOW_RUNS])
{
	uint64_t room = w->window / w->chunk_size ?: 1;
	size_t n = 0;

	while (room && n < WINDOW_RUNS &&
	       bits_next_run(&w->todo, *chunk, &runs[n].chunk, &runs[n].length)) {
		if (runs[n].length > room)
			runs[n].length = room;
		room -= runs[n].length;
		*chunk = runs[n].chunk + runs[n].length;
		n++;
	}
	return n;
}

/* bytes took so long: the next run is to take SHORT_NS, as far as can be told. */
static void adapt_window(struct wiped *w, uint64_t bytes, uint64_t ns)
{
	uint64_t times = ns ? SHORT_NS / ns : WINDOW_GROWTH;

	if (ns > LONG_NS && w->window > WINDOW_MIN)
		w->window /= 2;
	/* One that was shorter than a window says nothing of a whole one. */
	if (bytes < w->window / 2 || !times)
		return;
	w->window *= times < WINDOW_GROWTH ? times : WINDOW_GROWTH;
	if (w->window > WINDOW_MAX)
		w->window = WINDOW_MAX;
}

static int wipe_window(struct wiped *w, const char *path, uint64_t bytes, struct err *e)
{
	struct copy_extent extent = { .length = bytes };
	struct copy_plan plan = {
		.path = path, .extents = &extent, .n_extents = 1,
		.discard_optional = w->how.policy != WIPE_DISCARD,
		.pool = w->quiet ? NULL : w->limit,
		.hooks = { .progress = orders_progress, .data = &w->orders },
	};
	struct wipe_result result = { 0 };
	struct copy *copy;
	int code = wipe_new(&w->how, &plan, &copy, e);

	if (code)
		return code;
	code = orders_begin(&w->orders, copy, bytes, w->quiet, e);
	if (!code)
		code = wipe_run(&w->how, copy, &result, e);
	orders_end(&w->orders);
	copy_free(copy);
	if (code)
		return code;
	pthread_mutex_lock(&w->orders.lock);
	w->result.discarded += result.discarded;
	pthread_mutex_unlock(&w->orders.lock);
	adapt_window(w, bytes, result.ns);
	return 0;
}

/*
 * A crash in here leaves the window, and chunks that are wiped by half: they count
 * as not wiped. A run that was abandoned has the window open, which stays: as long
 * as it is there, nobody gets rid of the device that the chunks belong to.
 */
static int wipe_runs(struct wiped *w, const struct window_run *runs, size_t n, struct err *e)
{
	char path[WINDOW_PATH];
	uint64_t chunks = 0;
	int code = window_open(&w->pool, &w->id, w->chunk_size, runs, n, path, e), closed;

	for (size_t i = 0; i < n; i++)
		chunks += runs[i].length;
	if (!code)
		code = wipe_window(w, path, chunks * w->chunk_size, e);
	if (code == -ETIMEDOUT)
		return code;
	closed = window_close(&w->id, e);
	code = code ? code : closed;
	for (size_t i = 0; !code && i < n; i++)
		wiped_add(w, runs[i].chunk, runs[i].length);
	return code;
}

static int wipe_left(struct wiped *w, struct err *e)
{
	_cleanup_free_ struct window_run *runs = thin_alloc(WINDOW_RUNS * sizeof(*runs), e);
	uint64_t chunk = 0;
	size_t n;
	int code = runs ? 0 : -ENOMEM;

	while (!code && w->left && (n = next_runs(w, &chunk, runs)))
		code = wipe_runs(w, runs, n, e);
	if (!code)
		w->left = 0;
	return code;
}

static int wipe_rounds(struct wiped *w, struct err *e)
{
	int code = 0;

	for (int i = 0; !code && i < ROUNDS; i++) {
		code = look_once(w, e);
		if (code || w->left * w->chunk_size <= (i ? QUIET_BYTES : 0))
			break;
		code = wipe_left(w, e);
		if (!w->shares)
			break;
	}
	/* As the device is inactive it maps nothing new, and nobody can let go of anything. */
	w->whole = !code && !w->shares && !w->left;
	return code;
}

/* Holding still */

struct sharers {
	struct wiped *w;
	struct meta *meta;	/* NULL: only sum up what is active */
	struct quiet *quiet;
	char table[THIN_NAME_MAX];	/* how tables of this pool's devices begin */
	struct err *e;
};

static int first_same(const struct meta_change *change, void *data)
{
	return change->side == META_SAME;
}

/* 1 when both map some chunk. One that was never a snapshot nor had any shares with nobody. */
static int shares_with(struct sharers *s, uint32_t dev_id)
{
	struct meta_device device;
	struct err inner = { 0 };
	int code = meta_device(s->meta, dev_id, &device, &inner);

	if (code == -ENOENT || (!code && (!device.snapshotted || dev_id == s->w->dev_id)))
		return 0;
	if (!code)
		code = meta_diff(s->meta, s->w->dev_id, dev_id, true, first_same, NULL, &inner);
	return code < 0 ? err_set(s->e, code, "%s", inner.text) : code;
}

static int add_quiet(struct quiet *quiet, const char *name)
{
	void *more = reallocarray(quiet->names, quiet->n + 1, sizeof(*quiet->names));

	if (!more)
		return -ENOMEM;
	quiet->names = more;
	snprintf(quiet->names[quiet->n++], sizeof(*quiet->names), "%s", name);
	return 0;
}

static int add_sharer(const char *name, const char *uuid, void *data)
{
	_cleanup_free_ char *params = NULL;
	struct sharers *s = data;
	size_t len = strlen(s->table);
	struct bvol_uuid id;
	uint64_t number;
	int code;

	/* One of another pool, or that goes while we look. */
	if (!thin_role_uuid(uuid, THIN_VOLUME, &id) || dm_table(name, &params, NULL, NULL) ||
	    strncmp(params, s->table, len))
		return 0;
	memcpy(&number, &id, sizeof(number));
	s->quiet->seen += number;
	code = s->meta ? shares_with(s, (uint32_t)strtoul(params + len, NULL, 10)) : 0;
	return code <= 0 ? code : add_quiet(s->quiet, name);
}

/* Go through the pool's active devices; with its metadata, collect those that share with ours. */
static int list_active(struct wiped *w, struct meta *meta, struct quiet *quiet, struct err *e)
{
	struct sharers s = { .w = w, .meta = meta, .quiet = quiet, .e = e };
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&w->pool.id, THIN_POOL, name), &info, e);

	if (code)
		return code;
	snprintf(s.table, sizeof(s.table), "%u:%u ", info.major, info.minor);
	quiet->seen = 0;
	return dm_list(THIN_DM_PREFIX, add_sharer, &s, e);
}

static int find_sharers(struct wiped *w, struct quiet *quiet, struct err *e)
{
	struct meta *meta;
	int code = thin_hold(&w->pool, &meta, e), released;

	if (code)
		return code;
	code = look(w, meta, e);
	if (!code && w->shares)
		code = list_active(w, meta, quiet, e);
	released = thin_let_go(&w->pool, meta, e);
	return code ? code : released;
}

/* 1 when meanwhile a device has become active that does not hold still. */
static int wipe_quietly(struct wiped *w, struct quiet *quiet, struct err *e)
{
	struct quiet now = { 0 };
	int code = find_sharers(w, quiet, e);

	for (size_t i = 0; !code && i < quiet->n; i++)
		code = dm_suspend(quiet->names[i], e);
	if (!code && quiet->n)
		code = look_once(w, e);
	if (!code)
		code = wipe_left(w, e);
	if (code || !w->shares || (code = list_active(w, NULL, &now, e)))
		return code;
	return now.seen != quiet->seen;
}

/*
 * A crash in here leaves devices suspended, whose I/O waits until pool_open()
 * resumes them before it does anything else. The device stays as it is, for the
 * job that wipes it.
 */
int thin_wipe_last(const struct bvol_uuid *id, struct quiet *quiet, struct err *e)
{
	struct wiped *w = wiped_get(id);
	int code;

	if (!w)
		return 0;
	w->quiet = true;
	if (w->whole) {
		wiped_sum_up(w);
		return 0;
	}
	code = wipe_rounds(w, e);
	for (int i = 0; !code && i < ROUNDS; i++) {
		code = wipe_quietly(w, quiet, e);
		if (!code)
			wiped_sum_up(w);
		if (code <= 0)
			return code;
		if ((code = quiet_end(quiet, e)))
			return code;
	}
	if (code)
		return code;
	return err_set(e, -EBUSY, "volumes that share with it are made active all the while; try again");
}

int quiet_end(struct quiet *quiet, struct err *e)
{
	int code = 0, resumed;

	while (quiet->n) {
		resumed = dm_resume(quiet->names[--quiet->n], e);
		code = code ? code : resumed;
	}
	free(quiet->names);
	quiet->names = NULL;
	return code;
}

/* The action */

struct wipe_action {
	struct action action;
	struct wiped *w;	/* of the list */
	struct bvol_uuid id;
	int code;		/* other than 0: not acted, or failed */
};

static int wipe_act(struct action *action, struct err *e)
{
	struct wipe_action *a = (struct wipe_action *)action;
	struct action_progress p = { 0 };

	a->code = wipe_rounds(a->w, e);
	if (!a->code || !a->w->orders.cancelled)
		return a->code;
	wiped_progress(a->w, &p);
	a->code = orders_tell("wipe", &p, e);
	return a->code;
}

static void wipe_free(struct action *action)
{
	struct wipe_action *a = (struct wipe_action *)action;

	if (a->code)
		thin_wipe_forget(&a->id);
	free(a);
}

static void wipe_progress(struct action *action, struct action_progress *ret)
{
	wiped_progress(((struct wipe_action *)action)->w, ret);
}

static void wipe_order(struct action *action, enum action_order order, uint64_t value)
{
	orders_give(&((struct wipe_action *)action)->w->orders, order, value);
}

static int wipe_keep(struct action *action, struct store *store, struct err *e)
{
	return wiped_keep(((struct wipe_action *)action)->w, store, e);
}

int thin_plan_wipe(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		   const struct provider_wipe *how, struct action **ret, struct err *e)
{
	struct wipe_action *a;
	struct thin_dev dev;
	int code = thin_row_get(store, &thin_type_dev, id, &dev, e);

	*ret = NULL;
	if (code)
		return code == -ENOENT ? 0 : code;
	a = thin_alloc(sizeof(*a), e);
	if (!a)
		return -ENOMEM;
	code = wiped_new(store, pool, &dev, how, &a->w, e);
	if (code) {
		free(a);
		return code;
	}
	a->id = *id;
	a->code = -ECANCELED;
	a->action = (struct action) {
		.act = wipe_act, .commit = wipe_keep, .free = wipe_free, .progress = wipe_progress,
		.order = wipe_order, .keep = wipe_keep,
	};
	*ret = &a->action;
	return 0;
}

int thin_wipe_result(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     struct provider_wiped *ret, struct err *e)
{
	const struct wiped *w = wiped_get(id);
	int code = 1, dropped;

	if (w)
		*ret = w->result;
	else
		code = wiped_remember(store, pool, id, ret, e);
	dropped = code < 0 ? code : thin_row_drop(store, &thin_type_wipe, id, e);
	return dropped < 0 ? dropped : code;
}
