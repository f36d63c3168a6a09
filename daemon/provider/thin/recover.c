// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/assemble.h"
#include "provider/thin/audit.h"
#include "provider/thin/members.h"
#include "provider/thin/thin.h"
#include "provider/thin/window.h"
#include "sys/dm.h"
#include "util/cleanup.h"
#include "util/log.h"

/*
 * What a crash left, told by the kernel's transaction id K, the database's D and
 * the recorded operation (rows.h), which leads to N:
 *
 *	no operation, K = D	nothing was going on
 *	D <= K < N		the operation is not done; its messages may have
 *				run, all or some. Devices that were to be created
 *				go, all of them, a doomed one too
 *	K = N			it is done
 *	anything else		the database and the pool are not of the same time:
 *				the pool is left alone and the user told
 *
 * Devices that an earlier, failed operation left planned or doomed go as well.
 * One that is to be wiped stays as it is, for the job that wipes it: what others
 * have let go of meanwhile would come back to the pool unwiped. A metadata
 * snapshot and a window belong to nobody after a start and go.
 * None of this moves the pool's transaction id, so that it can be repeated: the
 * kernel's id becomes the database's in commit.
 */
struct open_action {
	struct action action;
	struct thin_ref pool;
	char **paths;
	struct thin_tune tune;
	bool moved;	/* the paths are not the database's any more */
	struct thin_pool row;
	bool has_op;
	struct thin_op op;
	size_t n;
	struct half {
		struct thin_dev dev;
		enum { KEEP, BECOMES_LIVE, GONE } outcome;
	} *half;	/* what is planned or doomed */
};

static void open_free(struct action *action)
{
	struct open_action *a = (struct open_action *)action;

	thin_free_paths(a->paths);
	free(a->half);
	free(a);
}

struct wake {
	/* How tables of this pool's devices, and of windows on its data, begin. */
	char table[THIN_NAME_MAX], window[THIN_NAME_MAX];
	struct err *e;
};

/* Open still, by what a killed process has given to a disk that hangs, it keeps its device alive. */
static int close_window(const struct bvol_uuid *id, struct err *e)
{
	struct err why = { 0 };
	int code = window_close(id, &why);

	return !code || code == -EBUSY ? 0 : err_set(e, code, "%s", why.text);
}

static int wake_one(const char *name, const char *uuid, void *data)
{
	_cleanup_free_ char *params = NULL;
	struct wake *wake = data;
	struct dm_info_plain info;
	struct bvol_uuid id;
	int code;

	if (thin_role_uuid(uuid, THIN_WINDOW, &id) && !dm_table(name, &params, NULL, NULL))
		return strncmp(params, wake->window, strlen(wake->window)) ? 0 : close_window(&id, wake->e);
	if (!thin_role_uuid(uuid, THIN_VOLUME, &id))
		return 0;
	code = dm_info(name, &info, wake->e);
	if (code || !info.live_table || (!info.suspended && !info.inactive_table))
		return code;
	code = dm_table(name, &params, NULL, wake->e);
	if (code || strncmp(params, wake->table, strlen(wake->table)))
		return code;
	log_notice("%s was left suspended or with a half-loaded table, its I/O goes on", name);
	return dm_resume(name, wake->e);
}

/*
 * First of all: let the I/O of devices flow that a crash left suspended, and
 * drop the tables that were loaded, but not put in, and the windows.
 */
static int wake_devices(const struct thin_ref *pool, struct err *e)
{
	struct wake wake = { .e = e };
	char name[THIN_NAME_MAX];
	struct dm_info_plain info, data;
	int code = dm_info(thin_name(&pool->id, THIN_POOL, name), &info, e);

	if (code || !info.live_table ||
	    (code = dm_info(thin_name(&pool->id, THIN_DATA, name), &data, e)))
		return code;
	snprintf(wake.table, sizeof(wake.table), "%u:%u ", info.major, info.minor);
	snprintf(wake.window, sizeof(wake.window), "%u:%u ", data.major, data.minor);
	return dm_list(THIN_DM_PREFIX, wake_one, &wake, e);
}

int thin_check_unused(const struct thin_ref *pool, const struct disks *disks, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	struct disk claimed;
	int code = dm_info(thin_name(&pool->id, THIN_META, name), &info, e);

	for (size_t i = 0; !code && !info.exists && i < disks->n; i++) {
		code = disk_open(disks->disk[i].path, DISK_CLAIM, &claimed, e);
		disk_close(&claimed);
	}
	return code;
}

/* Before this node uses it for the first time. A crash leaves the label with either owner. */
static int take_untold(const struct thin_ref *pool, const struct disk *disk, struct err *e)
{
	struct disk writable;
	int code = label_is_mine(&disk->label, pool->name, e);

	if (code)
		return code < 0 ? code : 0;
	code = disk_open(disk->path, DISK_WRITE, &writable, e);
	if (code)
		return code;
	label_own(&writable.label, LABEL_OWNED);
	code = label_write(writable.fd, writable.path, &writable.label, e);
	disk_close(&writable);
	return code;
}

