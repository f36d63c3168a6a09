/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The database's devices of a pool, beside those of metadata that were mended. */
#ifndef BVOL_THIN_LOSSES_H
#define BVOL_THIN_LOSSES_H

#include "provider/thin/kernel.h"
#include "provider/thin/meta/meta.h"
#include "provider/thin/rows.h"

struct loss {
	struct thin_dev dev;	/* dev.lost: what it lacks */
	char *name;		/* for sentences: volume "v", snapshot "s" */
	bool told;		/* the damaged metadata tell how much it has */
	uint64_t mapped;	/* chunks, by them */
};

struct losses {
	size_t n;		/* those that have to be there, by their numbers */
	struct loss *list;
	uint32_t next_dev_id;	/* above all numbers that were seen */
};

int losses_plan(struct store *store, const struct thin_ref *pool, struct losses *ret, struct err *e);
void losses_free(struct losses *losses);
/* Learn from the damaged metadata how much each device has, as far as that can be read. */
int losses_before(struct losses *losses, struct meta *m, struct err *e);
/*
 * Which devices are not in the mended metadata, and how much others lack. -EUCLEAN:
 * one maps more than it can.
 */
int losses_after(struct losses *losses, struct meta *m, struct err *e);
/* How many have lost something; text tells of some. */
size_t losses_tell(const struct losses *losses, char *text, size_t size);

#endif
