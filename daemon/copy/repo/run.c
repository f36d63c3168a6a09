// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "copy/limit.h"
#include "copy/repo/run.h"

/* How often the caller's wishes are looked at, and who waits looks after its lease. */
#define LOOK_NS		UINT64_C(50000000)
#define REST_NS		UINT64_C(1000000000)
/* Until a cancelled run is abandoned; leaves time of the second for a busy machine. */
#define PATIENCE_NS	UINT64_C(700000000)
#define FOR_EVER_NS	(UINT64_MAX / 4)

int run_init(struct run *run, int (*work)(struct run *run, struct err *e), void (*free)(struct run *run),
	     struct err *e)
{
	gate_init(&run->gate);
	run->refs = 1;
	run->work = work;
	run->free = free;
	run->own = copy_limit_new(0);
	return run->own ? 0 : err_set(e, -ENOMEM, "out of memory");
}

void run_deinit(struct run *run)
{
	copy_limit_unref(run->own);
	copy_limit_unref(run->shared);
	gate_deinit(&run->gate);
}

struct run *run_unref(struct run *run)
{
	if (run && !--run->refs)
		run->free(run);
	return NULL;
}

/* The caller may be gone when this comes back, and then nobody else frees what the run holds. */
static void *main_thread(void *data)
{
	struct run *run = data;
	struct err err = { 0 };
	bool abandoned;
	int code;

	driver_cancel_by(&run->gate.cancelled);
	code = run->work(run, &err);
	abandoned = gate_finish(&run->gate, code, &err);
	run_unref(run);
	if (abandoned)
		gate_returned();
	return NULL;
}

/* What the caller wants goes to the run, and how far it is to the caller. */
static void look(void *data)
{
	struct run *run = data;
	struct repo_run *told = run->told;
	uint64_t rate = told->rate;

	told->done = run->gate.done;
	told->total = run->total;
	if (rate != run->rate) {
		run->rate = rate;
		copy_limit_set(run->own, rate);
		run->limited = rate || run->shared;
		gate_wake(&run->gate);
	}
	if (told->pause != run->gate.paused)
		gate_pause(&run->gate, told->pause);
	if (told->cancel && !run->gate.cancelled)
		gate_cancel(&run->gate);
}

/* With all signals blocked: they are for the program's own threads. */
static int start(struct run *run, pthread_t *thread)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	run->refs++;
	r = pthread_create(thread, NULL, main_thread, run);
	if (r)
		run->refs--;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int run_attend(struct run *run, struct repo_run *told, struct err *e)
{
	pthread_t thread;
	int code;

	run->told = told;
	if (told->limit)
		run->shared = copy_limit_ref(told->limit);
	run->limited = told->limit;
	look(run);
	if (run->gate.cancelled)
		return -ECANCELED;
	code = start(run, &thread);
	if (code)
		return err_set(e, code, "cannot start a thread: %s", strerror(-code));
	if (!gate_watch(&run->gate, LOOK_NS, told->stays ? FOR_EVER_NS : PATIENCE_NS, look, run)) {
		pthread_detach(thread);
		return -ETIMEDOUT;
	}
	pthread_join(thread, NULL);
	told->done = run->gate.done;
	told->total = run->total;
	/* A network's file system may say so too, and then nothing is left behind. */
	code = run->gate.code == -ETIMEDOUT ? -EIO : run->gate.code;
	if (code && code != -ECANCELED)
		err_set(e, code, "%s", run->gate.err.text);
	return code;
}

/* 0, or nanoseconds to wait. */
static uint64_t take_tokens(struct run *run, uint64_t bytes)
{
	uint64_t now = gate_now(), wait = limit_take(run->own, bytes, now);

	if (wait || !run->shared)
		return wait;
	wait = limit_take(run->shared, bytes, now);
	if (wait)
		limit_return(run->own, bytes);
	return wait;
}

int run_take(struct run *run, uint64_t bytes, struct err *e)
{
	if (!run)
		return 0;
	for (;;) {
		bool paused = run->gate.paused;
		uint64_t wait = REST_NS;
		int r;

		if (run->gate.cancelled)
			return err_set(e, -ECANCELED, "cancelled");
		if (!paused)
			wait = bytes && run->limited ? take_tokens(run, bytes) : 0;
		if (!wait)
			return 0;
		gate_rest(&run->gate, paused, wait);
		r = run->keep ? run->keep(run->keep_data, e) : 0;
		if (r)
			return r;
	}
}

bool run_enter(struct run *run)
{
	return gate_enter(&run->gate);
}

void run_leave(struct run *run)
{
	gate_leave(&run->gate);
}
