/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a project may have. Nothing is counted twice and nothing can drift:
 * what it has is summed up from the volumes and snapshots themselves, in the
 * transaction that adds to them. As in Cinder a snapshot counts with its
 * volume's whole size, and what ended in error counts until it is deleted.
 */
#ifndef BVOL_QUOTA_H
#define BVOL_QUOTA_H

#include <stdint.h>

#include "bvol.h"
#include "store/store.h"
#include "util/config.h"

/* What is asked for on top. */
struct quota_ask {
	uint64_t volumes, snapshots, bytes;
};

/* -EDQUOT: one of the project's limits would be passed. */
int quota_check(struct store *store, const char *project, const struct quota_limits *defaults,
		const struct quota_ask *ask, struct err *e);
/*
 * A project's limits (its own or the defaults) and use; it need not exist.
 * Free with bvol_free().
 */
int quota_get(struct store *store, const char *project, const struct quota_limits *defaults,
	      struct bvol_quota **ret, struct err *e);

#endif
