/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an action that runs the copy engine, once or many times, is told while it
 * is under way. One thread does the work; the loop looks on, and gives orders,
 * which hold for the run that is under way and for those after it.
 */
#ifndef BVOL_THIN_ORDERS_H
#define BVOL_THIN_ORDERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "copy/copy.h"
#include "util/action.h"

struct orders {
	atomic_bool cancelled;
	pthread_mutex_t lock;		/* of all below, and of what its owner shows of himself */
	struct copy *copy;		/* under way, or NULL */
	uint64_t bytes;			/* that it is about */
	struct copy_progress progress;	/* of it, until it counts as done: then its total is 0 */
	bool paused;
	uint64_t rate;
};

void orders_init(struct orders *o);
void orders_deinit(struct orders *o);

/* A run begins, with what was told before, unless nothing may hold it up; -ECANCELED. It ends. */
int orders_begin(struct orders *o, struct copy *copy, uint64_t bytes, bool hurry, struct err *e);
void orders_end(struct orders *o);
/* A hook of the run; data is the orders. */
void orders_progress(void *data, const struct copy_progress *progress);
/* Bytes that the last run has done and that don't count as done yet. The lock is held. */
uint64_t orders_done(const struct orders *o);

/* The loop's. */
void orders_give(struct orders *o, enum action_order order, uint64_t value);

/* The sentence of a run that was cancelled: "the wipe was cancelled after 1.0 GiB of 4.0 GiB". */
int orders_tell(const char *what, const struct action_progress *p, struct err *e);

#endif
