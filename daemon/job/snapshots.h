/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the workflows of snapshots share, of single ones and of those of one moment. */
#ifndef BVOL_SNAPSHOTS_H
#define BVOL_SNAPSHOTS_H

#include "job/flow.h"

/* Snapshots of one moment, in the order of their ids. */
struct snapshots {
	struct bvol_snapshot **list;
	size_t n;
};

void snapshots_clear(struct snapshots *s);

#define _cleanup_snapshots_ _cleanup_(snapshots_clear) struct snapshots

/* A group snapshot's; for jobs and verbs alike. Free with snapshots_clear(), after an error too. */
int snapshots_of(struct store *store, const struct bvol_uuid *group_snapshot_id,
		 struct snapshots *ret, struct err *e);

/* Plan to take them, all or none. */
int snapshots_take(struct job *job, const struct snapshots *s, struct action **ret, struct err *e);
/* They are available; of an origin that had to hold still it is told for how long. */
int snapshots_taken(struct job *job, const struct snapshots *s, struct err *e);
/* The snapshot is gone, and with the last of its moment so is the group snapshot. */
int snapshots_gone(struct job *job, struct bvol_snapshot *snapshot, struct err *e);

#endif
