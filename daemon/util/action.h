/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_ACTION_H
#define BVOL_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct store;

/* How far an action has come. */
struct action_progress {
	uint64_t done, total;	/* bytes; total may grow. total 0: not known yet */
	bool keep;		/* a crash now would lose more than need be */
};

enum action_order {
	ACTION_CANCEL,	/* act ends within a second with -ECANCELED */
	ACTION_PAUSE,
	ACTION_RESUME,
	ACTION_RATE,	/* value: bytes a second, 0: no limit */
};

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
 *
 * An action that takes long has three more, or the first two. They are called on
 * the loop, from before act to its end, and may not block:
 *
 *	progress	how far it is; *ret is zeroed
 *	order		what somebody wants of it meanwhile
 *	keep		inside a transaction, when progress has asked for it: write
 *			what a plan that is made again needs to go on from here
 */
struct action {
	int (*act)(struct action *a, struct err *e);
	/* NULL: nothing to record. */
	int (*commit)(struct action *a, struct store *store, struct err *e);
	/* Frees the action, acted or not. */
	void (*free)(struct action *a);
	void (*progress)(struct action *a, struct action_progress *ret);
	void (*order)(struct action *a, enum action_order order, uint64_t value);
	int (*keep)(struct action *a, struct store *store, struct err *e);
};

static inline struct action *action_free(struct action *a)
{
	if (a)
		a->free(a);
	return NULL;
}

#endif
