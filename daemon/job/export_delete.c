// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * End an export and its sessions. The module forgets it last, so that the
 * logouts are still told of it.
 */
#include <errno.h>
#include <stdlib.h>

#include "job/flow.h"
#include "util/log.h"

/* The target goes; while it does, writes of the volume that wait for space must not hold it. */
struct removal {
	struct action action;
	struct action *target;
	struct provider_drain *drain;	/* NULL: none of them can */
	struct action *restore;		/* the block device as it was */
};

/*
 * A crash leaves a part of the target, and a block device that fails everything:
 * the next start's activate of the volume, or this again, ends that.
 */
static int removal_act(struct action *action, struct err *e)
{
	struct removal *a = (struct removal *)action;
	struct err why = { 0 };
	int r, restored = 0;

	if (a->drain && a->drain->action.act(&a->drain->action, &why) < 0)
		log_warn("writes that wait for space may hold up the end of an export: %s", why.text);
	r = a->target->act(a->target, e);
	if (a->drain && a->drain->drained)
		restored = a->restore->act(a->restore, e);
	return r < 0 ? r : restored;
}

static int removal_commit(struct action *action, struct store *store, struct err *e)
{
	struct removal *a = (struct removal *)action;
	int r = a->target->commit ? a->target->commit(a->target, store, e) : 0;

	if (!r && a->drain && a->drain->drained && a->restore->commit)
		r = a->restore->commit(a->restore, store, e);
	return r;
}

static void removal_free(struct action *action)
{
	struct removal *a = (struct removal *)action;

	action_free(a->target);
	action_free(a->drain ? &a->drain->action : NULL);
	action_free(a->restore);
	free(a);
}

static void plan_drain(struct job *job, struct removal *a)
{
	const struct provider_ops *provider;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	struct err e = { 0 };
	int r = flow_placed_volume(job, &volume, &pool, &provider, &e);

	if (!r)
		r = provider->drain(pool, &volume->id, &a->drain, &e);
	if (!r && a->drain)
		r = provider->activate(flow_store(job), pool, &volume->id, volume->size, &a->restore,
				       &e);
	if (!a->restore && a->drain) {
		action_free(&a->drain->action);
		a->drain = NULL;
	}
	if (r < 0)
		log_warn("writes that wait for space may hold up the end of an export: %s", e.text);
}

static int plan_remove(struct job *job, struct action **ret, struct err *e)
{
	struct action *target = NULL;
	struct removal *a;
	int r = flow_plan_remove_target(job, &target, e);

	if (r < 0 || !target)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a) {
		action_free(target);
		return err_set(e, -ENOMEM, "out of memory");
	}
	a->action = (struct action) {
		.act = removal_act, .commit = removal_commit, .free = removal_free };
	a->target = target;
	plan_drain(job, a);
	*ret = &a->action;
	return 0;
}

static int done_withdraw(struct job *job, struct err *e)
{
	return flow_set_export(job, BVOL_EXPORT_STATUS_DELETED, NULL, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	return flow_set_export(job, BVOL_EXPORT_STATUS_ERROR_DELETING, job->err.text, e);
}

const struct job_flow flow_export_delete = {
	.kind = "export-delete",
	.steps = (const struct job_step[]) {
		{ "remove", LANE_EXPORT, plan_remove, NULL },
		{ "withdraw", LANE_EXPORT, flow_plan_withdraw, done_withdraw },
		{ 0 },
	},
	.failed = failed,
};
