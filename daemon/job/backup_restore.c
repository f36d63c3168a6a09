// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Restore a backup onto a volume that is there, or onto one that the job makes
 * first. Whether the repository can be opened, and has the backup, is known
 * before anything is touched. From the step "restore" on the volume has parts of
 * both contents: it is available when all of the backup was proven and written,
 * or error_restoring, also after a cancel.
 *
 * After a crash it is restored from the beginning; what is there already is
 * compared and not written, but on a volume that the job has made.
 */
#include <errno.h>
#include <stdlib.h>

#include "codec.h"
#include "copy/restore.h"
#include "job/repo.h"
#include "util/str.h"

struct restore_task {
	struct repo_task task;
	struct bvol_uuid backup_id;
	char device[32];	/* empty: look whether it is there */
	bool made;
	struct restore_result result;
};

static void restore_free(struct repo_task *task)
{
	free(task);
}

static int restore_work(struct repo_task *task, struct repo *repo, struct err *e)
{
	struct restore_task *t = (struct restore_task *)task;
	struct restore_plan plan = { .to = t->device, .diff = !t->made, .blank = t->made };
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	int r = manifest_load(repo, t->backup_id.b, &m, e);

	if (r == -ENOENT || (!r && m->type == MANIFEST_FENCE))
		return err_set(e, -ENOENT, "the backup is not in the repository any more");
	if (r || !*t->device)
		return r;
	plan.m = m;
	return restore_run(repo, &plan, &t->task.run, &t->result, e);
}

static int plan_task(struct job *job, const char *device, struct action **ret, struct err *e)
{
	struct restore_task *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	t->task.work = restore_work;
	t->task.free = restore_free;
	t->backup_id = job->row->backup_id;
	t->made = job->row->made;
	snprintf(t->device, sizeof(t->device), "%s", device);
	return repo_plan(job, &t->task, ret, e);
}

static int plan_check(struct job *job, struct action **ret, struct err *e)
{
	return plan_task(job, "", ret, e);
}

static int plan_create(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	int r = job->row->made ? flow_placed_volume(job, &volume, &pool, &provider, e) : 0;

	return r < 0 || !volume ? r : provider->create(flow_store(job), pool, &volume->id, volume->size, NULL,
						       ret, e);
}

static int done_create(struct job *job, struct err *e)
{
	return flow_set_volume(job, BVOL_VOLUME_STATUS_RESTORING_BACKUP, NULL, e);
}

/* The row says that it was begun, from before the first byte on. */
static int plan_restore(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	bool found = false;
	char node[32];
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->device(&job->row->volume_id, node, &found);
	if (r < 0 || !found)
		return err_set(e, r < 0 ? r : -ENODEV, "the volume's block device is not there");
	r = plan_task(job, node, ret, e);
	if (!r)
		codec_set(job->row, BVOL_A_JOB_BYTES_DONE, bytes_done, 0);
	return r;
}

static int done_restore(struct job *job, struct err *e)
{
	struct restore_task *t = (struct restore_task *)job->action;
	char written[16], equal[16];

	return flow_report(job, "%s written, %s were there already", str_size(t->result.written, written),
			   str_size(t->result.equal, equal)) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

static int plan_deactivate(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->deactivate(flow_store(job), pool, &job->row->volume_id, ret, e);
}

static int done_deactivate(struct job *job, struct err *e)
{
	int r = flow_set_backup(job, BVOL_BACKUP_STATUS_AVAILABLE, NULL, e);

	return r < 0 ? r : flow_set_volume(job, BVOL_VOLUME_STATUS_AVAILABLE, NULL, e);
}

/* What was found damaged is told of the backup too; it may be restored in part or healed later. */
static int failed(struct job *job, bool clean, struct err *e)
{
	bool begun = bvol_has(job->row, BVOL_A_JOB_BYTES_DONE);
	const char *why = job->err.text;
	_cleanup_volume_ volume = NULL;
	uint32_t status;
	int r = flow_set_backup(job, BVOL_BACKUP_STATUS_AVAILABLE,
				job->err.code == -EBADMSG ? why : NULL, e);

	if (!r)
		r = flow_volume(job, &volume, e);
	if (r < 0)
		return r;
	if (volume->status == BVOL_VOLUME_STATUS_CREATING)
		status = BVOL_VOLUME_STATUS_ERROR;
	else if (begun || job->row->made || job->row->force)
		status = BVOL_VOLUME_STATUS_ERROR_RESTORING;
	else
		status = BVOL_VOLUME_STATUS_AVAILABLE;
	return change_volume(flow_change(job), volume, status,
			     status == BVOL_VOLUME_STATUS_AVAILABLE ? NULL : why, e);
}

const struct job_flow flow_backup_restore = {
	.kind = "backup-restore",
	.steps = (const struct job_step[]) {
		{ "check", LANE_GLANCE, plan_check, NULL },
		{ "create", LANE_POOL, plan_create, done_create },
		{ "activate", LANE_POOL, flow_plan_activate, NULL },
		{ "restore", LANE_REPO, plan_restore, done_restore },
		{ "deactivate", LANE_POOL, plan_deactivate, done_deactivate },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo-restore", LANE_LEFT, repo_plan_await, NULL },
		{ "undo-activate", LANE_POOL, plan_deactivate, NULL },
		{ 0 },
	},
	.resume = (const char *const[]) { "restore", "activate", NULL },
	.takes_long = (const char *const[]) { "restore", NULL },
	.cancel = (const char *const[]) { "check", "restore", NULL },
	.failed = failed,
};
