// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/level.h"
#include "provider/thin/assemble.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/cleanup.h"

#define PARAMS_MAX 128
/* A device has a segment or two of each role. */
#define TARGETS_MAX (2 * LABEL_DEVICES_MAX)

struct table {
	struct dm_target targets[TARGETS_MAX];
	char params[TARGETS_MAX][PARAMS_MAX];
	size_t n;
	uint64_t sectors;
	uint64_t pause;		/* ns that tables took to be put in, of all devices */
};

struct thin_tune thin_tune(const struct bvol_pool *pool, bool queue)
{
	struct levels levels;

	if (levels_parse(pool->warn, &levels, NULL) < 0)
		levels.n = 0;
	return (struct thin_tune) {
		.mark = levels_mark(&levels, pool->grow ?: LEVELS_GROW), .queue = queue,
	};
}

/* Does the kernel's text, in which words are followed by blanks, begin with these? */
static bool begins(const char *params, const char *words)
{
	size_t n = strlen(words);

	return !strncmp(params, words, n) && (!params[n] || params[n] == ' ');
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/*
 * The device stands still for a part of this, from the outside nobody knows for which:
 * the whole counts.
 */
static int reload(const char *name, struct table *table, bool noflush, struct err *e)
{
	uint64_t begun = now();
	int code = dm_reload(name, table->targets, table->n, noflush, e);

	table->pause += now() - begun;
	return code;
}

/*
 * Create or adopt one device, and see that the table of what runs begins with
 * these words and is no longer than the one that is wanted. The swap of a table
 * is one step of the kernel: a crash leaves the old or the new one.
 */
static int build(const struct thin_ref *pool, enum thin_role role, struct table *table,
		 const char *words, bool rearm, struct dm_info_plain *info, struct err *e)
{
	char name[THIN_NAME_MAX], uuid[THIN_NAME_MAX];
	_cleanup_free_ char *params = NULL, *again = NULL;
	uint64_t sectors;
	int code;

	thin_name(&pool->id, role, name);
	if ((code = dm_info(name, info, e)))
		return code;
	rearm &= info->live_table;
	if ((code = dm_create(name, thin_dm_uuid(&pool->id, role, uuid), table->targets, table->n, e)) ||
	    (code = dm_info(name, info, e)) || (code = dm_table(name, &params, &sectors, e)))
		return code;
	if (sectors > table->sectors || !begins(params, words))
		return err_set(e, -EUCLEAN,
			       "%s of pool %s runs with another table than its label asks for (%s, not %s)",
			       name, pool->name, params, words);
	if (!rearm && sectors == table->sectors && begins(params, table->params[0]))
		return 0;
	if ((code = reload(name, table, role == THIN_POOL, e)) ||
	    (code = dm_table(name, &again, &sectors, e)))
		return code;
	if (sectors == table->sectors && begins(again, table->params[0]))
		return 0;
	return err_set(e, -EIO, "the kernel gave %s another table than it was told", name);
}

static void add_target(struct table *table, const struct disk *disk, const struct label_segment *s)
{
	char *params = table->params[table->n];

	snprintf(params, PARAMS_MAX, "%u:%u %" PRIu64, disk->major, disk->minor,
		 s->offset / THIN_SECTOR);
	table->targets[table->n++] = (struct dm_target) {
		table->sectors, s->length / THIN_SECTOR, "linear", params,
	};
	table->sectors += s->length / THIN_SECTOR;
}

/* All segments of this role, in the order of the devices and of their offsets. */
static void linear(struct table *table, const struct disks *disks, enum label_role role)
{
	table->n = 0;
	table->sectors = 0;
	for (size_t i = 0; i < disks->n; i++) {
		const struct label *label = &disks->disk[i].label;

		for (uint32_t k = 0; k < label->n_segments; k++)
			if (label->segments[k].role == role && table->n < TARGETS_MAX)
				add_target(table, &disks->disk[i], &label->segments[k]);
	}
}

uint64_t thin_length(const struct disks *disks, enum label_role role)
{
	uint64_t length = 0;

	for (size_t i = 0; i < disks->n; i++)
		for (uint32_t k = 0; k < disks->disk[i].label.n_segments; k++)
			if (disks->disk[i].label.segments[k].role == role)
				length += disks->disk[i].label.segments[k].length;
	return length;
}

/* Where it lies, after repairs in which the two have changed places too. */
enum label_role thin_segment(const struct disks *disks, enum thin_role role)
{
	return (role == THIN_SPARE) != disks->disk[0].label.swapped ? LABEL_SPARE : LABEL_METADATA;
}

int thin_assemble_one(const struct thin_ref *pool, const struct disks *disks, enum thin_role role,
		      struct err *e)
{
	_cleanup_free_ struct table *table = thin_alloc(sizeof(*table), e);
	struct dm_info_plain info;

	if (!table)
		return -ENOMEM;
	linear(table, disks, thin_segment(disks, role));
	if (!table->n)
		return err_set(e, -ENOSPC, "pool %s has no spare room for its metadata", pool->name);
	return build(pool, role, table, table->params[0], false, &info, e);
}

/* A pool takes notice of larger metadata when it is resumed; not so one that a crash has cut off. */
static bool is_behind(const struct thin_ref *pool, uint64_t length)
{
	struct thin_status status;

	return !thin_status(pool, &status, NULL) && status.mode != THIN_FAILED &&
	       status.metadata_total < length / THIN_METADATA_BLOCK;
}

static int assemble(const struct thin_ref *pool, const struct disks *disks,
		    const struct thin_tune *tune, struct table *table, struct err *e)
{
	uint32_t chunk = disks->disk[0].label.chunk_size / THIN_SECTOR;
	struct dm_info_plain meta, data, info;
	char words[PARAMS_MAX / 2];
	uint64_t chunks;
	int code;

	linear(table, disks, thin_segment(disks, THIN_META));
	if ((code = build(pool, THIN_META, table, table->params[0], false, &meta, e)))
		return code;
	linear(table, disks, LABEL_DATA);
	if ((code = build(pool, THIN_DATA, table, table->params[0], false, &data, e)))
		return code;
	chunks = table->sectors / chunk;
	snprintf(words, sizeof(words), "%u:%u %u:%u %u", meta.major, meta.minor, data.major,
		 data.minor, chunk);
	snprintf(table->params[0], PARAMS_MAX, "%s %" PRIu64 " %s", words,
		 chunks * (100 - tune->mark) / 100, tune->queue ? "0" : "1 error_if_no_space");
	table->n = 1;
	table->sectors = chunks * chunk;
	table->targets[0] = (struct dm_target) { 0, table->sectors, "thin-pool", table->params[0] };
	return build(pool, THIN_POOL, table, words,
		     tune->rearm || is_behind(pool, thin_length(disks, LABEL_METADATA)), &info, e);
}

int thin_assemble(const struct thin_ref *pool, const struct disks *disks,
		  const struct thin_tune *tune, struct err *e)
{
	_cleanup_free_ struct table *table = thin_alloc(sizeof(*table), e);
	struct err inner = { 0 };
	int code;

	if (!table)
		return -ENOMEM;
	code = assemble(pool, disks, tune, table, &inner);
	if (tune->pause)
		*tune->pause += table->pause;
	return code ? err_set(e, code, "pool %s can't be put together: %s; the kernel's log may say why",
			      pool->name, inner.text) : 0;
}

int thin_dismantle(const struct thin_ref *pool, struct err *e)
{
	static const enum thin_role roles[] = {
		THIN_POOL, THIN_DATA, THIN_META, THIN_SPARE, THIN_OLD,
	};
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

int thin_clear_places(const struct thin_ref *pool, struct err *e)
{
	static const enum thin_role roles[] = { THIN_SPARE, THIN_OLD };
	char name[THIN_NAME_MAX];
	struct err why = { 0 };
	int code = 0;

	for (size_t i = 0; !code && i < sizeof(roles) / sizeof(*roles); i++)
		code = dm_remove(thin_name(&pool->id, roles[i], name), &why);
	if (code == -EBUSY)
		return err_set(e, code, "%s is still used by an earlier repair; try again", name);
	return code ? err_set(e, code, "%s", why.text) : 0;
}
