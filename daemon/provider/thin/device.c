// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "provider/thin/thin.h"
#include "provider/thin/wipe.h"
#include "sys/dm.h"

/* One operation on the pool's metadata; see thin.h for the order of things. */
struct op_action {
	struct action action;
	struct thin_ref pool;
	struct thin_op op;
	struct thin_dev dev;
	struct bvol_uuid origin;	/* of THIN_SNAP */
	uint64_t transaction_id;	/* the database's */
	bool again;			/* a create that failed before */
};

/* The pool's id now; it has to be between the database's and the one that this operation leads to. */
static int op_begin(const struct op_action *a, uint64_t *transaction_id, struct err *e)
{
	struct thin_status status;
	int code = thin_status(&a->pool, &status, e);

	if (code || (code = thin_check_mode(&a->pool, &status, e)))
		return code;
	if (status.transaction_id < a->transaction_id ||
	    status.transaction_id >= a->op.next_transaction_id)
		return err_set(e, -EUCLEAN,
			       "the transaction id of pool %s is %" PRIu64 ", the database has %" PRIu64
			       "; another program changed it, nothing was done",
			       a->pool.name, status.transaction_id, a->transaction_id);
	*transaction_id = status.transaction_id;
	return 0;
}

/* The number is this device's own (ids are given once), so what has it is its first attempt. */
static int create_again(const struct op_action *a, struct err *e)
{
	return a->again ? thin_delete(&a->pool, a->op.dev_id, e) : 0;
}

static int send_snap(const struct op_action *a, struct err *e)
{
	int code = create_again(a, e);

	return code ? code : thin_snap(&a->pool, a->op.dev_id, a->op.origin_dev_id, e);
}

/*
 * The origin must hold still while its mappings are shared, which the kernel
 * doesn't check. A crash in between leaves it suspended: its I/O waits until
 * pool_open() resumes it, before it does anything else.
 */
static int snap_origin(const struct op_action *a, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&a->origin, THIN_VOLUME, name), &info, e), resumed;

	if (code)
		return code;
	if (!info.live_table)
		return send_snap(a, e);
	code = dm_suspend(name, e);
	if (!code)
		code = send_snap(a, e);
	resumed = dm_resume(name, e);
	return code ? code : resumed;
}

/*
 * Before the message: the device is planned and unknown to the kernel. Between
 * message and transaction id: the kernel has a device that pool_open() or
 * destroy() deletes. After it: pool_open() finds the operation done.
 */
static int create_act(struct action *action, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	uint64_t from;
	int code = op_begin(a, &from, e);

	if (code)
		return code;
	if (a->op.kind == THIN_SNAP)
		code = snap_origin(a, e);
	else if (!(code = create_again(a, e)))
		code = thin_create(&a->pool, a->op.dev_id, e);
	return code ? code : thin_finish(&a->pool, from, a->op.next_transaction_id, e);
}

/*
 * Until the message the device is doomed, but whole; after it the kernel has
 * lost it, and to delete it again does nothing.
 */
static int destroy_act(struct action *action, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	struct quiet quiet = { 0 };
	uint64_t from;
	int code, resumed;

	if ((code = thin_remove(&a->dev.id, e)) || (code = op_begin(a, &from, e)))
		return code;
	code = thin_wipe_last(&a->dev.id, &quiet, e);
	if (!code)
		code = thin_delete(&a->pool, a->op.dev_id, e);
	resumed = quiet_end(&quiet, e);
	if (code || (code = resumed))
		return code;
	return thin_finish(&a->pool, from, a->op.next_transaction_id, e);
}

static int op_commit(struct action *action, struct store *store, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	struct thin_pool row;
	int code = thin_pool_row(store, &a->pool, &row, e);

	if (code)
		return code;
	row.transaction_id = a->op.next_transaction_id;
	a->dev.state = THIN_LIVE;
	if ((code = thin_row_put(store, &thin_type_pool, &row, e)))
		return code;
	if (a->op.kind == THIN_DELETE)
		code = thin_row_drop(store, &thin_type_dev, &a->dev.id, e);
	else
		code = thin_row_put(store, &thin_type_dev, &a->dev, e);
	return code ? code : thin_row_drop(store, &thin_type_op, &a->pool.id, e);
}

/* A wipe has come to its end with its device; or it failed, and the next one begins again. */
static void op_free(struct action *action)
{
	struct op_action *a = (struct op_action *)action;

	if (a->op.kind == THIN_DELETE)
		thin_wipe_forget(&a->dev.id);
	free(a);
}

