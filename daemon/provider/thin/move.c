// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a move of a pool does to its first device: the copy of the rows, and whose it is.
 *
 * Both are written by one thread at a time (TURN_ROWS), which looks at the label first:
 * a copy that was late can't hit a pool that has become another node's, or a disk that
 * has become something else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "provider/thin/kept.h"
#include "provider/thin/move.h"
#include "provider/thin/stop.h"
#include "provider/thin/thin.h"
#include "provider/thin/turn.h"
#include "util/log.h"

struct kept_action {
	struct provider_kept kept;
	struct thin_ref pool;
	char path[DISK_PATH_MAX + 1];
	bool force;
};

struct give_action {
	struct action action;
	struct thin_ref pool;
	char path[DISK_PATH_MAX + 1];
	bool has_rows, forget, force;
	uint64_t at;
	struct records rows;
};

/* CLOCK_REALTIME in nanoseconds. */
static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void remember_first(const struct bvol_pool *pool, char path[DISK_PATH_MAX + 1])
{
	snprintf(path, DISK_PATH_MAX + 1, "%s", pool->devices && *pool->devices ? *pool->devices : "");
}

/* The pool's first device, whatever it is called today. */
static int open_first(const struct thin_ref *pool, const char *path, enum disk_use use,
		      struct disk *ret, struct err *e)
{
	struct err why = { 0 };
	int code = disk_open(path, use, ret, &why);

	if (!code && disk_is_of(ret, &pool->id) && !ret->label.spare && ret->label.index == 0)
		return 0;
	if (!code) {
		disk_close(ret);
		code = err_set(&why, -EUCLEAN, "device %s has lost the label of pool %s, or is another one",
			       path, pool->name);
	}
	if (!disk_find(&pool->id, 0, ret, NULL)) {
		char found[DISK_PATH_MAX + 1];

		memcpy(found, ret->path, sizeof(found));
		disk_close(ret);
		return disk_open(found, use, ret, e);
	}
	return err_set(e, code, "%s", why.text);
}

static void kept_free(struct action *action)
{
	struct kept_action *a = (struct kept_action *)action;

	records_clear(&a->kept.rows);
	free(a);
}

/* A crash leaves the copy before this one whole, see kept.h. */
static int keep_act(struct action *action, struct err *e)
{
	struct kept_action *a = (struct kept_action *)action;
	struct kept written;
	struct disk first;
	int code = turn_take(TURN_ROWS, &a->pool.id, e);

	if (code)
		return code;
	code = open_first(&a->pool, a->path, DISK_WRITE, &first, e);
	if (!code) {
		code = label_is_mine(&first.label, a->pool.name, e);
		if (code >= 0)
			code = kept_write(&first, a->kept.rows.data, a->kept.rows.n, a->kept.at, &written, e);
		if (!code)
			a->kept.at = written.at;
		disk_close(&first);
	}
	turn_end(TURN_ROWS, &a->pool.id);
	return code;
}

static int kept_act(struct action *action, struct err *e)
{
	struct kept_action *a = (struct kept_action *)action;
	struct err inner = { 0 };
	struct kept found;
	struct disk first;
	void *data;
	int code = open_first(&a->pool, a->path, DISK_READ, &first, e);

	if (code)
		return code;
	code = kept_read(&first, &found, &data, &inner);
	if (code < 0 && (code != -EBADMSG || !a->force))
		err_set(e, code, "%s", inner.text);
	if (code == -EBADMSG && a->force)
		code = 1;
	if (!code)
		a->kept.rows = (struct records) { data, found.length, found.length };
	if (!code)
		a->kept.at = found.at;
	disk_close(&first);
	return code < 0 ? code : 0;
}

static struct kept_action *kept_new(const struct bvol_pool *pool, struct err *e)
{
	struct kept_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return NULL;
	a->kept.action.free = kept_free;
	a->pool = thin_ref(pool);
	remember_first(pool, a->path);
	return a;
}

int thin_plan_pool_keep(const struct bvol_pool *pool, struct records *rows,
			struct provider_kept **ret, struct err *e)
{
	struct kept_action *a = kept_new(pool, e);

	if (!a)
		return -ENOMEM;
	a->kept.action.act = keep_act;
	a->kept.at = now();
	a->kept.rows = *rows;
	*rows = (struct records) { 0 };
	*ret = &a->kept;
	return 0;
}

int thin_plan_pool_kept(const struct bvol_pool *pool, bool force, struct provider_kept **ret,
			struct err *e)
{
	struct kept_action *a = kept_new(pool, e);

