// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "provider/thin/audit.h"
#include "provider/thin/finding.h"
#include "provider/thin/hold.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"

/* They fit one answer; a pool whose disk was overwritten has millions. */
#define FAULTS_MAX 50

int thin_check_id(const struct thin_ref *pool, uint64_t id, const struct thin_wanted *wanted,
		  struct err *e)
{
	if (id >= wanted->least && id <= wanted->most)
		return 0;
	return err_set(e, -EUCLEAN,
		       "pool %s is quarantined: its transaction id is %" PRIu64
		       ", the database has %" PRIu64
		       "; one of the two was restored from an older copy, nothing was changed",
		       pool->name, id, wanted->least);
}

int thin_open_down(const struct thin_ref *pool, const struct disks *disks, enum thin_role role,
		   struct meta **ret, struct err *e)
{
	char name[THIN_NAME_MAX], path[THIN_NAME_MAX + sizeof("/dev/mapper/")];
	int code = thin_assemble_one(pool, disks, role, e);

	if (code)
		return code;
	snprintf(path, sizeof(path), "/dev/mapper/%s", thin_name(&pool->id, role, name));
	return meta_open(path, META_COMMITTED, NULL, ret, e);
}

int thin_runs(const struct thin_ref *pool, bool *ret, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&pool->id, THIN_POOL, name), &info, e);

	*ret = !code && info.live_table;
	return code;
}

static int look(const struct thin_ref *pool, const struct disks *disks,
		const struct thin_wanted *wanted, struct meta *m, struct err *e)
{
	const struct meta_pool *found = meta_pool(m);
	uint32_t chunk_size = disks->disk[0].label.chunk_size;
	int code;

	if (found->needs_check)
		return err_set(e, -EUCLEAN, "a write of its metadata failed, and they need a check");
	if (found->chunk_size != chunk_size)
		return err_set(e, -EUCLEAN, "its metadata are of chunks of %" PRIu64 " bytes, its label of %"
			       PRIu32, found->chunk_size, chunk_size);
	code = thin_check_id(pool, found->transaction_id, wanted, e);
	return code ? code : meta_lists(m, e);
}

int thin_audit_before(const struct thin_ref *pool, const struct disks *disks,
		      const struct thin_wanted *wanted, struct err *e)
{
	struct err inner = { 0 };
	struct meta *m = NULL;
	bool active;
	int code = thin_runs(pool, &active, e);

	if (code || active)
		return code;
	code = thin_open_down(pool, disks, THIN_META, &m, &inner);
	if (!code)
		code = look(pool, disks, wanted, m, &inner);
	meta_close(m);
	if (!code)
		return 0;
	thin_dismantle(pool, NULL);
	if (code != -EUCLEAN || thin_check_id(pool, wanted->least, wanted, NULL))
		return err_set(e, code, "pool %s is not started: %s", pool->name, inner.text);
	return err_set(e, code, "pool %s is not started: %s; bvolctl pool check tells more, bvolctl pool repair mends it",
		       pool->name, inner.text);
}

/* The full check. */

struct audit_action {
	struct provider_check check;
	struct thin_ref pool;
	char **paths;
	struct thin_pool row;
	struct thin_dev *devs;		/* the database's, by their numbers */
	size_t n_devs, n, met;
	uint64_t unsaid;
};

static void audit_free(struct action *action)
{
	struct audit_action *a = (struct audit_action *)action;

	finding_free(&a->check, a->n);
	thin_free_paths(a->paths);
	free(a->devs);
	free(a);
}

static int add(struct audit_action *a, const char *status, const char *object, const char *text)
{
	const struct finding f = { BVOL_LAYER_METADATA, status, object, a->pool.name, &a->pool.id };

	if (a->n >= FAULTS_MAX) {
		a->unsaid++;
		return 0;
	}
	return finding_add(&a->check, &a->n, &f, "%s", text);
}

static int add_fault(bool harmless, const char *sentence, void *data)
{
	return add(data, harmless ? "leaked" : "damaged", "block", sentence);
}

/* What the database has and the pool has not. */
static int add_missing(struct audit_action *a, uint32_t below)
{
	char id[BVOL_UUID_TEXT], text[128];
	int code = 0;

	for (; !code && a->met < a->n_devs && a->devs[a->met].dev_id < below; a->met++) {
		const struct thin_dev *dev = &a->devs[a->met];

		if (dev->state != THIN_LIVE)
			continue;
		snprintf(text, sizeof(text), "thin device %" PRIu32 ", which is %s, is not in the pool",
			 dev->dev_id, bvol_uuid_text(&dev->id, id));
		code = add(a, "missing", "device", text);
	}
	return code;
}

/* Those that were made since the rows were read have higher numbers. */
static int compare_device(const struct meta_device *device, void *data)
{
	struct audit_action *a = data;
	char text[128];
	int code = add_missing(a, device->id);

	if (code)
		return code;
	if (a->met < a->n_devs && a->devs[a->met].dev_id == device->id) {
		a->met++;
		return 0;
	}
	if (device->id >= a->row.next_dev_id)
		return 0;
	snprintf(text, sizeof(text), "thin device %" PRIu32 " with %" PRIu64
		 " chunks is in the pool, but not in the database", device->id, device->mapped);
	return add(a, "extra", "device", text);
}