static int assemble(struct open_action *a, struct err *e)
{
	struct thin_wanted wanted = {
		a->row.transaction_id, a->has_op ? a->op.next_transaction_id : a->row.transaction_id,
	};
	struct disks *disks;
	int code = members_open(&a->pool, &a->paths, &a->moved, &disks, e);

	if (code)
		return code;
	/* What a program holds yet shows as a disk that is in use. */
	thin_clear_places(&a->pool, NULL);
	code = take_untold(&a->pool, &disks->disk[0], e);
	if (!code && !(code = thin_check_unused(&a->pool, disks, e)) &&
	    !(code = thin_audit_before(&a->pool, disks, &wanted, e)))
		code = thin_assemble(&a->pool, disks, &a->tune, e);
	disks_close(disks);
	return code;
}

/* A device that is still open stays planned or doomed; destroy() will find it so. */
static int clean_up(const struct open_action *a, struct half *half, struct err *e)
{
	struct err inner = { 0 };
	int code = thin_remove(&half->dev.id, &inner);

	if (!code)
		code = thin_delete(&a->pool, half->dev.dev_id, &inner);
	if (code && code != -EBUSY)
		return err_set(e, code, "%s", inner.text);
	half->outcome = code ? KEEP : GONE;
	return 0;
}

static int settle(struct open_action *a, uint64_t now, struct err *e)
{
	bool done = a->has_op && now == a->op.next_transaction_id;
	int code = 0;

	for (size_t i = 0; !code && i < a->n; i++) {
		struct half *half = &a->half[i];

		if (done && half->dev.operation == a->op.next_transaction_id)
			half->outcome = half->dev.state == THIN_PLANNED ? BECOMES_LIVE : GONE;
		else if (half->dev.state == THIN_WIPING)
			half->outcome = KEEP;
		else
			code = clean_up(a, half, e);
	}
	if (code || !a->n)
		return code;
	return thin_read_back(&a->pool, now, e);
}

/* Every step can be repeated; see the table above for what a crash leaves. */
static int open_act(struct action *action, struct err *e)
{
	struct open_action *a = (struct open_action *)action;
	struct thin_wanted wanted = {
		a->row.transaction_id, a->has_op ? a->op.next_transaction_id : a->row.transaction_id,
	};
	struct thin_status status;
	int code;

	if ((code = wake_devices(&a->pool, e)) || (code = assemble(a, e)) ||
	    (code = thin_status(&a->pool, &status, e)) ||
	    (code = thin_check_mode(&a->pool, &status, e)) ||
	    (code = thin_check_id(&a->pool, status.transaction_id, &wanted, e)))
		return code;
	a->row.transaction_id = status.transaction_id;
	if (status.snapshot && (code = thin_release(&a->pool, e)))
		return code;
	return settle(a, status.transaction_id, e);
}

static int open_commit(struct action *action, struct store *store, struct err *e)
{
	struct open_action *a = (struct open_action *)action;
	int code = thin_row_put(store, &thin_type_pool, &a->row, e);

	if (!code && a->moved)
		code = thin_record_paths(store, &a->pool.id, a->paths, e);
	if (!code)
		code = thin_row_drop(store, &thin_type_op, &a->pool.id, e);
	for (size_t i = 0; !code && i < a->n; i++) {
		struct half *half = &a->half[i];

		if (half->outcome == GONE)
			code = thin_row_drop(store, &thin_type_dev, &half->dev.id, e);
		half->dev.state = THIN_LIVE;
		if (half->outcome == BECOMES_LIVE)
			code = thin_row_put(store, &thin_type_dev, &half->dev, e);
	}
	return code;
}

static int add_half(void *obj, void *data)
{
	struct open_action *a = data;
	struct half *grown = reallocarray(a->half, a->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	a->half = grown;
	a->half[a->n++] = (struct half) { .dev = *(struct thin_dev *)obj };
	return 0;
}

static int plan_open(struct open_action *a, struct store *store, struct err *e)
{
	struct store_match match[] = {
		{ .attr = THIN_DEV_POOL_ID, .id = &a->pool.id },
		{ .attr = THIN_DEV_STATE, .number = THIN_LIVE, .not = true },
		{ 0 },
	};
	int code = thin_pool_row(store, &a->pool, &a->row, e);

	if (code)
		return code;
	code = thin_row_get(store, &thin_type_op, &a->pool.id, &a->op, e);
	a->has_op = !code;
	if (code && code != -ENOENT)
		return code;
	return store_select(store, &thin_type_dev, match, NULL, 0, add_half, a, e);
}

int thin_plan_pool_open(struct store *store, const struct bvol_pool *pool, struct action **ret,
			struct err *e)
{
	struct open_action *a = thin_alloc(sizeof(*a), e);
	int code;

	if (!a)
		return -ENOMEM;
	a->action.free = open_free;
	a->action.act = open_act;
	a->action.commit = open_commit;
	a->pool = thin_ref(pool);
	a->tune = thin_tune(pool, paths_count(pool->spares) > 0);
	a->paths = thin_copy_paths(pool->devices, e);
	code = a->paths ? plan_open(a, store, e) : -ENOMEM;
	if (code) {
		open_free(&a->action);
		return code;
	}
	*ret = &a->action;
	return 0;
}
