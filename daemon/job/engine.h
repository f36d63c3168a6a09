/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: workflows that outlive the daemon. A workflow is a table of steps, a
 * job is a row that says which step it is at. For each step
 *
 *	plan	on the loop, in the transaction that records the step as begun:
 *		looks at the store, returns an action or none. A plan that fails
 *		has written nothing.
 *	act	in a worker: the action's own
 *	done	on the loop, in the transaction that also holds the action's
 *		commit: changes the states of the objects
 *
 * and the end of one step and the beginning of the next share a transaction.
 * After a crash a job goes on with the step it was at, whose plan and action
 * find out what is done already. When a step fails the workflow's undo steps
 * run, and then its failed() says what becomes of the objects.
 *
 * An action that takes long is looked at twice a second while it runs, and
 * takes orders; see job_order().
 */
#ifndef BVOL_ENGINE_H
#define BVOL_ENGINE_H

#include "copy/copy.h"
#include "job/change.h"
#include "sys/worker.h"
#include "util/action.h"

/* Steps in the same lane run one after the other, in order of arrival. */
enum job_lane {
	LANE_NONE,	/* in the one of the step before, if that had one */
	LANE_POOL,	/* the job's pool: its metadata has one writer */
	LANE_EXPORT,	/* the job's export */
	LANE_WIPE,	/* the job's pool again, for wipes, which take long: one after the other */
	LANE_LEFT,	/* in none: the one of the step before is let go of */
	LANE_REPO,	/* the job's repository; of all of these no more than engine.repos_max at a time */
	LANE_GLANCE,	/* its repository again, for what is short: one that hangs keeps one thread, not all */
};

struct engine;

struct job {
	struct engine *engine;
	struct bvol_job *row;
	const struct job_flow *flow;
	const struct job_step *step;
	struct action *action;
	struct job *next_job;	/* of the engine's */
	struct job *next_in_lane;
	struct lane *lane;
	uint64_t arrival;	/* number of its arrival in a lane's queue, 0: it stands in none */
	int next;		/* what job_prepare() found to be next, 0: nothing was prepared */
	bool begun;		/* the workflow's begin() went through */
	uint32_t wipe;		/* enum bvol_wipe: how its last wipe was planned */
	bool reopens;		/* at its end its pool is to be brought up anew */
	bool watched;		/* its action runs, and takes long */
	uint64_t seen, seen_at;	/* bytes at the last look, and when: monotonic ns */
	uint64_t rate;		/* bytes a second, lately */
	struct err err;		/* why it failed, kept while it is undone */
};

struct job_step {
	const char *name;
	enum job_lane lane;
	int (*plan)(struct job *job, struct action **ret, struct err *e);
	/* NULL: nothing to change. Returns 1 to go on at the first step of the list. */
	int (*done)(struct job *job, struct err *e);
};

struct job_flow {
	const char *kind;
	bool heals;	/* its pool takes no other job meanwhile, and is not opened before it has ended */
	/*
	 * On the loop, before the first act, once the job is durable: what has to be
	 * told beyond the store by then. Done again after a crash. May be NULL.
	 */
	int (*begin)(struct job *job, struct err *e);
	const struct job_step *steps;	/* name NULL at the end */
	const struct job_step *undo;	/* may be NULL */
	/*
	 * Steps that need what an earlier one of their list has in memory: pairs of
	 * the step that a crash has hit and the one to go on at, NULL at the end. May
	 * be NULL.
	 */
	const char *const *resume;
	/*
	 * Names, NULL at the end: steps whose action can be paused and made slower, and
	 * those that can be cancelled too, for failed() says what that means. May be NULL.
	 */
	const char *const *takes_long, *const *cancel;
	/*
	 * In the last transaction of a failed job. clean: the undo steps (if any)
	 * went through. Returns 1 to begin again at the first step.
	 */
	int (*failed)(struct job *job, bool clean, struct err *e);
};

/* What jobs need of the rooms above: the manager fills it in. */
struct engine_hooks {
	/* Tell the kernel module of an export; no error when there is no module. */
	int (*announce)(const struct bvol_export *export, void *data, struct err *e);
	int (*withdraw)(const struct bvol_uuid *export_id, void *data, struct err *e);
	/* Has the volume a session now? */
	bool (*attached)(const struct bvol_uuid *volume_id, void *data);
	/* Move what a failed job can't be placed on: another pool, -ENOSPC when there is none. */
	int (*reschedule)(struct job *job, struct bvol_volume *volume, void *data, struct err *e);
	/* Of volumes that nobody knows the project of. */
	const char *project;
	/* Bring a pool up, with all that is in it. */
	void (*reopen)(const struct bvol_uuid *pool_id, void *data);
	void *data;
};

struct closed {
	struct bvol_uuid pool_id;
	bool works;	/* only what is in it is still being brought up */
};

