/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The native thin provider: dm-thin pools on raw block devices.
 *
 *	thin.c		the table of functions, reading the state
 *	pool.c		make and take away a pool		disk.c	   its block devices
 *	recover.c	bring a pool up, finish or undo		label.c	   what is written on them
 *	device.c	create and destroy devices		kernel.c   pool status and messages
 *	active.c	their block devices			assemble.c dm devices of a pool
 *	check.c		what differs from the database		rows.c	   the database's rows
 *	wipe.c		overwrite what a device has alone	wiped.c	   how far that is
 *	scrub.c		overwrite what no device has		window.c   chunks as a block device
 *	orders.c	what the two are told meanwhile		extents.c  where a device maps what
 *	hold.c		keep the metadata for a reader		meta/	   the reader
 *	mapped.c	what a device maps			drain.c	   end what waits for space
 *	audit.c		is the metadata sound?			finding.c  what a check has found
 *	extend.c	more space, and the spares of it	members.c  which devices are the pool's
 *	stop.c		take a running pool down		move.c	   give and take one, its copy of the rows
 *	find.c		what is on disks			adopt.c	   and how it becomes the database's
 *	kept.c		where the copy lies			turn.c	   one thread at a time
 *	repair.c	mend metadata in the spare place	swap.c	   let the two places change
 *	losses.c	what devices lose by a repair
 *
 * Every change of the pool's metadata moves its transaction id on by one or
 * more, in this order: the database learns what is planned and the id that the
 * pool will have; the message; the transaction id; the status is read back; the
 * database learns that it is done. So at any time the kernel's id says which
 * side of a crash the operation is on (see rows.h).
 */
#ifndef BVOL_THIN_H
#define BVOL_THIN_H

#include "provider/provider.h"
#include "provider/thin/kernel.h"
#include "provider/thin/rows.h"

int thin_plan_pool_create(struct store *store, const struct bvol_pool *pool, bool force,
			  struct action **ret, struct err *e);
int thin_plan_pool_destroy(struct store *store, const struct bvol_pool *pool, struct action **ret,
			   struct err *e);
int thin_plan_pool_open(struct store *store, const struct bvol_pool *pool, struct action **ret,
			struct err *e);
int thin_plan_pool_extend(struct store *store, const struct bvol_pool *pool,
			  const struct provider_extend *how, struct provider_extended **ret,
			  struct err *e);
int thin_plan_pool_release(struct store *store, const struct bvol_pool *pool, char *const *devices,
			   struct action **ret, struct err *e);
int thin_plan_pool_adjust(struct store *store, const struct bvol_pool *pool, bool metadata,
			  struct action **ret, struct err *e);
int thin_plan_pool_mend(struct store *store, const struct bvol_pool *pool, bool force,
			struct provider_mend **ret, struct err *e);
int thin_plan_pool_swap(struct store *store, const struct bvol_pool *pool,
			struct provider_swap **ret, struct err *e);
int thin_plan_create(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     uint64_t size, const struct bvol_uuid *origin, struct action **ret,
		     struct err *e);
int thin_plan_copy(struct store *store, const struct bvol_pool *pool,
		   const struct provider_copy *copies, size_t n, struct provider_copies **ret,
		   struct err *e);
int thin_plan_mapped(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     struct provider_mapped **ret, struct err *e);
int thin_plan_extents(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		      const struct bvol_uuid *base, struct provider_extents **ret, struct err *e);
int thin_plan_destroy(struct store *store, const struct bvol_pool *pool,
		      const struct bvol_uuid *id, struct action **ret, struct err *e);
int thin_plan_activate(struct store *store, const struct bvol_pool *pool,
		       const struct bvol_uuid *id, uint64_t size, struct action **ret,
		       struct err *e);
int thin_plan_deactivate(struct store *store, const struct bvol_pool *pool,
			 const struct bvol_uuid *id, struct action **ret, struct err *e);
