// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "provider/thin/assemble.h"
#include "provider/thin/members.h"
#include "provider/thin/thin.h"
#include "provider/thin/turn.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/str.h"

struct pool_action {
	struct action action;
	struct thin_ref pool;
	char **paths;
	struct thin_tune tune;
	uint32_t chunk_size;
	bool force;
};

static void pool_action_free(struct action *action)
{
	struct pool_action *a = (struct pool_action *)action;

	thin_free_paths(a->paths);
	free(a);
}

static struct pool_action *pool_action_new(const struct bvol_pool *pool, struct err *e)
{
	struct pool_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return NULL;
	a->action.free = pool_action_free;
	a->pool = thin_ref(pool);
	a->paths = thin_copy_paths(pool->devices, e);
	a->tune = thin_tune(pool, false);
	a->chunk_size = pool->chunk_size;
	if (a->paths)
		return a;
	free(a);
	return NULL;
}

static bool is_ready(const struct disks *disks, const struct bvol_uuid *pool_id)
{
	for (size_t i = 0; i < disks->n; i++)
		if (!disk_is_of(&disks->disk[i], pool_id))
			return false;
	return disks->disk[0].label.ready;
}

/* Decide on a label for each device, without writing anything. */
static int plan_labels(const struct pool_action *a, struct disks *disks, struct err *e)
{
	uint64_t total = 0;
	int code = 0;

	for (size_t i = 0; !code && i < disks->n; i++) {
		if (__builtin_add_overflow(total, disks->disk[i].size, &total))
			return err_set(e, -EFBIG, "the pool's devices are too large together");
		code = disk_check_free(&disks->disk[i], &a->pool.id, a->force, e);
	}
	for (size_t i = 0; !code && i < disks->n; i++) {
		struct disk *disk = &disks->disk[i];

		disk->label = (struct label) {
			.pool_id = a->pool.id,
			.index = (uint32_t)i,
			.count = (uint32_t)disks->n,
			.chunk_size = a->chunk_size,
			.device_size = disk->size,
		};
		if (i == 0)
			label_own(&disk->label, LABEL_OWNED);
		code = label_plan(&disk->label, i ? 0 : total, disk->path, e);
	}
	return code;
}

/*
 * Take possession of the devices and make the metadata look blank, which makes
 * dm-thin format it. A crash leaves devices with the labels of a pool in the
 * making, or still without: the next run starts here again, pool_destroy()
 * erases those labels. Nothing is written before every device has passed.
 */
static int claim(const struct pool_action *a, struct err *e)
{
	_cleanup_disks_ struct disks *disks = NULL;
	int code;

	if ((code = disks_open(a->paths, DISK_CLAIM, &disks, e)) || (code = plan_labels(a, disks, e)))
		return code;
	for (size_t i = 0; !code && i < disks->n; i++) {
		if (disks->disk[i].found)
			code = disk_wipe(&disks->disk[i], e);
		if (!code)
			code = label_write(disks->disk[i].fd, disks->disk[i].path,
					   &disks->disk[i].label, e);
	}
	if (code)
		return code;
	return label_zero(disks->disk[0].fd, disks->disk[0].path,
			  label_find(&disks->disk[0].label, LABEL_METADATA)->offset, e);
}

/* Bring up what the labels describe and see that it is an empty pool that can be written. */
static int start(const struct pool_action *a, const struct disks *disks, struct err *e)
{
	int code = thin_assemble(&a->pool, disks, &a->tune, e);

	return code ? code : thin_read_back(&a->pool, 0, e);
}

/*
 * A pool is handed out when its label says ready, and then its metadata is never
 * made blank again: a run that finds it so only starts the pool. A run that finds
 * the pool in the making takes down what is there, in which nothing can have
 * been stored yet, and begins anew.
 */
static int pool_create_act(struct action *action, struct err *e)
{
	struct pool_action *a = (struct pool_action *)action;
	_cleanup_disks_ struct disks *disks = NULL;
	int code = disks_open(a->paths, DISK_READ, &disks, e);

	if (code)
		return code;
	if (is_ready(disks, &a->pool.id))
		return start(a, disks, e);
	disks = disks_close(disks);
	if ((code = thin_dismantle(&a->pool, e)) || (code = claim(a, e)) ||
	    (code = disks_open(a->paths, DISK_WRITE, &disks, e)) || (code = start(a, disks, e)))
		return code;
	disks->disk[0].label.ready = true;
	return label_write(disks->disk[0].fd, disks->disk[0].path, &disks->disk[0].label, e);
}

