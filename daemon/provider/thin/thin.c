// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "provider/thin/members.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/str.h"

void *thin_alloc(size_t size, struct err *e)
{
	void *memory = calloc(1, size);

	if (!memory)
		err_set(e, -ENOMEM, "out of memory");
	return memory;
}

char **thin_free_paths(char **paths)
{
	for (char **path = paths; path && *path; path++)
		free(*path);
	free(paths);
	return NULL;
}

char **thin_copy_paths(char *const *paths, struct err *e)
{
	char **copy = thin_alloc(sizeof(*copy), e);
	int code = 0;

	for (; copy && !code && paths && *paths; paths++)
		code = paths_append(&copy, strdup(*paths), e);
	return code ? thin_free_paths(copy) : copy;
}

int thin_record_paths(struct store *store, const struct bvol_uuid *pool_id, char *const *paths,
		      struct err *e)
{
	const struct bvol_type *type = &bvol_type_pool;
	const char *const *list = (const char *const *)paths;
	struct bvol_pool *pool;
	size_t n = 0;
	int code = store_get(store, type, pool_id, (void **)&pool, e);

	if (code)
		return code;
	code = codec_set_list(type, pool, BVOL_A_POOL_DEVICES, list, paths_count(paths));
	for (char **spare = pool->spares; spare && *spare; spare++) {
		if (paths_have(paths, *spare))
			free(*spare);
		else
			pool->spares[n++] = *spare;
	}
	if (pool->spares)
		pool->spares[n] = NULL;
	code = code ? err_set(e, code, "out of memory") : store_update(store, type, pool, e);
	bvol_free(type, pool);
	return code;
}

struct wanted {
	const struct bvol_uuid *pool_id;
	char *const *paths;
	struct err *e;
};

/* Paths that other pools name; the same device by another path is found by its label. */
static int refuse_taken(void *obj, void *data)
{
	const struct bvol_pool *other = obj;
	struct wanted *d = data;

	if (!memcmp(&other->id, d->pool_id, sizeof(other->id)))
		return 0;
	for (char *const *path = d->paths; *path; path++)
		if (paths_have(other->devices, *path) || paths_have(other->spares, *path))
			return err_set(d->e, -EEXIST, "device %s belongs to pool %s", *path,
				       other->name);
	return 0;
}

int thin_check_paths(struct store *store, const struct bvol_uuid *pool_id, char *const *paths,
		     struct err *e)
{
	struct wanted data = { pool_id, paths, e };
	int code = 0;

	for (char *const *path = paths; !code && *path; path++)
		code = disk_check_path(*path, e);
	return code ? code : store_select(store, &bvol_type_pool, NULL, NULL, 0, refuse_taken, &data,
					  e);
}

int thin_pool_row(struct store *store, const struct thin_ref *pool, struct thin_pool *ret,
		  struct err *e)
{
	int code = thin_row_get(store, &thin_type_pool, &pool->id, ret, e);

	if (code == -ENOENT)
		return err_set(e, code, "the database does not know the thin pool of %s",
			       pool->name);
	return code;
}

int thin_live(struct store *store, const struct thin_ref *pool, const struct bvol_uuid *id,
	      struct thin_dev *ret, struct err *e)
{
	char text[BVOL_UUID_TEXT];
	int code = thin_row_get(store, &thin_type_dev, id, ret, e);

	if (code && code != -ENOENT)
		return code;
	bvol_uuid_text(id, text);
	if (code || memcmp(&ret->pool_id, &pool->id, sizeof(pool->id)))
		return err_set(e, -ENOENT, "pool %s has no device %s", pool->name, text);
	if (ret->state != THIN_LIVE)
		return err_set(e, -EBUSY, "device %s of pool %s is being %s", text, pool->name,
			       ret->state == THIN_PLANNED ? "created" : "deleted");
	return 0;
}

int thin_check_size(uint64_t size, struct err *e)
{
	if (!size || size % THIN_SECTOR || size > INT64_MAX)
		return err_set(e, -EINVAL,
			       "the size of a device has to be a positive multiple of %d bytes, not %llu",
			       THIN_SECTOR, (unsigned long long)size);
	return 0;
}