	if (!a)
		return -ENOMEM;
	a->kept.action.act = kept_act;
	a->force = force;
	*ret = &a->kept;
	return 0;
}

static void give_free(struct action *action)
{
	struct give_action *a = (struct give_action *)action;

	records_clear(&a->rows);
	free(a);
}

static struct give_action *give_new(const struct bvol_pool *pool, struct err *e)
{
	struct give_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return NULL;
	a->action.free = give_free;
	a->pool = thin_ref(pool);
	remember_first(pool, a->path);
	return a;
}

/* A crash leaves part of the devices; they go in the next run. */
static int stop_act(struct action *action, struct err *e)
{
	return thin_stop(&((struct give_action *)action)->pool, e);
}

int thin_plan_pool_stop(const struct bvol_pool *pool, struct action **ret, struct err *e)
{
	struct give_action *a = give_new(pool, e);

	if (!a)
		return -ENOMEM;
	a->action.act = stop_act;
	*ret = &a->action;
	return 0;
}

static int give(const struct give_action *a, struct disk *first, struct err *e)
{
	struct err inner = { 0 };
	int code = label_is_mine(&first->label, a->pool.name, &inner);

	if (code == -EBUSY) {
		log_notice("nothing is written: %s", inner.text);
		return 0;
	}
	if (code >= 0 && a->has_rows)
		code = kept_write(first, a->rows.data, a->rows.n, a->at, NULL, e);
	if (code < 0)
		return code;
	label_own(&first->label, LABEL_FREE);
	return label_write(first->fd, first->path, &first->label, e);
}

/*
 * The copy first, then the label: from its first half on the pool is anybody's. A crash
 * before leaves it this node's, with the old copy or the new one; after it this act
 * finds it given away, perhaps to somebody who uses it by now, and writes nothing.
 */
static int give_act(struct action *action, struct err *e)
{
	struct give_action *a = (struct give_action *)action;
	struct err inner = { 0 };
	struct disk first;
	int code = turn_take(TURN_ROWS, &a->pool.id, e);

	if (code)
		return code;
	code = open_first(&a->pool, a->path, DISK_WRITE, &first, &inner);
	if (code && a->forget) {
		log_warn("pool %s is forgotten as it is: %s", a->pool.name, inner.text);
		code = 0;
	} else if (code) {
		err_set(e, code, "%s", inner.text);
	} else {
		code = give(a, &first, e);
		disk_close(&first);
	}
	turn_end(TURN_ROWS, &a->pool.id);
	return code;
}

int thin_plan_pool_give(const struct bvol_pool *pool, struct records *rows, bool forget,
			struct action **ret, struct err *e)
{
	struct give_action *a = give_new(pool, e);

	if (!a)
		return -ENOMEM;
	a->action.act = give_act;
	a->forget = forget;
	a->at = now();
	a->has_rows = rows;
	if (rows) {
		a->rows = *rows;
		*rows = (struct records) { 0 };
	}
	*ret = &a->action;
	return 0;
}

int thin_may_take(const struct label *label, const char *name, bool force, struct err *e)
{
	struct err inner = { 0 };
	int code = label_is_mine(label, name, &inner);

	if (code > 0 || label->owner.state == LABEL_FREE || force)
		return 0;
	if (!code)
		return err_set(e, -EBUSY,
			       "pool %s was made by an older bvol and does not say whose it is; if no other node uses it import it with --force",
			       name);
	return err_set(e, code, "%s", inner.text);
}

/* A crash leaves the label with either owner. */
static int take_act(struct action *action, struct err *e)
{
	struct give_action *a = (struct give_action *)action;
	struct disk first;
	int code = open_first(&a->pool, a->path, DISK_WRITE, &first, e);

	if (code)
		return code;
	code = thin_may_take(&first.label, a->pool.name, a->force, e);
	if (!code && label_is_mine(&first.label, a->pool.name, NULL) <= 0) {
		label_own(&first.label, LABEL_OWNED);
		code = label_write(first.fd, first.path, &first.label, e);
	}
	disk_close(&first);
	return code;
}

int thin_plan_pool_take(const struct bvol_pool *pool, bool force, struct action **ret,
			struct err *e)
{
	struct give_action *a = give_new(pool, e);

	if (!a)
		return -ENOMEM;
	a->action.act = take_act;
	a->force = force;
	*ret = &a->action;
	return 0;
}
