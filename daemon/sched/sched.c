// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/sched.h"
#include "util/cleanup.h"
#include "util/str.h"

/* In this order: the first to refuse a pool gives the reason. */
static const struct sched_filter *const filters[] = {
	&filter_pool,
	&filter_tried,
	&filter_backend,
	&filter_capacity,
};

static const struct sched_weigher *const weighers[] = {
	&weigher_capacity,
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The reasons of the pools that refused, as far as there is room for them in a sentence. */
struct reasons {
	char text[BVOL_SENTENCE_MAX - 64];
	size_t len;
	size_t left_out;
};

static void add_reason(struct reasons *reasons, const char *pool, const char *why)
{
	size_t room = sizeof(reasons->text) - reasons->len;
	int n = snprintf(reasons->text + reasons->len, room, "%s%s %s", reasons->len ? ", " : "",
			 pool, why);

	if (n >= 0 && (size_t)n < room) {
		reasons->len += (size_t)n;
		return;
	}
	/* The first one is told as far as it goes. */
	if (!reasons->len) {
		reasons->len = room - 1;
		return;
	}
	reasons->text[reasons->len] = '\0';
	reasons->left_out++;
}

static bool passes(const struct sched_candidate *c, const struct sched_request *r,
		   struct reasons *reasons)
{
	char why[BVOL_SENTENCE_MAX - 128] = "";

	for (size_t i = 0; i < N_OF(filters); i++) {
		if (filters[i]->pass(c, r, why, sizeof(why)))
			continue;
		if (why[0])
			add_reason(reasons, c->pool->name, why);
		return false;
	}
	return true;
}

/* A candidate that passed. */
struct rank {
	const struct sched_candidate *c;
	double score;
};

static void weigh(const struct sched_weigher *w, const struct sched_request *r, struct rank *ranks,
		  size_t n)
{
	uint64_t weight, least = UINT64_MAX, most = 0;

	for (size_t i = 0; i < n; i++) {
		weight = w->weigh(ranks[i].c, r);
		least = weight < least ? weight : least;
		most = weight > most ? weight : most;
	}
	for (size_t i = 0; i < n && most > least; i++)
		ranks[i].score += w->multiplier * (double)(w->weigh(ranks[i].c, r) - least) /
				  (double)(most - least);
}

static int refuse(size_t n, const struct sched_request *r, const struct reasons *reasons,
		  struct err *e)
{
	char more[48] = "", size[16];

	if (!n)
		return err_set(e, -ENOENT, "there is no pool yet; create one with: "
			       "bvolctl pool create NAME DEVICE");
	if (!reasons->len && !reasons->left_out)
		return err_set(e, -ENOENT, "there is no such pool");
	if (reasons->left_out)
		snprintf(more, sizeof(more), "%s%zu more can't either", reasons->len ? ", " : "",
			 reasons->left_out);
	if (!r->size)
		return err_set(e, -ENOSPC, "the pool can take nothing: %s%s", reasons->text, more);
	return err_set(e, -ENOSPC, "no pool can take %s: %s%s", str_size(r->size, size),
		       reasons->text, more);
}

int sched_pick(const struct sched_candidate *c, size_t n, const struct sched_request *r,
	       size_t *picked, struct err *e)
{
	_cleanup_free_ struct rank *ranks = calloc(n + 1, sizeof(*ranks));
	struct reasons reasons = {};
	struct rank *best;
	size_t left = 0;

	if (!ranks)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (passes(&c[i], r, &reasons))
			ranks[left++].c = &c[i];
	if (!left)
		return refuse(n, r, &reasons, e);
	for (size_t i = 0; i < N_OF(weighers); i++)
		weigh(weighers[i], r, ranks, left);
	best = ranks;
	for (size_t i = 1; i < left; i++)
		if (ranks[i].score > best->score)
			best = &ranks[i];
	*picked = (size_t)(best->c - c);
	return 0;
}
