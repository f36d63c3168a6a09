// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the pool is that a device belongs to, while the database knows nothing of it.
 * Nothing is written. Where the pool is down the dm device of its metadata is there for
 * a moment; a crash leaves it, and the pool's next start adopts it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "provider/thin/audit.h"
#include "provider/thin/find.h"
#include "provider/thin/hold.h"
#include "provider/thin/kept.h"
#include "provider/thin/members.h"
#include "provider/thin/move.h"
#include "sys/dm.h"
#include "util/str.h"

static void find_free(struct action *action)
{
	struct find_action *a = (struct find_action *)action;

	thin_free_paths(a->found.devices);
	thin_free_paths(a->found.spares);
	records_clear(&a->found.rows);
	free(a->found.missing);
	free(a->found.extra);
	free(a->device);
	free(a->known);
	free(a->devs);
	free(a->listed);
	free(a);
}

/* The label of the device that the user named: of which pool is it one? */
static int find_pool(struct find_action *a, struct err *e)
{
	char text[BVOL_UUID_TEXT];
	struct disk disk;
	int code = disk_open(a->device, DISK_READ, &disk, e);

	if (code)
		return code;
	if (disk.found > 0)
		code = err_set(e, -ENOENT, "device %s belongs to no pool", a->device);
	else if (disk.found < 0)
		code = err_set(e, -EUCLEAN, "the label of device %s is %s", a->device,
			       disk.found == -EPROTO ? "of a newer version of bvol" : "damaged");
	a->pool.id = disk.label.pool_id;
	disk_close(&disk);
	if (code)
		return code;
	bvol_uuid_text(&a->pool.id, text);
	snprintf(a->pool.name, sizeof(a->pool.name), "%s", text);
	for (size_t i = 0; i < a->n_known; i++)
		if (!memcmp(&a->known[i].id, &a->pool.id, sizeof(a->pool.id)))
			return err_set(e, -EEXIST, "device %s belongs to pool %s, which is here already",
				       a->device, a->known[i].name);
	return 0;
}

/* Its devices by their labels, wherever they are today. */
static int find_devices(struct find_action *a, struct err *e)
{
	uint32_t count = 1;
	struct err why = { 0 };
	int code = 0;

	for (uint32_t i = 0; !code && i < count; i++) {
		struct disk disk;

		code = disk_find(&a->pool.id, i, &disk, &why);
		if (code)
			return err_set(e, code, "%s %" PRIu32 " of the pool on device %s %s%s",
				       count > 1 ? "device number" : "the first device, number", i + 1,
				       a->device, why.code ? "can't be told: " : "is missing; connect it first",
				       why.text);
		if (i == 0)
			count = disk.label.count;
		code = paths_append(&a->found.devices, strdup(disk.path), e);
		disk_close(&disk);
	}
	return code ? code : disk_find_spares(&a->pool.id, &a->found.spares, e);
}

static int read_kept(struct find_action *a, const struct disk *first, struct err *e)
{
	struct provider_found *f = &a->found;
	struct err inner = { 0 };
	struct kept kept;
	void *data;
	int code = kept_read(first, &kept, &data, &inner);

	if (code == 1 || (code == -EBADMSG && a->force))
		return 0;
	if (code == -EBADMSG)
		return err_set(e, code,
			       "%s; with --force the volumes come back without their names and sizes", inner.text);
	if (code)
		return err_set(e, code, "%s", inner.text);
	f->kept = true;
	f->older = kept.older;
	f->kept_at = kept.at;
	memcpy(f->kept_by, kept.node, sizeof(f->kept_by));
	f->rows = (struct records) { data, kept.length, kept.length };
	return find_rows(a, e);
}

static int runs(const struct thin_ref *pool, bool *ret, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&pool->id, THIN_POOL, name), &info, e);

	*ret = !code && info.live_table;
	return code;
}

static int compare_running(struct find_action *a, struct err *e)
{
	struct meta *m;
	int code = thin_hold(&a->pool, &m, e), released;

	if (code)
		return code;
	code = find_compare(a, m, e);
	released = thin_let_go(&a->pool, m, e);
	return code ? code : released;
}

