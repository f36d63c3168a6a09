// SPDX-License-Identifier: LGPL-2.1-or-later
/* Filters that look at which pool it is. */
#include <stdio.h>
#include <string.h>

#include "sched/sched.h"

/* The others are not worth a word. */
static bool is_wanted(const struct sched_candidate *c, const struct sched_request *r, char *why,
		      size_t len)
{
	return !r->pool_id || !memcmp(r->pool_id, &c->pool->id, sizeof(*r->pool_id));
}

static bool is_new(const struct sched_candidate *c, const struct sched_request *r, char *why,
		   size_t len)
{
	char id[BVOL_UUID_TEXT];

	bvol_uuid_text(&c->pool->id, id);
	for (const char *const *tried = r->tried; tried && *tried; tried++) {
		if (!strcmp(*tried, id)) {
			snprintf(why, len, "has failed at it");
			return false;
		}
	}
	return true;
}

static bool is_backend(const struct sched_candidate *c, const struct sched_request *r, char *why,
		       size_t len)
{
	if (!r->backend || !strcmp(r->backend, c->pool->name))
		return true;
	snprintf(why, len, "is not the pool of its type");
	return false;
}

const struct sched_filter filter_pool = { "pool", is_wanted };
const struct sched_filter filter_tried = { "tried", is_new };
const struct sched_filter filter_backend = { "backend", is_backend };
