/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon can be asked: one table of verbs, one file for each noun.
 * A verb checks its arguments, changes the state and starts a job in one
 * transaction, and answers with the object in its transitional state.
 */
#ifndef BVOL_SERVICE_H
#define BVOL_SERVICE_H

#include "codec.h"
#include "job/engine.h"
#include "job/flow.h"
#include "util/config.h"

struct service;
struct usage;
struct space;
struct keep;

/* What the service needs of the wire, which lies above it. */
struct service_wire {
	/* Walk the sessions of all exports; -ENODEV without the kernel module. */
	int (*sessions)(bvol_each each, void *data, void *wire);
	/* Walk the module's export table; -ENODEV. */
	int (*exports)(bvol_each each, void *data, void *wire);
	int (*announce)(const struct bvol_export *export, void *wire, struct err *e);
	int (*withdraw)(const struct bvol_uuid *export_id, void *wire, struct err *e);
	void (*emit)(const struct bvol_event *event, void *wire);
	/* Fill in what is known of the event log. */
	void (*describe)(struct bvol_info *info, void *wire);
	void *wire;
};

struct service {
	struct loop *loop;
	struct workers *workers;
	struct store *store;
	const struct config *config;
	struct fabric_config *fabric_config;
	struct service_wire wire;
	/* Bring a pool up after a repair: the manager's. */
	void (*reopen)(const struct bvol_uuid *pool_id, void *manager);
	void *manager;
	struct change change;
	struct engine engine;
	struct usage *usage;
	struct space *space;
	struct keep *keep;
	bool importing;			/* a worker looks for a pool to import */
	struct bvol_uuid *attached;	/* sorted ids of volumes with a session */
	size_t n_attached;
	struct source *attach_timer;
};

struct call {
	struct service *service;
	const struct verb *verb;
	struct bvol_request *request;
	struct bvol_response *response;
	uint32_t uid, pid;
	struct err err;
	size_t bytes, objects;		/* of a list in response */
	uint64_t position;		/* of the next object of a list without ids */
	bool full;
	/* The wire's: send response, then call_free(). */
	void (*reply)(struct call *call);
	void *data;
	uint64_t peer, seq;
};

struct verb {
	enum bvol_verb verb;
	const char *name;	/* "volume create" */
	uint64_t required;	/* bits of the request's fields */
	uint64_t optional;
	enum { ANY_AGE, RECENT, FRESH } usage;	/* of the pools: how old it may be */
	/*
	 * 0: answered; negative: refused, the sentence is in call->err; 1: call_end()
	 * will be called later.
	 */
	int (*run)(struct call *call);
};

extern const struct verb service_verbs[];

int service_init(struct service *service, struct err *e);
void service_deinit(struct service *service);

/* NULL without memory. The payload is decoded by service_call(). */
struct call *call_new(struct service *service);
struct call *call_free(struct call *call);
/* Takes over the call; it ends in call->reply(). */
void service_call(struct call *call, uint32_t verb, const void *payload, size_t len);
void call_end(struct call *call, int result);

/* An event has happened, from the kernel or from here. */
void service_event(struct service *service, const struct bvol_event *event);
/* Look anew which volumes have sessions and set them in-use or available. */
void service_attach(struct service *service);
/* Make the kernel tell a module that was loaded late of the sessions it has missed. */
void service_recall(struct service *service);
bool service_attached(const struct bvol_uuid *volume_id, void *service);

/*
 * For the verbs' files.
 */

#define ARG(name) BVOL_BIT(BVOL_A_REQUEST_##name)

/*
 * The object of this type that a user calls ref: its UUID or its name. -ENOENT,
 * -ENOTUNIQ, with the sentence.
 */
int service_find(struct service *service, const struct bvol_type *type, const char *ref,
		 void **ret, struct err *e);
/* Append a copy of obj to the response. */
int call_add(struct call *call, uint16_t attr, const struct bvol_type *type, const void *obj);
/*
 * Start a change with a new job (row NULL: none; else taken over), and end it: a
 * negative r rolls back, 0 commits and starts the job.
 */