static int audit(struct audit_action *a, struct meta *m, struct err *e)
{
	struct err inner = { 0 };
	char text[64];
	int code = meta_check(m, add_fault, a, e);

	if (!code && meta_pool(m)->needs_check)
		code = add(a, "damaged", "pool", "a write of the metadata has failed");
	if (code)
		return code;
	/* A damaged list was told of already. */
	code = meta_devices(m, compare_device, a, &inner);
	if (!code)
		code = add_missing(a, UINT32_MAX);
	if (code == -EUCLEAN || code == -EIO)
		code = 0;
	if (code || !a->unsaid)
		return code;
	snprintf(text, sizeof(text), "and %" PRIu64 " more", a->unsaid);
	a->n--;
	bvol_free(&bvol_type_difference, a->check.differences[a->n]);
	return add(a, "damaged", "block", text);
}

/* Metadata that the kernel does not write any more stay as they are without being held. */
static int audit_active(struct audit_action *a, struct err *e)
{
	char name[THIN_NAME_MAX], path[THIN_NAME_MAX + sizeof("/dev/mapper/")];
	struct thin_status status;
	struct meta *m;
	int code = thin_status(&a->pool, &status, e), released;

	if (code)
		return code;
	if (status.mode == THIN_READ_ONLY || status.mode == THIN_FAILED) {
		snprintf(path, sizeof(path), "/dev/mapper/%s",
			 thin_name(&a->pool.id, THIN_META, name));
		if ((code = meta_open(path, META_COMMITTED, NULL, &m, e)))
			return code;
		code = audit(a, m, e);
		meta_close(m);
		return code;
	}
	if ((code = thin_hold(&a->pool, &m, e)))
		return code;
	code = audit(a, m, e);
	released = thin_let_go(&a->pool, m, e);
	return code ? code : released;
}

static int audit_down(struct audit_action *a, struct err *e)
{
	struct disks *disks;
	struct meta *m = NULL;
	int code = disks_open(a->paths, DISK_READ, &disks, e);

	if (code)
		return code;
	if (!disk_is_of(&disks->disk[0], &a->pool.id))
		code = err_set(e, -EUCLEAN, "device %s has not the label of pool %s",
			       disks->disk[0].path, a->pool.name);
	else
		code = thin_open_down(&a->pool, disks, THIN_META, &m, e);
	if (!code)
		code = audit(a, m, e);
	meta_close(m);
	disks_close(disks);
	thin_dismantle(&a->pool, NULL);
	return code;
}

/*
 * Reads only. Of a running pool the counts can't be compared. A superblock that
 * can't be believed is a finding like others.
 */
static int audit_act(struct action *action, struct err *e)
{
	struct audit_action *a = (struct audit_action *)action;
	struct err inner = { 0 };
	bool active;
	int code = thin_hold_off(&a->pool, e);

	if (code)
		return code;
	/* One that is down is not mended meanwhile. */
	code = thin_runs(&a->pool, &active, e);
	if (!code && !active)
		code = audit_down(a, &inner);
	thin_hold_on(&a->pool);
	if (!code && active)
		code = audit_active(a, &inner);
	if (code == -EUCLEAN)
		code = add(a, "damaged", "pool", inner.text);
	return code ? err_set(e, code, "%s", *inner.text ? inner.text : "out of memory") : 0;
}

static int by_dev_id(const void *a, const void *b)
{
	uint32_t left = ((const struct thin_dev *)a)->dev_id, right = ((const struct thin_dev *)b)->dev_id;

	return left < right ? -1 : left > right;
}

static int add_dev(void *obj, void *data)
{
	struct audit_action *a = data;
	struct thin_dev *more = a->devs;

	if (!(a->n_devs & (a->n_devs - 1)))
		more = reallocarray(more, a->n_devs ? 2 * a->n_devs : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	a->devs = more;
	a->devs[a->n_devs++] = *(struct thin_dev *)obj;
	return 0;
}

int thin_plan_audit(struct store *store, const struct bvol_pool *pool, struct provider_check **ret,
		    struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = &pool->id }, { 0 } };
	struct audit_action *a = thin_alloc(sizeof(*a), e);
	int code;

	if (!a)
		return -ENOMEM;
	a->check.action.act = audit_act;
	a->check.action.free = audit_free;
	a->pool = thin_ref(pool);
	a->paths = thin_copy_paths(pool->devices, e);
	code = a->paths ? thin_pool_row(store, &a->pool, &a->row, e) : -ENOMEM;
	if (!code)
		code = store_select(store, &thin_type_dev, match, NULL, 0, add_dev, a, e);
	if (code) {
		audit_free(&a->check.action);
		return code;
	}
	if (a->n_devs)
		qsort(a->devs, a->n_devs, sizeof(*a->devs), by_dev_id);
	*ret = &a->check;
	return 0;
}
