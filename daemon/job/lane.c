// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job/lane.h"

static const struct bvol_uuid *lane_key(const struct job *job, enum job_lane kind)
{
	return kind == LANE_EXPORT ? &job->row->export_id : &job->row->pool_id;
}

static bool lane_is(const struct lane *lane, const struct job *job, enum job_lane kind)
{
	return lane->kind == kind &&
	       !memcmp(&lane->key, lane_key(job, kind), sizeof(lane->key));
}

static struct lane *lane_find(const struct job *job, enum job_lane kind)
{
	struct lane *lane = job->engine->lanes;

	while (lane && !lane_is(lane, job, kind))
		lane = lane->next;
	return lane;
}

bool lane_held(const struct job *job, const struct job_step *step)
{
	if (step->lane == LANE_LEFT)
		return !job->lane;
	return step->lane == LANE_NONE || (job->lane && lane_is(job->lane, job, step->lane));
}

int lane_try(struct job *job, const struct job_step *step)
{
	struct lane *lane;

	if (step->lane == LANE_LEFT)
		return 0;
	if (lane_find(job, step->lane))
		return -EAGAIN;
	lane = calloc(1, sizeof(*lane));
	if (!lane)
		return -ENOMEM;
	*lane = (struct lane) {
		.next = job->engine->lanes,
		.kind = step->lane,
		.key = *lane_key(job, step->lane),
		.holder = job,
	};
	job->engine->lanes = lane;
	job->lane = lane;
	return 0;
}

int lane_wait(struct job *job, const struct job_step *step)
{
	struct lane *lane = lane_find(job, step->lane);
	struct job **last;

	if (!lane)
		return lane_try(job, step);
	for (last = &lane->waiting; *last; last = &(*last)->next_in_lane)
		;
	job->next_in_lane = NULL;
	*last = job;
	return -EAGAIN;
}

struct job *lane_release(struct job *job)
{
	struct lane *lane = job->lane, **link;
	struct job *next;

	job->lane = NULL;
	if (!lane)
		return NULL;
	next = lane->waiting;
	if (next) {
		lane->waiting = next->next_in_lane;
		next->next_in_lane = NULL;
		next->lane = lane;
		lane->holder = next;
		return next;
	}
	for (link = &job->engine->lanes; *link != lane; link = &(*link)->next)
		;
	*link = lane->next;
	free(lane);
	return NULL;
}
