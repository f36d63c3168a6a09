/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is a pool's metadata sound?
 *
 * Before each start of a pool, what is quick to see: the superblock's seal,
 * version and flags, the trees that list the devices, the chunk size, the
 * transaction id. Whether all below is sound is the kernel's to see when it
 * comes to it: it checks each block that it reads. After a write of metadata
 * that failed, of which the kernel leaves a mark (needs_check), the pool is not
 * started at all: the full check and the repair are the operator's to begin.
 */
#ifndef BVOL_THIN_AUDIT_H
#define BVOL_THIN_AUDIT_H

#include "provider/thin/assemble.h"
#include "provider/thin/meta/meta.h"

/* Transaction ids between which the pool's has to be: the database's, and what its operation leads to. */
struct thin_wanted {
	uint64_t least, most;
};

int thin_runs(const struct thin_ref *pool, bool *ret, struct err *e);
/* -EUCLEAN with the sentence. */
int thin_check_id(const struct thin_ref *pool, uint64_t id, const struct thin_wanted *wanted,
		  struct err *e);
/*
 * The quick look at a pool that does not run (0 at once if it does). -EUCLEAN: it
 * must not be started, and nothing of it is there then.
 */
int thin_audit_before(const struct thin_ref *pool, const struct disks *disks,
		      const struct thin_wanted *wanted, struct err *e);

/*
 * Open the metadata, or its spare, of a pool that does not run. A crash leaves a
 * dm device that the pool's next start adopts or that thin_dismantle() takes away.
 */
int thin_open_down(const struct thin_ref *pool, const struct disks *disks, enum thin_role role,
		   struct meta **ret, struct err *e);

#endif
