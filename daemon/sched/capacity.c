// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Capacity, by Cinder's rules for thin pools, with one more: Cinder does not
 * look at what is really free, so that it goes on creating in a pool that is
 * full to the brim. Here the free space, too, may be promised over-subscription
 * times, and no more often, and nothing is begun that scarce metadata could end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sched/sched.h"
#include "util/str.h"

/* With less than this part of the metadata free nothing new is begun. */
#define METADATA_PART 4

/* UINT64_MAX, which no volume has, stands for all that is larger. */
static uint64_t percent(uint64_t n, uint32_t percent)
{
	unsigned __int128 part = (unsigned __int128)n * percent / 100;

	return part > UINT64_MAX ? UINT64_MAX : (uint64_t)part;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Cinder's virtual free capacity: what may still be promised. */
static uint64_t promisable(const struct sched_candidate *c)
{
	const struct bvol_pool *p = c->pool;
	uint64_t usable = less(p->data_total, percent(p->data_total, p->reserve));

	return less(c->thin ? percent(usable, p->over_subscription) : usable, p->provisioned);
}

/* The largest volume that the pool takes. */
static uint64_t offer(const struct sched_candidate *c)
{
	const struct bvol_pool *p = c->pool;
	uint64_t really = less(less(p->data_total, p->data_used),
			       percent(p->data_total, p->reserve));

	if (c->thin)
		really = percent(really, p->over_subscription);
	return min(min(promisable(c), really), p->data_total);
}

static bool pass(const struct sched_candidate *c, const struct sched_request *r, char *why,
		 size_t len)
{
	const struct bvol_pool *p = c->pool;
	char offered[16], asked[16];
	uint64_t n = offer(c);

	if (p->status != BVOL_POOL_STATUS_AVAILABLE) {
		snprintf(why, len, "has status %s%s%s",
			 bvol_enum_name(&bvol_enum_pool_status, p->status),
			 p->error ? ", " : "", p->error ?: "");
		return false;
	}
	if (!bvol_has(p, BVOL_A_POOL_DATA_TOTAL) || !bvol_has(p, BVOL_A_POOL_DATA_USED)) {
		snprintf(why, len, "does not say how full it is");
		return false;
	}
	/* Metadata that run full end the kernel's transaction and cost what was not written yet. */
	if (less(p->metadata_total, p->metadata_used) < p->metadata_total / METADATA_PART) {
		snprintf(why, len, "has less than a quarter of its metadata space left");
		return false;
	}
	/* A snapshot promises nothing, but lets writes take space that took none before. */
	if (!r->size && p->data_used >= p->data_total) {
		snprintf(why, len, "is full");
		return false;
	}
	if (!r->size && less(p->data_total, p->data_used) < percent(p->data_total, p->reserve)) {
		snprintf(why, len, "has no more free data space than its reserve of %u%%", p->reserve);
		return false;
	}
	if (r->size <= n)
		return true;
	str_size(n, offered);
	if (strcmp(offered, str_size(r->size, asked)))
		snprintf(why, len, "offers %s", offered);
	else
		snprintf(why, len, "offers %" PRIu64 " of %" PRIu64 " bytes", n, r->size);
	return false;
}

static uint64_t weigh(const struct sched_candidate *c, const struct sched_request *r)
{
	return promisable(c);
}

const struct sched_filter filter_capacity = { "capacity", pass };
const struct sched_weigher weigher_capacity = { "capacity", weigh, 1.0 };