int thin_plan_drain(const struct bvol_pool *pool, const struct bvol_uuid *id,
		    struct provider_drain **ret, struct err *e);
int thin_plan_exchange(struct store *store, const struct bvol_pool *pool,
		       const struct bvol_uuid *a, const struct bvol_uuid *b, uint64_t size,
		       struct action **ret, struct err *e);
int thin_plan_wipe(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		   const struct provider_wipe *how, struct action **ret, struct err *e);
int thin_plan_scrub(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		    const struct provider_wipe *how, struct provider_scrub **ret, struct err *e);
int thin_wipe_result(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     struct provider_wiped *ret, struct err *e);
int thin_plan_check(struct store *store, const struct bvol_pool *pool,
		    struct provider_check **ret, struct err *e);
int thin_plan_audit(struct store *store, const struct bvol_pool *pool, struct provider_check **ret,
		    struct err *e);

int thin_pool_rows(struct store *store, const struct bvol_uuid *pool_id, struct records *rows,
		   struct err *e);
int thin_plan_pool_keep(const struct bvol_pool *pool, struct records *rows,
			struct provider_kept **ret, struct err *e);
int thin_plan_pool_kept(const struct bvol_pool *pool, bool force, struct provider_kept **ret,
			struct err *e);
int thin_plan_pool_stop(const struct bvol_pool *pool, struct action **ret, struct err *e);
int thin_plan_pool_give(const struct bvol_pool *pool, struct records *rows, bool forget,
			struct action **ret, struct err *e);
int thin_pool_drop(struct store *store, const struct bvol_uuid *pool_id, struct err *e);
int thin_plan_pool_find(struct store *store, const char *device, bool force,
			struct provider_found **ret, struct err *e);
int thin_pool_adopt(struct store *store, const struct provider_found *found, struct err *e);
int thin_plan_pool_take(const struct bvol_pool *pool, bool force, struct action **ret,
			struct err *e);
int thin_pool_devices(struct store *store, const struct bvol_uuid *pool_id, provider_each each,
		      void *data, struct err *e);

/* Zeroed memory; NULL with a sentence (-ENOMEM). */
void *thin_alloc(size_t size, struct err *e);

/* A list of paths, which ends with NULL or is NULL, copied; NULL with a sentence (-ENOMEM). */
char **thin_copy_paths(char *const *paths, struct err *e);
char **thin_free_paths(char **paths);
/*
 * These are the pool's devices now; a spare that is among them is none any more.
 * Inside a transaction.
 */
int thin_record_paths(struct store *store, const struct bvol_uuid *pool_id, char *const *paths,
		      struct err *e);
/* Are these paths that the pool may be given? Neither malformed nor another pool's. */
int thin_check_paths(struct store *store, const struct bvol_uuid *pool_id, char *const *paths,
		     struct err *e);

/* A live device of this pool; -ENOENT or -EBUSY with a sentence when there is none. */
int thin_live(struct store *store, const struct thin_ref *pool, const struct bvol_uuid *id,
	      struct thin_dev *ret, struct err *e);
/* The pool's row; -ENOENT with a sentence. */
int thin_pool_row(struct store *store, const struct thin_ref *pool, struct thin_pool *ret,
		  struct err *e);
/*
 * Make the block device show dev_id with this size, whatever it showed before,
 * and read it back. Blocks.
 */
int thin_show(const struct thin_ref *pool, const struct bvol_uuid *id, uint32_t dev_id, uint64_t size,
	      struct err *e);
/* From now on chunks may be given back to the pool with what they hold. */
int thin_unscrubbed(struct store *store, const struct thin_ref *pool, struct err *e);
/*
 * Device-mapper lets several of its devices share a disk, so ask whether anyone has
 * one of these before a pool that is down is touched; a running pool has them itself.
 */
struct disks;
int thin_check_unused(const struct thin_ref *pool, const struct disks *disks, struct err *e);
/* 0 when size is one that a device can have. */
int thin_check_size(uint64_t size, struct err *e);

#endif
