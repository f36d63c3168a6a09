// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "provider/thin/assemble.h"
#include "sys/dm.h"
#include "util/cleanup.h"

#define PARAMS_MAX 128
/* The kernel reports the pool's fill level once when less than 1/20 is free. */
#define LOW_WATER_PART 20

/* Create or adopt one device, and see that the table of what runs begins with these words. */
static int build(const struct thin_ref *pool, enum thin_role role, const struct dm_target *targets,
		 size_t n, const char *words, struct dm_info_plain *info, struct err *e)
{
	char name[THIN_NAME_MAX], uuid[THIN_NAME_MAX];
	const struct dm_target *last = &targets[n - 1];
	_cleanup_free_ char *params = NULL;
	uint64_t sectors;
	int code;

	thin_name(&pool->id, role, name);
	if ((code = dm_create(name, thin_dm_uuid(&pool->id, role, uuid), targets, n, e)) ||
	    (code = dm_info(name, info, e)) || (code = dm_table(name, &params, &sectors, e)))
		return code;
	if (sectors != last->start + last->length || strncmp(params, words, strlen(words)))
		return err_set(e, -EUCLEAN,
			       "%s of pool %s runs with another table than its label asks for (%s, not %s)",
			       name, pool->name, params, words);
	return 0;
}

static void linear(struct dm_target *target, char params[PARAMS_MAX], uint64_t start,
		   const struct disk *disk, enum label_role role)
{
	const struct label_segment *s = label_find(&disk->label, role);

	snprintf(params, PARAMS_MAX, "%u:%u %" PRIu64, disk->major, disk->minor,
		 s->offset / THIN_SECTOR);
	*target = (struct dm_target) { start, s->length / THIN_SECTOR, "linear", params };
}

/* Where it lies, after repairs in which the two have changed places too. */
static enum label_role thin_segment(const struct disks *disks, enum thin_role role)
{
	return (role == THIN_SPARE) != disks->disk[0].label.swapped ? LABEL_SPARE : LABEL_METADATA;
}

int thin_assemble_one(const struct thin_ref *pool, const struct disks *disks, enum thin_role role,
		      struct err *e)
{
	enum label_role segment = thin_segment(disks, role);
	char params[PARAMS_MAX];
	struct dm_info_plain info;
	struct dm_target target;

	if (!label_find(&disks->disk[0].label, segment))
		return err_set(e, -ENOSPC, "pool %s has no spare room for its metadata", pool->name);
	linear(&target, params, 0, &disks->disk[0], segment);
	return build(pool, role, &target, 1, params, &info, e);
}

static int assemble(const struct thin_ref *pool, const struct disks *disks, struct err *e)
{
	uint32_t chunk = disks->disk[0].label.chunk_size / THIN_SECTOR;
	char params[LABEL_DEVICES_MAX][PARAMS_MAX], words[PARAMS_MAX / 2];
	struct dm_target targets[LABEL_DEVICES_MAX];
	struct dm_info_plain meta, data, info;
	uint64_t sectors = 0;
	int code;

	linear(targets, params[0], 0, &disks->disk[0], thin_segment(disks, THIN_META));
	if ((code = build(pool, THIN_META, targets, 1, params[0], &meta, e)))
		return code;
	for (size_t i = 0; i < disks->n; i++) {
		linear(&targets[i], params[i], sectors, &disks->disk[i], LABEL_DATA);
		sectors += targets[i].length;
	}
	if ((code = build(pool, THIN_DATA, targets, disks->n, params[0], &data, e)))
		return code;
	snprintf(words, sizeof(words), "%u:%u %u:%u %u ", meta.major, meta.minor, data.major,
		 data.minor, chunk);
	snprintf(params[0], PARAMS_MAX, "%s%" PRIu64 " 1 error_if_no_space", words,
		 sectors / chunk / LOW_WATER_PART);
	targets[0] = (struct dm_target) { 0, sectors / chunk * chunk, "thin-pool", params[0] };
	return build(pool, THIN_POOL, targets, 1, words, &info, e);
}

int thin_assemble(const struct thin_ref *pool, const struct disks *disks, struct err *e)
{
	struct err inner = { 0 };
	int code = assemble(pool, disks, &inner);

	return code ? err_set(e, code, "pool %s does not start: %s; the kernel's log may say why",
			      pool->name, inner.text) : 0;
}

int thin_dismantle(const struct thin_ref *pool, struct err *e)
{
	static const enum thin_role roles[] = { THIN_POOL, THIN_DATA, THIN_META, THIN_SPARE };
	char name[THIN_NAME_MAX];
	struct err inner = { 0 };
	int code = 0;

	for (size_t i = 0; !code && i < sizeof(roles) / sizeof(*roles); i++)
		code = dm_remove(thin_name(&pool->id, roles[i], name), &inner);
	if (code == -EBUSY)
		return err_set(e, code, "pool %s has active devices, so that %s stays", pool->name,
			       name);
	return code ? err_set(e, code, "%s", inner.text) : 0;
}