/* Can they be believed? As before each start of a pool, but for the transaction id. */
static int check_metadata(const struct disks *disks, struct meta *m, struct err *e)
{
	const struct meta_pool *found = meta_pool(m);

	if (found->needs_check)
		return err_set(e, -EUCLEAN, "a write of its metadata failed, and they need a check");
	if (found->chunk_size != disks->disk[0].label.chunk_size)
		return err_set(e, -EUCLEAN, "its metadata are of chunks of %" PRIu64 " bytes, its label of %"
			       PRIu32, found->chunk_size, disks->disk[0].label.chunk_size);
	return meta_lists(m, e);
}

/* Metadata that are damaged are an answer, where the copy tells what there should be. */
static int compare_down(struct find_action *a, const struct disks *disks, struct err *e)
{
	struct err inner = { 0 };
	struct meta *m = NULL;
	bool sound = false;
	int code = thin_check_unused(&a->pool, disks, e);

	if (code)
		return code;
	code = thin_open_down(&a->pool, disks, THIN_META, &m, &inner);
	if (!code && !(code = check_metadata(disks, m, &inner))) {
		sound = true;
		code = find_compare(a, m, &inner);
	}
	meta_close(m);
	thin_dismantle(&a->pool, NULL);
	if (code != -EUCLEAN || sound || !a->has_row)
		return code ? err_set(e, code, "%s", inner.text) : 0;
	snprintf(a->found.damage, sizeof(a->found.damage), "%.400s; bvolctl pool check tells more",
		 inner.text);
	return 0;
}

static int look(struct find_action *a, const struct disks *disks, struct err *e)
{
	const struct label *label = &disks->disk[0].label;
	struct provider_found *f = &a->found;
	bool active;
	int code;

	f->pool_id = a->pool.id;
	f->chunk_size = label->chunk_size;
	if ((code = thin_may_take(label, a->pool.name, a->force, e)) ||
	    (code = read_kept(a, &disks->disk[0], e)) || (code = runs(&a->pool, &active, e)))
		return code;
	f->clean = label->owner.state == LABEL_FREE && f->kept && !f->older;
	return active ? compare_running(a, e) : compare_down(a, disks, e);
}

static int find_act(struct action *action, struct err *e)
{
	struct find_action *a = (struct find_action *)action;
	struct disks *disks;
	bool moved = false;
	int code;

	if ((code = find_pool(a, e)) || (code = find_devices(a, e)) ||
	    (code = members_open(&a->pool, &a->found.devices, &moved, &disks, e)))
		return code;
	code = look(a, disks, e);
	disks_close(disks);
	return code;
}

static int add_known(void *obj, void *data)
{
	const struct bvol_pool *pool = obj;
	struct find_action *a = data;
	struct known *grown = reallocarray(a->known, a->n_known + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	a->known = grown;
	a->known[a->n_known] = (struct known) { .id = pool->id };
	snprintf(a->known[a->n_known++].name, sizeof(a->known->name), "%s", pool->name);
	return 0;
}

int thin_plan_pool_find(struct store *store, const char *device, bool force,
			struct provider_found **ret, struct err *e)
{
	struct find_action *a;
	int code = disk_check_path(device, e);

	if (code)
		return code;
	a = thin_alloc(sizeof(*a), e);
	if (!a)
		return -ENOMEM;
	a->found.action.act = find_act;
	a->found.action.free = find_free;
	a->force = force;
	a->device = strdup(device);
	a->found.devices = thin_alloc(sizeof(char *), e);
	a->found.spares = thin_alloc(sizeof(char *), e);
	code = a->device && a->found.devices && a->found.spares ? 0 : -ENOMEM;
	if (!code)
		code = store_select(store, &bvol_type_pool, NULL, NULL, 0, add_known, a, e);
	if (code) {
		find_free(&a->found.action);
		return code;
	}
	*ret = &a->found;
	return 0;
}
