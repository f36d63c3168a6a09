// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Metadata that are damaged, or which the kernel won't write any more, are mended in
 * the spare place, which is as large. Nothing here touches the metadata themselves:
 * a crash leaves a half-written spare place, which nobody reads, dm devices that the
 * next run or start of the pool takes away, and where the pool had to be taken down
 * for it a pool that the next start brings up as it was. The exchange of the two places is swap.c's.
 *
 *	sound, marked by the kernel after a	copied as they are, without the mark:
 *	failed write, or with an id that the	nothing is lost
 *	database does not know
 *	anything else				by thin_repair
 *
 * thin_repair leaves out what it can't read, and where it has to look for the trees
 * it may find older ones. So its work is checked as a whole and compared with the
 * database, and with what the damaged metadata still tell of each device. An id
 * that is not the database's becomes it: what K and N mean in recover.c is true
 * then of metadata whose devices are those of the database.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/audit.h"
#include "provider/thin/hold.h"
#include "provider/thin/losses.h"
#include "provider/thin/members.h"
#include "provider/thin/stop.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "sys/program.h"
#include "util/str.h"

#define DEV_PATH_MAX (THIN_NAME_MAX + sizeof("/dev/mapper/"))

struct mend_action {
	struct provider_mend mend;
	struct thin_ref pool;
	char **paths;
	bool moved, force;
	struct thin_pool row;
	struct thin_wanted wanted;
	struct losses losses;
	uint32_t mended;	/* enum thin_mended */
	bool done;		/* by an earlier run, with what it has recorded */
	atomic_bool cancel;
};

/* What a check has found. */
struct seen {
	bool headless;		/* there is no superblock to go by */
	bool unlisted;		/* nor a list of the devices, or of their trees */
	uint64_t faults, leaks;
	struct meta_pool pool;
	struct err first;	/* fault */
};

static char *dev_path(const struct thin_ref *pool, enum thin_role role, char path[DEV_PATH_MAX])
{
	char name[THIN_NAME_MAX];

	snprintf(path, DEV_PATH_MAX, "/dev/mapper/%s", thin_name(&pool->id, role, name));
	return path;
}

static int count_fault(bool harmless, const char *sentence, void *data)
{
	struct seen *seen = data;

	if (!seen->faults && !seen->leaks)
		err_set(&seen->first, -EUCLEAN, "%s", sentence);
	seen->faults += !harmless;
	seen->leaks += harmless;
	return 0;
}

/*
 * What the mended ones have to be like. Where the lists can't be read thin_repair takes
 * others that it comes across, of an earlier moment within the same transaction perhaps.
 */
static int look_before(struct mend_action *a, struct meta *m, struct seen *seen, struct err *e)
{
	struct err why = { 0 };
	int code = meta_lists(m, &why);

	seen->unlisted = code == -EUCLEAN || code == -EIO;
	if (code && !seen->unlisted)
		return err_set(e, code, "%s", why.text);
	return losses_before(&a->losses, m, e);
}

/* The full check; before: learn how much each device has. */
static int examine(struct mend_action *a, const struct disks *disks, enum thin_role role, bool before,
		   struct seen *seen, struct err *e)
{
	char path[DEV_PATH_MAX];
	struct meta *m = NULL;
	int code = thin_assemble_one(&a->pool, disks, role, e);

	*seen = (struct seen) { 0 };
	if (code)
		return code;
	code = meta_open(dev_path(&a->pool, role, path), META_COMMITTED, &a->cancel, &m, &seen->first);
	if (code == -EUCLEAN || code == -EIO) {
		seen->headless = true;
		return 0;
	}
	if (code)
		return err_set(e, code, "%s", seen->first.text);
	seen->pool = *meta_pool(m);
	code = meta_check(m, count_fault, seen, e);
	if (!code)
		code = before ? look_before(a, m, seen, e) : losses_after(&a->losses, m, e);
	meta_close(m);
	return code;
}

static bool is_sound(const struct seen *seen)
{
	return !seen->headless && !seen->faults && !seen->leaks;
}

