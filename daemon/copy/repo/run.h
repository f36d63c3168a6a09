/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A long run on a repository, which may hang in the repository or in what is
 * backed up. A thread of its own does the work; the caller's thread waits for
 * that thread and not for what it hangs in, as copy_run() does:
 *
 *	paused, rate limited	the threads of the run sleep, and renew its lease
 *	cancelled		run_attend() is back within a second
 *	it also hangs		-ETIMEDOUT: the run is abandoned. Its threads, and
 *				what they hold references to, stay until what they
 *				wait for comes back; then they end by themselves.
 *				copy_abandoned() counts such runs. Not where the
 *				caller stays: then run_attend() hangs as well.
 *
 * That is why a run takes references to, or copies of, all that it uses, and
 * never touches what is the caller's but by run_enter().
 */
#ifndef BVOL_REPO_RUN_H
#define BVOL_REPO_RUN_H

#include "copy/gate.h"
#include "copy/repo/repo.h"

struct run {
	struct gate gate;
	_Atomic uint64_t total;
	/* Called by threads of the run while they wait; set while nobody does. NULL: nothing to do. */
	int (*keep)(void *data, struct err *e);
	void *keep_data;
	/* The rest is run.c's. */
	struct copy_limit *own, *shared;
	atomic_bool limited;
	atomic_uint refs;
	int (*work)(struct run *run, struct err *e);
	void (*free)(struct run *run);
	struct repo_run *told;
	uint64_t rate;
};

/* Of a struct that begins with this one and is all zeroes. One reference is the caller's. */
int run_init(struct run *run, int (*work)(struct run *run, struct err *e), void (*free)(struct run *run),
	     struct err *e);
/* The last one frees it, by free(), which ends with run_deinit(). Takes NULL, returns NULL. */
struct run *run_unref(struct run *run);
void run_deinit(struct run *run);

/* Once. What work() returns, or -ECANCELED, or -ETIMEDOUT, both without a sentence. */
int run_attend(struct run *run, struct repo_run *told, struct err *e);

/*
 * By threads of the run, before so many bytes are read or written, or 0: it
 * returns when the run may go on. -ECANCELED, or what keep() says. run may be
 * NULL: 0.
 */
int run_take(struct run *run, uint64_t bytes, struct err *e);
/* May the caller's things be touched now? Then run_leave(). One thread of the run at a time. */
bool run_enter(struct run *run);
void run_leave(struct run *run);

#endif
