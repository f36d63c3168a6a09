// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Free chunks can't be overwritten where they lie: the kernel may give one to a
 * volume at any moment. So a device of our own asks the kernel for them, like
 * any volume, in slices. What it was given it has overwritten by then, because
 * a mapping is made when the write into the new chunk has come to its end.
 *
 * The kernel's allocator goes round (sm_disk_new_block(): on from the chunk that
 * was given last, again from the first one at the end), so that a device that
 * takes and gives back as many chunks as are free meets each of them, whoever
 * takes chunks beside it. It is not trusted: the metadata say which chunks the
 * device had, and the end is reached when each of those that nobody had at the
 * beginning was among them, or belongs to somebody now, who was given it zeroed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/wipe.h"
#include "provider/thin/bits.h"
#include "provider/thin/hold.h"
#include "provider/thin/orders.h"
#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/cleanup.h"

/* How often to go round after those that others took and gave back unseen. */
#define TURNS		4
/* Mappings for which a block of metadata is set aside; a leaf that is half full has 126. */
#define BLOCK_MAPPINGS	32

struct scrub_action {
	struct provider_scrub scrub;
	struct thin_ref pool;
	struct thin_dev dev;
	uint32_t chunk_size;
	struct wipe how;
	struct copy_limit *limit;	/* of the pool, or NULL */
	struct bits todo;	/* chunks that nobody had and we had not yet */
	uint64_t left;		/* of them */
	struct bits done;	/* that were among them, and that we had */
	bool active;		/* somebody had a block device when it began */
	struct err *e;
	struct orders orders;
	uint64_t total, shown;	/* chunks to do at first, and now; for the loop, under the orders' lock */
};

/* What was done counts from now on. */
static void show(struct scrub_action *a, bool first)
{
	pthread_mutex_lock(&a->orders.lock);
	if (first)
		a->total = a->left;
	a->shown = a->left;
	a->orders.progress.total = 0;
	pthread_mutex_unlock(&a->orders.lock);
}

static int add_free(const struct meta_extent *extent, void *data)
{
	bits_set_run(data, extent->data, extent->length);
	return 0;
}

/* What is free now, and was to do if there was anything to do. */
static int look(struct scrub_action *a, bool first, struct err *e)
{
	struct bits free = { 0 };
	struct meta *meta;
	int code = thin_hold_until(&a->pool, &a->orders.cancelled, &meta, e), released;

	if (code)
		return code;
	if (bits_size(&free, meta_pool(meta)->chunks))
		code = err_set(e, -ENOMEM, "out of memory");
	else
		code = meta_unmapped(meta, add_free, &free, e);
	released = thin_let_go(&a->pool, meta, e);
	code = code ? code : released;
	if (!code && first)
		code = bits_size(&a->done, free.n) ? err_set(e, -ENOMEM, "out of memory") : 0;
	if (!code && first) {
		a->todo = free;
		free = (struct bits) { 0 };
	} else if (!code) {
		bits_and(&a->todo, &free);
	}
	a->left = bits_count(&a->todo);
	bits_free(&free);
	if (!code)
		show(a, first);
	return code;
}

struct taken {
	struct scrub_action *a;
	uint64_t n;
};

static int cover(const struct meta_extent *extent, void *data)
{
	struct taken *taken = data;
	struct scrub_action *a = taken->a;
	struct bits *todo = &a->todo;

	taken->n += extent->length;
	/* What lies behind has come to the pool since the beginning. */
	for (uint64_t i = extent->data; i < extent->data + extent->length && i < todo->n; i++) {
		if (!bits_test(todo, i))
			continue;
		a->left--;
		bits_reset(todo, i);
		bits_set(&a->done, i);
	}
	return 0;
}

/* Which chunks were ours in this slice; how many. */
static int account(struct scrub_action *a, uint64_t *n, struct err *e)
{
	struct taken taken = { .a = a };
	struct meta *meta;
	int code = thin_hold_until(&a->pool, &a->orders.cancelled, &meta, e), released;

	if (code)
		return code;
	code = meta_mapped(meta, a->dev.dev_id, cover, &taken, e);
	released = thin_let_go(&a->pool, meta, e);
	*n += taken.n;
	if (!code)
		show(a, false);
	return code ? code : released;
}

