/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_ACTION_H
#define BVOL_ACTION_H

#include "util/err.h"

struct store;

/*
 * Something that touches the kernel or a disk, in three parts:
 *
 *	planned	by a function that made the action, on the loop, inside the
 *		transaction that records the intent
 *	act	on a worker thread, after that transaction is durable; may block
 *		for ever; sees nothing but the action itself; reads back what it
 *		has done before it returns 0
 *	commit	on the loop, inside the transaction that records the result
 *
 * A crash before act leaves an intent, one during act leaves a part, one after
 * act leaves the whole without a record. In each case the plan is made again
 * at the next start from the recorded intent, so act has to be idempotent.
 */
struct action {
	int (*act)(struct action *a, struct err *e);
	/* NULL: nothing to record. */
	int (*commit)(struct action *a, struct store *store, struct err *e);
	/* Frees the action, acted or not. */
	void (*free)(struct action *a);
};

static inline struct action *action_free(struct action *a)
{
	if (a)
		a->free(a);
	return NULL;
}

#endif