int call_begin(struct call *call, struct bvol_job *row, struct job **ret);
int call_commit(struct call *call, struct job *job, int r);
/* A job's row with who asked, and what is to be wiped how; the caller sets the objects. */
struct bvol_job *call_job(struct call *call, const char *kind);

/*
 * call_add() for a list whose objects have no ids: what lies before the page that
 * is asked for, and behind it, is left out.
 */
int call_add_next(struct call *call, uint16_t attr, const struct bvol_type *type, const void *obj);
/* Does what is asked about the bytes of something that is deleted make sense? */
int call_check_wipe(struct call *call, uint32_t wipe, uint32_t verify);
/* Is the rate that is asked for one? */
int call_check_rate(struct call *call);

/* A -list verb: what matches, with "after" and "limit", each decorated by decorate. */
struct listing {
	const struct bvol_type *type;
	uint16_t attr;		/* of the response */
	int (*decorate)(struct service *service, void *obj);
};
int call_list(struct call *call, const struct listing *listing, const struct store_match *match);

/*
 * The numbers of a pool, put into its object; those read last. A pool that
 * does not answer gets the status error there, in the object alone.
 */
int usage_fill(struct service *service, struct bvol_pool *pool);
/* Read all pools' numbers (a pool that hangs is waited for one second), then call then. */
int usage_refresh(struct service *service, void (*then)(void *data), void *data);
/* Are they so young that a decision can be made on them? */
bool usage_is_recent(struct service *service);
/* They are not, from now until they are read again. */
void usage_forget(struct service *service);
int usage_init(struct service *service);
void usage_deinit(struct service *service);

/*
 * Care for the pools' space, see space.c. start: from now on, when all pools had
 * their turn. read: what usage.c has read of a pool. fill: what is known beside
 * the numbers, put into its object. look: read them all anew, soon.
 */
int space_init(struct service *service);
void space_deinit(struct service *service);
void space_start(struct service *service);
void space_read(struct service *service, const struct provider_usage *u);
int space_fill(struct service *service, struct bvol_pool *pool, const struct provider_usage *u);
void space_look(struct service *service);

/*
 * The copy of the database's rows that each pool carries, see keep.c. changed: look
 * soon whether it is current. fill: how it is, put into the pool's object.
 */
int keep_init(struct service *service);
void keep_deinit(struct service *service);
void keep_changed(struct service *service);
int keep_fill(struct service *service, struct bvol_pool *pool);

/*
 * Read what a device maps, then call then, whose result ends the call; with NULL
 * where that can't be had now. Returns as a verb does.
 */
typedef int (*mapped_then)(struct call *call, const struct provider_mapped *mapped);
int mapped_ask(struct call *call, const struct bvol_uuid *pool_id, const struct bvol_uuid *id,
	       mapped_then then);

/* Choose a pool for a volume: sched/ over all pools with their numbers. */
int service_place(struct service *service, uint64_t size, const struct bvol_uuid *pool_id,
		  char *const *tried, struct bvol_uuid *ret, struct err *e);

/* The same for a volume of this type, NULL: without one. */
int service_place_typed(struct service *service, uint64_t size, const struct bvol_uuid *pool_id,
			char *const *tried, const struct bvol_volume_type *type,
			struct bvol_uuid *ret, struct err *e);

