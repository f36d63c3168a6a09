// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/cleanup.h"

struct active_action {
	struct action action;
	struct thin_ref pool;
	struct thin_dev dev;
	struct thin_dev other;	/* of an exchange: the device whose content comes */
	uint64_t size;
};

static void active_free(struct action *action)
{
	free(action);
}

static struct active_action *active_new(const struct bvol_pool *pool, uint64_t size,
					struct err *e)
{
	struct active_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return NULL;
	a->action.free = active_free;
	a->pool = thin_ref(pool);
	a->size = size;
	return a;
}

/* Does the active device have this table and size? */
static int compare(const char *name, const struct dm_target *target, bool *same, struct err *e)
{
	_cleanup_free_ char *params = NULL;
	uint64_t sectors;
	int code = dm_table(name, &params, &sectors, e);

	if (!code)
		*same = sectors == target->length && !strcmp(params, target->params);
	return code;
}

/*
 * Make the block device show dev_id with this size, whatever it showed before,
 * and read it back. With a table that is right already nothing happens to it;
 * the swap of a table is one step of the kernel, so that a crash leaves the old
 * or the new one.
 */
int thin_show(const struct thin_ref *pool, const struct bvol_uuid *id, uint32_t dev_id, uint64_t size,
	      struct err *e)
{
	char name[THIN_NAME_MAX], uuid[THIN_NAME_MAX], params[THIN_NAME_MAX];
	struct dm_target target = { 0, size / THIN_SECTOR, "thin", params };
	bool same;
	int code;

	thin_name(id, THIN_VOLUME, name);
	if ((code = thin_volume_table(pool, dev_id, params, e)) ||
	    (code = dm_create(name, thin_dm_uuid(id, THIN_VOLUME, uuid), &target, 1, e)) ||
	    (code = compare(name, &target, &same, e)) || same)
		return code;
	if ((code = dm_reload(name, &target, 1, false, e)) ||
	    (code = compare(name, &target, &same, e)))
		return code;
	return same ? 0 : err_set(e, -EIO, "the kernel gave %s another table than it was told",
				  name);
}

static int activate_act(struct action *action, struct err *e)
{
	struct active_action *a = (struct active_action *)action;

	return thin_show(&a->pool, &a->dev.id, a->dev.dev_id, a->size, e);
}

static int activate_commit(struct action *action, struct store *store, struct err *e)
{
	struct active_action *a = (struct active_action *)action;
	int code = thin_unscrubbed(store, &a->pool, e);

	/* A start activates them all and finds most as they were. */
	if (code || a->dev.size == a->size)
		return code;
	a->dev.size = a->size;
	return thin_row_put(store, &thin_type_dev, &a->dev, e);
}

int thin_plan_activate(struct store *store, const struct bvol_pool *pool,
		       const struct bvol_uuid *id, uint64_t size, struct action **ret,
		       struct err *e)
{
	struct active_action *a;
	int code = thin_check_size(size, e);

	if (code)
		return code;
	a = active_new(pool, size, e);
	if (!a)
		return -ENOMEM;
	code = thin_live(store, &a->pool, id, &a->dev, e);
	if (code) {
		free(a);
		return code;
	}
	a->action.act = activate_act;
	a->action.commit = activate_commit;
	*ret = &a->action;
	return 0;
}

/* A crash before leaves the block device, after it nothing; the next activate or deactivate ends it. */
static int deactivate_act(struct action *action, struct err *e)
{
	struct active_action *a = (struct active_action *)action;

	return thin_remove(&a->dev.id, e);
}

int thin_plan_deactivate(struct store *store, const struct bvol_pool *pool,
			 const struct bvol_uuid *id, struct action **ret, struct err *e)
{
	struct active_action *a = active_new(pool, 0, e);

	if (!a)
		return -ENOMEM;
	a->dev.id = *id;
	a->action.act = deactivate_act;
	*ret = &a->action;
	return 0;
}

/*
 * The rows say which device id belongs to which device, and change places in
 * commit. A crash after the swap of the table leaves a's block device with b's
 * content and the rows as they were: the exchange planned anew finds the table
 * right and goes on to commit. If it is given up instead, the next activate of
 * a puts its own content back, and b can't be destroyed until then, because the
 * kernel deletes no device that is shown. Whoever has the block device open has
 * cached what it held, so nothing changes under him.
 */
static int exchange_act(struct action *action, struct err *e)
{
	struct active_action *a = (struct active_action *)action;
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&a->other.id, THIN_VOLUME, name), &info, e);

	if (code)
		return code;
	if (info.live_table)
		return err_set(e, -EBUSY, "%s is active, its content can't be moved", name);
	if ((code = dm_info(thin_name(&a->dev.id, THIN_VOLUME, name), &info, e)))
		return code;
	if (info.open_count > 0)
		return err_set(e, -EBUSY,
			       "the block device %s is open; end what uses it, then try again", name);
	return info.live_table ? thin_show(&a->pool, &a->dev.id, a->other.dev_id, a->size, e) : 0;
}

/* No two rows of a pool may have the same device id, so one makes room first. */
static int exchange_commit(struct action *action, struct store *store, struct err *e)
{
	struct active_action *a = (struct active_action *)action;
	uint32_t dev_id = a->dev.dev_id;
	int code;

	a->dev.dev_id = a->other.dev_id;
	a->other.dev_id = dev_id;
	a->other.size = a->dev.size;
	a->dev.size = a->size;
	if ((code = thin_row_drop(store, &thin_type_dev, &a->other.id, e)) ||
	    (code = thin_row_put(store, &thin_type_dev, &a->dev, e)))
		return code;
	return thin_row_put(store, &thin_type_dev, &a->other, e);
}

int thin_plan_exchange(struct store *store, const struct bvol_pool *pool,
		       const struct bvol_uuid *a_id, const struct bvol_uuid *b_id, uint64_t size,
		       struct action **ret, struct err *e)
{
	struct active_action *a;
	int code = thin_check_size(size, e);

	if (code)
		return code;
	a = active_new(pool, size, e);
	if (!a)
		return -ENOMEM;
	if ((code = thin_live(store, &a->pool, a_id, &a->dev, e)) ||
	    (code = thin_live(store, &a->pool, b_id, &a->other, e))) {
		free(a);
		return code;
	}
	a->action.act = exchange_act;
	a->action.commit = exchange_commit;
	*ret = &a->action;
	return 0;
}
