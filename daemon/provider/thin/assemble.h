/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_ASSEMBLE_H
#define BVOL_THIN_ASSEMBLE_H

#include "provider/thin/disk.h"
#include "provider/thin/kernel.h"

/*
 * Make the pool's dm devices as the labels describe them, or adopt those that
 * run. The devices must not be open exclusively. -EUCLEAN: one runs with another
 * table. A crash leaves some of them; they are adopted by the next call.
 */
int thin_assemble(const struct thin_ref *pool, const struct disks *disks, struct err *e);
/*
 * The dm device of the metadata (THIN_META) or of its spare (THIN_SPARE) alone, to
 * look at it or mend it while the pool is down. thin_dismantle() takes it away.
 */
int thin_assemble_one(const struct thin_ref *pool, const struct disks *disks, enum thin_role role,
		      struct err *e);
/* Take them away, also when only some are there; -EBUSY while a device of the pool is active. */
int thin_dismantle(const struct thin_ref *pool, struct err *e);

#endif