static bool is_wanted(const struct mend_action *a, uint64_t id)
{
	return id >= a->wanted.least && id <= a->wanted.most;
}

static int copy(struct mend_action *a, struct err *e)
{
	char path[DEV_PATH_MAX];
	struct meta *m;
	int code = meta_open(dev_path(&a->pool, THIN_OLD, path), META_COMMITTED, &a->cancel, &m, e);

	if (code)
		return code;
	code = meta_copy(m, dev_path(&a->pool, THIN_SPARE, path), e);
	meta_close(m);
	return code;
}

/* Without a superblock it has to be told what that would say. */
static int run_repair(struct mend_action *a, const struct disks *disks, bool headless, struct err *e)
{
	uint64_t chunk_size = disks->disk[0].label.chunk_size;
	char from[DEV_PATH_MAX], to[DEV_PATH_MAX], id[24], sectors[24], chunks[24];
	const char *const args[] = {
		"-i", dev_path(&a->pool, THIN_OLD, from), "-o", dev_path(&a->pool, THIN_SPARE, to),
		headless ? "--transaction-id" : NULL, id, "--data-block-size", sectors,
		"--nr-data-blocks", chunks, NULL,
	};

	struct err why = { 0 };
	int code;

	snprintf(id, sizeof(id), "%" PRIu64, a->wanted.least);
	snprintf(sectors, sizeof(sectors), "%" PRIu64, chunk_size / THIN_SECTOR);
	snprintf(chunks, sizeof(chunks), "%" PRIu64, thin_length(disks, LABEL_DATA) / chunk_size);
	code = program_run(PROGRAM_THIN_REPAIR, args, &a->cancel, &why);
	return code ? err_set(e, code, "the metadata of pool %s can't be mended, nothing was changed: %s",
			      a->pool.name, why.text) : 0;
}

/* Why the mended metadata are not as good as those that were; false: they are. */
static bool has_doubts(const struct mend_action *a, const struct seen *old, const struct seen *found,
		       char text[BVOL_SENTENCE_MAX + 1])
{
	char lost[BVOL_SENTENCE_MAX / 2];

	if (losses_tell(&a->losses, lost, sizeof(lost)))
		snprintf(text, BVOL_SENTENCE_MAX + 1, "they would lack %s", lost);
	else if (!is_wanted(a, found->pool.transaction_id))
		snprintf(text, BVOL_SENTENCE_MAX + 1,
			 "they would be of another time: their transaction id is %" PRIu64
			 ", the database has %" PRIu64, found->pool.transaction_id, a->wanted.least);
	else if (old->headless)
		snprintf(text, BVOL_SENTENCE_MAX + 1,
			 "nobody can tell whether they would be the latest, because the superblock is damaged");
	else if (old->unlisted)
		snprintf(text, BVOL_SENTENCE_MAX + 1,
			 "nobody can tell whether they would be the latest, because the lists of the devices are damaged");
	else
		return false;
	return true;
}

/* The work of the repair, all of it, and against the database. */
static int judge(struct mend_action *a, const struct disks *disks, const struct seen *old, struct err *e)
{
	char text[BVOL_SENTENCE_MAX + 1], path[DEV_PATH_MAX];
	uint32_t chunk_size = disks->disk[0].label.chunk_size;
	struct seen found;
	uint64_t id;
	int code = examine(a, disks, THIN_SPARE, false, &found, e);

	if (code)
		return code;
	if (!is_sound(&found))
		return err_set(e, -EUCLEAN, "the metadata of pool %s can't be mended, nothing was changed: %s",
			       a->pool.name, found.first.text);
	if (found.pool.chunk_size != chunk_size)
		return err_set(e, -EUCLEAN, "the metadata of pool %s are of chunks of %" PRIu64
			       " bytes, its label of %" PRIu32, a->pool.name, found.pool.chunk_size,
			       chunk_size);
	if (has_doubts(a, old, &found, text) && !a->force)
		return err_set(e, -EUCLEAN, "the metadata of pool %s can be mended, but %s; nothing was changed, --force takes them so",
			       a->pool.name, text);
	id = a->wanted.least;
	if (is_wanted(a, found.pool.transaction_id)) {
		id = found.pool.transaction_id;
		/* The database has given all numbers that there are. */
		a->losses.next_dev_id = 0;
	}
	code = meta_stamp(dev_path(&a->pool, THIN_SPARE, path), id, e);
	if (!code)
		a->mended = disks->disk[0].label.swapped ? THIN_UNSWAPPED : THIN_SWAPPED;
	return code;
}