int verb_info(struct call *call);
int verb_diff(struct call *call);
int verb_pool_create(struct call *call);
int verb_pool_list(struct call *call);
int verb_pool_extend(struct call *call);
int verb_pool_delete(struct call *call);
int verb_pool_scrub(struct call *call);
int verb_pool_check(struct call *call);
int verb_pool_export(struct call *call);
int verb_pool_import(struct call *call);
int verb_pool_repair(struct call *call);
int verb_pool_set(struct call *call);
int verb_volume_create(struct call *call);
int verb_volume_list(struct call *call);
int verb_volume_delete(struct call *call);
int verb_volume_extend(struct call *call);
int verb_volume_revert(struct call *call);
int verb_snapshot_create(struct call *call);
int verb_snapshot_list(struct call *call);
int verb_snapshot_delete(struct call *call);
int verb_group_create(struct call *call);
int verb_group_list(struct call *call);
int verb_group_add(struct call *call);
int verb_group_remove(struct call *call);
int verb_group_delete(struct call *call);
int verb_group_snapshot_create(struct call *call);
int verb_group_snapshot_list(struct call *call);
int verb_group_snapshot_delete(struct call *call);
int verb_type_create(struct call *call);
int verb_type_list(struct call *call);
int verb_type_set(struct call *call);
int verb_type_unset(struct call *call);
int verb_type_delete(struct call *call);
int verb_export_create(struct call *call);
int verb_export_list(struct call *call);
int verb_export_delete(struct call *call);
int verb_session_list(struct call *call);
int verb_job_list(struct call *call);
int verb_job_cancel(struct call *call);
int verb_job_pause(struct call *call);
int verb_job_resume(struct call *call);
int verb_job_set(struct call *call);
int verb_wipe_list(struct call *call);
int verb_wipe_check(struct call *call);
int verb_repository_attach(struct call *call);
int verb_repository_list(struct call *call);
int verb_repository_detach(struct call *call);
int verb_repository_gc(struct call *call);
int verb_repository_scrub(struct call *call);
int verb_backup_create(struct call *call);
int verb_backup_list(struct call *call);
int verb_backup_delete(struct call *call);
int verb_backup_restore(struct call *call);
int verb_backup_verify(struct call *call);
int verb_quota_list(struct call *call);
int verb_quota_set(struct call *call);

/* Volume files' helper, also for exports: no job at work on it, not exported. */
int volume_settled(struct call *call, const struct bvol_volume *volume, const char *todo);
/* The export of a volume; *ret NULL when it has none. */
int volume_export(struct service *service, const struct bvol_uuid *volume_id,
		  struct bvol_export **ret, struct err *e);
int volume_decorate(struct service *service, void *obj);

/* Snapshot files' helpers. Can the volume be snapshotted now? */
int snapshot_check_volume(struct call *call, const struct bvol_volume *volume);
/* Can the snapshot be deleted: does nobody read it, or delete it? */
int snapshot_check_free(struct call *call, const struct bvol_snapshot *snapshot);
/* One in the making; NULL without memory. */
struct bvol_snapshot *snapshot_new(const struct bvol_volume *volume, const char *name);

static inline void type_freep(struct bvol_volume_type **o)
{
	bvol_free(&bvol_type_volume_type, *o);
}

#define _cleanup_type_ _cleanup_(type_freep) struct bvol_volume_type *

/* Is the pool here and not on its way to another node? For what needs no job. */
int pool_stays(struct call *call, const struct bvol_uuid *pool_id);

/* The type of a volume; *ret NULL when it has none. */
int volume_type(struct service *service, const struct bvol_volume *volume,
		struct bvol_volume_type **ret, struct err *e);

/* Files' helpers of repositories and backups. By name or UUID, or the one that there is. */
int repository_find(struct call *call, const char *ref, struct bvol_repository **ret);
int repository_decorate(struct service *service, void *obj);
/*
 * Look on a worker what is in a repository, write it down, and answer with the
 * repository's object. row: with path, key file and name; taken over. Returns as
 * a verb does.
 */
int scan_ask(struct call *call, struct bvol_repository *row);
/* Does one look into it now? By its name. */
bool scan_runs(const char *name);
/* The same, but for one that did not answer in time: nothing comes of it any more. */
bool scan_counts(const char *name);
/* -EBUSY with a sentence while a job that has not ended has this object, of this kind (NULL: any). */
int call_check_jobs(struct call *call, uint16_t attr, const struct bvol_uuid *id, const char *kind,
		    const char *what);
int backup_find(struct call *call, struct bvol_backup **ret);
int backup_answer(struct call *call, struct bvol_backup *backup);
/* A job in the repository of this backup; NULL without memory. */
struct bvol_job *backup_job(struct call *call, const char *kind, const struct bvol_backup *backup);
int backup_check_status(struct call *call, const struct bvol_backup *backup, const char *todo);

/* Group files' helpers, also for volumes. */
int group_find(struct call *call, const char *ref, struct bvol_group **ret);
/*
 * Can a volume of this project become a member? *first, to be freed: one that is
 * there already, in whose pool it has to lie; stays as it is when there is none.
 */
int group_admits(struct call *call, const struct bvol_group *group, const char *project,
		 struct bvol_volume **first);

#endif
