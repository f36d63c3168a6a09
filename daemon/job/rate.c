// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>
#include <string.h>

#include "job/engine.h"

struct pool_rate {
	struct pool_rate *next;
	struct bvol_uuid id;
	struct copy_limit *limit;
};

static struct pool_rate *rate_find(const struct engine *engine, const struct bvol_uuid *id)
{
	struct pool_rate *rate = engine->rates;

	while (rate && memcmp(&rate->id, id, sizeof(*id)))
		rate = rate->next;
	return rate;
}

struct copy_limit *engine_limit(struct engine *engine, const struct bvol_pool *pool)
{
	struct pool_rate *rate = rate_find(engine, &pool->id);

	if (rate)
		return rate->limit;
	rate = calloc(1, sizeof(*rate));
	if (!rate)
		return NULL;
	rate->limit = copy_limit_new(pool->wipe_rate);
	if (!rate->limit) {
		free(rate);
		return NULL;
	}
	rate->id = pool->id;
	rate->next = engine->rates;
	engine->rates = rate;
	return rate->limit;
}

void engine_limit_set(struct engine *engine, const struct bvol_pool *pool)
{
	struct pool_rate *rate = rate_find(engine, &pool->id);

	if (rate)
		copy_limit_set(rate->limit, pool->wipe_rate);
}

void engine_limits_free(struct engine *engine)
{
	struct pool_rate *rate;

	while ((rate = engine->rates)) {
		engine->rates = rate->next;
		copy_limit_unref(rate->limit);
		free(rate);
	}
}
