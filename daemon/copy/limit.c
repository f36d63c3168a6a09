// SPDX-License-Identifier: LGPL-2.1-or-later
#include <pthread.h>
#include <stdlib.h>

#include "copy/limit.h"

#define NS		INT64_C(1000000000)
/* The bucket holds what flows in in this time: more would be a burst, less cost accuracy. */
#define BUCKET_NS	(NS / 10)
/* Nobody has a disk as fast as that, and sums of two such rates don't overflow. */
#define RATE_MAX	(UINT64_C(1) << 50)
/* Who waits longer would not hear of a new rate. */
#define WAIT_MAX	NS

/* The product of nanoseconds and a rate may have 84 bits. */
typedef unsigned __int128 wide;

struct copy_limit {
	pthread_mutex_t lock;
	unsigned int refs;	/* all under lock */
	uint64_t rate;
	int64_t level;		/* bytes, negative: debt */
	uint64_t filled;	/* when, 0: never */
};

struct copy_limit *copy_limit_new(uint64_t rate)
{
	struct copy_limit *limit = calloc(1, sizeof(*limit));

	if (!limit)
		return NULL;
	pthread_mutex_init(&limit->lock, NULL);
	limit->refs = 1;
	copy_limit_set(limit, rate);
	return limit;
}

struct copy_limit *copy_limit_ref(struct copy_limit *limit)
{
	pthread_mutex_lock(&limit->lock);
	limit->refs++;
	pthread_mutex_unlock(&limit->lock);
	return limit;
}

struct copy_limit *copy_limit_unref(struct copy_limit *limit)
{
	bool last;

	if (!limit)
		return NULL;
	pthread_mutex_lock(&limit->lock);
	last = --limit->refs == 0;
	pthread_mutex_unlock(&limit->lock);
	if (last) {
		pthread_mutex_destroy(&limit->lock);
		free(limit);
	}
	return NULL;
}

static int64_t bucket(uint64_t rate)
{
	return (int64_t)(rate / (NS / BUCKET_NS)) + 1;
}

/* A debt was made at the old rate: at a new one it might take hours. It begins anew, full. */
void copy_limit_set(struct copy_limit *limit, uint64_t rate)
{
	pthread_mutex_lock(&limit->lock);
	limit->rate = rate < RATE_MAX ? rate : RATE_MAX;
	limit->level = bucket(limit->rate);
	limit->filled = 0;
	pthread_mutex_unlock(&limit->lock);
}

static void fill(struct copy_limit *limit, uint64_t now)
{
	int64_t full = bucket(limit->rate);
	wide flow, bytes;

	if (!limit->filled || now < limit->filled)
		limit->filled = now;
	flow = (wide)(now - limit->filled) * limit->rate;
	bytes = flow / NS;
	/* The time of a part of a byte is counted the next time. */
	limit->filled = now - (uint64_t)(flow % NS / limit->rate);
	limit->level = (__int128)bytes + limit->level < full ? (int64_t)bytes + limit->level : full;
}

static uint64_t wait_of(const struct copy_limit *limit)
{
	wide wait = ((wide)-limit->level + 1) * NS / limit->rate + 1;

	return wait < WAIT_MAX ? (uint64_t)wait : WAIT_MAX;
}

uint64_t limit_take(struct copy_limit *limit, uint64_t bytes, uint64_t now)
{
	uint64_t wait = 0;

	pthread_mutex_lock(&limit->lock);
	if (limit->rate) {
		fill(limit, now);
		if (limit->level > 0)
			limit->level -= (int64_t)bytes;
		else
			wait = wait_of(limit);
	}
	pthread_mutex_unlock(&limit->lock);
	return wait;
}

void limit_return(struct copy_limit *limit, uint64_t bytes)
{
	pthread_mutex_lock(&limit->lock);
	if (limit->rate)
		limit->level += (int64_t)bytes;
	pthread_mutex_unlock(&limit->lock);
}
