/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_TURN_H
#define BVOL_THIN_TURN_H

#include "bvol.h"
#include "util/err.h"

/* What one thread at a time does with a pool. */
enum turn_what {
	TURN_METADATA,	/* hold its metadata for a reader */
	TURN_ROWS,	/* write its label or the copy of its rows */
};

/* Wait until no other thread of this process is at it. Worker threads. -ENOMEM. */
int turn_take(enum turn_what what, const struct bvol_uuid *pool, struct err *e);
void turn_end(enum turn_what what, const struct bvol_uuid *pool);

#endif
