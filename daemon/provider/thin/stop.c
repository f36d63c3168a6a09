// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/assemble.h"
#include "provider/thin/hold.h"
#include "provider/thin/stop.h"
#include "provider/thin/thin.h"
#include "provider/thin/window.h"
#include "sys/dm.h"
#include "util/cleanup.h"
#include "util/log.h"

/* A block device of one of the pool's thin devices, as it was found. */
struct shown {
	struct bvol_uuid id;
	uint64_t sectors;
	char table[THIN_NAME_MAX];
	bool gone;
};

struct stop {
	const struct thin_ref *pool;
	/* How tables of thin devices, and of windows, begin. */
	char thin[32], window[32];
	struct shown *shown;
	size_t n;
	struct bvol_uuid *windows;
	size_t n_windows;
	struct err *e;
};

/* Who has opened the pool's own device beyond those that bvol knows of. */
static int check_own(const struct thin_ref *pool, enum thin_role role, size_t expected,
		     struct dm_info_plain *info, struct err *e)
{
	char name[THIN_NAME_MAX];
	int code = dm_info(thin_name(&pool->id, role, name), info, e);

	if (code || !info->exists || info->open_count <= (int32_t)expected)
		return code;
	return err_set(e, -EBUSY,
		       "%s of pool %s is open by another program; end what uses it, then try again",
		       name, pool->name);
}

static int add_shown(struct stop *s, const struct bvol_uuid *id, const char *table, uint64_t sectors)
{
	struct shown *grown = reallocarray(s->shown, s->n + 1, sizeof(*grown));

	if (!grown)
		return err_set(s->e, -ENOMEM, "out of memory");
	s->shown = grown;
	s->shown[s->n] = (struct shown) { .id = *id, .sectors = sectors };
	snprintf(s->shown[s->n++].table, THIN_NAME_MAX, "%s", table);
	return 0;
}

static int add_window(struct stop *s, const struct bvol_uuid *id)
{
	struct bvol_uuid *grown = reallocarray(s->windows, s->n_windows + 1, sizeof(*grown));

	if (!grown)
		return err_set(s->e, -ENOMEM, "out of memory");
	s->windows = grown;
	s->windows[s->n_windows++] = *id;
	return 0;
}

static int check_closed(struct stop *s, const char *name, bool window)
{
	struct dm_info_plain info;
	int code = dm_info(name, &info, s->e);

	if (code || info.open_count <= 0)
		return code;
	if (window)
		return err_set(s->e, -EBUSY,
			       "pool %s can't be stopped: a wipe that was given up still has writes under way; try again when the disk answers",
			       s->pool->name);
	return err_set(s->e, -EBUSY,
		       "pool %s can't be stopped: its volume %s is open; delete its export or unmount it, then try again",
		       s->pool->name, name);
}

/* One that has no table yet holds nothing of the pool. */
static int look_at(const char *name, const char *uuid, void *data)
{
	_cleanup_free_ char *params = NULL;
	struct stop *s = data;
	struct bvol_uuid id;
	bool window = thin_role_uuid(uuid, THIN_WINDOW, &id);
	const char *begins = window ? s->window : s->thin;
	uint64_t sectors;
	int code;

	if ((!window && !thin_role_uuid(uuid, THIN_VOLUME, &id)) ||
	    dm_table(name, &params, &sectors, NULL) || strncmp(params, begins, strlen(begins)))
		return 0;
	code = check_closed(s, name, window);
	if (code)
		return code;
	return window ? add_window(s, &id) : add_shown(s, &id, params, sectors);
}

/* What there is, and that none of it is open. Touches nothing. */
static int look(struct stop *s)
{
	struct dm_info_plain pool, data, meta;
	char name[THIN_NAME_MAX];
	int code;

	if ((code = dm_info(thin_name(&s->pool->id, THIN_POOL, name), &pool, s->e)) ||
	    (code = dm_info(thin_name(&s->pool->id, THIN_DATA, name), &data, s->e)))
		return code;
	/* Where there is no such device no table names it. */
	snprintf(s->thin, sizeof(s->thin), pool.exists ? "%u:%u " : "-", pool.major, pool.minor);
	snprintf(s->window, sizeof(s->window), data.exists ? "%u:%u " : "-", data.major, data.minor);
	if ((code = dm_list(THIN_DM_PREFIX, look_at, s, s->e)) ||
	    (code = check_own(s->pool, THIN_POOL, s->n, &pool, s->e)) ||
	    (code = check_own(s->pool, THIN_DATA, s->n_windows + pool.live_table, &data, s->e)))
		return code;
	return check_own(s->pool, THIN_META, pool.live_table, &meta, s->e);
}

/* As it was. That nobody had it open is why it could go. */
static void put_back(const struct stop *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct shown *shown = &s->shown[i];
		struct dm_target target = { 0, shown->sectors, "thin", shown->table };
		char name[THIN_NAME_MAX], uuid[THIN_NAME_MAX];
		struct err why = { 0 };

		if (shown->gone && dm_create(thin_name(&shown->id, THIN_VOLUME, name),
					     thin_dm_uuid(&shown->id, THIN_VOLUME, uuid), &target, 1,
					     &why))
			log_err("%s could not be put back: %s", name, why.text);
	}
}

/* In a mode in which the kernel takes no message it stays for the next pool_open(). */
static void release(const struct thin_ref *pool)
{
	struct thin_status status;
	struct err why = { 0 };

	if (thin_status(pool, &status, NULL) || !status.snapshot)
		return;
	if (thin_release(pool, &why))
		log_warn("pool %s is stopped with its metadata held: %s", pool->name, why.text);
}

static int take_down(struct stop *s)
{
	int code = 0;

	for (size_t i = 0; !code && i < s->n_windows; i++)
		code = window_close(&s->windows[i], s->e);
	for (size_t i = 0; !code && i < s->n; i++) {
		code = thin_remove(&s->shown[i].id, s->e);
		s->shown[i].gone = !code;
	}
	if (code)
		return code;
	release(s->pool);
	return thin_dismantle(s->pool, s->e);
}

int thin_stop(const struct thin_ref *pool, struct err *e)
{
	struct stop s = { .pool = pool, .e = e };
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = thin_hold_off(pool, e);

	if (code)
		return code;
	code = look(&s);
	if (!code)
		code = take_down(&s);
	/* Devices can be shown as long as the pool's own is there. */
	if (code && !dm_info(thin_name(&pool->id, THIN_POOL, name), &info, NULL) && info.live_table)
		put_back(&s);
	thin_hold_on(pool);
	free(s.shown);
	free(s.windows);
	return code;
}
