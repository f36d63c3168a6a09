/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's event loop in plain C types; loop.c is the one file that knows
 * libsystemd. For one thread. A callback's negative return ends the loop.
 */
#ifndef BVOL_LOOP_H
#define BVOL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct source;

typedef int (*loop_callback)(struct source *source, uint32_t events, void *data);

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop);
/* Until loop_exit() or a fatal error: its code. */
int loop_run(struct loop *loop);
void loop_exit(struct loop *loop, int code);

/* fd stays the caller's. events as for epoll. */
int loop_io(struct loop *loop, int fd, uint32_t events, loop_callback callback, void *data,
	    struct source **ret);
int source_events(struct source *source, uint32_t events);
/* Once, usec from now. source_again() arms it anew, also from its own callback. */
int loop_timer(struct loop *loop, uint64_t usec, loop_callback callback, void *data,
	       struct source **ret);
int source_again(struct source *source, uint64_t usec);
/* The signal must be blocked in all threads. */
int loop_signal(struct loop *loop, int signo, loop_callback callback, void *data);
/* Takes NULL, returns NULL. */
struct source *source_free(struct source *source);

/* sd_notify(3): READY=1 or STOPPING=1 with a line for people. */
void loop_tell_ready(const char *status);
void loop_tell_stopping(void);

#endif
