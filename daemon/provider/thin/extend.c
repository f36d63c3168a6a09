// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "provider/thin/assemble.h"
#include "provider/thin/members.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/cleanup.h"
#include "util/log.h"

struct extend_action {
	struct provider_extended extended;
	struct thin_ref pool;
	struct thin_tune tune;
	char **members;		/* of the pool; what is added goes behind them */
	char **devices;		/* that are asked for */
	char **spares;		/* that the pool has */
	bool moved;		/* members is not what the database has */
	bool spare, force, again, metadata;
};

static void extend_free(struct action *action)
{
	struct extend_action *a = (struct extend_action *)action;

	thin_free_paths(a->members);
	thin_free_paths(a->devices);
	thin_free_paths(a->spares);
	free(a);
}

static struct extend_action *extend_new(const struct bvol_pool *pool, char *const *devices,
					int (*act)(struct action *action, struct err *e),
					struct err *e)
{
	struct extend_action *a = thin_alloc(sizeof(*a), e);

	if (!a)
		return NULL;
	a->extended.action.free = extend_free;
	a->extended.action.act = act;
	a->pool = thin_ref(pool);
	a->members = thin_copy_paths(pool->devices, e);
	a->devices = thin_copy_paths(devices, e);
	a->spares = thin_copy_paths(pool->spares, e);
	if (a->members && a->devices && a->spares)
		return a;
	extend_free(&a->extended.action);
	return NULL;
}

static bool is_member(const struct disk *disk, const struct disks *members)
{
	for (size_t i = 0; i < members->n; i++)
		if (members->disk[i].major == disk->major && members->disk[i].minor == disk->minor)
			return true;
	return false;
}

/*
 * Open what is asked for. The kernel gives names to disks as they come, so a spare
 * whose name is not its own today is known by its label.
 */
static int open_device(const struct extend_action *a, const char *path, const struct disks *members,
		       struct disk *ret, struct err *e)
{
	struct err why = { 0 };
	struct disk spare;
	int code = disk_open(path, DISK_READ, ret, &why);

	if (a->spare || !paths_have(a->spares, path) ||
	    (!code && disk_is_of(ret, &a->pool.id) && !is_member(ret, members)))
		return code ? err_set(e, code, "%s", why.text) : 0;
	if (!code)
		disk_close(ret);
	if (!disk_find(&a->pool.id, DISK_SPARE, &spare, NULL)) {
		*ret = spare;
		return 0;
	}
	return err_set(e, code ?: -EUCLEAN, "%s",
		       code ? why.text : "the spare has lost its label, or is another device");
}

/* 1: it is one already, as a crash has left it. */
static int check_device(const struct extend_action *a, const struct disk *disk,
			const struct disks *members, struct err *e)
{
	bool member = is_member(disk, members);

	if (member || (a->spare && disk_is_of(disk, &a->pool.id) && disk->label.spare)) {
		if (a->again)
			return 1;
		return err_set(e, -EEXIST, "device %s is %s of pool %s already", disk->path,
			       member ? "part" : "a spare", a->pool.name);
	}
	return disk_check_free(disk, &a->pool.id, a->force, e);
}

/* The devices that are new, open to us alone, in *ret; nothing is written. */
static int claim(const struct extend_action *a, const struct disks *members, struct disks **ret,
		 struct err *e)
{
	struct disks *fresh = disks_new(paths_count(a->devices), e);
	struct disk disk;
	int code = fresh ? 0 : -ENOMEM;

	if (!fresh)
		return code;
	fresh->n = 0;
	for (char **path = a->devices; !code && *path; path++) {
		code = open_device(a, *path, members, &disk, e);
		if (code)
			break;
		code = check_device(a, &disk, members, e);
		if (!code && is_member(&disk, fresh))
			code = err_set(e, -EINVAL, "%s and one that is named before it are the same device",
				       disk.path);
		disk_close(&disk);
		if (code == 1) {
			code = 0;
			continue;
		}
		if (!code)
			code = disk_open(disk.path, DISK_CLAIM, &fresh->disk[fresh->n], e);
		if (!code)
			fresh->n++;
	}
	if (!code && members->n + fresh->n > LABEL_DEVICES_MAX)
		code = err_set(e, -E2BIG, "a pool has at most %d devices", LABEL_DEVICES_MAX);
	if (code)
		disks_close(fresh);
	else
		*ret = fresh;
	return code;
}

