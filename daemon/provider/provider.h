/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a kind of storage has to offer. Capabilities are data; the functions
 * plan actions (util/action.h), every one of them idempotent: planning what is
 * done already gives *ret = NULL, or an action that finds it done.
 *
 * Devices (volumes and snapshots alike, and a job's temporary ones) are known
 * by UUID; where they lie is the provider's affair and kept in its own tables.
 */
#ifndef BVOL_PROVIDER_H
#define BVOL_PROVIDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bvol.h"
#include "copy/copy.h"
#include "store/records.h"
#include "store/store.h"
#include "util/action.h"

struct provider_usage {
	struct bvol_uuid pool_id;
	uint64_t data_total, data_used;		/* bytes */
	uint64_t metadata_total, metadata_used;	/* bytes */
	uint64_t transaction_id;
	bool full;	/* the kernel has found no chunk for a write */
	bool waits;	/* such a write waits, a minute at most, else it fails */
	enum bvol_pool_status status;		/* available, read-only or error */
	char error[BVOL_SENTENCE_MAX + 1];	/* why it is not available */
};

/* An action that reads; usage is filled in by act. */
struct provider_stat {
	struct action action;
	struct provider_usage usage;
};

/* How a device's bytes go. */
struct provider_wipe {
	enum bvol_wipe policy;	/* discard, zero or random */
	bool verify;		/* read back */
	struct bvol_uuid job_id;	/* the one that may go on after a crash */
	struct copy_limit *limit;	/* of the pool; a reference is taken. NULL: none */
};

/* What a wipe has done so far. */
struct provider_wiped {
	enum bvol_wipe policy;
	uint64_t bytes, extents;	/* that it had alone */
	uint64_t overwritten, discarded;	/* bytes */
	bool verified;			/* each of them */
	uint64_t started_at;		/* also where a crash came in between */
	char text[160];			/* in words */
};

/* How a pool gets devices. */
struct provider_extend {
	char *const *devices;	/* paths, NULL at the end */
	bool spare;		/* kept until they are needed */
	bool force;		/* foreign signatures are wiped */
	bool again;		/* the same plan was made before; it may be done already */
};

/* An action that gives a pool devices. */
struct provider_extended {
	struct action action;
	uint64_t pause;		/* ns that the volumes' I/O stood still for it; act fills it in */
};

/* A device to be made, and where its content comes from. */
struct provider_copy {
	struct bvol_uuid id;
	uint64_t size;		/* bytes */
	struct bvol_uuid origin;	/* all 0: it begins empty */
	uint64_t pause;		/* ns that the I/O of an active origin stood still; act fills it in */
};

/* An action; its copies are sorted by origin. */
struct provider_copies {
	struct action action;
	size_t n;
	struct provider_copy *copy;
};

/* An action that reads what a device maps; filled in by act, in bytes. */
struct provider_mapped {
	struct action action;
	atomic_bool cancel;	/* may be set from any thread: act comes to an end, with -ECANCELED */
	uint64_t mapped, exclusive;	/* exclusive: nothing else maps them */
};

/* An action that overwrites what no device has, and fills in what it has done. */
struct provider_scrub {
	struct action action;
	struct provider_wiped wiped;	/* but for when it began */
};

/* An action that ends what waits for space. */
struct provider_drain {
	struct action action;
	bool drained;	/* filled in by act: the device fails everything, until activate */
};

/*
 * The copy of the database's rows that a pool carries (records, see store/records.h);
 * at: when it was written.
 */
struct provider_kept {
	struct action action;
	uint64_t at;
	struct records rows;
};

/* A device of the provider's tables: of a volume, a snapshot, or something that has ended. */
struct provider_device {
	struct bvol_uuid id;
	uint32_t number;	/* in its pool, for people */
	uint64_t size;		/* bytes */
};

/*
 * A pool that is on disks, and not in the database. Filled in by an action that reads
 * alone. missing: devices that the copy has and the pool has not; extra: the other way
 * round, whose ids are the caller's to fill in, with sizes as far as something is written.
 */
struct provider_found {
	struct action action;
	struct bvol_uuid pool_id;
	uint32_t chunk_size;
	char **devices, **spares;	/* paths, NULL at the end */
	bool clean;		/* its last owner has given it away, and the copy is of that moment */
	bool kept;		/* it carries a copy */
	bool older;		/* a newer copy than this one was cut off or is damaged */
	uint64_t kept_at;
	char kept_by[64];	/* the node that wrote it */
	struct records rows;
	size_t n_missing, n_extra;
	struct bvol_uuid *missing;
	struct provider_device *extra;
	char damage[BVOL_SENTENCE_MAX + 1];	/* why it can't be started, "" for it can */
};

typedef int (*provider_each)(const struct provider_device *device, void *data);

/* An action that makes sound metadata beside those of a pool that are not. */
struct provider_mend {
	struct action action;
	bool down;	/* act has taken the pool down */
};

/* What a repair has taken from a device. */
struct provider_loss {
	struct bvol_uuid id;
	bool whole;		/* the device is not there any more */
	uint64_t bytes;		/* else of it */
};

/* An action that makes the mended metadata the pool's; lost is there from its plan on. */
struct provider_swap {
	struct action action;
	size_t n;
	struct provider_loss *lost;
};

/*
 * An action that reads which parts of a device hold something, filled in by act: in
 * bytes of the device, in order, not touching. What is in none of mapped reads as
 * zeroes; what is in same is as on the device that it was compared with. Their
 * number is bounded: where a device has more, mapped says too much, same too little.
 */
struct provider_extents {
	struct action action;
	struct copy_extent *mapped, *same;
	size_t n_mapped, n_same;
};

struct provider_check;

struct provider_ops {
	const char *name;
	bool thin_provisioning;	/* more may be promised than there is */
	bool snapshots;
	uint32_t chunk_min, chunk_max, chunk_default;	/* bytes; chunks are multiples of chunk_min */

	/*
	 * Pools. create: check the devices, label them, make an empty pool. With
	 * force a foreign signature is wiped; never one of another pool and never
	 * a device in use. destroy: undo it, also half of it; a label that is not
	 * this pool's stays, and so do those of a pool that is another node's by now.
	 */
	int (*pool_create)(struct store *store, const struct bvol_pool *pool, bool force,
			   struct action **ret, struct err *e);
	int (*pool_destroy)(struct store *store, const struct bvol_pool *pool,
			    struct action **ret, struct err *e);
	/*
	 * Bring the pool up, or adopt a running one: check label and transaction
	 * id, finish or undo the operation a crash cut off, and record which (in
	 * commit). After it the provider's tables tell the truth.
	 */
	int (*pool_open)(struct store *store, const struct bvol_pool *pool,
			 struct action **ret, struct err *e);
	int (*pool_stat)(const struct bvol_pool *pool, struct provider_stat **ret, struct err *e);
	/* A number that changes when something happens to the pool. No blocking. */
	int (*pool_events)(const struct bvol_pool *pool, uint32_t *ret);
	/*
	 * Give a running pool more devices, of which one that is a spare of it is one
	 * no longer, or spares; with the checks of pool_create. One that fails leaves
	 * the devices as they were. release: these are no spares any more, also when
	 * they can't be read.
	 */
	int (*pool_extend)(struct store *store, const struct bvol_pool *pool,
			   const struct provider_extend *how, struct provider_extended **ret,
			   struct err *e);
	int (*pool_release)(struct store *store, const struct bvol_pool *pool, char *const *devices,
			    struct action **ret, struct err *e);
	/*
	 * Let the kernel's side follow what the pool is told: when the kernel tells,
	 * and whether writes wait when it is full, which they do while it has spares.
	 * With metadata, those that are half full or more become twice as long, as
	 * far as there is room; -ENOSPC when there is none.
	 */
	int (*pool_adjust)(struct store *store, const struct bvol_pool *pool, bool metadata,
			   struct action **ret, struct err *e);
	/*
	 * Mend a pool whose metadata are damaged, or which the kernel does not write any
	 * more, in two actions; pool_open follows. mend writes sound metadata into the
	 * spare place, compares them with the database and records what devices would
	 * lose; if they lose anything, or the metadata found may be older ones, it fails
	 * without force. Nothing is changed then, nor if nothing is wrong with a pool that
	 * works (-EALREADY), or a device is in use (-EBUSY). It can be cancelled. swap
	 * takes the pool down, -EBUSY while a device is in use, and lets the two places
	 * change, if mend has written anything.
	 */
	int (*pool_mend)(struct store *store, const struct bvol_pool *pool, bool force,
			 struct provider_mend **ret, struct err *e);
	int (*pool_swap)(struct store *store, const struct bvol_pool *pool, struct provider_swap **ret,
			 struct err *e);

	/*
	 * Moving a pool. rows: append what the provider's tables have of it to a copy of
	 * the database's rows. keep: write this copy, which is taken over, onto the pool,
	 * of this node, if it has another one; kept: read what it carries, nothing
	 * where there is none, and with force where it is damaged. Both leave everything else
	 * alone, so that they need not be in the pool's lane.
	 */
	int (*pool_rows)(struct store *store, const struct bvol_uuid *pool_id, struct records *rows,
			 struct err *e);
	int (*pool_keep)(const struct bvol_pool *pool, struct records *rows,
			 struct provider_kept **ret, struct err *e);
	int (*pool_kept)(const struct bvol_pool *pool, bool force, struct provider_kept **ret,
			 struct err *e);
	/*
	 * stop: take it down; -EBUSY: something is open, it runs as before. give: the pool,
	 * which is down, belongs to no node from now on and carries this copy (taken over;
	 * NULL: what it has); nothing is written when it is not this node's any more.
	 * forget: it need not be there either. drop: remove the provider's rows.
	 */
	int (*pool_stop)(const struct bvol_pool *pool, struct action **ret, struct err *e);
	int (*pool_give)(const struct bvol_pool *pool, struct records *rows, bool forget,
			 struct action **ret, struct err *e);
	int (*pool_drop)(struct store *store, const struct bvol_uuid *pool_id, struct err *e);
	/*
	 * find: what the pool is that this device belongs to. -EBUSY: it belongs to another
	 * node, unless force; -EEXIST: the database has it already. adopt: put what was found
	 * into the provider's tables. take: make this node the owner.
	 */
	int (*pool_find)(struct store *store, const char *device, bool force,
			 struct provider_found **ret, struct err *e);
	int (*pool_adopt)(struct store *store, const struct provider_found *found, struct err *e);
	int (*pool_take)(const struct bvol_pool *pool, bool force, struct action **ret,
			 struct err *e);
	/* All devices of the pool that are there, or are to be wiped, by their numbers. */
	int (*pool_devices)(struct store *store, const struct bvol_uuid *pool_id, provider_each each,
			    void *data, struct err *e);

	/*
	 * Devices. create: origin NULL for an empty one, else a device of the
	 * same pool, whose content at this moment it gets; an active origin is
	 * quiesced and always resumed. The new device is inactive.
	 */
	int (*create)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		      uint64_t size, const struct bvol_uuid *origin, struct action **ret,
		      struct err *e);
	/*
	 * The same for several devices, all or none: each gets its origin's content at
	 * one moment that is the same for all. No two have the same origin.
	 */
	int (*copy)(struct store *store, const struct bvol_pool *pool,
		    const struct provider_copy *copies, size_t n, struct provider_copies **ret,
		    struct err *e);
	/* *ret NULL: there is no such device. */
	int (*mapped)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		      struct provider_mapped **ret, struct err *e);
	/* base: to compare with, NULL for none. *ret NULL: there is no such device, or no such base. */
	int (*extents)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		       const struct bvol_uuid *base, struct provider_extents **ret, struct err *e);
	/* Deactivates first. */
	int (*destroy)(struct store *store, const struct bvol_pool *pool,
		       const struct bvol_uuid *id, struct action **ret, struct err *e);
	/* Make the block device appear with this size, also when it is active with another one. */
	int (*activate)(struct store *store, const struct bvol_pool *pool,
			const struct bvol_uuid *id, uint64_t size, struct action **ret,
			struct err *e);
	int (*deactivate)(struct store *store, const struct bvol_pool *pool,
			  const struct bvol_uuid *id, struct action **ret, struct err *e);
	/*
	 * For an active device that nobody is to use any more: if the pool is full and
	 * lets writes wait, end those of this device with an error, and what comes after
	 * too, until the next activate. *ret NULL: nothing waits. Not in the pool's lane,
	 * which may be waiting too.
	 */
	int (*drain)(const struct bvol_pool *pool, const struct bvol_uuid *id,
		     struct provider_drain **ret, struct err *e);
	/*
	 * Make the content that this inactive device alone has unreadable, where it
	 * lies; what it shares is left to the last owner. destroy, when it follows,
	 * takes care of what became the device's own meanwhile. Takes as long as
	 * the pool's devices do, so not in the pool's lane. An action that takes
	 * long; after a crash the same job plans it again, before destroy.
	 */
	int (*wipe)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		    const struct provider_wipe *how, struct action **ret, struct err *e);
	/*
	 * In the transaction that ends destroy: what the wipe has done, which is
	 * forgotten with it. 1, or 0 when nothing was wiped. After a crash between the
	 * two it is what was done when the wipe's own transaction ended.
	 */
	int (*wiped)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     struct provider_wiped *ret, struct err *e);
	/*
	 * Overwrite all that no device of the pool has, while the others go on. id is
	 * an empty device that was made for this: it takes free chunks in slices of at
	 * most its size, is written, and lets go of them again. destroy follows,
	 * whatever came of it. zero or random; an action that takes long, begun again
	 * after a crash. Where a device may have given something back meanwhile, commit
	 * leaves the pool unscrubbed.
	 */
	int (*scrub)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     const struct provider_wipe *how, struct provider_scrub **ret, struct err *e);
	/* a and b change places: content moves, ids and block devices stay. b is not active. */
	int (*exchange)(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *a,
			const struct bvol_uuid *b, uint64_t size, struct action **ret,
			struct err *e);
	/* Node of the active device; found is false when it is not active. No blocking. */
	int (*device)(const struct bvol_uuid *id, char node[32], bool *found);

	/*
	 * Compare the provider's tables with the kernel's state and call each
	 * with a struct bvol_difference for what is missing, extra or differs.
	 * Worker thread work: an action whose act fills the list, read by diff.
	 */
	int (*check)(struct store *store, const struct bvol_pool *pool,
		     struct provider_check **ret, struct err *e);
	/* The same for what the pool has on its disks: all of it is read, which takes its time. */
	int (*audit)(struct store *store, const struct bvol_pool *pool,
		     struct provider_check **ret, struct err *e);
};

struct provider_check {
	struct action action;
	struct bvol_difference **differences;	/* NULL at the end; owned by the action */
};

extern const struct provider_ops provider_thin;

/* NULL when there is no such provider. */
const struct provider_ops *provider_find(const char *name);

#endif