static struct op_action *op_new(const struct bvol_pool *pool, struct err *e)
{
	struct op_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return NULL;
	a->action.free = op_free;
	a->action.commit = op_commit;
	a->pool = thin_ref(pool);
	return a;
}

/* Record the intent: the device's new state, and the transaction id that the operation leads to. */
static int op_record(struct op_action *a, struct store *store, const struct thin_pool *row,
		     struct err *e)
{
	struct thin_op left;
	int code = thin_row_get(store, &thin_type_op, &a->pool.id, &left, e);

	if (code && code != -ENOENT)
		return code;
	a->transaction_id = row->transaction_id;
	a->op.id = a->pool.id;
	a->op.device_id = a->dev.id;
	a->op.dev_id = a->dev.dev_id;
	a->op.next_transaction_id = (code ? row->transaction_id : left.next_transaction_id) + 1;
	code = thin_row_put(store, &thin_type_dev, &a->dev, e);
	return code ? code : thin_row_put(store, &thin_type_op, &a->op, e);
}

static int take_dev_id(struct store *store, const struct thin_ref *pool, struct thin_pool *row,
		       uint32_t *dev_id, struct err *e)
{
	if (row->next_dev_id > THIN_DEV_ID_MAX)
		return err_set(e, -ENOSPC,
			       "pool %s has given out all of its %u device ids; use another pool",
			       pool->name, THIN_DEV_ID_MAX);
	*dev_id = row->next_dev_id++;
	return thin_row_put(store, &thin_type_pool, row, e);
}

static int plan_origin(struct op_action *a, struct store *store, const struct bvol_uuid *origin,
		       struct err *e)
{
	struct thin_dev dev;
	int code;

	a->op.kind = origin ? THIN_SNAP : THIN_CREATE;
	if (!origin)
		return 0;
	if ((code = thin_live(store, &a->pool, origin, &dev, e)))
		return code;
	a->origin = *origin;
	a->op.origin_dev_id = dev.dev_id;
	return 0;
}

/* Fill in a create that is not done yet; 1 when it is. */
static int plan_create(struct op_action *a, struct store *store, const struct bvol_uuid *id,
		       uint64_t size, const struct bvol_uuid *origin, struct err *e)
{
	struct thin_pool row;
	int code;

	if ((code = thin_pool_row(store, &a->pool, &row, e)) ||
	    (code = plan_origin(a, store, origin, e)))
		return code;
	code = thin_row_get(store, &thin_type_dev, id, &a->dev, e);
	if (!code && a->dev.state == THIN_LIVE)
		return 1;
	if (!code && a->dev.state != THIN_PLANNED)
		return err_set(e, -EBUSY, "the device is being deleted");
	if (code && code != -ENOENT)
		return code;
	a->again = !code;
	if (!a->again && (code = take_dev_id(store, &a->pool, &row, &a->dev.dev_id, e)))
		return code;
	a->dev.id = *id;
	a->dev.pool_id = a->pool.id;
	a->dev.size = size;
	a->dev.state = THIN_PLANNED;
	return op_record(a, store, &row, e);
}

int thin_plan_create(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     uint64_t size, const struct bvol_uuid *origin, struct action **ret,
		     struct err *e)
{
	struct op_action *a;
	int code = thin_check_size(size, e);

	*ret = NULL;
	if (code)
		return code;
	a = op_new(pool, e);
	if (!a)
		return -ENOMEM;
	code = plan_create(a, store, id, size, origin, e);
	if (code) {
		free(a);
		return code > 0 ? 0 : code;
	}
	a->action.act = create_act;
	*ret = &a->action;
	return 0;
}

/* Fill in a delete that is not done yet; 1 when it is. */
static int plan_destroy(struct op_action *a, struct store *store, const struct bvol_uuid *id,
			struct err *e)
{
	struct thin_pool row;
	int code = thin_row_get(store, &thin_type_dev, id, &a->dev, e);

	if (code)
		return code == -ENOENT ? 1 : code;
	if ((code = thin_pool_row(store, &a->pool, &row, e)))
		return code;
	a->op.kind = THIN_DELETE;
	a->dev.state = thin_wiped(id) ? THIN_WIPING : THIN_DOOMED;
	return op_record(a, store, &row, e);
}

int thin_plan_destroy(struct store *store, const struct bvol_pool *pool,
		      const struct bvol_uuid *id, struct action **ret, struct err *e)
{
	struct op_action *a = op_new(pool, e);
	int code;

	*ret = NULL;
	if (!a)
		return -ENOMEM;
	code = plan_destroy(a, store, id, e);
	if (code) {
		free(a);
		return code > 0 ? 0 : code;
	}
	a->action.act = destroy_act;
	*ret = &a->action;
	return 0;
}