/*
 * Ends with a flush, at which the kernel commits: what was given back can be given
 * out again. To give back moves no bytes, so that no rate and no pause holds for it.
 */
static int pass(struct scrub_action *a, const struct wipe *how, uint64_t bytes, struct err *e)
{
	char name[THIN_NAME_MAX], path[THIN_NAME_MAX + sizeof("/dev/mapper/")];
	struct copy_extent extent = { .length = bytes };
	bool hurry = how->policy == WIPE_DISCARD;
	struct copy_plan plan = {
		.path = path, .extents = &extent, .n_extents = 1, .pool = hurry ? NULL : a->limit,
		.hooks = { .progress = orders_progress, .data = &a->orders },
	};
	struct wipe_result result;
	struct copy *copy;
	int code;

	snprintf(path, sizeof(path), "/dev/mapper/%s", thin_name(&a->dev.id, THIN_VOLUME, name));
	code = wipe_new(how, &plan, &copy, e);
	if (code)
		return code;
	code = orders_begin(&a->orders, copy, hurry ? 0 : bytes, hurry, e);
	if (!code)
		code = wipe_run(how, copy, &result, e);
	orders_end(&a->orders);
	copy_free(copy);
	return code;
}

static int give_back(struct scrub_action *a, struct err *e)
{
	return pass(a, &(struct wipe) { .policy = WIPE_DISCARD }, a->dev.size, e);
}

/* As many chunks as may be taken at once: half of what is free stays for the volumes. */
static int slice(struct scrub_action *a, uint64_t *free, uint64_t *ret, struct err *e)
{
	struct thin_status status;
	uint64_t blocks, most = a->dev.size / a->chunk_size;
	int code = thin_status(&a->pool, &status, e);

	if (code || (code = thin_check_mode(&a->pool, &status, e)))
		return code;
	blocks = status.metadata_total - status.metadata_used;
	*free = status.data_total - status.data_used;
	*ret = *free / 2 < most ? *free / 2 : most;
	if (*ret > blocks / 4 * BLOCK_MAPPINGS)
		*ret = blocks / 4 * BLOCK_MAPPINGS;
	return *ret ? 0 : err_set(e, -ENOSPC,
				  "pool %s is too full for it; what no volume has could not be overwritten",
				  a->pool.name);
}

/* Until there is nothing left to do, or all that was free has been ours once. */
static int turn(struct scrub_action *a, struct err *e)
{
	uint64_t taken = 0, whole = 0, free, n;
	int code = 0;

	while (!code && a->left && (!whole || taken < whole)) {
		if ((code = slice(a, &free, &n, e)))
			break;
		whole = whole ? whole : free;
		if ((code = pass(a, &a->how, n * a->chunk_size, e)) ||
		    (code = account(a, &taken, e)))
			break;
		code = give_back(a, e);
	}
	return code;
}

static int find_other(const char *name, const char *uuid, void *data)
{
	_cleanup_free_ char *params = NULL;
	char table[THIN_NAME_MAX];
	struct scrub_action *a = data;
	struct bvol_uuid id;
	int code;

	if (a->active || !thin_role_uuid(uuid, THIN_VOLUME, &id) ||
	    !memcmp(&id, &a->dev.id, sizeof(id)) || dm_table(name, &params, NULL, NULL))
		return 0;
	code = thin_volume_table(&a->pool, 0, table, a->e);
	/* "MAJOR:MINOR 0" without its number: how tables of this pool's devices begin. */
	a->active = !code && !strncmp(params, table, strlen(table) - 1);
	return code;
}

/* For the record: what was done, and in how many pieces. */
static void sum_up(struct scrub_action *a)
{
	struct provider_wiped *wiped = &a->scrub.wiped;
	struct wipe_result result = { 0 };
	uint64_t at = 0, length;

	wiped->bytes = wiped->overwritten = bits_count(&a->done) * a->chunk_size;
	while (bits_next_run(&a->done, at, &at, &length)) {
		wiped->extents++;
		at += length;
	}
	wiped->verified = result.verified = a->how.verify && wiped->bytes;
	result.overwritten = wiped->bytes;
	if (wiped->bytes)
		wipe_text(&a->how, &result, wiped->text);
	else
		snprintf(wiped->text, sizeof(wiped->text),
			 "nothing had to be overwritten: no chunk of the pool was free");
}

