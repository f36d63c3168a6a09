/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_LANE_H
#define BVOL_LANE_H

#include <stdbool.h>

#include "job/engine.h"

/* A queue for one pool, export or repository; exists while a job holds it or waits for it. */
struct lane {
	struct lane *next;
	enum job_lane kind;
	struct bvol_uuid key;
	struct job *holder;	/* NULL: repositories alone, see engine.repos_max */
	struct job *waiting;	/* by next_in_lane, first comes first */
};

/* Does the job hold what step asks for? */
bool lane_held(const struct job *job, const struct job_step *step);
/* Take it if it is free; lets go of another one only in lane_release(). -ENOMEM. */
int lane_try(struct job *job, const struct job_step *step);
/* Stand in line: the job is handed the lane, and resume called, by a later lane_release(). */
int lane_wait(struct job *job, const struct job_step *step);
/* Let go; returns the job that holds the lane now and has to be run, or NULL. */
struct job *lane_release(struct job *job);
/* Leave the line; false: it stands in none. */
bool lane_leave(struct job *job);
/* Who holds what the job waits for; itself: nobody, it is the node that has enough to do. */
const struct job *lane_blocker(const struct job *job);

#endif
