/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How full a pool is: thresholds, each told of once, and how fast it fills. Pure. */
#ifndef BVOL_LEVEL_H
#define BVOL_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define LEVELS_MAX 8

/* Rising percentages from 1 to 99; that nothing is left, 100, is always one behind them. */
struct levels {
	size_t n;
	uint32_t percent[LEVELS_MAX];
};

/* Of a pool that says nothing. */
#define LEVELS_DEFAULT	"80,90,95"
#define LEVELS_GROW	80

/* "80,90,95" or "none", NULL: the default; -EINVAL with a sentence. */
int levels_parse(const char *text, struct levels *ret, struct err *e);
/*
 * The highest threshold that is crossed now, or 0. before is what it was at the
 * last look: that one and those below it are left only when use is LEVELS_BACK
 * percent below, so that a use that goes up and down around one is told of once.
 */
#define LEVELS_BACK 2
uint32_t levels_crossed(const struct levels *levels, uint32_t before, uint64_t used,
			uint64_t total);
/*
 * Percent of use from which on a pool is looked at often: below all that happens
 * by itself.
 */
uint32_t levels_mark(const struct levels *levels, uint32_t grow);
/* used in percent of total, rounded down; 0 of nothing. */
uint32_t level_percent(uint64_t used, uint64_t total);

/* Readings of how much is in use, the youngest last; all 0 at first. */
#define RATE_READINGS 32
struct rate {
	size_t n;
	struct {
		uint64_t time, used;	/* nanoseconds of one clock, bytes */
	} reading[RATE_READINGS];
};

/* Readings that are close to each other become one; old ones and those of another time go. */
void rate_add(struct rate *rate, uint64_t time, uint64_t used);
/* Bytes a second over the readings; false while they say nothing. What is given back counts as 0. */
bool rate_get(const struct rate *rate, uint64_t *ret);

#endif
