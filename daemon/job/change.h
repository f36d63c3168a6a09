/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every change of state goes through here: one transaction of the store, and
 * the events that tell of it, sent when and only when it is durable. The
 * status of an object changes by one function for each type, which knows the
 * legal moves.
 */
#ifndef BVOL_CHANGE_H
#define BVOL_CHANGE_H

#include "bvol.h"
#include "store/store.h"

typedef void (*change_emit)(const struct bvol_event *event, void *data);

struct change {
	struct store *store;
	change_emit emit;
	void (*committed)(void *data);	/* something may have changed; may be NULL */
	void *data;
	struct bvol_event **pending;
	size_t n_pending;
};

int change_begin(struct change *c, struct err *e);
int change_commit(struct change *c, struct err *e);
/* Does nothing outside a transaction. */
void change_rollback(struct change *c);

/*
 * Write the object with its new status (the same one: the other fields alone).
 * error: why it is an error status, NULL forgets an earlier reason. An illegal
 * move is -EPROTO and a bug. "deleted" deletes the row.
 */
int change_pool(struct change *c, struct bvol_pool *o, uint32_t status, const char *error,
		struct err *e);
int change_volume(struct change *c, struct bvol_volume *o, uint32_t status, const char *error,
		  struct err *e);
int change_snapshot(struct change *c, struct bvol_snapshot *o, uint32_t status, const char *error,
		    struct err *e);
/* Tells nobody: its snapshots do. */
int change_group_snapshot(struct change *c, struct bvol_group_snapshot *o, uint32_t status,
			  const char *error, struct err *e);
/* Tells nobody either: the job does. */
int change_backup(struct change *c, struct bvol_backup *o, uint32_t status, const char *error,
		  struct err *e);
int change_export(struct change *c, struct bvol_export *o, uint32_t status, const char *error,
		  struct err *e);
int change_job(struct change *c, struct bvol_job *o, uint32_t status, const char *error,
	       struct err *e);
/* Tell at once how far a job is, what no row needs to know. */
void change_progress(struct change *c, const struct bvol_job *o, const char *message);

/* Add a sentence to the event of the change before, where it has none. -ENOMEM. */
int change_say(struct change *c, const char *text);

/* An event about a pool that keeps its status, in the transaction that is open. */
struct change_tale {
	uint32_t kind;
	const char *status;	/* of which space: data or metadata */
	const char *message;
	uint64_t size;		/* bytes in use, of pool-threshold */
	uint32_t progress;	/* percent, of pool-threshold */
};

int change_pool_tell(struct change *c, const struct bvol_pool *o, const struct change_tale *tale,
		     struct err *e);

/* CLOCK_REALTIME in nanoseconds. */
uint64_t change_now(void);
/* A new id; ids sort by the time they were made (RFC 9562, version 7). -EIO without randomness. */
int change_new_id(struct bvol_uuid *ret);
/* Ids that are made from now on sort behind this one. */
void change_ids_after(const struct bvol_uuid *id);

#endif