static int scrub(struct scrub_action *a, struct err *e)
{
	int code;

	if ((code = thin_show(&a->pool, &a->dev.id, a->dev.dev_id, a->dev.size, e)) ||
	    (code = dm_list(THIN_DM_PREFIX, find_other, a, e)) || (code = give_back(a, e)) ||
	    (code = look(a, true, e)))
		return code;
	for (int i = 0; !code && a->left && i < TURNS; i++) {
		code = turn(a, e);
		if (!code && a->left)
			code = look(a, false, e);
	}
	if (!code && a->left)
		return err_set(e, -EBUSY,
			       "%" PRIu64 " chunks of pool %s are taken and given back by volumes all the while and were not overwritten; try again",
			       a->left, a->pool.name);
	return code ? code : thin_remove(&a->dev.id, e);
}

static void scrub_progress(struct action *action, struct action_progress *ret)
{
	struct scrub_action *a = (struct scrub_action *)action;
	uint64_t run;

	pthread_mutex_lock(&a->orders.lock);
	run = orders_done(&a->orders);
	ret->total = a->total * a->chunk_size;
	ret->done = ret->total - a->shown * a->chunk_size;
	/* A run may meet what was done already. */
	ret->done += run < a->shown * a->chunk_size ? run : a->shown * a->chunk_size;
	pthread_mutex_unlock(&a->orders.lock);
}

static void scrub_order(struct action *action, enum action_order order, uint64_t value)
{
	orders_give(&((struct scrub_action *)action)->orders, order, value);
}

/*
 * A crash, and the end of a scrub that is cancelled, leaves the device, active,
 * with chunks that are overwritten or were zeroed by the kernel before it was
 * given them: nobody's data. The job's step begins again, gives them back first,
 * and goes through the pool once more; or the step after it deletes the device.
 */
static int scrub_act(struct action *action, struct err *e)
{
	struct scrub_action *a = (struct scrub_action *)action;
	struct action_progress p = { 0 };
	int code;

	a->e = e;
	code = scrub(a, e);
	if (!code) {
		sum_up(a);
		return 0;
	}
	if (!a->orders.cancelled)
		return code;
	scrub_progress(action, &p);
	return orders_tell("scrub", &p, e);
}

static int scrub_commit(struct action *action, struct store *store, struct err *e)
{
	struct scrub_action *a = (struct scrub_action *)action;

	return a->active ? thin_unscrubbed(store, &a->pool, e) : 0;
}

static void scrub_free(struct action *action)
{
	struct scrub_action *a = (struct scrub_action *)action;

	bits_free(&a->todo);
	bits_free(&a->done);
	copy_limit_unref(a->limit);
	orders_deinit(&a->orders);
	free(a);
}

int thin_plan_scrub(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		    const struct provider_wipe *how, struct provider_scrub **ret, struct err *e)
{
	struct scrub_action *a = thin_alloc(sizeof(*a), e);
	int code;

	if (!a)
		return -ENOMEM;
	a->scrub.action = (struct action) {
		.act = scrub_act, .commit = scrub_commit, .free = scrub_free,
		.progress = scrub_progress, .order = scrub_order,
	};
	a->scrub.wiped.policy = how->policy;
	orders_init(&a->orders);
	a->limit = how->limit ? copy_limit_ref(how->limit) : NULL;
	a->pool = thin_ref(pool);
	a->chunk_size = pool->chunk_size;
	a->how = (struct wipe) {
		.policy = how->policy == BVOL_WIPE_RANDOM ? WIPE_RANDOM : WIPE_ZERO,
		.verify = how->verify, .keep = true,
	};
	code = thin_live(store, &a->pool, id, &a->dev, e);
	if (code) {
		scrub_free(&a->scrub.action);
		return code;
	}
	*ret = &a->scrub;
	return 0;
}
