// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/wipe.h"
#include "provider/thin/bits.h"
#include "provider/thin/hold.h"
#include "provider/thin/thin.h"
#include "provider/thin/window.h"
#include "provider/thin/wipe.h"
#include "sys/dm.h"
#include "util/cleanup.h"

/* While others hold still, no more than this is wiped... */
#define QUIET_BYTES	(UINT64_C(32) << 20)
/* ...unless they write so fast that it is never less. */
#define ROUNDS		8

/* The wipe of one device, from its plan to the device's end. Belongs to one job, so to one thread. */
struct wiped {
	struct wiped *next;
	struct bvol_uuid id;
	struct thin_ref pool;
	uint32_t dev_id, chunk_size;
	struct wipe how;
	struct bits todo, done;		/* chunks of the data device */
	uint64_t left;			/* chunks that are to do */
	bool shares;			/* it maps chunks that others map too */
	struct provider_wiped result;
};

static struct wiped *list;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct wiped **find(const struct bvol_uuid *id)
{
	struct wiped **link = &list;

	while (*link && memcmp(&(*link)->id, id, sizeof(*id)))
		link = &(*link)->next;
	return link;
}

static struct wiped *get(const struct bvol_uuid *id)
{
	struct wiped *w;

	pthread_mutex_lock(&lock);
	w = *find(id);
	pthread_mutex_unlock(&lock);
	return w;
}

bool thin_wiped(const struct bvol_uuid *id)
{
	return get(id);
}

void thin_wipe_forget(const struct bvol_uuid *id)
{
	struct wiped **link, *w;

	pthread_mutex_lock(&lock);
	link = find(id);
	w = *link;
	if (w)
		*link = w->next;
	pthread_mutex_unlock(&lock);
	if (!w)
		return;
	bits_free(&w->todo);
	bits_free(&w->done);
	free(w);
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

/* Find out what the device has alone and was not wiped yet. One that is gone has nothing. */
static int look(struct wiped *w, struct meta *meta, struct err *e)
{
	struct mapping mapping = { .w = w, .e = e };
	struct meta_device device;
	uint64_t chunks = meta_pool(meta)->chunks;
	struct err inner = { 0 };
	int code = meta_device(meta, w->dev_id, &device, &inner);

	w->left = 0;
	w->shares = false;
	if (code == -ENOENT)
		return 0;
	if (code)
		return err_set(e, code, "%s", inner.text);
	if (bits_size(&w->todo, chunks) || bits_size(&w->done, chunks))
		return err_set(e, -ENOMEM, "out of memory");
	bits_clear(&w->todo);
	/* By the trees alone: nobody's data depends on time stamps that a repair may have lost. */
	code = meta_exclusive(meta, w->dev_id, true, add_extent, &mapping, e);
	w->shares = mapping.own < device.mapped;
	return code;
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

/* The next runs of chunks that are to do; how many. */
static size_t next_runs(struct wiped *w, uint64_t *chunk, struct window_run runs[WINDOW_RUNS])
{
	size_t n = 0;

	while (n < WINDOW_RUNS && bits_next_run(&w->todo, *chunk, &runs[n].chunk, &runs[n].length)) {
		*chunk = runs[n].chunk + runs[n].length;
		n++;
	}
	return n;
}

static int wipe_window(struct wiped *w, const char *path, const struct window_run *runs, size_t n,
		       struct err *e)
{
	struct copy_extent extent = { 0 };
	struct copy_plan plan = {
		.path = path, .extents = &extent, .n_extents = 1,
		.discard_optional = w->how.policy != WIPE_DISCARD,
	};
	struct wipe_result result = { 0 };
	struct copy *copy;
	int code;

	for (size_t i = 0; i < n; i++)
		extent.length += runs[i].length * w->chunk_size;
	code = wipe_new(&w->how, &plan, &copy, e);
	if (code)
		return code;
	code = wipe_run(&w->how, copy, &result, e);
	copy_free(copy);
	if (code)
		return code;
	w->result.bytes += result.bytes;
	w->result.extents += n;
	w->result.discarded += result.discarded;
	return 0;
}

/* A crash in here is one before it: the next wipe of this device begins again. */
static int wipe_left(struct wiped *w, struct err *e)
{
	_cleanup_free_ struct window_run *runs = thin_alloc(WINDOW_RUNS * sizeof(*runs), e);
	char path[WINDOW_PATH];
	uint64_t chunk = 0;
	size_t n;
	int code = runs ? 0 : -ENOMEM, closed;

	while (!code && w->left && (n = next_runs(w, &chunk, runs))) {
		code = window_open(&w->pool, &w->id, w->chunk_size, runs, n, path, e);
		if (!code)
			code = wipe_window(w, path, runs, n, e);
		closed = window_close(&w->id, e);
		code = code ? code : closed;
		for (size_t i = 0; !code && i < n; i++)
			bits_set_run(&w->done, runs[i].chunk, runs[i].length);
	}
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
	}
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
	struct wiped *w = get(id);
	int code = w ? wipe_rounds(w, e) : 0;

	if (!w || code)
		return code;
	for (int i = 0; i < ROUNDS; i++) {
		code = wipe_quietly(w, quiet, e);
		if (code <= 0)
			return code;
		if ((code = quiet_end(quiet, e)))
			return code;
	}
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

	a->code = wipe_rounds(a->w, e);
	return a->code;
}

static void wipe_free(struct action *action)
{
	struct wipe_action *a = (struct wipe_action *)action;

	if (a->code)
		thin_wipe_forget(&a->id);
	free(a);
}

static int wiped_new(const struct bvol_pool *pool, const struct thin_dev *dev,
		     const struct provider_wipe *how, struct wiped **ret, struct err *e)
{
	static const enum wipe_policy policies[] = {
		[BVOL_WIPE_DISCARD] = WIPE_DISCARD, [BVOL_WIPE_ZERO] = WIPE_ZERO,
		[BVOL_WIPE_RANDOM] = WIPE_RANDOM,
	};
	struct wiped *w = thin_alloc(sizeof(*w), e);

	if (!w)
		return -ENOMEM;
	w->id = dev->id;
	w->pool = thin_ref(pool);
	w->dev_id = dev->dev_id;
	w->chunk_size = pool->chunk_size;
	w->how = (struct wipe) { .policy = policies[how->policy], .verify = how->verify };
	/* What an earlier attempt has wiped may have been written anew since. */
	thin_wipe_forget(&dev->id);
	pthread_mutex_lock(&lock);
	w->next = list;
	list = w;
	pthread_mutex_unlock(&lock);
	*ret = w;
	return 0;
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
	code = wiped_new(pool, &dev, how, &a->w, e);
	if (code) {
		free(a);
		return code;
	}
	a->id = *id;
	a->code = -ECANCELED;
	a->action.act = wipe_act;
	a->action.free = wipe_free;
	*ret = &a->action;
	return 0;
}

bool thin_wipe_result(const struct bvol_uuid *id, struct provider_wiped *ret)
{
	const struct wiped *w = get(id);

	if (w)
		*ret = w->result;
	return w;
}