static int check_request(struct store *store, const struct bvol_pool *pool, struct err *e)
{
	const struct provider_ops *ops = &provider_thin;
	size_t n = paths_count(pool->devices);
	char text[16];

	if (!n || n > LABEL_DEVICES_MAX)
		return err_set(e, -EINVAL, "a pool has 1 to %d devices", LABEL_DEVICES_MAX);
	if (pool->chunk_size < ops->chunk_min || pool->chunk_size > ops->chunk_max ||
	    pool->chunk_size % ops->chunk_min)
		return err_set(e, -EINVAL,
			       "the chunk size has to be a multiple of 64 KiB and at most 1 GiB, not %s",
			       str_size(pool->chunk_size, text));
	return thin_check_paths(store, &pool->id, pool->devices, e);
}

int thin_plan_pool_create(struct store *store, const struct bvol_pool *pool, bool force,
			  struct action **ret, struct err *e)
{
	struct thin_pool row = { .id = pool->id, .next_dev_id = THIN_DEV_ID_FIRST };
	struct pool_action *a;
	struct thin_pool old;
	int code = check_request(store, pool, e);

	if (code)
		return code;
	code = thin_row_get(store, &thin_type_pool, &pool->id, &old, e);
	if (code == -ENOENT)
		code = thin_row_put(store, &thin_type_pool, &row, e);
	if (code)
		return code;
	a = pool_action_new(pool, e);
	if (!a)
		return -ENOMEM;
	a->force = force;
	a->action.act = pool_create_act;
	*ret = &a->action;
	return 0;
}

/*
 * Erase the label of one device, when it is this pool's. A device that is gone
 * or can't be read keeps what it has: it must not keep the pool alive.
 */
static int release(const struct pool_action *a, const char *path, struct err *e)
{
	struct err inner = { 0 };
	struct disk disk;
	bool ours;
	int code;

	if (disk_open(path, DISK_READ, &disk, &inner)) {
		log_warn("pool %s goes without erasing its label: %s", a->pool.name, inner.text);
		return 0;
	}
	ours = disk_is_of(&disk, &a->pool.id);
	disk_close(&disk);
	if (!ours)
		return 0;
	code = disk_open(path, DISK_CLAIM, &disk, e);
	if (!code && disk_is_of(&disk, &a->pool.id))
		code = label_erase(disk.fd, path, e);
	disk_close(&disk);
	return code;
}

/*
 * Another node may have taken the pool over by force, or been given it, and have volumes
 * in it that this database knows nothing of.
 */
static bool is_elsewhere(const struct pool_action *a)
{
	struct err why = { 0 };
	struct disk disk;
	int code = disk_open(*a->paths, DISK_READ, &disk, NULL);

	if (!code && (!disk_is_of(&disk, &a->pool.id) || disk.label.spare || disk.label.index)) {
		disk_close(&disk);
		code = -ENODEV;
	}
	if (code)
		code = disk_find(&a->pool.id, 0, &disk, NULL);
	if (code)
		return false;
	code = label_is_mine(&disk.label, a->pool.name, &why);
	disk_close(&disk);
	if (code < 0)
		log_warn("pool %s goes without erasing its labels: %s", a->pool.name, why.text);
	return code < 0;
}

/*
 * A crash leaves some of the labels, the first device's at last; the next run
 * erases them.
 */
static int pool_destroy_act(struct action *action, struct err *e)
{
	struct pool_action *a = (struct pool_action *)action;
	int code = thin_dismantle(&a->pool, e);
	size_t n = paths_count(a->paths);

	/* A copy of the rows that is late must not hit what the disk becomes next. */
	if (code || (code = turn_take(TURN_ROWS, &a->pool.id, e)))
		return code;
	if (n && is_elsewhere(a))
		n = 0;
	while (!code && n-- > 0)
		code = release(a, a->paths[n], e);
	turn_end(TURN_ROWS, &a->pool.id);
	return code;
}

static int pool_destroy_commit(struct action *action, struct store *store, struct err *e)
{
	struct pool_action *a = (struct pool_action *)action;
	int code = thin_row_drop(store, &thin_type_op, &a->pool.id, e);

	return code ? code : thin_row_drop(store, &thin_type_pool, &a->pool.id, e);
}

int thin_plan_pool_destroy(struct store *store, const struct bvol_pool *pool, struct action **ret,
			   struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = &pool->id }, { 0 } };
	struct pool_action *a;
	uint64_t n;
	int code = store_count(store, &thin_type_dev, match, &n, e);

	if (code)
		return code;
	if (n)
		return err_set(e, -EBUSY, "pool %s still holds %llu volumes and snapshots", pool->name,
			       (unsigned long long)n);
	a = pool_action_new(pool, e);
	if (!a)
		return -ENOMEM;
	a->action.act = pool_destroy_act;
	a->action.commit = pool_destroy_commit;
	for (char **spare = pool->spares; !code && spare && *spare; spare++)
		code = paths_append(&a->paths, strdup(*spare), e);
	if (code)
		pool_action_free(&a->action);
	else
		*ret = &a->action;
	return code;
}
