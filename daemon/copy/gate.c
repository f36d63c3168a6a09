// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <time.h>

#include "copy/gate.h"

#define NS	UINT64_C(1000000000)
#define MS	UINT64_C(1000000)

/* What the runner remembers between two calls of progress(). */
struct pace {
	const struct copy_hooks *hooks;
	uint64_t total;
	uint64_t at, done;	/* when it last told, and what */
	uint64_t rate;
};

static atomic_uint n_abandoned;

unsigned int copy_abandoned(void)
{
	return n_abandoned;
}

void gate_returned(void)
{
	n_abandoned--;
}

uint64_t gate_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

void gate_init(struct gate *gate)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&gate->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&gate->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void gate_deinit(struct gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

/* The lock is held. until 0: for ever. */
static void wait_until(struct gate *gate, uint64_t until)
{
	struct timespec t = { (time_t)(until / NS), (long)(until % NS) };

	if (until)
		pthread_cond_timedwait(&gate->changed, &gate->lock, &t);
	else
		pthread_cond_wait(&gate->changed, &gate->lock);
}

/* The engine waits for something else than the device. The lock is held. */
static void engine_waits(struct gate *gate, uint64_t until)
{
	gate->idle = true;
	wait_until(gate, until);
	gate->last = gate_now();
	gate->idle = false;
}

void gate_wake(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

void gate_cancel(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	if (!gate->cancelled)
		gate->cancelled_at = gate_now();
	gate->cancelled = true;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

void gate_pause(struct gate *gate, bool pause)
{
	pthread_mutex_lock(&gate->lock);
	gate->paused = pause;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

bool gate_wants_stop(struct gate *gate)
{
	return gate->cancelled || gate->paused;
}

void gate_sleep(struct gate *gate, uint64_t ns)
{
	pthread_mutex_lock(&gate->lock);
	if (!gate_wants_stop(gate))
		engine_waits(gate, gate_now() + ns);
	pthread_mutex_unlock(&gate->lock);
}

void gate_rest(struct gate *gate, bool paused, uint64_t ns)
{
	bool is_paused;

	pthread_mutex_lock(&gate->lock);
	is_paused = gate->paused;
	if (!gate->cancelled && is_paused == paused)
		engine_waits(gate, gate_now() + ns);
	pthread_mutex_unlock(&gate->lock);
}

int gate_pass(struct gate *gate, struct err *e)
{
	bool cancelled;

	pthread_mutex_lock(&gate->lock);
	while (gate->paused && !gate->cancelled)
		engine_waits(gate, 0);
	cancelled = gate->cancelled;
	pthread_mutex_unlock(&gate->lock);
	return cancelled ? err_set(e, -ECANCELED, "cancelled") : 0;
}

int gate_mark(struct gate *gate, const struct copy_cursor *cursor, struct err *e)
{
	int code = -ECANCELED;

	pthread_mutex_lock(&gate->lock);
	if (!gate->abandoned) {
		gate->cursor = *cursor;
		gate->mark_waits = true;
		pthread_cond_broadcast(&gate->changed);
		while (gate->mark_waits)
			engine_waits(gate, 0);
		code = gate->mark_answer;
		if (code)
			err_set(e, code, "%s", gate->mark_err.text);
	}
	pthread_mutex_unlock(&gate->lock);
	return code;
}

bool gate_enter(struct gate *gate)
{
	bool there;

	pthread_mutex_lock(&gate->lock);
	there = gate->calling = !gate->abandoned;
	pthread_mutex_unlock(&gate->lock);
	return there;
}

void gate_leave(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->calling = false;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

int gate_sink(struct gate *gate, const struct copy_hooks *hooks, uint64_t offset, const void *bytes,
	      size_t length, struct err *e)
{
	int code = -ECANCELED;

	if (gate_enter(gate)) {
		code = hooks->sink(hooks->data, offset, bytes, length, e);
		gate_leave(gate);
	}
	return code;
}

bool gate_finish(struct gate *gate, int code, const struct err *e)
{
	bool abandoned;

	pthread_mutex_lock(&gate->lock);
	gate->finished = true;
	gate->code = code;
	gate->err = *e;
	abandoned = gate->abandoned;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
	return abandoned;
}

/* The rate is a moving average over some four calls, the first one counts whole. */
static void tell(struct gate *gate, struct pace *pace, uint64_t now)
{
	uint64_t done = gate->done, last = gate->last;
	uint64_t rate = (uint64_t)((unsigned __int128)(done - pace->done) * NS / (now - pace->at + 1));
	struct copy_progress p = {
		.op = (enum copy_op)gate->op, .done = done, .total = pace->total, .paused = gate->paused,
		.quiet_ms = now > last && !gate->idle ? (now - last) / MS : 0, .seconds_left = UINT64_MAX,
	};

	pace->rate = p.rate = pace->rate ? (3 * pace->rate + rate) / 4 : rate;
	if (p.rate)
		p.seconds_left = (p.total - done + p.rate - 1) / p.rate;
	pace->at = now;
	pace->done = done;
	pace->hooks->progress(pace->hooks->data, &p);
}

/* The lock is held, and let go meanwhile. The engine stands still until the answer is there. */
static void answer_mark(struct gate *gate, const struct copy_hooks *hooks)
{
	struct copy_cursor cursor = gate->cursor;
	struct err err = { 0 };
	int code = 0;

	pthread_mutex_unlock(&gate->lock);
	if (hooks->mark)
		code = hooks->mark(hooks->data, &cursor, &err);
	pthread_mutex_lock(&gate->lock);
	gate->mark_answer = code;
	gate->mark_err = err;
	gate->mark_waits = false;
	pthread_cond_broadcast(&gate->changed);
}

/* The lock is held. A cancelled run is abandoned when it is time; when to look again, until at the latest. */
static uint64_t give_up(struct gate *gate, uint64_t patience, uint64_t now, uint64_t until)
{
	uint64_t end = gate->cancelled_at + patience;

	if (!gate->cancelled || gate->calling)
		return until;
	gate->abandoned = now >= end;
	n_abandoned += gate->abandoned;
	return until && until < end ? until : end;
}

bool gate_attend(struct gate *gate, const struct copy_hooks *hooks, uint64_t total)
{
	struct pace pace = { .hooks = hooks, .total = total, .at = gate_now(), .done = gate->done };
	bool finished;

	pthread_mutex_lock(&gate->lock);
	while (!gate->finished && !gate->abandoned) {
		uint64_t now = gate_now(), until = 0;

		if (gate->mark_waits) {
			answer_mark(gate, hooks);
			continue;
		}
		if (hooks->progress) {
			until = pace.at + COPY_PROGRESS_MS * MS;
			if (now >= until) {
				pthread_mutex_unlock(&gate->lock);
				tell(gate, &pace, now);
				pthread_mutex_lock(&gate->lock);
				continue;
			}
		}
		until = give_up(gate, COPY_CANCEL_MS * MS, now, until);
		if (!gate->abandoned)
			wait_until(gate, until);
	}
	finished = gate->finished;
	pthread_mutex_unlock(&gate->lock);
	if (hooks->progress)
		tell(gate, &pace, gate_now());
	return finished;
}

bool gate_watch(struct gate *gate, uint64_t ns, uint64_t patience, void (*look)(void *data), void *data)
{
	bool finished;

	pthread_mutex_lock(&gate->lock);
	while (!gate->finished && !gate->abandoned) {
		uint64_t until;

		pthread_mutex_unlock(&gate->lock);
		look(data);
		pthread_mutex_lock(&gate->lock);
		if (gate->finished)
			break;
		until = give_up(gate, patience, gate_now(), gate_now() + ns);
		if (!gate->abandoned)
			wait_until(gate, until);
	}
	finished = gate->finished;
	pthread_mutex_unlock(&gate->lock);
	return finished;
}
