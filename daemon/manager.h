/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Owns everything and knows the order in which it comes and goes:
 *
 *	manager_start	modules, device-mapper, database, worker threads, wire
 *	coldplug	every pool is opened, its volumes and exports are brought to
 *			what the database wants, its jobs go on (coldplug.c)
 *	manager_ready	calls are taken
 *	manager_stop	nothing of the kernel's is touched: exports stay
 */
#ifndef BVOL_MANAGER_H
#define BVOL_MANAGER_H

#include "fabric/fabric.h"
#include "service/service.h"
#include "util/config.h"
#include "wire/wire.h"

struct manager {
	struct loop *loop;
	struct config *config;
	struct workers *workers;
	struct service service;
	struct wire wire;
	struct fabric_config fabric_config;
	int lock, run_lock;	/* of the state directory, and of the run directory */
	uint64_t started;	/* CLOCK_MONOTONIC, nanoseconds */
	unsigned int opening;	/* pools on their way up */
	unsigned int failed;	/* pools, volumes and exports that could not be brought up */
	struct source *deadline;
	struct latecomers *latecomers;	/* block devices that appear, while a pool lacks one */
	bool ready;
};

int manager_start(struct manager *m, struct err *e);
void manager_stop(struct manager *m);

/* Open what a pool could not be opened without, as soon as it appears (latecomers.c). */
void latecomers_watch(struct manager *m);
void latecomers_end(struct manager *m);
/* Open all pools with the status error once more. */
int manager_coldplug_again(struct manager *m, struct err *e);

/* One pool, whatever its status is. */
void manager_reopen(const struct bvol_uuid *pool_id, void *data);

/* Ends in manager_ready(), soon or after a deadline when a pool hangs. */
int manager_coldplug(struct manager *m, struct err *e);
void manager_ready(struct manager *m);

#endif
