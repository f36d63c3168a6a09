// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "provider/thin/audit.h"
#include "provider/thin/hold.h"
#include "provider/thin/members.h"
#include "provider/thin/stop.h"
#include "provider/thin/thin.h"
#include "util/cleanup.h"

struct swap_action {
	struct provider_swap swap;
	struct thin_ref pool;
	char **paths;
	bool moved;
	struct thin_pool row;
	struct thin_dev *devs;		/* that lose something, as swap.lost has them */
	uint64_t chunk_size;
};

static int write_swapped(const struct disk *first, bool swapped, struct err *e)
{
	struct disk disk;
	int code = disk_open(first->path, DISK_WRITE, &disk, e);

	if (code)
		return code;
	disk.label.swapped = swapped;
	code = label_write(disk.fd, disk.path, &disk.label, e);
	disk_close(&disk);
	return code;
}

static int swap(struct swap_action *a, struct err *e)
{
	_cleanup_disks_ struct disks *disks = NULL;
	bool swapped = a->row.mended == THIN_SWAPPED;
	int code = members_open(&a->pool, &a->paths, &a->moved, &disks, e);

	if (!code)
		code = label_is_mine(&disks->disk[0].label, a->pool.name, e);
	/* What a check has made since the pool was taken down. */
	if (code < 0 || (code = thin_dismantle(&a->pool, e)) || !a->row.mended ||
	    disks->disk[0].label.swapped == swapped)
		return code;
	return write_swapped(&disks->disk[0], swapped, e);
}

/*
 * One write of a label decides. A crash before it leaves the old metadata and a pool
 * that is down, one after it the mended ones; either way the next run comes here
 * again, by what mend has recorded, and finds the label right or makes it so. The
 * metadata that were stay in the spare place until the next repair.
 */
static int swap_act(struct action *action, struct err *e)
{
	struct swap_action *a = (struct swap_action *)action;
	int code = thin_stop(&a->pool, e);

	if (code || (code = thin_hold_off(&a->pool, e)))
		return code;
	code = swap(a, e);
	thin_hold_on(&a->pool);
	return code;
}

static int settle(struct swap_action *a, struct thin_dev *dev, struct store *store, struct err *e)
{
	int code = 0;

	if (dev->lost == THIN_LOST_ALL) {
		code = thin_row_drop(store, &thin_type_wipe, &dev->id, e);
		return code ? code : thin_row_drop(store, &thin_type_dev, &dev->id, e);
	}
	dev->lost = 0;
	return thin_row_put(store, &thin_type_dev, dev, e);
}

/* What was lost is free now, with what it holds. */
static int swap_commit(struct action *action, struct store *store, struct err *e)
{
	struct swap_action *a = (struct swap_action *)action;
	int code = 0;

	for (size_t i = 0; !code && i < a->swap.n; i++)
		code = settle(a, &a->devs[i], store, e);
	if (!code && a->swap.n)
		code = thin_unscrubbed(store, &a->pool, e);
	if (!code && a->moved)
		code = thin_record_paths(store, &a->pool.id, a->paths, e);
	a->row.mended = THIN_NOT_MENDED;
	return code ? code : thin_row_put(store, &thin_type_pool, &a->row, e);
}

static void swap_free(struct action *action)
{
	struct swap_action *a = (struct swap_action *)action;

	thin_free_paths(a->paths);
	free(a->swap.lost);
	free(a->devs);
	free(a);
}

static int add_lost(void *obj, void *data)
{
	const struct thin_dev *dev = obj;
	struct swap_action *a = data;
	struct provider_loss *lost;
	struct thin_dev *devs;

	if (!dev->lost)
		return 0;
	lost = reallocarray(a->swap.lost, a->swap.n + 1, sizeof(*lost));
	devs = reallocarray(a->devs, a->swap.n + 1, sizeof(*devs));
	a->swap.lost = lost ?: a->swap.lost;
	a->devs = devs ?: a->devs;
	if (!lost || !devs)
		return -ENOMEM;
	lost[a->swap.n] = (struct provider_loss) { .id = dev->id, .whole = dev->lost == THIN_LOST_ALL };
	if (!lost[a->swap.n].whole)
		lost[a->swap.n].bytes = dev->lost * a->chunk_size;
	devs[a->swap.n++] = *dev;
	return 0;
}

static int plan_swap(struct swap_action *a, const struct bvol_pool *pool, struct store *store,
		     struct err *e)
{
	struct store_match match[] = {
		{ .attr = THIN_DEV_POOL_ID, .id = &pool->id }, { 0 },
	};
	int code;

	a->pool = thin_ref(pool);
	a->chunk_size = pool->chunk_size;
	a->paths = thin_copy_paths(pool->devices, e);
	code = a->paths ? thin_pool_row(store, &a->pool, &a->row, e) : -ENOMEM;
	return code || !a->row.mended ? code :
	       store_select(store, &thin_type_dev, match, NULL, 0, add_lost, a, e);
}

int thin_plan_pool_swap(struct store *store, const struct bvol_pool *pool,
			struct provider_swap **ret, struct err *e)
{
	struct swap_action *a = thin_alloc(sizeof(*a), e);
	int code;

	if (!a)
		return -ENOMEM;
	a->swap.action = (struct action) {
		.act = swap_act, .commit = swap_commit, .free = swap_free };
	code = plan_swap(a, pool, store, e);
	if (code)
		swap_free(&a->swap.action);
	else
		*ret = &a->swap;
	return code;
}
