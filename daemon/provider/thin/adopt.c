// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The thin provider's rows of a pool: written down for the copy that the pool carries,
 * and taken from there.
 *
 * A copy is made a moment after the change that it tells of, so that it may be older
 * than the pool, never newer. With the metadata's transaction id K, the copy's D and its
 * operation, which leads to N:
 *
 *	K within D..N	the copy tells all; what may be half done is pool_open()'s
 *	K above		devices have come and gone since. Those of the copy that are
 *			there are live, a doomed one too: that it is there yet says that
 *			nothing was done to it, or not everything. Those that only the
 *			metadata have become extra ones
 *	K below		the metadata are of an older time: nothing fits, it is refused
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/find.h"

static const records_types own_types = {
	[RECORD_THIN_POOL] = &thin_type_pool,
	[RECORD_THIN_DEV] = &thin_type_dev,
	[RECORD_THIN_OP] = &thin_type_op,
};

struct collect {
	struct records *rows;
	struct err *e;
};

static int collect_dev(void *obj, void *data)
{
	struct collect *c = data;

	return records_add(c->rows, RECORD_THIN_DEV, &thin_type_dev, obj, c->e);
}

int thin_pool_rows(struct store *store, const struct bvol_uuid *pool_id, struct records *rows,
		   struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = pool_id }, { 0 } };
	struct collect c = { rows, e };
	struct thin_pool pool;
	struct thin_op op;
	int code = thin_row_get(store, &thin_type_pool, pool_id, &pool, e);

	if (!code)
		code = records_add(rows, RECORD_THIN_POOL, &thin_type_pool, &pool, e);
	if (code)
		return code;
	code = thin_row_get(store, &thin_type_op, pool_id, &op, e);
	if (!code)
		code = records_add(rows, RECORD_THIN_OP, &thin_type_op, &op, e);
	if (code && code != -ENOENT)
		return code;
	return store_select(store, &thin_type_dev, match, NULL, 0, collect_dev, &c, e);
}

/* Room for one more, by doubling. NULL without memory; the old array stays then. */
static void *room(void *array, size_t n, size_t size)
{
	return n & (n - 1) ? array : reallocarray(array, n ? 2 * n : 1, size);
}

