// SPDX-License-Identifier: LGPL-2.1-or-later
/* Proving that a backup can be restored; and forgetting one, which any backup can be, alone. */
#include <errno.h>
#include <stdlib.h>

#include "codec.h"
#include "copy/restore.h"
#include "job/repo.h"
#include "util/str.h"

struct care_task {
	struct repo_task task;
	struct bvol_uuid backup_id;
	uint64_t chunks, bytes;
};

static void care_free(struct repo_task *task)
{
	free(task);
}

static int plan_task(struct job *job, int (*work)(struct repo_task *, struct repo *, struct err *),
		     struct action **ret, struct err *e)
{
	struct care_task *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	t->task.work = work;
	t->task.free = care_free;
	t->backup_id = job->row->backup_id;
	return repo_plan(job, &t->task, ret, e);
}

/* A crash before, during or after leaves the manifest or none; planned again it is found gone. */
static int delete_work(struct repo_task *task, struct repo *repo, struct err *e)
{
	struct care_task *t = (struct care_task *)task;
	int r = repo->ops->remove(repo->driver, REPO_BACKUP, t->backup_id.b, e);

	return r == -ENOENT ? 0 : r;
}

static int plan_delete(struct job *job, struct action **ret, struct err *e)
{
	return plan_task(job, delete_work, ret, e);
}

static int done_delete(struct job *job, struct err *e)
{
	return flow_set_backup(job, BVOL_BACKUP_STATUS_DELETED, NULL, e);
}

static int failed_delete(struct job *job, bool clean, struct err *e)
{
	return flow_set_backup(job, BVOL_BACKUP_STATUS_ERROR_DELETING, job->err.text, e);
}

const struct job_flow flow_backup_delete = {
	.kind = "backup-delete",
	.steps = (const struct job_step[]) {
		{ "delete", LANE_GLANCE, plan_delete, done_delete },
		{ 0 },
	},
	.cancel = (const char *const[]) { "delete", NULL },
	.failed = failed_delete,
};

static int verify_work(struct repo_task *task, struct repo *repo, struct err *e)
{
	struct care_task *t = (struct care_task *)task;
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	struct restore_result result = { 0 };
	struct restore_plan plan = { 0 };
	int r = manifest_load(repo, t->backup_id.b, &m, e);

	if (r == -ENOENT)
		return err_set(e, r, "the backup is not in the repository any more");
	if (r)
		return r;
	plan.m = m;
	r = restore_run(repo, &plan, &t->task.run, &result, e);
	t->chunks = m->data;
	t->bytes = m->size;
	return r;
}

static int plan_verify(struct job *job, struct action **ret, struct err *e)
{
	return plan_task(job, verify_work, ret, e);
}

/* Somebody may have begun to restore it meanwhile, whose status it is. */
static int set_error(struct job *job, const char *error, struct err *e)
{
	_cleanup_backup_ backup = NULL;
	int r = flow_backup(job, &backup, e);

	return r < 0 ? r : change_backup(flow_change(job), backup,
					 backup->status == BVOL_BACKUP_STATUS_RESTORING ?
					 backup->status : BVOL_BACKUP_STATUS_AVAILABLE, error, e);
}

static int done_verify(struct job *job, struct err *e)
{
	struct care_task *t = (struct care_task *)job->action;
	char size[16];

	if (flow_report(job, "%llu chunks of a volume of %s were read and proven",
			(unsigned long long)t->chunks, str_size(t->bytes, size)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return set_error(job, NULL, e);
}

/* It may have been deleted from the repository by somebody else: that is told by a rescan. */
static int failed_verify(struct job *job, bool clean, struct err *e)
{
	return job->err.code == -EBADMSG ? set_error(job, job->err.text, e) : 0;
}

const struct job_flow flow_backup_verify = {
	.kind = "backup-verify",
	.steps = (const struct job_step[]) {
		{ "verify", LANE_REPO, plan_verify, done_verify },
		{ 0 },
	},
	.takes_long = (const char *const[]) { "verify", NULL },
	.cancel = (const char *const[]) { "verify", NULL },
	.failed = failed_verify,
};
