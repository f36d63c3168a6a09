// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/finding.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/cleanup.h"

struct check_action {
	struct provider_check check;
	struct thin_ref pool;
	struct thin_pool row;
	uint64_t in_hand;			/* the operation that is recorded, 0: none */
	size_t n_devs, n_differences;
	struct thin_dev *devs;			/* of the database, in the order of their ids */
	char table[THIN_NAME_MAX];		/* how tables of this pool's devices begin */
};

static void check_free(struct action *action)
{
	struct check_action *a = (struct check_action *)action;

	finding_free(&a->check, a->n_differences);
	free(a->devs);
	free(a);
}

#define report(a, f, ...) finding_add(&(a)->check, &(a)->n_differences, f, __VA_ARGS__)

static int by_id(const void *a, const void *b)
{
	return memcmp(&((const struct thin_dev *)a)->id, &((const struct thin_dev *)b)->id,
		      sizeof(struct bvol_uuid));
}

/* An active block device: is it in the database, with this content and size? */
static int check_active(struct check_action *a, const char *name, const struct bvol_uuid *id,
			const char *found, uint64_t sectors, bool suspended)
{
	struct finding f = { BVOL_LAYER_DM, "differs", "device", name, id };
	struct thin_dev key = { .id = *id }, *dev;
	char wanted[THIN_NAME_MAX + 16];

	dev = a->n_devs ? bsearch(&key, a->devs, a->n_devs, sizeof(key), by_id) : NULL;
	if (!dev) {
		f.status = "extra";
		return report(a, &f, "active on pool %s, but not in the database", a->pool.name);
	}
	snprintf(wanted, sizeof(wanted), "%s%" PRIu32, a->table, dev->dev_id);
	if (strcmp(wanted, found))
		return report(a, &f, "table \"%s\" wanted, \"%s\" found", wanted, found);
	if (dev->size != sectors * THIN_SECTOR)
		return report(a, &f, "size of %" PRIu64 " bytes wanted, %" PRIu64 " found",
			      dev->size, sectors * THIN_SECTOR);
	return suspended ? report(a, &f, "suspended, its I/O waits") : 0;
}

static int check_listed(const char *name, const char *uuid, void *data)
{
	struct check_action *a = data;
	_cleanup_free_ char *params = NULL;
	struct dm_info_plain info;
	struct bvol_uuid id;
	uint64_t sectors;

	/* One that goes while we look is no difference. */
	if (!thin_role_uuid(uuid, THIN_VOLUME, &id) || dm_info(name, &info, NULL) || !info.live_table ||
	    dm_table(name, &params, &sectors, NULL) ||
	    strncmp(params, a->table, strlen(a->table)))
		return 0;
	return check_active(a, name, &id, params, sectors, info.suspended);
}

static int check_pool(struct check_action *a, bool *active, struct err *e)
{
	struct finding f = { BVOL_LAYER_DM, "missing", "pool", NULL, &a->pool.id };
	char name[THIN_NAME_MAX];
	struct thin_status status;
	struct dm_info_plain info;
	struct err why = { 0 };
	int code;

	f.name = thin_name(&a->pool.id, THIN_POOL, name);
	if ((code = dm_info(name, &info, e)))
		return code;
	*active = info.live_table;
	if (!info.live_table)
		return report(a, &f, "pool %s is not active", a->pool.name);
	snprintf(a->table, sizeof(a->table), "%u:%u ", info.major, info.minor);
	f.status = "differs";
	if ((code = thin_status(&a->pool, &status, e)))
		return code;
	if (thin_check_mode(&a->pool, &status, &why))
		return report(a, &f, "%s", why.text);
	if (status.transaction_id != a->row.transaction_id)
		return report(a, &f, "transaction id %" PRIu64 " wanted, %" PRIu64 " found",
			      a->row.transaction_id, status.transaction_id);
	return 0;
}

/* Reads only; an operation that runs meanwhile can show up as a difference. */
static int check_act(struct action *action, struct err *e)
{
	struct check_action *a = (struct check_action *)action;
	struct finding f = { BVOL_LAYER_DATABASE, "differs", "device", NULL, NULL };
	char name[THIN_NAME_MAX];
	bool active;
	int code = check_pool(a, &active, e);

	for (size_t i = 0; !code && i < a->n_devs; i++) {
		struct thin_dev *dev = &a->devs[i];

		f.id = &dev->id;
		f.name = thin_name(&dev->id, THIN_VOLUME, name);
		if (dev->state != THIN_LIVE && dev->operation != a->in_hand)
			code = report(a, &f, "left behind by a failed %s",
				      dev->state == THIN_PLANNED ? "create" : "delete");
	}
	if (!code && active)
		code = dm_list(THIN_DM_PREFIX, check_listed, a, e);
	return code == -ENOMEM ? err_set(e, code, "out of memory") : code;
}

static int add_dev(void *obj, void *data)
{
	struct check_action *a = data;
	struct thin_dev *grown = a->devs;

	/* Room doubles at each power of two. */
	if (!(a->n_devs & (a->n_devs - 1)))
		grown = reallocarray(a->devs, a->n_devs ? 2 * a->n_devs : 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	a->devs = grown;
	a->devs[a->n_devs++] = *(struct thin_dev *)obj;
	return 0;
}

int thin_plan_check(struct store *store, const struct bvol_pool *pool,
		    struct provider_check **ret, struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = &pool->id }, { 0 } };
	struct check_action *a = thin_alloc(sizeof(*a), e);
	struct thin_op op;
	int code;

	if (!a)
		return -ENOMEM;
	a->check.action.act = check_act;
	a->check.action.free = check_free;
	a->pool = thin_ref(pool);
	code = thin_pool_row(store, &a->pool, &a->row, e);
	if (!code && !(code = thin_row_get(store, &thin_type_op, &pool->id, &op, e)))
		a->in_hand = op.next_transaction_id;
	if (!code || code == -ENOENT)
		code = store_select(store, &thin_type_dev, match, NULL, 0, add_dev, a, e);
	if (code) {
		check_free(&a->check.action);
		return code;
	}
	if (a->n_devs)
		qsort(a->devs, a->n_devs, sizeof(*a->devs), by_id);
	*ret = &a->check;
	return 0;
}
