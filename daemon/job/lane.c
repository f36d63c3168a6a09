// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job/lane.h"

static const struct bvol_uuid *lane_key(const struct job *job, enum job_lane kind)
{
	switch (kind) {
	case LANE_EXPORT:
		return &job->row->export_id;
	case LANE_REPO:
	case LANE_GLANCE:
		return &job->row->repository_id;
	default:
		return &job->row->pool_id;
	}
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

/* May one more lane of this kind be held? */
static bool has_room(const struct engine *engine, enum job_lane kind)
{
	return kind != LANE_REPO || !engine->repos_max || engine->repos < engine->repos_max;
}

static void hold(struct lane *lane, struct job *job)
{
	lane->holder = job;
	job->lane = lane;
	job->engine->repos += lane->kind == LANE_REPO;
}

static struct lane *lane_new(struct job *job, enum job_lane kind)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	*lane = (struct lane) {
		.next = job->engine->lanes,
		.kind = kind,
		.key = *lane_key(job, kind),
	};
	job->engine->lanes = lane;
	return lane;
}

static void lane_free(struct engine *engine, struct lane *lane)
{
	struct lane **link = &engine->lanes;

	while (*link != lane)
		link = &(*link)->next;
	*link = lane->next;
	free(lane);
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
	if (lane_find(job, step->lane) || !has_room(job->engine, step->lane))
		return -EAGAIN;
	lane = lane_new(job, step->lane);
	if (!lane)
		return -ENOMEM;
	hold(lane, job);
	return 0;
}

int lane_wait(struct job *job, const struct job_step *step)
{
	struct lane *lane = lane_find(job, step->lane);
	struct job **last;

	if (!lane && has_room(job->engine, step->lane))
		return lane_try(job, step);
	if (!lane)
		lane = lane_new(job, step->lane);
	if (!lane)
		return -ENOMEM;
	for (last = &lane->waiting; *last; last = &(*last)->next_in_lane)
		;
	job->next_in_lane = NULL;
	job->arrival = ++job->engine->arrivals;
	*last = job;
	return -EAGAIN;
}

static struct job *first_of(struct lane *lane)
{
	struct job *job = lane->waiting;

	lane->waiting = job->next_in_lane;
	job->next_in_lane = NULL;
	job->arrival = 0;
	hold(lane, job);
	return job;
}

/* A repository's lane that nobody holds, and whose first in line has waited longest. */
static struct job *next_of_repos(struct engine *engine)
{
	struct lane *next = NULL;

	if (!has_room(engine, LANE_REPO))
		return NULL;
	for (struct lane *lane = engine->lanes; lane; lane = lane->next)
		if (lane->kind == LANE_REPO && !lane->holder && lane->waiting &&
		    (!next || lane->waiting->arrival < next->waiting->arrival))
			next = lane;
	return next ? first_of(next) : NULL;
}

struct job *lane_release(struct job *job)
{
	struct engine *engine = job->engine;
	struct lane *lane = job->lane;
	bool repo;

	job->lane = NULL;
	if (!lane)
		return NULL;
	repo = lane->kind == LANE_REPO;
	lane->holder = NULL;
	engine->repos -= repo;
	if (lane->waiting && !repo)
		return first_of(lane);
	if (!lane->waiting)
		lane_free(engine, lane);
	return repo ? next_of_repos(engine) : NULL;
}

bool lane_leave(struct job *job)
{
	struct lane *lane = job->arrival ? lane_find(job, job->step->lane) : NULL;
	struct job **link;

	if (!lane)
		return false;
	for (link = &lane->waiting; *link != job; link = &(*link)->next_in_lane)
		;
	*link = job->next_in_lane;
	job->next_in_lane = NULL;
	job->arrival = 0;
	if (!lane->holder && !lane->waiting)
		lane_free(job->engine, lane);
	return true;
}

const struct job *lane_blocker(const struct job *job)
{
	const struct lane *lane = job->arrival ? lane_find(job, job->step->lane) : NULL;

	return lane ? lane->holder ?: job : NULL;
}
