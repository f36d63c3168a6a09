// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "fabric/fabric.h"
#include "job/flow.h"
#include "job/policy.h"

static int flow_get(struct job *job, const struct bvol_type *type, const struct bvol_uuid *id,
		    void **ret, struct err *e)
{
	int r = store_get(flow_store(job), type, id, ret, e);

	return r < 0 ? err_set(e, r, "the %s of this job is not in the database", type->name) : 0;
}

int flow_volume(struct job *job, struct bvol_volume **ret, struct err *e)
{
	return flow_get(job, &bvol_type_volume, &job->row->volume_id, (void **)ret, e);
}

int flow_snapshot(struct job *job, struct bvol_snapshot **ret, struct err *e)
{
	return flow_get(job, &bvol_type_snapshot, &job->row->snapshot_id, (void **)ret, e);
}

int flow_export(struct job *job, struct bvol_export **ret, struct err *e)
{
	return flow_get(job, &bvol_type_export, &job->row->export_id, (void **)ret, e);
}

int flow_backup(struct job *job, struct bvol_backup **ret, struct err *e)
{
	return flow_get(job, &bvol_type_backup, &job->row->backup_id, (void **)ret, e);
}

int flow_repository(struct job *job, struct bvol_repository **ret, struct err *e)
{
	return flow_get(job, &bvol_type_repository, &job->row->repository_id, (void **)ret, e);
}

int flow_pool(struct job *job, struct bvol_pool **ret, const struct provider_ops **provider,
	      struct err *e)
{
	int r = flow_get(job, &bvol_type_pool, &job->row->pool_id, (void **)ret, e);

	if (r < 0)
		return r;
	*provider = provider_find((*ret)->provider);
	return *provider ? 0 : err_set(e, -ENOSYS, "this bvold has no provider %s",
				       (*ret)->provider);
}

int flow_placed_volume(struct job *job, struct bvol_volume **volume, struct bvol_pool **pool,
		       const struct provider_ops **provider, struct err *e)
{
	int r = flow_volume(job, volume, e);

	return r < 0 ? r : flow_pool(job, pool, provider, e);
}

int flow_active(struct job *job, bool *ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	char node[32];
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->device(&job->row->volume_id, node, ret);
	return r < 0 ? err_set(e, r, "can't tell whether the volume is active") : 0;
}

int flow_destroy(struct job *job, const struct bvol_uuid *id, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->destroy(flow_store(job), pool, id, ret, e);
}

struct provider_wipe flow_wipe_policy(const struct job *job, const struct bvol_pool *pool)
{
	const struct bvol_job *row = job->row;

	return (struct provider_wipe) {
		.policy = row->wipe ? row->wipe : pool->wipe,
		.verify = row->verify || pool->verify,
		.job_id = row->id,
		.limit = engine_limit(job->engine, pool),
	};
}

int flow_unscrubbed(struct job *job, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0 || pool->scrub == BVOL_SCRUB_UNSCRUBBED)
		return r;
	codec_set(pool, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_UNSCRUBBED);
	return store_update(flow_store(job), &bvol_type_pool, pool, e);
}

const char *flow_why(struct job *job)
{
	if (job->err.code == -ECANCELED)
		snprintf(job->err.text + strlen(job->err.text),
			 sizeof(job->err.text) - strlen(job->err.text), "; delete it again to finish that");
	return job->err.text;
}

int flow_wipe(struct job *job, const struct bvol_uuid *id, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	struct provider_wipe how;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = policy_of(job, id, pool, &how, e);
	if (r < 0)
		return r;
	/* What is told to pool or type meanwhile is for what is wiped later. */
	job->wipe = how.policy;
	if (how.policy == BVOL_WIPE_NONE || how.policy == BVOL_WIPE_DISCARD)
		r = flow_unscrubbed(job, e);
	return r < 0 || how.policy == BVOL_WIPE_NONE ? r :
	       provider->wipe(flow_store(job), pool, id, &how, ret, e);
}

const char *const flow_wipes[] = { "wipe", "undo-wipe", NULL };

uint32_t flow_idle(struct job *job, const struct bvol_volume *volume)
{
	const struct engine_hooks *hooks = &job->engine->hooks;

	return hooks->attached(&volume->id, hooks->data) ? BVOL_VOLUME_STATUS_IN_USE :
							   BVOL_VOLUME_STATUS_AVAILABLE;
}

int flow_set_pool(struct job *job, uint32_t status, const char *error, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : change_pool(flow_change(job), pool, status, error, e);
}

int flow_set_volume(struct job *job, uint32_t status, const char *error, struct err *e)
{
	_cleanup_volume_ volume = NULL;
	int r = flow_volume(job, &volume, e);

	return r < 0 ? r : change_volume(flow_change(job), volume, status, error, e);
}

int flow_set_snapshot(struct job *job, uint32_t status, const char *error, struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r = flow_snapshot(job, &snapshot, e);

	return r < 0 ? r : change_snapshot(flow_change(job), snapshot, status, error, e);
}

int flow_set_export(struct job *job, uint32_t status, const char *error, struct err *e)
{
	_cleanup_export_ export = NULL;
	int r = flow_export(job, &export, e);

	return r < 0 ? r : change_export(flow_change(job), export, status, error, e);
}

int flow_set_backup(struct job *job, uint32_t status, const char *error, struct err *e)
{
	_cleanup_backup_ backup = NULL;
	int r = flow_backup(job, &backup, e);

	return r < 0 ? r : change_backup(flow_change(job), backup, status, error, e);
}

int flow_report(struct job *job, const char *format, ...)
{
	char text[BVOL_SENTENCE_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return codec_append_list(&bvol_type_job, job->row, BVOL_A_JOB_REPORT, text);
}

int flow_plan_pool_stop(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_stop(pool, ret, e);
}

int flow_plan_pool_destroy(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->pool_destroy(flow_store(job), pool, ret, e);
}

int flow_plan_activate(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	int r = flow_placed_volume(job, &volume, &pool, &provider, e);

	if (r < 0)
		return r;
	return provider->activate(flow_store(job), pool, &volume->id, volume->size, ret, e);
}

int flow_plan_destroy_volume(struct job *job, struct action **ret, struct err *e)
{
	return flow_destroy(job, &job->row->volume_id, ret, e);
}

int flow_plan_destroy_snapshot(struct job *job, struct action **ret, struct err *e)
{
	return flow_destroy(job, &job->row->snapshot_id, ret, e);
}

int flow_plan_remove_target(struct job *job, struct action **ret, struct err *e)
{
	const struct fabric_ops *fabric;
	_cleanup_export_ export = NULL;
	int r = flow_export(job, &export, e);

	if (r < 0)
		return r;
	fabric = fabric_find(export->fabric);
	return fabric ? fabric->remove(export, ret, e)
		      : err_set(e, -ENOSYS, "this bvold can't make exports of this kind");
}

int flow_plan_withdraw(struct job *job, struct action **ret, struct err *e)
{
	const struct engine_hooks *hooks = &job->engine->hooks;

	return hooks->withdraw(&job->row->export_id, hooks->data, e);
}
