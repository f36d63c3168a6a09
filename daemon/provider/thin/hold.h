/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_HOLD_H
#define BVOL_THIN_HOLD_H

#include "provider/thin/kernel.h"
#include "provider/thin/meta/meta.h"

/*
 * Read the metadata of a running pool: the kernel keeps them as they are at this
 * moment until they are let go, and keeps every chunk that they name. Hold them
 * for a walk, not for I/O on data. A pool has one holder at a time; others wait.
 * A crash leaves them held, which pool_open() and the next hold end.
 */
int thin_hold(const struct thin_ref *pool, struct meta **ret, struct err *e);
/* The same; *cancel ends what the reader does. */
int thin_hold_until(const struct thin_ref *pool, const atomic_bool *cancel, struct meta **ret,
		    struct err *e);
/*
 * Wait for whoever holds them, and let nobody else until thin_hold_on(): the pool is
 * taken down in between.
 */
int thin_hold_off(const struct thin_ref *pool, struct err *e);
void thin_hold_on(const struct thin_ref *pool);
/* Closes the reader too. */
int thin_let_go(const struct thin_ref *pool, struct meta *meta, struct err *e);

#endif
