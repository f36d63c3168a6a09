/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the thin provider keeps in the database: the pool's metadata stores
 * neither names nor sizes and can't list its device ids, so these rows are the
 * only record of them. The transaction id ties the two together.
 *
 *	thin_pool	one row a pool; next_dev_id only grows, so that an id is
 *			never given twice
 *	thin_dev	one row a device: planned before the kernel is asked for
 *			it, live, doomed before the kernel is asked to delete it;
 *			wiping is doomed too, but nobody deletes it who has not
 *			wiped it
 *	thin_wipe	at most one row a device: how far its wipe has come
 *	thin_op		at most one row a pool: the operation that may be half
 *			done. It is done when the kernel's transaction id equals
 *			next_transaction_id, and not before. Its devices are those
 *			whose operation is that same number: several that come to
 *			be at one moment, or one.
 *
 * An operation that failed leaves its row, and its devices planned or doomed.
 * The next one overwrites the row with a next_transaction_id that is one
 * higher, so that the two can't be confused; the devices are what destroy() and
 * pool_open() clean up.
 */
#ifndef BVOL_THIN_ROWS_H
#define BVOL_THIN_ROWS_H

#include "bvol.h"
#include "store/store.h"

enum thin_state { THIN_PLANNED, THIN_LIVE, THIN_DOOMED, THIN_WIPING };

/* dm-thin's device ids have 24 bits; 0 is left out. */
#define THIN_DEV_ID_FIRST	1
#define THIN_DEV_ID_MAX		((1U << 24) - 1)

enum { THIN_POOL_ID = 1, THIN_POOL_TRANSACTION_ID, THIN_POOL_NEXT_DEV_ID, THIN_POOL_MENDED };
enum { THIN_DEV_ID = 1, THIN_DEV_POOL_ID, THIN_DEV_DEV_ID, THIN_DEV_SIZE, THIN_DEV_STATE,
       THIN_DEV_OPERATION, THIN_DEV_LOST };
enum { THIN_OP_ID = 1, THIN_OP_NEXT_TRANSACTION_ID };

enum { THIN_WIPE_ID = 1, THIN_WIPE_JOB_ID, THIN_WIPE_POLICY, THIN_WIPE_VERIFY, THIN_WIPE_PART,
       THIN_WIPE_COUNTS, THIN_WIPE_DISCARDED, THIN_WIPE_STARTED_AT };

struct thin_pool {
	uint64_t has;
	struct bvol_uuid id;
	uint64_t transaction_id;
	uint32_t next_dev_id;
	uint32_t mended;	/* enum thin_mended: a repair that has come so far */
};

/* Metadata that are mended lie in the spare segments, and the label has to say this then. */
enum thin_mended { THIN_NOT_MENDED, THIN_UNSWAPPED, THIN_SWAPPED };

/* All of it, not so many chunks. */
#define THIN_LOST_ALL (UINT64_C(1) << 62)

struct thin_dev {
	uint64_t has;
	struct bvol_uuid id;
	struct bvol_uuid pool_id;
	uint32_t dev_id;
	uint64_t size;		/* bytes */
	uint32_t state;		/* enum thin_state */
	uint64_t operation;	/* the last one that it was part of, by the id that it led to */
	/* Chunks that it lacks when the mended metadata are the pool's, or THIN_LOST_ALL. */
	uint64_t lost;
};

struct thin_op {
	uint64_t has;
	struct bvol_uuid id;	/* of the pool */
	uint64_t next_transaction_id;
};

struct thin_wipe {
	uint64_t has;
	struct bvol_uuid id;	/* of the device */
	struct bvol_uuid job_id;
	uint32_t policy;	/* enum bvol_wipe */
	uint32_t verify;
	uint64_t part;		/* chunks */
	char *counts;		/* chunks wiped in each part, with a blank behind each */
	uint64_t discarded;	/* bytes */
	uint64_t started_at;
};

extern const struct bvol_type thin_type_pool, thin_type_dev, thin_type_op, thin_type_wipe;

/* Copy the row with this key, which has no strings, into row; -ENOENT without a sentence. */
int thin_row_get(struct store *store, const struct bvol_type *type, const struct bvol_uuid *key,
		 void *row, struct err *e);
/* Write all fields of the row, whether it is there or not. */
int thin_row_put(struct store *store, const struct bvol_type *type, void *row, struct err *e);
/* Remove the row; 0 too when there is none. */
int thin_row_drop(struct store *store, const struct bvol_type *type, const struct bvol_uuid *key,
		  struct err *e);

#endif
