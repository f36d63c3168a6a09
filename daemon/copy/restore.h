/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Out of a repository: onto a file or device, to a reader of bytes, or nowhere, to prove that it could be. */
#ifndef BVOL_COPY_RESTORE_H
#define BVOL_COPY_RESTORE_H

#include "copy/repo/manifest.h"

struct restore_result {
	_Atomic uint64_t written;	/* bytes */
	_Atomic uint64_t equal;		/* bytes that were there already */
	_Atomic uint64_t zeroed;	/* bytes of zeroes that had to be made */
};

struct restore_plan {
	const struct manifest *m;
	const char *to;		/* a file, made if there is none, or a block device; NULL: verify only */
	bool diff;		/* read the target and write what is not equal */
	bool blank;		/* the target reads as zeroes all over */
	unsigned int threads;	/* 0: as many as there are processors */
};

/*
 * Everything is proven before it is written. When it returns 0 it is durable.
 * After an error the target has a part of it. -EBADMSG: damaged or missing,
 * the sentence names it; -ENOSPC: the target is too small; -ECANCELED.
 * -ETIMEDOUT: cancelled, but target or repository do not answer. What the run
 * has asked them for may still be done when they do, so the target must not be
 * given to anybody else before: see copy_abandoned(). *ret is filled in always.
 */
int restore_run(const struct repo *repo, const struct restore_plan *plan, struct repo_run *run,
		struct restore_result *ret, struct err *e);

/* A range, in order; sink's negative results are returned. -ERANGE: it ends behind the volume. */
int restore_cat(const struct repo *repo, const struct manifest *m, uint64_t offset, uint64_t length,
		int (*sink)(void *data, const void *bytes, size_t n, struct err *e), void *data,
		struct err *e);

/* The identifiers of a page's chunks: ids has page_chunks() of them. */
int restore_map(const struct repo *repo, const struct manifest *m,
		int (*each)(void *data, uint32_t page, const uint8_t (*ids)[CHUNK_ID], uint32_t n,
			    struct err *e), void *data, struct err *e);

#endif
