// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/level.h"

#define SECOND		UINT64_C(1000000000)
/* Readings of these last seconds count, and at least this much time lies between two. */
#define RATE_SPAN	(300 * SECOND)
#define RATE_STEP	(RATE_SPAN / (RATE_READINGS - 2))
/* Less says nothing: a write may have been a burst. */
#define RATE_LEAST	(5 * SECOND)

/* A pool that is emptier has time. */
#define MARK_MOST	70

static int refuse(const char *text, struct err *e)
{
	return err_set(e, -EINVAL,
		       "thresholds are at most %d rising percentages from 1 to 99, as 80,90,95, or none, not \"%s\"",
		       LEVELS_MAX, text);
}

int levels_parse(const char *text, struct levels *ret, struct err *e)
{
	const char *at = text = text ?: LEVELS_DEFAULT;
	unsigned long n;
	char *end = NULL;

	ret->n = 0;
	if (!strcmp(text, "none"))
		return 0;
	for (;; at = end + 1) {
		/* No blanks and no signs, which strtoul() takes. */
		n = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 0;
		if (n < 1 || n > 99 || ret->n == LEVELS_MAX ||
		    (ret->n && n <= ret->percent[ret->n - 1]) || (*end && *end != ','))
			return refuse(text, e);
		ret->percent[ret->n++] = (uint32_t)n;
		if (!*end)
			return 0;
	}
}

uint32_t level_percent(uint64_t used, uint64_t total)
{
	return total ? (uint32_t)((unsigned __int128)(used < total ? used : total) * 100 / total) : 0;
}

uint32_t levels_crossed(const struct levels *levels, uint32_t before, uint64_t used,
			uint64_t total)
{
	uint32_t percent = level_percent(used, total), crossed = 0, level;

	for (size_t i = 0; i <= levels->n; i++) {
		level = i < levels->n ? levels->percent[i] : 100;
		if (percent >= level || (level <= before && percent + LEVELS_BACK >= level))
			crossed = level;
	}
	return crossed;
}

uint32_t levels_mark(const struct levels *levels, uint32_t grow)
{
	uint32_t mark = levels->n && levels->percent[0] < MARK_MOST ? levels->percent[0] : MARK_MOST;

	return grow < mark ? grow : mark;
}

void rate_add(struct rate *rate, uint64_t time, uint64_t used)
{
	size_t keep = 0;

	/* A clock that was set back makes all of them worthless. */
	if (rate->n && time < rate->reading[rate->n - 1].time)
		rate->n = 0;
	if (rate->n > 1 && time - rate->reading[rate->n - 2].time < RATE_STEP)
		rate->n--;
	while (keep < rate->n && time - rate->reading[keep].time > RATE_SPAN)
		keep++;
	if (!keep && rate->n == RATE_READINGS)
		keep = 1;
	memmove(rate->reading, rate->reading + keep, (rate->n - keep) * sizeof(rate->reading[0]));
	rate->n -= keep;
	rate->reading[rate->n].time = time;
	rate->reading[rate->n++].used = used;
}

bool rate_get(const struct rate *rate, uint64_t *ret)
{
	uint64_t time, from, to;

	if (rate->n < 2)
		return false;
	time = rate->reading[rate->n - 1].time - rate->reading[0].time;
	from = rate->reading[0].used;
	to = rate->reading[rate->n - 1].used;
	if (time < RATE_LEAST)
		return false;
	*ret = to > from ? (uint64_t)((unsigned __int128)(to - from) * SECOND / time) : 0;
	return true;
}
