/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Freeing what no backup needs, beside running backups: Documentation/backup-format.rst, "Deleting". */
#ifndef BVOL_REPO_GC_H
#define BVOL_REPO_GC_H

#include "copy/repo/session.h"

struct gc_result {
	uint64_t packs, bytes;			/* that there were */
	uint64_t deleted_packs, freed;		/* bytes */
	uint64_t copied;			/* bytes of chunks out of packs that are mostly dead */
	uint64_t fenced;			/* writers that were taken for dead */
	uint64_t waiting;			/* writers for whose end the deleting waits: run it again then */
};

/*
 * dead_ns: a writer that was silent for so long is taken for dead, 0:
 * LEASE_DEAD_NS. -EBUSY: another one runs; -EBADMSG: a backup is damaged or
 * misses a chunk: nothing was deleted.
 */
int gc_run(const struct repo *repo, uint64_t dead_ns, struct repo_run *run, struct gc_result *ret,
	   struct err *e);

#endif
