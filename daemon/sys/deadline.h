/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An end to a system call of this thread that would wait too long: from the
 * deadline on the thread gets a signal every second, which the call answers with
 * EINTR, if its wait is one that signals end.
 */
#ifndef BVOL_DEADLINE_H
#define BVOL_DEADLINE_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>

struct deadline {
	timer_t timer;
	sigset_t mask;		/* the thread's, to be put back */
	struct timespec end;	/* CLOCK_MONOTONIC */
};

/* -EAGAIN or -ENOMEM: there is no timer, and nothing to end. */
int deadline_begin(struct deadline *d, unsigned int seconds);
/* Has it passed? */
bool deadline_end(struct deadline *d);

#endif