static int check_room(const struct mend_action *a, const struct disks *disks, struct err *e)
{
	uint64_t have = thin_length(disks, thin_segment(disks, THIN_SPARE));
	uint64_t need = thin_length(disks, thin_segment(disks, THIN_META));
	char have_text[16], need_text[16];

	return have >= need ? 0 :
	       err_set(e, -ENOSPC, "pool %s has %s of spare room for its metadata, which need %s",
		       a->pool.name, str_size(have, have_text), str_size(need, need_text));
}

/*
 * stuck: the kernel does not write them any more. Its mark may be in its memory alone,
 * and come to the disk when the pool is taken down. Where a pool that is down has
 * nothing wrong, it has only to be brought up again.
 */
static int mend(struct mend_action *a, const struct disks *disks, bool stuck, struct err *e)
{
	struct seen old;
	int code = check_room(a, disks, e);

	if (!code)
		code = examine(a, disks, THIN_OLD, true, &old, e);
	if (!code)
		code = thin_assemble_one(&a->pool, disks, THIN_SPARE, e);
	if (code)
		return code;
	if (!stuck && is_sound(&old) && !old.pool.needs_check && is_wanted(a, old.pool.transaction_id))
		return 0;
	code = is_sound(&old) ? copy(a, e) : run_repair(a, disks, old.headless, e);
	return code ? code : judge(a, disks, &old, e);
}

struct users {
	char table[THIN_NAME_MAX];	/* how those of the pool's devices begin */
	struct err *e;
};

static int refuse_open(const char *name, const char *uuid, void *data)
{
	struct users *users = data;
	struct dm_info_plain info;
	struct bvol_uuid id;
	char *params = NULL;
	bool ours;

	if (!thin_role_uuid(uuid, THIN_VOLUME, &id) || dm_info(name, &info, NULL) ||
	    info.open_count <= 0 || dm_table(name, &params, NULL, NULL))
		return 0;
	ours = !strncmp(params, users->table, strlen(users->table));
	free(params);
	return ours ? err_set(users->e, -EBUSY,
			      "%s is open; end its export, or what else uses it: a repair takes the pool down",
			      name) : 0;
}

/* Before hours of work that would end so. */
static int check_unused(const struct thin_ref *pool, struct err *e)
{
	struct users users = { .e = e };
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&pool->id, THIN_POOL, name), &info, e);

	if (code || !info.live_table)
		return code;
	snprintf(users.table, sizeof(users.table), "%u:%u ", info.major, info.minor);
	return dm_list(THIN_DM_PREFIX, refuse_open, &users, e);
}

/*
 * A pool that the kernel writes is mended only for damage that it has not met yet,
 * and is taken down for it. Of one that it does not write the metadata lie still.
 */
static int look_running(struct mend_action *a, bool *writes, struct err *e)
{
	struct seen seen = { 0 };
	struct thin_status status;
	struct meta *m;
	int code, released;

	if ((code = check_unused(&a->pool, e)) || (code = thin_status(&a->pool, &status, e)))
		return code;
	*writes = !thin_check_mode(&a->pool, &status, NULL);
	if (!*writes)
		return 0;
	if ((code = thin_hold_until(&a->pool, &a->cancel, &m, e)))
		return code;
	code = meta_check(m, count_fault, &seen, e);
	released = thin_let_go(&a->pool, m, code ? NULL : e);
	if (code || released)
		return code ? code : released;
	if (!seen.faults && !seen.leaks)
		return err_set(e, -EALREADY, "nothing is wrong with pool %s, there is nothing to repair",
			       a->pool.name);
	return 0;
}

