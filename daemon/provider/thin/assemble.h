/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_ASSEMBLE_H
#define BVOL_THIN_ASSEMBLE_H

#include "provider/thin/disk.h"
#include "provider/thin/kernel.h"

/* What a pool's table says beyond its devices. */
struct thin_tune {
	uint32_t mark;	/* percent of data in use at which the kernel tells */
	bool queue;	/* a write that finds no space waits, else it fails */
	bool rearm;	/* let the kernel tell again */
	uint64_t *pause;	/* NULL, or where ns are added for which the pool's I/O stood still */
};

/* As the pool's row wants it. */
struct thin_tune thin_tune(const struct bvol_pool *pool, bool queue);

/*
 * Make the pool's dm devices as the labels describe them, or adopt those that
 * run: what has become larger, or is tuned otherwise, gets its new table, for
 * which the pool and its thin devices stand still a moment. The devices must not
 * be open exclusively. -EUCLEAN: one runs with a table that can't become this
 * one. A crash leaves some of them, or one that is smaller than the label says;
 * they are adopted, and grow, by the next call.
 */
int thin_assemble(const struct thin_ref *pool, const struct disks *disks,
		  const struct thin_tune *tune, struct err *e);
/*
 * The dm device of the metadata (THIN_META) or of its spare (THIN_SPARE) alone, to
 * look at it or mend it while the pool is down, or of the metadata under another
 * name (THIN_OLD) also while it runs. thin_dismantle() takes it away.
 */
int thin_assemble_one(const struct thin_ref *pool, const struct disks *disks, enum thin_role role,
		      struct err *e);
/*
 * Take away what a repair that was cut off has left of THIN_SPARE and THIN_OLD, which
 * keep the pool's disks in use; -EBUSY while a program still uses them.
 */
int thin_clear_places(const struct thin_ref *pool, struct err *e);
/* Take them away, also when only some are there; -EBUSY while a device of the pool is active. */
int thin_dismantle(const struct thin_ref *pool, struct err *e);
/* Where THIN_META, THIN_OLD or THIN_SPARE lies: repairs let the two places change. */
enum label_role thin_segment(const struct disks *disks, enum thin_role role);
/* Bytes of all segments of this role. */
uint64_t thin_length(const struct disks *disks, enum label_role role);

#endif