/* A row of another pool would be a mistake of whoever wrote it. */
static int take_row(enum record_tag tag, void *obj, void *data)
{
	struct find_action *a = data;
	const struct thin_dev *dev = obj;
	struct thin_dev *more;

	if (tag == RECORD_THIN_POOL) {
		a->row = *(struct thin_pool *)obj;
		a->has_row = !memcmp(&a->row.id, &a->pool.id, sizeof(a->row.id));
		return a->has_row ? 0 : -EBADMSG;
	}
	if (tag == RECORD_THIN_OP) {
		a->op = *(struct thin_op *)obj;
		a->has_op = !memcmp(&a->op.id, &a->pool.id, sizeof(a->op.id));
		return a->has_op ? 0 : -EBADMSG;
	}
	if (memcmp(&dev->pool_id, &a->pool.id, sizeof(dev->pool_id)) ||
	    dev->dev_id > THIN_DEV_ID_MAX || dev->state > THIN_WIPING)
		return -EBADMSG;
	more = room(a->devs, a->n_devs, sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->devs = more;
	a->devs[a->n_devs++] = *dev;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t left = ((const struct thin_dev *)a)->dev_id, right = ((const struct thin_dev *)b)->dev_id;

	return left < right ? -1 : left > right;
}

int find_rows(struct find_action *a, struct err *e)
{
	int code = records_walk(a->found.rows.data, a->found.rows.n, own_types, take_row, a, e);

	if (!code && !a->has_row)
		code = -EBADMSG;
	if (code)
		return err_set(e, code, "the copy of the pool's rows does not tell of a thin pool");
	if (a->n_devs)
		qsort(a->devs, a->n_devs, sizeof(*a->devs), by_number);
	return 0;
}

static int list_device(const struct meta_device *device, void *data)
{
	struct find_action *a = data;
	struct listed *more = room(a->listed, a->n_listed, sizeof(*more));

	if (!more)
		return -ENOMEM;
	a->listed = more;
	a->listed[a->n_listed++] = (struct listed) { .number = device->id };
	return 0;
}

static int listed_number(const void *key, const void *item)
{
	uint32_t left = *(const uint32_t *)key, right = ((const struct listed *)item)->number;

	return left < right ? -1 : left > right;
}

static struct listed *find_listed(const struct find_action *a, uint32_t number)
{
	return a->n_listed ? bsearch(&number, a->listed, a->n_listed, sizeof(*a->listed),
				     listed_number) : NULL;
}

/* Has nothing moved on since the copy but the operation that it tells of? */
static bool is_in_time(const struct find_action *a)
{
	return a->transaction_id <= (a->has_op ? a->op.next_transaction_id : a->row.transaction_id);
}

static int add_missing(struct find_action *a, const struct thin_dev *dev)
{
	struct bvol_uuid *more = room(a->found.missing, a->found.n_missing, sizeof(*more));

	if (!more)
		return -ENOMEM;
	a->found.missing = more;
	a->found.missing[a->found.n_missing++] = dev->id;
	return 0;
}

static int keep_end(const struct meta_extent *extent, void *data)
{
	*(uint64_t *)data = extent->begin + extent->length;
	return 0;
}

/* As far as something is written; nobody knows how large it was made. */
static int add_extra(struct find_action *a, struct meta *m, uint32_t number, struct err *e)
{
	struct provider_device *more = room(a->found.extra, a->found.n_extra, sizeof(*more));
	uint64_t end = 0;
	int code;

	if (!more)
		return -ENOMEM;
	a->found.extra = more;
	code = meta_mapped(m, number, keep_end, &end, e);
	if (code)
		return code;
	a->found.extra[a->found.n_extra++] = (struct provider_device) {
		.number = number, .size = (end ? end : 1) * a->found.chunk_size,
	};
	return 0;
}

int find_compare(struct find_action *a, struct meta *m, struct err *e)
{
	int code;

	a->transaction_id = meta_pool(m)->transaction_id;
	if (a->has_row && a->transaction_id < a->row.transaction_id)
		return err_set(e, -EUCLEAN,
			       "the pool's metadata (transaction %" PRIu64 ") are older than the copy of the database's rows beside them (%"
			       PRIu64 "): they were restored from somewhere; nothing was changed",
			       a->transaction_id, a->row.transaction_id);
	code = meta_devices(m, list_device, a, e);
	for (size_t i = 0; !code && i < a->n_devs; i++) {
		const struct thin_dev *dev = &a->devs[i];
		struct listed *listed = find_listed(a, dev->dev_id);

		if (listed)
			listed->known = true;
		else if (dev->state == THIN_LIVE || !is_in_time(a))
			code = add_missing(a, dev);
	}
	for (size_t i = 0; !code && i < a->n_listed; i++)
		if (!a->listed[i].known)
			code = add_extra(a, m, a->listed[i].number, e);
	return code == -ENOMEM ? err_set(e, code, "out of memory") : code;
}

/* -EEXIST: the database has such a device. */
static int adopt_devices(struct store *store, struct find_action *a, struct err *e)
{
	bool in_time = *a->found.damage || is_in_time(a);
	int code = 0;

	for (size_t i = 0; !code && i < a->n_devs; i++) {
		struct thin_dev *dev = &a->devs[i];
		bool there = *a->found.damage || find_listed(a, dev->dev_id);

		if (!there && (dev->state == THIN_LIVE || !in_time))
			continue;
		if (!in_time && dev->state != THIN_WIPING)
			dev->state = THIN_LIVE;
		code = store_insert(store, &thin_type_dev, dev, e);
	}
	for (size_t i = 0; !code && i < a->found.n_extra; i++) {
		const struct provider_device *extra = &a->found.extra[i];
		struct thin_dev dev = {
			.id = extra->id, .pool_id = a->pool.id, .dev_id = extra->number,
			.size = extra->size, .state = THIN_LIVE,
		};

		code = thin_row_put(store, &thin_type_dev, &dev, e);
	}
	return code;
}

int thin_pool_adopt(struct store *store, const struct provider_found *found, struct err *e)
{
	struct find_action *a = (struct find_action *)found;
	struct thin_pool row = a->row;
	uint32_t next = row.next_dev_id > THIN_DEV_ID_FIRST ? row.next_dev_id : THIN_DEV_ID_FIRST;
	bool in_time = a->has_row && (*found->damage || is_in_time(a));
	int code;

	row.id = found->pool_id;
	if (!in_time)
		row.transaction_id = a->transaction_id;
	if (a->n_listed && a->listed[a->n_listed - 1].number >= next)
		next = a->listed[a->n_listed - 1].number + 1;
	if (a->n_devs && a->devs[a->n_devs - 1].dev_id >= next)
		next = a->devs[a->n_devs - 1].dev_id + 1;
	row.next_dev_id = next;
	code = thin_row_put(store, &thin_type_pool, &row, e);
	if (!code && a->has_op && in_time)
		code = thin_row_put(store, &thin_type_op, &a->op, e);
	return code ? code : adopt_devices(store, a, e);
}

static int drop_dev(void *obj, void *data)
{
	const struct thin_dev *dev = obj;
	struct store *store = data;
	int code = thin_row_drop(store, &thin_type_wipe, &dev->id, NULL);

	return code ? code : thin_row_drop(store, &thin_type_dev, &dev->id, NULL);
}

int thin_pool_drop(struct store *store, const struct bvol_uuid *pool_id, struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = pool_id }, { 0 } };
	int code = store_select(store, &thin_type_dev, match, NULL, 0, drop_dev, store, e);

	if (!code)
		code = thin_row_drop(store, &thin_type_op, pool_id, e);
	return code ? code : thin_row_drop(store, &thin_type_pool, pool_id, e);
}

struct walk {
	provider_each each;
	void *data;
};

static int tell_dev(void *obj, void *data)
{
	const struct thin_dev *dev = obj;
	struct walk *walk = data;
	struct provider_device device = { dev->id, dev->dev_id, dev->size };

	return dev->state == THIN_LIVE || dev->state == THIN_WIPING ? walk->each(&device, walk->data) : 0;
}

int thin_pool_devices(struct store *store, const struct bvol_uuid *pool_id, provider_each each,
		      void *data, struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = pool_id }, { 0 } };
	struct walk walk = { each, data };

	return store_select(store, &thin_type_dev, match, NULL, 0, tell_dev, &walk, e);
}
