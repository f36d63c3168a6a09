// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys/worker.h"

#define STACK_BYTES (256 * 1024)

struct task {
	struct task *next;
	worker_work work;
	worker_done done;
	void *data;
	int result;
	struct err err;
};

struct queue {
	struct task *first, **last;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct queue todo, done;	/* under lock */
	unsigned int threads, idle;	/* under lock */
	unsigned int waiting;		/* tasks in todo, under lock */
	unsigned int max_threads;
	int eventfd;
	struct source *source;
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_push(struct queue *q, struct task *task)
{
	task->next = NULL;
	*q->last = task;
	q->last = &task->next;
}

static struct task *queue_pop(struct queue *q)
{
	struct task *task = q->first;

	if (!task)
		return NULL;
	q->first = task->next;
	if (!q->first)
		q->last = &q->first;
	return task;
}

static void *thread_main(void *data)
{
	struct workers *w = data;
	const uint64_t one = 1;
	struct task *task;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!(task = queue_pop(&w->todo))) {
			w->idle++;
			pthread_cond_wait(&w->more, &w->lock);
			w->idle--;
		}
		w->waiting--;
		pthread_mutex_unlock(&w->lock);

		task->result = task->work(task->data, &task->err);

		pthread_mutex_lock(&w->lock);
		queue_push(&w->done, task);
		if (write(w->eventfd, &one, sizeof(one)) < 0)
			abort();	/* only a closed descriptor can do this */
	}
	return NULL;
}

/* The lock is held. All signals stay blocked in the thread: the loop handles them. */
static int thread_start(struct workers *w)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!r)
		w->threads++;
	return -r;
}

static int on_done(struct source *source, uint32_t events, void *data)
{
	struct workers *w = data;
	struct queue finished;
	struct task *task;
	uint64_t n;

	if (read(w->eventfd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return -errno;
	queue_init(&finished);
	pthread_mutex_lock(&w->lock);
	while ((task = queue_pop(&w->done)))
		queue_push(&finished, task);
	pthread_mutex_unlock(&w->lock);
	while ((task = queue_pop(&finished))) {
		task->done(task->data, task->result, &task->err);
		free(task);
	}
	return 0;
}

int workers_new(struct loop *loop, unsigned int max_threads, struct workers **ret)
{
	struct workers *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	queue_init(&w->todo);
	queue_init(&w->done);
	w->max_threads = max_threads;
	w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->eventfd < 0 ? -errno : loop_io(loop, w->eventfd, EPOLLIN, on_done, w, &w->source);
	if (r < 0) {
		if (w->eventfd >= 0)
			close(w->eventfd);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void workers_stop(struct workers *w)
{
	if (!w)
		return;
	w->source = source_free(w->source);
	/* Threads that were started keep it for the rest of the process. */
	if (w->threads)
		return;
	close(w->eventfd);
	free(w);
}

int workers_run(struct workers *w, worker_work work, worker_done done, void *data)
{
	struct task *task = calloc(1, sizeof(*task));
	int r = 0;

	if (!task)
		return -ENOMEM;
	*task = (struct task) { .work = work, .done = done, .data = data };
	pthread_mutex_lock(&w->lock);
	if (w->idle <= w->waiting && w->threads < w->max_threads)
		r = thread_start(w);
	if (r < 0 && w->threads == 0) {
		free(task);
	} else {
		queue_push(&w->todo, task);
		w->waiting++;
		pthread_cond_signal(&w->more);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}
