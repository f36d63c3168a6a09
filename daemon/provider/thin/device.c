// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provider/thin/thin.h"
#include "provider/thin/window.h"
#include "provider/thin/wipe.h"
#include "sys/dm.h"

/* A device of an operation. */
struct op_dev {
	struct thin_dev dev;
	uint32_t origin_dev_id;	/* 0: it begins empty */
	bool again;		/* a create that failed before */
	bool active;		/* its origin has a block device, which has to hold still */
	uint64_t since;		/* when the origin was first held, in ns; 0: it was not */
};

/* One operation on the pool's metadata; see thin.h for the order of things. */
struct op_action {
	struct provider_copies copies;	/* of a create: what was asked for, in the order of origins */
	struct thin_ref pool;
	struct thin_op op;
	uint64_t transaction_id;	/* the database's */
	size_t n;
	struct op_dev devs[];
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

/* All that can be done before origins hold still. */
static int create_prepare(struct op_action *a, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = 0;

	for (size_t i = 0; !code && i < a->n; i++) {
		struct op_dev *d = &a->devs[i];

		/* The number is this device's own (ids are given once): what has it is its first attempt. */
		if (d->again)
			code = thin_delete(&a->pool, d->dev.dev_id, e);
		if (code || !d->origin_dev_id)
			continue;
		code = dm_info(thin_name(&a->copies.copy[i].origin, THIN_VOLUME, name), &info, e);
		d->active = !code && info.live_table;
	}
	return code;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * An origin must hold still while its mappings are shared, which the kernel
 * doesn't check; several hold still together, so that what they have is of one
 * moment. Always in the order of their ids, and never for longer than dm_suspend()
 * says for one whose I/O does not end.
 */
static int hold_origins(struct op_action *a, struct err *e)
{
	char name[THIN_NAME_MAX];
	int code = 0;

	for (size_t i = 0; !code && i < a->n; i++) {
		if (!a->devs[i].active)
			continue;
		a->devs[i].since = now();
		code = dm_suspend(thin_name(&a->copies.copy[i].origin, THIN_VOLUME, name), e);
	}
	return code;
}

/* Also that one whose suspend failed. */
static int release_origins(struct op_action *a, struct err *e)
{
	char name[THIN_NAME_MAX];
	int code = 0, resumed;

	for (size_t i = 0; i < a->n; i++) {
		if (!a->devs[i].since)
			continue;
		resumed = dm_resume(thin_name(&a->copies.copy[i].origin, THIN_VOLUME, name), e);
		a->copies.copy[i].pause = now() - a->devs[i].since;
		code = code ? code : resumed;
	}
	return code;
}

static int send_all(const struct op_action *a, struct err *e)
{
	int code = 0;

	for (size_t i = 0; !code && i < a->n; i++) {
		const struct op_dev *d = &a->devs[i];

		code = d->origin_dev_id ? thin_snap(&a->pool, d->dev.dev_id, d->origin_dev_id, e)
					: thin_create(&a->pool, d->dev.dev_id, e);
	}
	return code;
}

/*
 * Before the first message: the devices are planned and unknown to the kernel.
 * Between it and the transaction id: the kernel has some of them or all, which
 * pool_open() or destroy() deletes; a half of them is never anybody's. After it:
 * pool_open() finds the operation done. A crash while origins hold still leaves
 * them suspended: their I/O waits until pool_open() resumes them, before it does
 * anything else.
 */
static int create_act(struct action *action, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	uint64_t from;
	int code = op_begin(a, &from, e), released;

	if (code || (code = create_prepare(a, e)))
		return code;
	code = hold_origins(a, e);
	if (!code)
		code = send_all(a, e);
	released = release_origins(a, e);
	if (code || (code = released))
		return code;
	return thin_finish(&a->pool, from, a->op.next_transaction_id, e);
}

/*
 * Until the message the device is doomed, but whole; after it the kernel has
 * lost it, and to delete it again does nothing. While a wipe that was abandoned has
 * requests under way to its chunks, it stays: they would hit whoever gets them next.
 */
static int destroy_act(struct action *action, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	const struct thin_dev *dev = &a->devs->dev;
	struct quiet quiet = { 0 };
	uint64_t from;
	int code, resumed;

	if ((code = thin_remove(&dev->id, e)) || (code = window_close(&dev->id, e)) ||
	    (code = op_begin(a, &from, e)))
		return code;
	code = thin_wipe_last(&dev->id, &quiet, e);
	if (!code)
		code = thin_delete(&a->pool, dev->dev_id, e);
	resumed = quiet_end(&quiet, e);
	if (code || (code = resumed))
		return code;
	return thin_finish(&a->pool, from, a->op.next_transaction_id, e);
}

/* The pool is where the operation led to. */
static int op_end(const struct op_action *a, struct store *store, struct err *e)
{
	struct thin_pool row;
	int code = thin_pool_row(store, &a->pool, &row, e);

	if (code)
		return code;
	row.transaction_id = a->op.next_transaction_id;
	code = thin_row_put(store, &thin_type_pool, &row, e);
	return code ? code : thin_row_drop(store, &thin_type_op, &a->pool.id, e);
}

static int create_commit(struct action *action, struct store *store, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	int code = op_end(a, store, e);

	for (size_t i = 0; !code && i < a->n; i++) {
		a->devs[i].dev.state = THIN_LIVE;
		code = thin_row_put(store, &thin_type_dev, &a->devs[i].dev, e);
	}
	return code;
}

static int destroy_commit(struct action *action, struct store *store, struct err *e)
{
	struct op_action *a = (struct op_action *)action;
	int code = op_end(a, store, e);

	return code ? code : thin_row_drop(store, &thin_type_dev, &a->devs->dev.id, e);
}

static void create_free(struct action *action)
{
	struct op_action *a = (struct op_action *)action;

	free(a->copies.copy);
	free(a);
}

/* A wipe has come to its end with its device; or it failed, and the next one begins again. */
static void destroy_free(struct action *action)
{
	struct op_action *a = (struct op_action *)action;

	thin_wipe_forget(&a->devs->dev.id);
	free(a);
}

static struct op_action *op_new(const struct bvol_pool *pool, size_t n, struct err *e)
{
	struct op_action *a = thin_alloc(sizeof(*a) + n * sizeof(*a->devs), e);

	if (!a)
		return NULL;
	a->pool = thin_ref(pool);
	a->n = n;
	return a;
}

/* Record the intent: the devices' new state, and the transaction id that the operation leads to. */
static int op_record(struct op_action *a, struct store *store, const struct thin_pool *row,
		     struct err *e)
{
	struct thin_op left;
	int code = thin_row_get(store, &thin_type_op, &a->pool.id, &left, e);

	if (code && code != -ENOENT)
		return code;
	a->transaction_id = row->transaction_id;
	a->op.id = a->pool.id;
	a->op.next_transaction_id = (code ? row->transaction_id : left.next_transaction_id) + 1;
	code = thin_row_put(store, &thin_type_op, &a->op, e);
	for (size_t i = 0; !code && i < a->n; i++) {
		a->devs[i].dev.operation = a->op.next_transaction_id;
		code = thin_row_put(store, &thin_type_dev, &a->devs[i].dev, e);
	}
	return code;
}

static int take_dev_id(const struct thin_ref *pool, struct thin_pool *row, uint32_t *dev_id,
		       struct err *e)
{
	if (row->next_dev_id > THIN_DEV_ID_MAX)
		return err_set(e, -ENOSPC,
			       "pool %s has given out all of its %u device ids; use another pool",
			       pool->name, THIN_DEV_ID_MAX);
	*dev_id = row->next_dev_id++;
	return 0;
}

/* Fill in a device that is not made yet; 1 when it is there. */
static int plan_copy(const struct op_action *a, struct op_dev *d, struct store *store,
		     const struct provider_copy *copy, struct thin_pool *row, struct err *e)
{
	static const struct bvol_uuid none;
	struct thin_dev origin = { 0 };
	int code = thin_check_size(copy->size, e);

	if (!code && memcmp(&copy->origin, &none, sizeof(none)))
		code = thin_live(store, &a->pool, &copy->origin, &origin, e);
	if (code)
		return code;
	d->origin_dev_id = origin.dev_id;
	code = thin_row_get(store, &thin_type_dev, &copy->id, &d->dev, e);
	if (!code && d->dev.state == THIN_LIVE)
		return 1;
	if (!code && d->dev.state != THIN_PLANNED)
		return err_set(e, -EBUSY, "the device is being deleted");
	if (code && code != -ENOENT)
		return code;
	d->again = !code;
	if (!d->again && (code = take_dev_id(&a->pool, row, &d->dev.dev_id, e)))
		return code;
	d->dev.id = copy->id;
	d->dev.pool_id = a->pool.id;
	d->dev.size = copy->size;
	d->dev.state = THIN_PLANNED;
	return 0;
}

/* 1 when all are there already. What comes to be at one moment is never there in part. */
static int plan_copies(struct op_action *a, struct store *store, struct err *e)
{
	struct thin_pool row;
	size_t there = 0;
	int code = thin_pool_row(store, &a->pool, &row, e);

	for (size_t i = 0; code >= 0 && i < a->n; i++) {
		code = plan_copy(a, &a->devs[i], store, &a->copies.copy[i], &row, e);
		there += code == 1;
	}
	if (code < 0)
		return code;
	if (there)
		return there == a->n ? 1 : err_set(e, -EUCLEAN, "pool %s has some of the devices already",
						   a->pool.name);
	code = thin_row_put(store, &thin_type_pool, &row, e);
	return code ? code : op_record(a, store, &row, e);
}

static int by_origin(const void *a, const void *b)
{
	return memcmp(&((const struct provider_copy *)a)->origin,
		      &((const struct provider_copy *)b)->origin, sizeof(struct bvol_uuid));
}

int thin_plan_copy(struct store *store, const struct bvol_pool *pool,
		   const struct provider_copy *copies, size_t n, struct provider_copies **ret,
		   struct err *e)
{
	struct op_action *a = op_new(pool, n, e);
	int code;

	*ret = NULL;
	if (!a)
		return -ENOMEM;
	a->copies.n = n;
	a->copies.action = (struct action) {
		.act = create_act, .commit = create_commit, .free = create_free };
	a->copies.copy = thin_alloc(n * sizeof(*copies), e);
	if (!a->copies.copy) {
		create_free(&a->copies.action);
		return -ENOMEM;
	}
	memcpy(a->copies.copy, copies, n * sizeof(*copies));
	qsort(a->copies.copy, n, sizeof(*copies), by_origin);
	code = plan_copies(a, store, e);
	if (code) {
		create_free(&a->copies.action);
		return code > 0 ? 0 : code;
	}
	*ret = &a->copies;
	return 0;
}

int thin_plan_create(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     uint64_t size, const struct bvol_uuid *origin, struct action **ret,
		     struct err *e)
{
	struct provider_copy copy = { .id = *id, .size = size };
	struct provider_copies *copies;
	int code;

	if (origin)
		copy.origin = *origin;
	code = thin_plan_copy(store, pool, &copy, 1, &copies, e);
	*ret = copies ? &copies->action : NULL;
	return code;
}

/* Fill in a delete that is not done yet; 1 when it is. */
static int plan_destroy(struct op_action *a, struct store *store, const struct bvol_uuid *id,
			struct err *e)
{
	struct thin_dev *dev = &a->devs->dev;
	struct thin_pool row;
	int code = thin_row_get(store, &thin_type_dev, id, dev, e);

	if (code)
		return code == -ENOENT ? 1 : code;
	if ((code = thin_pool_row(store, &a->pool, &row, e)))
		return code;
	dev->state = thin_wiped(id) ? THIN_WIPING : THIN_DOOMED;
	return op_record(a, store, &row, e);
}

int thin_plan_destroy(struct store *store, const struct bvol_pool *pool,
		      const struct bvol_uuid *id, struct action **ret, struct err *e)
{
	struct op_action *a = op_new(pool, 1, e);
	int code;

	*ret = NULL;
	if (!a)
		return -ENOMEM;
	code = plan_destroy(a, store, id, e);
	if (code) {
		free(a);
		return code > 0 ? 0 : code;
	}
	a->copies.action = (struct action) {
		.act = destroy_act, .commit = destroy_commit, .free = destroy_free };
	*ret = &a->copies.action;
	return 0;
}