int thin_unscrubbed(struct store *store, const struct thin_ref *pool, struct err *e)
{
	struct bvol_pool *row;
	void *obj;
	int code = store_get(store, &bvol_type_pool, &pool->id, &obj, e);

	if (code)
		return code;
	row = obj;
	if (row->scrub != BVOL_SCRUB_UNSCRUBBED) {
		codec_set(row, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_UNSCRUBBED);
		code = store_update(store, &bvol_type_pool, row, e);
	}
	bvol_free(&bvol_type_pool, row);
	return code;
}

struct stat_action {
	struct provider_stat stat;
	struct thin_ref pool;
	uint32_t chunk_size;
};

static void stat_free(struct action *action)
{
	free(action);
}

/* Reads only. That the pool is down or failed is an answer, not an error. */
static int stat_act(struct action *action, struct err *e)
{
	struct stat_action *a = (struct stat_action *)action;
	struct provider_usage *usage = &a->stat.usage;
	struct thin_status status;
	struct err why = { 0 };
	int code = thin_status(&a->pool, &status, &why);

	usage->pool_id = a->pool.id;
	usage->status = BVOL_POOL_STATUS_ERROR;
	if (!code) {
		usage->data_total = status.data_total * a->chunk_size;
		usage->data_used = status.data_used * a->chunk_size;
		usage->metadata_total = status.metadata_total * THIN_METADATA_BLOCK;
		usage->metadata_used = status.metadata_used * THIN_METADATA_BLOCK;
		usage->transaction_id = status.transaction_id;
		usage->full = status.mode == THIN_NO_SPACE;
		usage->waits = status.queue;
		code = thin_check_mode(&a->pool, &status, &why);
		usage->status = !code ? BVOL_POOL_STATUS_AVAILABLE :
				code == -EROFS ? BVOL_POOL_STATUS_READ_ONLY :
						 BVOL_POOL_STATUS_ERROR;
	}
	memcpy(usage->error, why.text, sizeof(usage->error));
	return 0;
}

static int thin_plan_stat(const struct bvol_pool *pool, struct provider_stat **ret, struct err *e)
{
	struct stat_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return -ENOMEM;
	a->stat.action.act = stat_act;
	a->stat.action.free = stat_free;
	a->pool = thin_ref(pool);
	a->chunk_size = pool->chunk_size;
	*ret = &a->stat;
	return 0;
}

static int thin_events(const struct bvol_pool *pool, uint32_t *ret)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&pool->id, THIN_POOL, name), &info, NULL);

	*ret = info.events;
	return code;
}

static int thin_device(const struct bvol_uuid *id, char node[32], bool *found)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(id, THIN_VOLUME, name), &info, NULL);

	if (code)
		return code;
	*found = info.live_table;
	if (info.live_table)
		snprintf(node, 32, "/dev/dm-%u", info.minor);
	return 0;
}

const struct provider_ops provider_thin = {
	.name = "thin",
	.thin_provisioning = true,
	.snapshots = true,
	.chunk_min = 64 << 10,
	.chunk_max = 1 << 30,
	.chunk_default = 64 << 10,
	.pool_create = thin_plan_pool_create,
	.pool_destroy = thin_plan_pool_destroy,
	.pool_open = thin_plan_pool_open,
	.pool_stat = thin_plan_stat,
	.pool_events = thin_events,
	.pool_extend = thin_plan_pool_extend,
	.pool_release = thin_plan_pool_release,
	.pool_adjust = thin_plan_pool_adjust,
	.pool_rows = thin_pool_rows,
	.pool_keep = thin_plan_pool_keep,
	.pool_kept = thin_plan_pool_kept,
	.pool_stop = thin_plan_pool_stop,
	.pool_give = thin_plan_pool_give,
	.pool_drop = thin_pool_drop,
	.pool_find = thin_plan_pool_find,
	.pool_adopt = thin_pool_adopt,
	.pool_take = thin_plan_pool_take,
	.pool_devices = thin_pool_devices,
	.pool_mend = thin_plan_pool_mend,
	.pool_swap = thin_plan_pool_swap,
	.create = thin_plan_create,
	.copy = thin_plan_copy,
	.mapped = thin_plan_mapped,
	.extents = thin_plan_extents,
	.destroy = thin_plan_destroy,
	.activate = thin_plan_activate,
	.deactivate = thin_plan_deactivate,
	.drain = thin_plan_drain,
	.exchange = thin_plan_exchange,
	.wipe = thin_plan_wipe,
	.wiped = thin_wipe_result,
	.scrub = thin_plan_scrub,
	.device = thin_device,
	.check = thin_plan_check,
	.audit = thin_plan_audit,
};