struct engine {
	struct closed *closed;	/* pools that take no new job yet */
	size_t n_closed;
	struct change *change;
	struct workers *workers;
	struct loop *loop;
	struct engine_hooks hooks;
	struct job *jobs;	/* that have not ended */
	struct source *watch;	/* timer; armed while a job is watched */
	bool watching;
	struct pool_rate *rates;
	struct lane *lanes;
	unsigned int repos, repos_max;	/* held lanes of repositories; 0: no limit */
	uint64_t arrivals;	/* in queues of lanes */
	unsigned int running;	/* jobs that have not ended */
	unsigned int ended;	/* rows of jobs that have */
};

/*
 * Write a new job's row, inside the caller's transaction; takes over row. With
 * all else written job_prepare() plans the first step, if its lane is free, so
 * that job and first intent become durable together. The job starts when the
 * caller has committed and calls job_start(); if that failed, job_free().
 */
int job_new(struct engine *engine, struct bvol_job *row, struct job **ret, struct err *e);
int job_prepare(struct job *job, struct err *e);
void job_start(struct job *job);
/* Takes NULL, returns NULL. */
struct job *job_free(struct job *job);
/* Once, before any job: how many ended ones there are. */
int engine_count(struct engine *engine, struct err *e);
/*
 * Until engine_open() the pool takes no new job (-EBUSY): its old ones, and what
 * a crash left of its state, are looked at first. works: the pool itself was opened
 * already. -ENOMEM.
 */
int engine_close(struct engine *engine, const struct bvol_uuid *pool_id, bool works);
void engine_open(struct engine *engine, const struct bvol_uuid *pool_id);
bool engine_is_closed(const struct engine *engine, const struct bvol_uuid *pool_id);
/* Closed, and nobody knows whether the pool works. */
bool engine_is_unknown(const struct engine *engine, const struct bvol_uuid *pool_id);
/* Is a job at work that heals the pool? Is any, of this pool? */
bool engine_heals(const struct engine *engine, const struct bvol_uuid *pool_id);
bool engine_has_job(const struct engine *engine, const struct bvol_uuid *pool_id);
/* Go on with the job that heals this pool, if a crash has interrupted one: 1 then, else 0. */
int engine_heal(struct engine *engine, const struct bvol_uuid *pool_id, struct err *e);
/* Go on with every job of this pool, NULL: of none, that a crash interrupted. */
int engine_resume(struct engine *engine, const struct bvol_uuid *pool_id, struct err *e);
/* What the job waits for, in words; NULL when it does not wait for others. For free(). */
char *engine_waits(const struct engine *engine, const struct bvol_uuid *id);
/* A job that is not to wait for its turn any more, but to go on at once. */
void job_wake(struct job *job);
void engine_deinit(struct engine *engine);

/*
 * watch.c: jobs that take long.
 */

/* From before the action begins until it has ended. */
void job_watch(struct job *job);
void job_unwatch(struct job *job);
/* Was it told to stop, and may it at the step that it is at? */
bool job_is_cancelled(const struct job *job);
/*
 * Tell a job to stop, to stand still, to go on, to do at most value bytes a
 * second. Recorded first, so that it holds over a crash, and for a job that waits
 * for its turn. -EBUSY with a sentence: it can't, or its pool is not up yet.
 */
int job_order(struct engine *engine, const struct bvol_uuid *id, enum action_order order,
	      uint64_t value, struct err *e);
/* rate.c: what all wipes of a pool share; lives as long as the engine. NULL without memory. */
struct copy_limit *engine_limit(struct engine *engine, const struct bvol_pool *pool);
/* The pool has a new rate. */
void engine_limit_set(struct engine *engine, const struct bvol_pool *pool);
void engine_limits_free(struct engine *engine);

/*
 * Has a pool that is up a job of one of these kinds, NULL at the end, that has not
 * ended? Asked at each reading of its space, so not in the database, which keeps
 * the ended ones too.
 */
bool engine_has(const struct engine *engine, const struct bvol_uuid *pool_id,
		const char *const *kinds);
/* The row of a job that has not ended as it is now, NULL when there is none. */
const struct bvol_job *engine_job(const struct engine *engine, const struct bvol_uuid *id);

/* One file for each workflow, one line for each in flows.c. */
extern const struct job_flow *const job_flows[];
extern const struct job_flow flow_pool_create, flow_pool_delete, flow_pool_scrub, flow_volume_create,
	flow_volume_delete, flow_volume_extend, flow_volume_revert, flow_snapshot_create,
	flow_snapshot_delete, flow_group_snapshot_create, flow_group_snapshot_delete,
	flow_export_create, flow_export_delete, flow_pool_extend, flow_pool_spare, flow_pool_grow,
	flow_pool_adjust, flow_pool_metadata, flow_pool_export, flow_pool_import, flow_pool_repair,
	flow_backup_create, flow_backup_restore, flow_backup_delete, flow_backup_verify,
	flow_repository_gc, flow_repository_scrub;

#endif
