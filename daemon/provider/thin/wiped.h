/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of the wipe of a device, from its plan to the device's end: what
 * was done, what is under way, what it was told. wipe.c does the work, on one
 * thread; the loop looks on, and gives orders.
 *
 * What a crash would lose is kept in the database. The pool's data space is cut
 * into parts, and for each it is recorded how many of its chunks were wiped. As
 * the device is inactive, what it has alone can only become more: if a part has
 * as many of its chunks as were wiped there, these are the ones. If it has more,
 * somebody has let go of some since, and the part is wiped again as a whole.
 */
#ifndef BVOL_THIN_WIPED_H
#define BVOL_THIN_WIPED_H

#include "copy/wipe.h"
#include "provider/thin/bits.h"
#include "provider/thin/orders.h"
#include "provider/thin/rows.h"
#include "provider/thin/thin.h"

struct wiped {
	struct wiped *next;
	struct bvol_uuid id, job_id;
	struct thin_ref pool;
	uint32_t dev_id, chunk_size;
	struct wipe how;
	struct copy_limit *limit;	/* of the pool, or NULL */
	struct thin_wipe *before;	/* what was done before a crash; until the first look */
	struct orders orders;
	/* Of the thread that does the work. */
	struct bits todo;		/* chunks of the data device */
	uint64_t left;			/* chunks that are to do */
	bool shares;			/* it maps chunks that others map too */
	bool whole;			/* it does not, and all that it has is wiped */
	bool quiet;			/* others hold still: no limits, no pause */
	uint64_t window;		/* most bytes of one run */
	struct provider_wiped result;
	/* Of both, under the orders' lock. */
	struct bits done;
	uint64_t chunks, total;		/* in done; and with those that were to do at the last look */
	uint64_t kept, kept_at;		/* chunks in the database, monotonic ns */
};

/* The wipe of this device, NULL when there is none. */
struct wiped *wiped_get(const struct bvol_uuid *id);
/* Takes the place of an older one. -ENOMEM. */
int wiped_new(struct store *store, const struct bvol_pool *pool, const struct thin_dev *dev,
	      const struct provider_wipe *how, struct wiped **ret, struct err *e);
void wiped_forget(const struct bvol_uuid *id);

/* After the first look: what needs not be done again. */
void wiped_go_on(struct wiped *w);
/* These chunks, of the run that has ended, are durably wiped. */
void wiped_add(struct wiped *w, uint64_t chunk, uint64_t length);
/* What the database has of a wipe whose device is gone; 1, or 0 when it has nothing. */
int wiped_remember(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		   struct provider_wiped *ret, struct err *e);
/* Sum up what was done, which takes its time: not on the loop. */
void wiped_sum_up(struct wiped *w);

/* The loop's. */
void wiped_progress(struct wiped *w, struct action_progress *ret);
int wiped_keep(struct wiped *w, struct store *store, struct err *e);

#endif