/* What a device is to have as its label; the old one is handed out. */
static int plan_label(const struct extend_action *a, const struct disks *members,
		      const struct disks *fresh, struct disk *disk, struct label *old, struct err *e)
{
	size_t i = (size_t)(disk - fresh->disk);
	int code;

	*old = disk->label;
	disk->label = (struct label) {
		.pool_id = a->pool.id,
		.index = (uint32_t)(members->n + i),
		.count = (uint32_t)(members->n + fresh->n),
		.spare = a->spare,
		.chunk_size = members->disk[0].label.chunk_size,
		.device_size = disk->size,
	};
	code = label_plan(&disk->label, disk->size, disk->path, e);
	if (a->spare) {
		disk->label.index = 0;
		disk->label.count = 1;
		disk->label.n_segments = 1;
	}
	return code;
}

/* Give a device back as it was: a spare, or nobody's. */
static void unlabel(struct disk *disk, const struct label *old)
{
	if (!disk->found && old->spare)
		label_write(disk->fd, disk->path, old, NULL);
	else
		label_erase(disk->fd, disk->path, NULL);
}

/* Write on them what they are to be, after all have passed. */
static int label(const struct extend_action *a, const struct disks *members, struct disks *fresh,
		 struct label *old, struct err *e)
{
	size_t i, n = 0;
	int code = 0;

	for (i = 0; !code && i < fresh->n; i++)
		code = plan_label(a, members, fresh, &fresh->disk[i], &old[i], e);
	for (; !code && n < fresh->n; n++) {
		struct disk *disk = &fresh->disk[n];

		if (disk->found)
			code = disk_wipe(disk, e);
		if (!code)
			code = label_write(disk->fd, disk->path, &disk->label, e);
	}
	for (i = 0; code && i < n; i++)
		unlabel(&fresh->disk[i], &old[i]);
	return code;
}

/* Did the kernel take what the labels say? It does not while it is read-only. */
static int check_grown(const struct extend_action *a, const struct disks *disks, struct err *e)
{
	uint64_t chunk = disks->disk[0].label.chunk_size;
	struct thin_status status;
	int code;

	if ((code = thin_status(&a->pool, &status, e)) ||
	    (code = thin_check_mode(&a->pool, &status, e)))
		return code;
	if (status.data_total >= thin_length(disks, LABEL_DATA) / chunk &&
	    status.metadata_total >= thin_length(disks, LABEL_METADATA) / THIN_METADATA_BLOCK)
		return 0;
	return err_set(e, -EIO, "the kernel did not let pool %s grow; see its log", a->pool.name);
}

/* Has the pool's data device more than these? */
static bool is_grown(const struct extend_action *a, const struct disks *members)
{
	char name[THIN_NAME_MAX], *params = NULL;
	uint64_t sectors;

	if (dm_table(thin_name(&a->pool.id, THIN_DATA, name), &params, &sectors, NULL))
		return true;
	free(params);
	return sectors > thin_length(members, LABEL_DATA) / THIN_SECTOR;
}

/* Put the pool together as its labels say, which let it be larger than it is. */
static int join(struct extend_action *a, struct err *e)
{
	_cleanup_disks_ struct disks *disks = NULL;
	int code = members_open(&a->pool, &a->members, &a->moved, &disks, e);

	if (!code)
		code = thin_assemble(&a->pool, disks, &a->tune, e);
	return code ? code : check_grown(a, disks, e);
}

