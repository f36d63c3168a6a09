/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All that the database has of one pool: as records for the copy that the pool carries,
 * back into the database, and out of it.
 */
#ifndef BVOL_ROWSET_H
#define BVOL_ROWSET_H

#include "provider/provider.h"
#include "store/records.h"

/*
 * Write down the pool and what lies in it. The same rows give the same bytes. Records of
 * volume types come before those of volumes, and these before those of snapshots.
 */
int rowset_collect(struct store *store, const struct bvol_pool *pool,
		   const struct provider_ops *provider, struct records *rows, struct err *e);

/* The pool's own record of a copy; -ENOENT with a sentence when it has none. */
int rowset_pool(const struct records *rows, struct bvol_pool **ret, struct err *e);

/* What became of a copy on its way into the database. */
struct rowset_report {
	size_t volumes, snapshots;	/* that are there again */
	size_t recovered;	/* of them volumes that have but a number for a name */
	size_t lost;		/* of which the pool has nothing */
	char **told;		/* a sentence for each thing that is not as it was; NULL at the end */
	size_t n_told;
};

void rowset_report_clear(struct rowset_report *report);

/*
 * Inside a transaction in which the pool and its provider's rows are in the database
 * already: put in what the copy tells of. The pool's devices decide: what has none is
 * left out, unless its snapshots have; a device that the copy knows nothing of becomes a
 * volume of this project. What was on its way to another status gets the one that fits
 * what there is. Types that are known by another id, or by the same name, are told apart.
 * -EBADMSG, -EPROTO as records_walk(); -EEXIST: the database has such an object.
 */
int rowset_insert(struct store *store, const struct bvol_pool *pool,
		  const struct provider_ops *provider, const struct records *rows,
		  const char *project, struct rowset_report *report, struct err *e);

/*
 * Inside a transaction: take out all that lies in the pool, and the provider's rows.
 * The pool's own row stays, and so do groups that have other members or none.
 */
int rowset_drop(struct store *store, const struct bvol_uuid *pool_id,
		const struct provider_ops *provider, struct err *e);

#endif
