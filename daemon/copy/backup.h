/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A backup: a source into a repository. On all cores, each reading, hashing,
 * compressing, sealing and writing 64 MiB of the volume at a time.
 */
#ifndef BVOL_COPY_BACKUP_H
#define BVOL_COPY_BACKUP_H

#include "copy/repo/manifest.h"
#include "copy/source.h"

/* Memory of a run beside the index; it takes fewer threads than there are processors for it. */
#define BACKUP_MEMORY	(UINT64_C(60) << 20)
/* Of the index, unless it is said: for as many chunks as that holds. */
#define INDEX_MEMORY	(UINT64_C(1) << 30)

/* The caller's; a run takes copies of it and references to what it names. */
struct backup_plan {
	struct source *source;
	const struct manifest_text *texts;	/* at least "name" */
	uint32_t n_texts;
	const struct manifest *parent;		/* or NULL */
	uint8_t id[REPO_ID];			/* of the backup; zeroes: a new one */
	unsigned int threads;			/* 0: as many as there are processors */
	uint64_t index_memory;			/* bytes, 0: INDEX_MEMORY */
};

/*
 * *ret is the manifest of the new backup. A crash, a failure or a cancel
 * leaves no backup; what was stored serves the next one. Errors: -ECANCELED,
 * -ESTALE (silent for an hour), -ERANGE, of reading and of the repository.
 * -ETIMEDOUT: cancelled, but the source or the repository does not answer. The
 * run keeps references to both until they do. It makes no backup then, unless
 * it was the manifest's publishing that hung: look whether the backup is there.
 */
int backup_run(const struct repo *repo, const struct backup_plan *plan, struct repo_run *run,
	       struct manifest **ret, struct err *e);

#endif