/* The pool counts what was labelled; refused by the kernel before any of it was used, it counts as before. */
static int count(struct extend_action *a, const struct disks *members, struct disks *fresh,
		 const struct label *old, struct err *e)
{
	const struct disk *first = &members->disk[0];
	int code = 0;

	for (size_t i = 0; !code && i < fresh->n; i++) {
		code = paths_append(&a->members, strdup(fresh->disk[i].path), e);
		/* The kernel's own claim comes next. */
		disk_close(&fresh->disk[i]);
	}
	if (!code && fresh->n)
		code = members_count(first, (uint32_t)(members->n + fresh->n), e);
	if (!code)
		code = join(a, e);
	if (!code || !fresh->n || is_grown(a, members) ||
	    members_count(first, (uint32_t)members->n, NULL))
		return code;
	for (size_t i = 0; i < fresh->n; i++) {
		struct disk disk;

		if (!disk_open(fresh->disk[i].path, DISK_CLAIM, &disk, NULL))
			unlabel(&disk, &old[i]);
		disk_close(&disk);
	}
	return code;
}

/*
 * A crash leaves, in this order: labels on devices that the pool does not count,
 * which the next run writes anew; a pool that counts them, which is put together
 * with them by the next run as by pool_open().
 */
static int extend_act(struct action *action, struct err *e)
{
	struct extend_action *a = (struct extend_action *)action;
	_cleanup_disks_ struct disks *members = NULL, *fresh = NULL;
	struct label old[LABEL_DEVICES_MAX];
	int code;

	if ((code = members_open(&a->pool, &a->members, &a->moved, &members, e)) ||
	    (code = claim(a, members, &fresh, e)) || (code = label(a, members, fresh, old, e)))
		return code;
	return a->spare ? 0 : count(a, members, fresh, old, e);
}

/* The list of spares with, or without, these; the pool's own devices are none. */
static int change_spares(const struct extend_action *a, bool add, struct store *store, struct err *e)
{
	const struct bvol_type *type = &bvol_type_pool;
	struct bvol_pool *pool;
	char **spares = NULL;
	int code = store_get(store, type, &a->pool.id, (void **)&pool, e);

	if (code)
		return code;
	for (char **path = pool->spares; !code && path && *path; path++)
		if (!paths_have(a->devices, *path))
			code = paths_append(&spares, strdup(*path), e);
	for (char **path = a->devices; !code && add && *path; path++)
		code = paths_append(&spares, strdup(*path), e);
	if (!code && codec_set_list(type, pool, BVOL_A_POOL_SPARES, (const char *const *)spares,
				    paths_count(spares)))
		code = err_set(e, -ENOMEM, "out of memory");
	if (!code)
		code = store_update(store, type, pool, e);
	thin_free_paths(spares);
	bvol_free(type, pool);
	return code;
}

static int extend_commit(struct action *action, struct store *store, struct err *e)
{
	struct extend_action *a = (struct extend_action *)action;
	int code = thin_record_paths(store, &a->pool.id, a->members, e);

	return code ? code : change_spares(a, false, store, e);
}

static int spare_commit(struct action *action, struct store *store, struct err *e)
{
	return change_spares((struct extend_action *)action, true, store, e);
}

/* Does the pool have spares beside these? */
static bool spares_beside(const struct bvol_pool *pool, char *const *devices)
{
	for (char **path = pool->spares; path && *path; path++)
		if (!paths_have(devices, *path))
			return true;
	return false;
}

int thin_plan_pool_extend(struct store *store, const struct bvol_pool *pool,
			  const struct provider_extend *how, struct provider_extended **ret,
			  struct err *e)
{
	struct extend_action *a;
	int code = thin_check_paths(store, &pool->id, how->devices, e);

	if (code)
		return code;
	if (!how->devices || !*how->devices)
		return err_set(e, -EINVAL, "no device is named");
	a = extend_new(pool, how->devices, extend_act, e);
	if (!a)
		return -ENOMEM;
	a->extended.action.commit = how->spare ? spare_commit : extend_commit;
	a->tune = thin_tune(pool, spares_beside(pool, how->devices));
	a->tune.pause = &a->extended.pause;
	a->spare = how->spare;
	a->force = how->force;
	a->again = how->again;
	*ret = &a->extended;
	return 0;
}