static int mend_with(struct mend_action *a, const struct disks *disks, bool stuck, struct err *e)
{
	const struct label *label = &disks->disk[0].label;
	int code = label_is_mine(label, a->pool.name, e);

	if (code < 0)
		return code;
	/* The swap has come that far already, and with it goes what was recorded then. */
	if (a->row.mended && label->swapped == (a->row.mended == THIN_SWAPPED)) {
		a->done = true;
		return 0;
	}
	code = thin_clear_places(&a->pool, e);
	if (!code)
		code = mend(a, disks, stuck, e);
	thin_clear_places(&a->pool, NULL);
	return code;
}

static int mend_act(struct action *action, struct err *e)
{
	struct mend_action *a = (struct mend_action *)action;
	bool active, writes = false;
	struct disks *disks = NULL;
	int code = thin_runs(&a->pool, &active, e);

	if (!code && active)
		code = look_running(a, &writes, e);
	if (!code && writes) {
		code = thin_stop(&a->pool, e);
		a->mend.down = !code;
	}
	if (!code)
		code = thin_hold_off(&a->pool, e);
	if (code)
		return code;
	code = members_open(&a->pool, &a->paths, &a->moved, &disks, e);
	if (!code)
		code = mend_with(a, disks, active && !writes, e);
	disks_close(disks);
	thin_hold_on(&a->pool);
	return code;
}

/* What will be lost is known before anything is: the swap may be followed by a crash. */
static int mend_commit(struct action *action, struct store *store, struct err *e)
{
	struct mend_action *a = (struct mend_action *)action;
	int code = 0;

	if (a->done)
		return 0;
	if (a->losses.next_dev_id > a->row.next_dev_id)
		a->row.next_dev_id = a->losses.next_dev_id;
	a->row.mended = a->mended;
	for (size_t i = 0; !code && i < a->losses.n; i++)
		code = thin_row_put(store, &thin_type_dev, &a->losses.list[i].dev, e);
	return code ? code : thin_row_put(store, &thin_type_pool, &a->row, e);
}

static void mend_free(struct action *action)
{
	struct mend_action *a = (struct mend_action *)action;

	losses_free(&a->losses);
	thin_free_paths(a->paths);
	free(a);
}

/* How long it takes nobody knows. */
static void mend_progress(struct action *action, struct action_progress *ret)
{
}

static void mend_order(struct action *action, enum action_order order, uint64_t value)
{
	if (order == ACTION_CANCEL)
		atomic_store(&((struct mend_action *)action)->cancel, true);
}

static int mend_keep(struct action *action, struct store *store, struct err *e)
{
	return 0;
}

static int plan_mend(struct mend_action *a, const struct bvol_pool *pool, struct store *store,
		     struct err *e)
{
	struct thin_op op;
	int code;

	a->pool = thin_ref(pool);
	a->paths = thin_copy_paths(pool->devices, e);
	code = a->paths ? thin_pool_row(store, &a->pool, &a->row, e) : -ENOMEM;
	if (code)
		return code;
	a->wanted = (struct thin_wanted) { a->row.transaction_id, a->row.transaction_id };
	code = thin_row_get(store, &thin_type_op, &pool->id, &op, e);
	if (!code)
		a->wanted.most = op.next_transaction_id;
	return code && code != -ENOENT ? code : losses_plan(store, &a->pool, &a->losses, e);
}

int thin_plan_pool_mend(struct store *store, const struct bvol_pool *pool, bool force,
			struct provider_mend **ret, struct err *e)
{
	struct mend_action *a = thin_alloc(sizeof(*a), e);
	int code;

	if (!a)
		return -ENOMEM;
	a->mend.action = (struct action) {
		.act = mend_act, .commit = mend_commit, .free = mend_free, .progress = mend_progress,
		.order = mend_order, .keep = mend_keep,
	};
	a->force = force;
	code = plan_mend(a, pool, store, e);
	if (code)
		mend_free(&a->mend.action);
	else
		*ret = &a->mend;
	return code;
}
