// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lanes of one repository: who waits for whom, with jobs that do nothing. */
#include <errno.h>
#include <string.h>

#include "job/lane.h"
#include "unit.h"

static const struct job_step work[] = { { "work", LANE_REPO, NULL, NULL }, { 0 } };
static const struct job_step glance[] = { { "glance", LANE_GLANCE, NULL, NULL }, { 0 } };

struct line {
	struct engine engine;
	struct bvol_job rows[4];
	struct job jobs[4];
};

/* Job i is at this step in this repository. */
static struct job *at(struct line *l, unsigned int i, const struct job_step *step, uint8_t repository)
{
	memset(&l->rows[i].repository_id, repository, sizeof(l->rows[i].repository_id));
	l->jobs[i] = (struct job) { .engine = &l->engine, .row = &l->rows[i], .step = step };
	return &l->jobs[i];
}

/* What is short waits for nothing that takes long, and for nobody in other repositories. */
static void a_glance_waits_for_glances_alone(void **state)
{
	struct line l = { .engine.repos_max = 1 };
	struct job *long_one = at(&l, 0, work, 1), *first = at(&l, 1, glance, 1);
	struct job *second = at(&l, 2, glance, 1), *other = at(&l, 3, glance, 2);

	assert_int_equal(lane_try(long_one, work), 0);
	assert_int_equal(lane_try(first, glance), 0);
	assert_int_equal(lane_try(other, glance), 0);
	assert_int_equal(lane_wait(second, glance), -EAGAIN);
	assert_ptr_equal(lane_blocker(second), first);
	assert_int_equal(l.engine.repos, 1);
	assert_ptr_equal(lane_release(first), second);
	assert_true(lane_held(second, glance));
	assert_null(lane_release(second));
	assert_null(lane_release(other));
	assert_null(lane_release(long_one));
	assert_null(l.engine.lanes);
}

/* One that hangs, with another one behind it that is told not to wait. */
static void a_line_can_be_left(void **state)
{
	struct line l = { 0 };
	struct job *hangs = at(&l, 0, glance, 1), *waits = at(&l, 1, glance, 1);

	assert_int_equal(lane_try(hangs, glance), 0);
	assert_int_equal(lane_wait(waits, glance), -EAGAIN);
	assert_true(lane_leave(waits));
	assert_null(lane_blocker(waits));
	assert_null(lane_release(hangs));
	assert_null(l.engine.lanes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_glance_waits_for_glances_alone),
		cmocka_unit_test(a_line_can_be_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
