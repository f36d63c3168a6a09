// SPDX-License-Identifier: LGPL-2.1-or-later
/* Jobs: what they do, and what they are told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"

/* One that has not ended is further than its row. */
static int decorate(struct service *service, void *obj)
{
	const struct bvol_uuid *id = &((struct bvol_job *)obj)->id;
	const struct bvol_job *now = engine_job(&service->engine, id);
	struct bvol_job *row = obj;
	char *waiting = now ? engine_waits(&service->engine, id) : NULL;

	if (waiting)
		codec_set_string(&bvol_type_job, row, BVOL_A_JOB_WAITING, waiting);
	free(waiting);
	if (!now)
		return 0;
	row->progress = now->progress;
	row->bytes_done = now->bytes_done;
	row->bytes_total = now->bytes_total;
	row->rate = now->rate;
	row->seconds_left = now->seconds_left;
	row->has |= now->has & (BVOL_BIT(BVOL_A_JOB_BYTES_DONE) | BVOL_BIT(BVOL_A_JOB_BYTES_TOTAL) |
				BVOL_BIT(BVOL_A_JOB_RATE) | BVOL_BIT(BVOL_A_JOB_SECONDS_LEFT));
	return 0;
}

static int find_job(struct call *call, struct bvol_job **ret)
{
	return service_find(call->service, &bvol_type_job, call->request->ref, (void **)ret,
			    &call->err);
}

static int answer(struct call *call, struct bvol_job *job)
{
	decorate(call->service, job);
	return call_add(call, BVOL_A_RESPONSE_JOB, &bvol_type_job, job);
}

int verb_job_list(struct call *call)
{
	static const struct listing jobs = { &bvol_type_job, BVOL_A_RESPONSE_JOB, decorate };
	struct store_match open[] = {
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_DONE, .not = true },
		{ .attr = BVOL_A_JOB_STATUS, .number = BVOL_JOB_STATUS_FAILED, .not = true },
		{ 0 },
	};
	_cleanup_job_ job = NULL;
	int r;

	if (!call->request->ref)
		return call_list(call, &jobs, call->request->all ? NULL : open);
	r = find_job(call, &job);
	return r < 0 ? r : answer(call, job);
}

static int order(struct call *call, enum action_order what, uint64_t value)
{
	_cleanup_job_ changed = NULL;
	_cleanup_job_ job = NULL;
	int r = find_job(call, &job);

	if (!r && (job->status == BVOL_JOB_STATUS_DONE || job->status == BVOL_JOB_STATUS_FAILED))
		r = err_set(&call->err, -EBUSY, "the %s job has ended already, it is %s", job->kind,
			    bvol_enum_name(&bvol_enum_job_status, job->status));
	if (!r)
		r = job_order(&call->service->engine, &job->id, what, value, &call->err);
	if (!r)
		r = find_job(call, &changed);
	return r < 0 ? r : answer(call, changed);
}

int verb_job_cancel(struct call *call)
{
	return order(call, ACTION_CANCEL, 0);
}

int verb_job_pause(struct call *call)
{
	return order(call, ACTION_PAUSE, 0);
}

int verb_job_resume(struct call *call)
{
	return order(call, ACTION_RESUME, 0);
}

int verb_job_set(struct call *call)
{
	int r = call_check_rate(call);

	return r < 0 ? r : order(call, ACTION_RATE, call->request->rate);
}
