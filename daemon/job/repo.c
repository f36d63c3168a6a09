// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "copy/repo/keyfile.h"
#include "job/repo.h"

#define NS UINT64_C(1000000000)

/* Tasks whose thread has not ended. */
static struct repo_task *tasks;
static pthread_mutex_t tasks_lock = PTHREAD_MUTEX_INITIALIZER;

static void task_unref(struct repo_task *task)
{
	bool last;

	pthread_mutex_lock(&task->lock);
	last = !--task->refs;
	pthread_mutex_unlock(&task->lock);
	if (!last)
		return;
	pthread_cond_destroy(&task->changed);
	pthread_mutex_destroy(&task->lock);
	free(task->where);
	free(task->key_file);
	free(task->name);
	task->free(task);
}

int repo_open_row(const char *where, const char *key_file, struct repo **ret, struct err *e)
{
	_cleanup_(repo_secret_deinit) struct repo_secret secret = { 0 };
	int r = key_file ? key_file_read(key_file, &secret, e) : 0;

	return r ? r : repo_open(where, secret.bytes ? &secret : NULL, ret, e);
}

static int task_work(struct repo_task *task, struct err *e)
{
	_cleanup_(repo_closep) struct repo *repo = NULL;
	int r = repo_open_row(task->where, task->key_file, &repo, e);

	if (r)
		return r;
	if (memcmp(repo->id, &task->repository_id, REPO_ID))
		return err_set(e, -ESTALE, "%s has another repository than %s now; detach it and attach that one",
			       task->where, task->name);
	return task->work(task, repo, e);
}

static void *task_main(void *data)
{
	struct repo_task *task = data, **link;
	struct err e = { 0 };
	int r = task_work(task, &e);

	if (r < 0)
		err_set(&e, r, "repository %s: %s", task->name, strerror(-r));
	pthread_mutex_lock(&tasks_lock);
	for (link = &tasks; *link != task; link = &(*link)->next)
		;
	*link = task->next;
	pthread_mutex_unlock(&tasks_lock);

	pthread_mutex_lock(&task->lock);
	task->ended = true;
	task->code = r;
	task->err = e;
	pthread_cond_broadcast(&task->changed);
	pthread_mutex_unlock(&task->lock);
	task_unref(task);
	return NULL;
}

/* The thread gets a reference of its own. */
static int task_start(struct repo_task *task, struct err *e)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	task->refs++;
	pthread_mutex_lock(&tasks_lock);
	task->next = tasks;
	tasks = task;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &attr, task_main, task);
	pthread_attr_destroy(&attr);
	if (r) {
		tasks = task->next;
		task->refs--;
	}
	pthread_mutex_unlock(&tasks_lock);
	return r ? err_set(e, r, "cannot start a thread: %s", strerror(-r)) : 0;
}

/*
 * What the thread leaves of a crash is the repository's affair: nothing is listed
 * there that can't be restored. What else it changes is the task's.
 */
static int task_act(struct action *action, struct err *e)
{
	struct repo_task *task = (struct repo_task *)action;
	struct timespec until = { 0 };
	int r = task_start(task, e);

	if (r)
		return r;
	pthread_mutex_lock(&task->lock);
	while (!task->ended) {
		if (!task->cancelled) {
			pthread_cond_wait(&task->changed, &task->lock);
			continue;
		}
		if (!until.tv_sec) {
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_nsec += COPY_CANCEL_MS * 1000000L;
			until.tv_sec += until.tv_nsec / (long)NS;
			until.tv_nsec %= (long)NS;
		}
		if (pthread_cond_timedwait(&task->changed, &task->lock, &until) == ETIMEDOUT)
			break;
	}
	if (!task->ended)
		r = err_set(e, -ECANCELED, "cancelled, but the repository %s does not answer", task->name);
	else if (task->code)
		r = err_set(e, task->code, "%s", task->err.text);
	pthread_mutex_unlock(&task->lock);
	return r;
}

static void task_free(struct action *action)
{
	task_unref((struct repo_task *)action);
}

static void task_progress(struct action *action, struct action_progress *ret)
{
	struct repo_task *task = (struct repo_task *)action;

	ret->done = task->run.done;
	ret->total = task->run.total;
}

static void task_order(struct action *action, enum action_order order, uint64_t value)
{
	struct repo_task *task = (struct repo_task *)action;

	switch (order) {
	case ACTION_PAUSE:
	case ACTION_RESUME:
		task->run.pause = order == ACTION_PAUSE;
		break;
	case ACTION_RATE:
		task->run.rate = value;
		break;
	case ACTION_CANCEL:
		task->run.cancel = true;
		pthread_mutex_lock(&task->lock);
		task->cancelled = true;
		pthread_cond_broadcast(&task->changed);
		pthread_mutex_unlock(&task->lock);
	}
}

int repo_plan(struct job *job, struct repo_task *task, struct action **ret, struct err *e)
{
	_cleanup_repository_ repository = NULL;
	pthread_condattr_t attr;
	int r = flow_repository(job, &repository, e);

	pthread_mutex_init(&task->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&task->changed, &attr);
	pthread_condattr_destroy(&attr);
	task->refs = 1;
	/* Who waits for the thread waits for all that has the repository open, and maybe a volume. */
	task->run.stays = true;
	if (!r) {
		task->where = strdup(repository->path);
		task->name = strdup(repository->name);
		task->key_file = repository->key_file ? strdup(repository->key_file) : NULL;
		if (!task->where || !task->name || (repository->key_file && !task->key_file))
			r = err_set(e, -ENOMEM, "out of memory");
	}
	if (r) {
		task_unref(task);
		return r;
	}
	task->repository_id = repository->id;
	task->job_id = job->row->id;
	task->action = (struct action) {
		.act = task_act, .free = task_free, .progress = task_progress, .order = task_order,
	};
	*ret = &task->action;
	return 0;
}

/* Waiting for one that was left behind */

struct await {
	struct action action;
	struct repo_task *task;
};

static int await_act(struct action *action, struct err *e)
{
	struct repo_task *task = ((struct await *)action)->task;

	pthread_mutex_lock(&task->lock);
	while (!task->ended)
		pthread_cond_wait(&task->changed, &task->lock);
	pthread_mutex_unlock(&task->lock);
	return 0;
}

static void await_free(struct action *action)
{
	struct await *a = (struct await *)action;

	task_unref(a->task);
	free(a);
}

int repo_plan_await(struct job *job, struct action **ret, struct err *e)
{
	struct await *a = calloc(1, sizeof(*a));
	struct repo_task *task;

	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	a->action = (struct action) { .act = await_act, .free = await_free };
	pthread_mutex_lock(&tasks_lock);
	for (task = tasks; task && memcmp(&task->job_id, &job->row->id, sizeof(task->job_id));)
		task = task->next;
	if (task) {
		pthread_mutex_lock(&task->lock);
		task->refs++;
		pthread_mutex_unlock(&task->lock);
	}
	pthread_mutex_unlock(&tasks_lock);
	a->task = task;
	if (task)
		*ret = &a->action;
	else
		free(a);
	return 0;
}
