/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two threads of a run share: the runner, who called copy_run(), and
 * the engine, which does the I/O and may hang in it. Whatever the runner needs
 * he takes from here under the lock; the engine calls him only through here.
 */
#ifndef BVOL_COPY_GATE_H
#define BVOL_COPY_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "copy/copy.h"

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;		/* of CLOCK_MONOTONIC */
	/* Set by anybody, under lock; read by the engine without. */
	atomic_bool cancelled, paused;
	uint64_t cancelled_at;
	/* By the engine. */
	_Atomic uint64_t done, last;	/* bytes of all passes; when the device gave something */
	atomic_bool idle;		/* it is not the device that the engine waits for */
	_Atomic int op;
	/* Under lock. */
	bool finished, abandoned;
	bool calling;			/* the engine is in the caller's sink */
	bool mark_waits;
	int mark_answer;
	struct err mark_err;
	struct copy_cursor cursor;	/* the last one that is durable */
	struct copy_result result;
	int code;
	struct err err;
};

void gate_init(struct gate *gate);
void gate_deinit(struct gate *gate);
/* Nanoseconds, monotonic; never 0. */
uint64_t gate_now(void);

/* From anywhere. What the engine sleeps for has changed: */
void gate_wake(struct gate *gate);
void gate_cancel(struct gate *gate);
void gate_pause(struct gate *gate, bool pause);

/* The engine's side. */
bool gate_wants_stop(struct gate *gate);	/* cancelled or paused */
void gate_sleep(struct gate *gate, uint64_t ns);	/* less, if something changes */
/* The same also while the run is paused, unless that is not what it was any more. */
void gate_rest(struct gate *gate, bool paused, uint64_t ns);
/* 0 when nobody pauses the run any more, -ECANCELED. */
int gate_pass(struct gate *gate, struct err *e);
/* Everything before the cursor is durable: returns what the runner's mark() says. */
int gate_mark(struct gate *gate, const struct copy_cursor *cursor, struct err *e);
int gate_sink(struct gate *gate, const struct copy_hooks *hooks, uint64_t offset, const void *bytes,
	      size_t length, struct err *e);
/* Into what is the runner's; false: he has gone. One thread at a time; gate_leave() ends it. */
bool gate_enter(struct gate *gate);
void gate_leave(struct gate *gate);
/* The end; whether the runner has gone. Then, with all freed, gate_returned(). */
bool gate_finish(struct gate *gate, int code, const struct err *e);
void gate_returned(void);

/*
 * The runner's side: see to marks and progress until the engine ends or is to
 * be abandoned. True: it has ended, and is to be joined.
 */
bool gate_attend(struct gate *gate, const struct copy_hooks *hooks, uint64_t total);
/*
 * The same for a run without marks: look() is called at once and then every ns
 * nanoseconds; patience: nanoseconds until a cancelled run is abandoned.
 */
bool gate_watch(struct gate *gate, uint64_t ns, uint64_t patience, void (*look)(void *data), void *data);

#endif