/* Erase the label of a device that is not one of the pool's, whatever else it says. */
static int release(const struct extend_action *a, const char *path, const struct disks *members)
{
	struct disk disk;
	int code = disk_open(path, DISK_CLAIM, &disk, NULL);

	if (!code && disk_is_of(&disk, &a->pool.id) && !is_member(&disk, members))
		code = label_erase(disk.fd, path, NULL);
	disk_close(&disk);
	return code;
}

/* A crash leaves some of the labels, which the next run erases. */
static int release_act(struct action *action, struct err *e)
{
	struct extend_action *a = (struct extend_action *)action;
	_cleanup_disks_ struct disks *members = NULL;
	int code = members_open(&a->pool, &a->members, &a->moved, &members, e);

	for (char **path = a->devices; !code && *path; path++)
		if (release(a, *path, members))
			log_notice("device %s of no pool may keep a label of pool %s", *path,
				   a->pool.name);
	return code;
}

static int release_commit(struct action *action, struct store *store, struct err *e)
{
	return change_spares((struct extend_action *)action, false, store, e);
}

int thin_plan_pool_release(struct store *store, const struct bvol_pool *pool, char *const *devices,
			   struct action **ret, struct err *e)
{
	struct extend_action *a = extend_new(pool, devices, release_act, e);

	if (!a)
		return -ENOMEM;
	a->extended.action.commit = release_commit;
	*ret = &a->extended.action;
	return 0;
}

/*
 * The labels first: what they give to the metadata is used by the next run or by
 * pool_open(), when a crash comes before the kernel has it.
 */
static int grow_metadata(const struct extend_action *a, const struct disks *members, struct err *e)
{
	uint64_t have = thin_length(members, LABEL_METADATA), want = have, grown = 0, step;
	int code = 0;

	if (want > LABEL_METADATA_MAX - have)
		want = LABEL_METADATA_MAX - have;
	for (size_t i = 0; !code && i < members->n && grown < want; i++) {
		struct disk disk;

		if (!label_find(&members->disk[i].label, LABEL_ROOM))
			continue;
		code = disk_open(members->disk[i].path, DISK_WRITE, &disk, e);
		step = code ? 0 : label_grow(&disk.label, want - grown);
		if (step)
			code = label_write(disk.fd, disk.path, &disk.label, e);
		disk_close(&disk);
		grown += step;
	}
	if (!code && !grown)
		return err_set(e, -ENOSPC, "pool %s has no room for more metadata; give it another device",
			       a->pool.name);
	return code;
}

/* Are the metadata half full, also with all that the labels give them, as a crash may have left it? */
static int is_half_full(const struct extend_action *a, const struct disks *members, bool *ret,
			struct err *e)
{
	struct thin_status status;
	int code = thin_status(&a->pool, &status, e);

	*ret = !code && 2 * status.metadata_used * THIN_METADATA_BLOCK >=
			thin_length(members, LABEL_METADATA);
	return code;
}

static int adjust_act(struct action *action, struct err *e)
{
	struct extend_action *a = (struct extend_action *)action;
	_cleanup_disks_ struct disks *members = NULL;
	bool grow = false;
	int code = members_open(&a->pool, &a->members, &a->moved, &members, e);

	if (!code && a->metadata)
		code = is_half_full(a, members, &grow, e);
	if (grow)
		code = grow_metadata(a, members, e);
	return code ? code : join(a, e);
}

static int adjust_commit(struct action *action, struct store *store, struct err *e)
{
	struct extend_action *a = (struct extend_action *)action;

	return a->moved ? thin_record_paths(store, &a->pool.id, a->members, e) : 0;
}

int thin_plan_pool_adjust(struct store *store, const struct bvol_pool *pool, bool metadata,
			  struct action **ret, struct err *e)
{
	struct extend_action *a = extend_new(pool, NULL, adjust_act, e);

	if (!a)
		return -ENOMEM;
	a->extended.action.commit = adjust_commit;
	a->tune = thin_tune(pool, paths_count(pool->spares) > 0);
	a->tune.rearm = !metadata;
	a->metadata = metadata;
	*ret = &a->extended.action;
	return 0;
}
