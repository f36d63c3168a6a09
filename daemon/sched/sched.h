/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pool takes a volume. Pure: filters sort out the pools that can't,
 * weighers choose among the others. A new one is one file and one line in the
 * tables of sched.c.
 */
#ifndef BVOL_SCHED_H
#define BVOL_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bvol.h"
#include "util/err.h"

struct sched_candidate {
	const struct bvol_pool *pool;	/* data_total, data_used, provisioned as they are now */
	bool thin;			/* more may be promised than there is */
};

struct sched_request {
	uint64_t size;			/* bytes to promise; an extension's growth alone */
	const struct bvol_uuid *pool_id;	/* NULL: any */
	const char *const *tried;	/* UUIDs of pools that failed at it, or NULL */
	const char *backend;		/* name of the pool that the volume's type wants, or NULL */
};

/*
 * *picked: index of the best candidate, the first of equals. -ENOSPC: none can
 * take it, -ENOENT: there is none (of this id); the sentence says what each
 * pool offers.
 */
int sched_pick(const struct sched_candidate *c, size_t n, const struct sched_request *r,
	       size_t *picked, struct err *e);

/*
 * For filters and weighers.
 */

struct sched_filter {
	const char *name;
	/* May c take it? If not, why says so behind the pool's name, or stays empty. */
	bool (*pass)(const struct sched_candidate *c, const struct sched_request *r, char *why,
		     size_t len);
};

struct sched_weigher {
	const char *name;
	/* More is better. Weights are scaled to 0..1 over all candidates, then multiplied. */
	uint64_t (*weigh)(const struct sched_candidate *c, const struct sched_request *r);
	double multiplier;
};

extern const struct sched_filter filter_pool, filter_tried, filter_backend, filter_capacity;
extern const struct sched_weigher weigher_capacity;

#endif
