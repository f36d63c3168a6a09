/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work in a repository of backups. It may lie where nobody answers, so a thread
 * of its own does it, which owns all that it needs, and the action waits for
 * that thread. When it is cancelled and the thread does not come to its end
 * within COPY_CANCEL_MS, it is left behind: whatever it has open stays so until
 * whoever does not answer does, see repo_plan_await().
 */
#ifndef BVOL_JOB_REPO_H
#define BVOL_JOB_REPO_H

#include <pthread.h>

#include "copy/repo/repo.h"
#include "job/flow.h"

struct repo_task {
	struct action action;
	struct repo_run run;
	/* Of who plans it. work: on the thread; free: frees the task too, on any thread. */
	int (*work)(struct repo_task *task, struct repo *repo, struct err *e);
	void (*free)(struct repo_task *task);

	/* repo.c's. */
	struct repo_task *next;		/* of those whose thread has not ended */
	char *where, *key_file, *name;
	struct bvol_uuid repository_id, job_id;
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* of CLOCK_MONOTONIC */
	unsigned int refs;		/* under lock, as all below */
	bool ended, cancelled;
	int code;
	struct err err;
};

/*
 * Take over a zeroed task with work and free filled in, which is freed also after
 * an error. The step's done finds its results in job->action.
 */
int repo_plan(struct job *job, struct repo_task *task, struct action **ret, struct err *e);
/*
 * For an undo step that leaves its lane: wait until nothing of this job is left behind. No
 * action where nothing is, as after a crash.
 */
int repo_plan_await(struct job *job, struct action **ret, struct err *e);

/* The same for who is no job: open the repository of a row. Blocks. */
int repo_open_row(const char *where, const char *key_file, struct repo **ret, struct err *e);

#endif
