/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads for what blocks. A task that hangs keeps its thread and nothing
 * else; others get threads of their own, up to the limit given.
 */
#ifndef BVOL_WORKER_H
#define BVOL_WORKER_H

#include "sys/loop.h"
#include "util/err.h"

struct workers;

/* Both parts get the same data: work on a thread, done on the loop with work's result. */
typedef int (*worker_work)(void *data, struct err *e);
typedef void (*worker_done)(void *data, int result, const struct err *e);

int workers_new(struct loop *loop, unsigned int max_threads, struct workers **ret);
/*
 * Waits for no thread: one may hang in the kernel. Only for the end of the
 * process; what still runs is lost, as in a crash.
 */
void workers_stop(struct workers *workers);
/* -ENOMEM, or -EAGAIN when not even one thread can be had. */
int workers_run(struct workers *workers, worker_work work, worker_done done, void *data);

#endif
