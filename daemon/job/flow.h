/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the workflows share: the objects of a job, and plans that fit several of them. */
#ifndef BVOL_FLOW_H
#define BVOL_FLOW_H

#include "job/engine.h"
#include "provider/provider.h"
#include "util/cleanup.h"

static inline void volume_freep(struct bvol_volume **o)
{
	bvol_free(&bvol_type_volume, *o);
}

static inline void snapshot_freep(struct bvol_snapshot **o)
{
	bvol_free(&bvol_type_snapshot, *o);
}

static inline void pool_freep(struct bvol_pool **o)
{
	bvol_free(&bvol_type_pool, *o);
}

static inline void export_freep(struct bvol_export **o)
{
	bvol_free(&bvol_type_export, *o);
}

static inline void job_row_freep(struct bvol_job **o)
{
	bvol_free(&bvol_type_job, *o);
}

#define _cleanup_job_ _cleanup_(job_row_freep) struct bvol_job *
#define _cleanup_volume_ _cleanup_(volume_freep) struct bvol_volume *
#define _cleanup_snapshot_ _cleanup_(snapshot_freep) struct bvol_snapshot *
#define _cleanup_pool_ _cleanup_(pool_freep) struct bvol_pool *
#define _cleanup_export_ _cleanup_(export_freep) struct bvol_export *

static inline void group_freep(struct bvol_group **o)
{
	bvol_free(&bvol_type_group, *o);
}

static inline void group_snapshot_freep(struct bvol_group_snapshot **o)
{
	bvol_free(&bvol_type_group_snapshot, *o);
}

#define _cleanup_group_ _cleanup_(group_freep) struct bvol_group *
#define _cleanup_group_snapshot_ _cleanup_(group_snapshot_freep) struct bvol_group_snapshot *

static inline void backup_freep(struct bvol_backup **o)
{
	bvol_free(&bvol_type_backup, *o);
}

static inline void repository_freep(struct bvol_repository **o)
{
	bvol_free(&bvol_type_repository, *o);
}

#define _cleanup_backup_ _cleanup_(backup_freep) struct bvol_backup *
#define _cleanup_repository_ _cleanup_(repository_freep) struct bvol_repository *

/* The job's objects, read anew; an object that is not there is a bug and an error. */
int flow_volume(struct job *job, struct bvol_volume **ret, struct err *e);
int flow_snapshot(struct job *job, struct bvol_snapshot **ret, struct err *e);
int flow_export(struct job *job, struct bvol_export **ret, struct err *e);
int flow_backup(struct job *job, struct bvol_backup **ret, struct err *e);
int flow_repository(struct job *job, struct bvol_repository **ret, struct err *e);
int flow_pool(struct job *job, struct bvol_pool **ret, const struct provider_ops **provider,
	      struct err *e);

/* The volume, and the pool that it lies in. Both are the caller's to free, after an error too. */
int flow_placed_volume(struct job *job, struct bvol_volume **volume, struct bvol_pool **pool,
		       const struct provider_ops **provider, struct err *e);

/* Has the job's volume a block device on this node? */
int flow_active(struct job *job, bool *ret, struct err *e);

static inline struct change *flow_change(struct job *job)
{
	return job->engine->change;
}

static inline struct store *flow_store(struct job *job)
{
	return job->engine->change->store;
}

/* Plan the end of the device with this id in the job's pool. */
int flow_destroy(struct job *job, const struct bvol_uuid *id, struct action **ret, struct err *e);
/* The status of a volume that nothing is done to: in-use while it has a session. */
uint32_t flow_idle(struct job *job, const struct bvol_volume *volume);
/* Write the job's object with this status. */
int flow_set_pool(struct job *job, uint32_t status, const char *error, struct err *e);
int flow_set_volume(struct job *job, uint32_t status, const char *error, struct err *e);
int flow_set_snapshot(struct job *job, uint32_t status, const char *error, struct err *e);
int flow_set_export(struct job *job, uint32_t status, const char *error, struct err *e);
int flow_set_backup(struct job *job, uint32_t status, const char *error, struct err *e);
/* One more sentence of what the job has done; -ENOMEM. */
int flow_report(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * In the transaction that ends a destroy: keep a record of what became of the
 * bytes of the device, which were those of this object.
 */
struct recorded {
	enum bvol_wiped what;
	const struct bvol_uuid *id;
	const char *name, *project;
};
int flow_record(struct job *job, const struct bvol_uuid *device, const struct recorded *of,
		struct err *e);
/* The same for a device that had a content of the job's volume. */
int flow_record_volume(struct job *job, enum bvol_wiped what, const struct bvol_uuid *device,
		       struct err *e);
/* The same for what no device of the pool had, which a scrub has overwritten. */
int flow_record_scrub(struct job *job, const struct bvol_pool *pool,
		      const struct provider_wiped *wiped, struct err *e);
/* The names of steps that wipe. */
extern const char *const flow_wipes[];

/* Plans that more than one workflow has. */
int flow_plan_pool_destroy(struct job *job, struct action **ret, struct err *e);
int flow_plan_pool_stop(struct job *job, struct action **ret, struct err *e);
int flow_plan_activate(struct job *job, struct action **ret, struct err *e);
/* Why a delete has failed, and what to do when it was cancelled. */
const char *flow_why(struct job *job);
/* Plan the wipe of a device in the job's pool, as the job or else the pool wants it; maybe none. */
int flow_wipe(struct job *job, const struct bvol_uuid *id, struct action **ret, struct err *e);
/* How the job, or else the pool, wants bytes to go. */
struct provider_wipe flow_wipe_policy(const struct job *job, const struct bvol_pool *pool);
/* The job's pool may have free chunks that nobody has overwritten. */
int flow_unscrubbed(struct job *job, struct err *e);
int flow_plan_destroy_volume(struct job *job, struct action **ret, struct err *e);
int flow_plan_remove_target(struct job *job, struct action **ret, struct err *e);
int flow_plan_withdraw(struct job *job, struct action **ret, struct err *e);
int flow_plan_destroy_snapshot(struct job *job, struct action **ret, struct err *e);

#endif
