// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Back up a snapshot, or a volume as it is when the job begins: then a device
 * that is named by the job is the snapshot, and goes at the end, also of a job
 * that failed. What is in it alone is wiped as the volume's would be.
 *
 * What a crash leaves in the repository is no backup, and serves the job when it
 * goes on, with the same identifier. With the manifest there is a backup, which
 * the step planned again finds, whatever the database knew of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "copy/backup.h"
#include "copy/repo/describe.h"
#include "job/repo.h"
#include "util/log.h"
#include "util/str.h"

struct create_task {
	struct repo_task task;
	char device[32];
	struct bvol_backup *backup;	/* what is to be; then what has become of it */
	struct provider_extents *extents;
	struct manifest_text *texts;
	uint32_t n_texts;
};

static void create_free(struct repo_task *task)
{
	struct create_task *t = (struct create_task *)task;

	for (uint32_t i = 0; i < t->n_texts; i++) {
		free(t->texts[i].key);
		free(t->texts[i].value);
	}
	free(t->texts);
	if (t->extents)
		action_free(&t->extents->action);
	bvol_free(&bvol_type_backup, t->backup);
	free(t);
}

/* On the thread */

/* The manifest is there already: a crash has cut off what follows it. */
static int find_done(const struct repo *repo, const struct bvol_uuid *id, struct manifest **ret,
		     struct err *e)
{
	int r = manifest_load(repo, id->b, ret, e);

	if (r == -ENOENT)
		return 0;
	if (!r && (*ret)->type == MANIFEST_FENCE) {
		*ret = manifest_free(*ret);
		return err_set(e, -ESTALE, "the repository's gc took this backup for dead, because nothing was heard of it for an hour; back up again");
	}
	return r;
}

static int load_parent(const struct repo *repo, const struct bvol_backup *backup, struct manifest **ret,
		       struct err *e)
{
	int r;

	if (!bvol_has(backup, BVOL_A_BACKUP_PARENT_ID))
		return 0;
	r = manifest_load(repo, backup->parent_id.b, ret, e);
	return r == -ENOENT ? err_set(e, r, "the parent is not in the repository any more; back up without it") : r;
}

/*
 * By what the pool's metadata say, where they can be read: it saves reading, and the backup is the
 * same without. What was compared with the parent's snapshot is of use with the parent alone.
 */
static int open_source(struct create_task *t, const struct manifest *parent, struct source **ret,
		       struct err *e)
{
	struct provider_extents *x = t->extents;
	struct err why = { 0 };

	if (!x)
		return source_file(t->device, ret, e);
	if (x->action.act(&x->action, &why) < 0) {
		log_notice("all of the volume is read for its backup: %s", why.text);
		return source_file(t->device, ret, e);
	}
	return source_extents(t->device, x->mapped, x->n_mapped, x->same, parent ? x->n_same : 0, ret, e);
}

static int run(struct create_task *t, const struct repo *repo, struct manifest **ret, struct err *e)
{
	_cleanup_(manifest_freep) struct manifest *parent = NULL;
	struct backup_plan plan = { .texts = t->texts, .n_texts = t->n_texts };
	struct err ignored = { 0 };
	int r = load_parent(repo, t->backup, &parent, e);

	if (!r)
		r = open_source(t, parent, &plan.source, e);
	if (r)
		return r;
	plan.parent = parent;
	memcpy(plan.id, &t->backup->id, REPO_ID);
	/* A lease of this name is our own from before a crash: nobody else has the identifier. */
	repo->ops->remove(repo->driver, REPO_LEASE, plan.id, &ignored);
	r = backup_run(repo, &plan, &t->task.run, ret, e);
	backup_source_free(plan.source);
	return r;
}

static int create_work(struct repo_task *task, struct repo *repo, struct err *e)
{
	struct create_task *t = (struct create_task *)task;
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	struct bvol_backup *found;
	int r = find_done(repo, &t->backup->id, &m, e);

	if (!r && !m)
		r = run(t, repo, &m, e);
	if (r)
		return r;
	found = manifest_describe(m);
	if (!found)
		return err_set(e, -ENOMEM, "out of memory");
	bvol_free(&bvol_type_backup, t->backup);
	t->backup = found;
	return 0;
}

/* Planning */

static int add_text(struct create_task *t, const char *key, const char *value)
{
	struct manifest_text *text = &t->texts[t->n_texts];

	if (!value)
		return 0;
	*text = (struct manifest_text) { strdup(key), strdup(value) };
	t->n_texts++;
	return text->key && text->value ? 0 : -ENOMEM;
}

static int add_spec(struct create_task *t, const char *spec)
{
	_cleanup_free_ char *key = NULL;
	const char *equals = strchr(spec, '=');

	if (!equals)
		return 0;
	if (asprintf(&key, TEXT_SPEC "%.*s", (int)(equals - spec), spec) < 0)
		return -ENOMEM;
	return add_text(t, key, equals + 1);
}

/* All that the row tells of the volume; with it comes back what the database may have lost. */
static int set_texts(struct create_task *t)
{
	const struct bvol_backup *b = t->backup;
	char snapshot[BVOL_UUID_TEXT];
	const struct manifest_text known[] = {
		{ (char *)TEXT_NAME, b->name }, { (char *)TEXT_VOLUME_ID, b->volume_id },
		{ (char *)TEXT_VOLUME_NAME, b->volume_name }, { (char *)TEXT_VOLUME_TYPE, b->volume_type },
		{ (char *)TEXT_PROJECT, b->project },
		{ (char *)TEXT_SNAPSHOT_ID, bvol_has(b, BVOL_A_BACKUP_SNAPSHOT_ID) ?
					    bvol_uuid_text(&b->snapshot_id, snapshot) : NULL },
	};
	size_t n = sizeof(known) / sizeof(known[0]), specs = 0;
	int r = 0;

	while (b->extra_specs && b->extra_specs[specs])
		specs++;
	t->texts = calloc(n + specs, sizeof(*t->texts));
	if (!t->texts)
		return -ENOMEM;
	for (size_t i = 0; i < n && !r; i++)
		r = add_text(t, known[i].key, known[i].value);
	for (size_t i = 0; i < specs && !r; i++)
		r = add_spec(t, b->extra_specs[i]);
	return r;
}

static bool from_snapshot(const struct job *job)
{
	return bvol_has(job->row, BVOL_A_JOB_SNAPSHOT_ID);
}

/* What is read. */
static const struct bvol_uuid *device_id(const struct job *job)
{
	return from_snapshot(job) ? &job->row->snapshot_id : &job->row->id;
}

static int plan_snapshot(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_volume_ volume = NULL;
	_cleanup_pool_ pool = NULL;
	int r;

	if (from_snapshot(job))
		return 0;
	r = flow_placed_volume(job, &volume, &pool, &provider, e);
	return r < 0 ? r : provider->create(flow_store(job), pool, &job->row->id, volume->size, &volume->id,
					    ret, e);
}

static int plan_activate(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	_cleanup_backup_ backup = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = flow_backup(job, &backup, e);
	return r < 0 ? r : provider->activate(flow_store(job), pool, device_id(job), backup->size, ret, e);
}

static int find_device(struct job *job, char node[32], struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	bool found = false;
	int r = flow_pool(job, &pool, &provider, e);

	if (!r)
		r = provider->device(device_id(job), node, &found);
	if (r < 0 || !found)
		return err_set(e, r < 0 ? r : -ENODEV, "the block device of the snapshot is not there");
	return 0;
}

/*
 * Is this snapshot what the parent has? One that a repair of the pool could not save, or that is
 * just deleted, may not be; and what the parent tells of itself may be anybody's word.
 */
static int is_base(struct job *job, const struct bvol_backup *parent, struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r = store_get(flow_store(job), &bvol_type_snapshot, &parent->snapshot_id, (void **)&snapshot, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return snapshot->size == parent->size && (snapshot->status == BVOL_SNAPSHOT_STATUS_AVAILABLE ||
						  snapshot->status == BVOL_SNAPSHOT_STATUS_BACKING_UP);
}

/* The snapshot that the parent was made of, 1; whether it can be read is the provider's to know. */
static int find_base(struct job *job, const struct bvol_backup *backup, struct bvol_uuid *ret, struct err *e)
{
	_cleanup_backup_ parent = NULL;
	int r = bvol_has(backup, BVOL_A_BACKUP_PARENT_ID) ?
		store_get(flow_store(job), &bvol_type_backup, &backup->parent_id, (void **)&parent, e) : 0;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!parent || !bvol_has(parent, BVOL_A_BACKUP_SNAPSHOT_ID))
		return 0;
	*ret = parent->snapshot_id;
	return is_base(job, parent, e);
}

static int plan_extents(struct job *job, const struct bvol_backup *backup, struct provider_extents **ret,
			struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	struct bvol_uuid base;
	int r = flow_pool(job, &pool, &provider, e), has_base;

	if (r < 0 || !provider->extents)
		return r;
	has_base = find_base(job, backup, &base, e);
	if (has_base > 0)
		r = provider->extents(flow_store(job), pool, device_id(job), &base, ret, e);
	if (has_base < 0 || r < 0 || *ret)
		return has_base < 0 ? has_base : r;
	return provider->extents(flow_store(job), pool, device_id(job), NULL, ret, e);
}

static int plan_backup(struct job *job, struct action **ret, struct err *e)
{
	struct create_task *t = calloc(1, sizeof(*t));
	int r = t ? 0 : err_set(e, -ENOMEM, "out of memory");

	if (r)
		return r;
	t->task.work = create_work;
	t->task.free = create_free;
	r = flow_backup(job, &t->backup, e);
	if (!r)
		r = find_device(job, t->device, e);
	if (!r)
		r = plan_extents(job, t->backup, &t->extents, e);
	if (!r && set_texts(t))
		r = err_set(e, -ENOMEM, "out of memory");
	if (r) {
		create_free(&t->task);
		return r;
	}
	return repo_plan(job, &t->task, ret, e);
}

/* The manifest says all that the row does, but where it is and how it is. */
static int done_backup(struct job *job, struct err *e)
{
	struct create_task *t = (struct create_task *)job->action;
	_cleanup_backup_ row = NULL;
	char size[16], added[16];
	int r = flow_backup(job, &row, e);

	if (r < 0)
		return r;
	codec_set(t->backup, BVOL_A_BACKUP_STATUS, status, row->status);
	codec_set(t->backup, BVOL_A_BACKUP_REPOSITORY_ID, repository_id, row->repository_id);
	if (flow_report(job, "%s backed up, the repository has grown by %s",
			str_size(t->backup->size, size), str_size(t->backup->added, added)) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return change_backup(flow_change(job), t->backup, BVOL_BACKUP_STATUS_AVAILABLE, NULL, e);
}

/* What was read is nobody's any more. */
static int plan_deactivate(struct job *job, struct action **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	return r < 0 ? r : provider->deactivate(flow_store(job), pool, device_id(job), ret, e);
}

static int plan_wipe(struct job *job, struct action **ret, struct err *e)
{
	return from_snapshot(job) ? 0 : flow_wipe(job, &job->row->id, ret, e);
}

static int plan_drop(struct job *job, struct action **ret, struct err *e)
{
	return from_snapshot(job) ? 0 : flow_destroy(job, &job->row->id, ret, e);
}

static int record(struct job *job, struct err *e)
{
	_cleanup_volume_ volume = NULL;
	int r = flow_volume(job, &volume, e);

	return r < 0 ? r : flow_record(job, &job->row->id, &(struct recorded) {
		BVOL_WIPED_SNAPSHOT, &job->row->id, volume->name, volume->project }, e);
}

/* Who was backed up is what he was before. */
static int let_go(struct job *job, struct err *e)
{
	_cleanup_volume_ volume = NULL;
	int r;

	if (from_snapshot(job))
		return flow_set_snapshot(job, BVOL_SNAPSHOT_STATUS_AVAILABLE, NULL, e);
	r = flow_volume(job, &volume, e);
	return r < 0 ? r : change_volume(flow_change(job), volume, flow_idle(job, volume), NULL, e);
}

static int done_drop(struct job *job, struct err *e)
{
	int r = from_snapshot(job) ? 0 : record(job, e);

	return r < 0 ? r : let_go(job, e);
}

static int plan_nothing(struct job *job, struct action **ret, struct err *e)
{
	return 0;
}

/*
 * At once, whatever the rest has to wait for. A backup that is there stays, of one that is not the
 * row says why.
 */
static int done_undo(struct job *job, struct err *e)
{
	_cleanup_backup_ backup = NULL;
	int r = flow_backup(job, &backup, e);

	if (!r && backup->status == BVOL_BACKUP_STATUS_CREATING)
		r = change_backup(flow_change(job), backup, BVOL_BACKUP_STATUS_ERROR, job->err.text, e);
	return r < 0 ? r : let_go(job, e);
}

static int done_undo_drop(struct job *job, struct err *e)
{
	return from_snapshot(job) ? 0 : record(job, e);
}

static int failed(struct job *job, bool clean, struct err *e)
{
	if (!clean)
		log_err("what the job backup-create has left of a snapshot has to be looked at: %s",
			job->err.text);
	return 0;
}

const struct job_flow flow_backup_create = {
	.kind = "backup-create",
	.steps = (const struct job_step[]) {
		{ "snapshot", LANE_POOL, plan_snapshot, NULL },
		{ "activate", LANE_POOL, plan_activate, NULL },
		{ "backup", LANE_REPO, plan_backup, done_backup },
		{ "deactivate", LANE_POOL, plan_deactivate, NULL },
		{ "wipe", LANE_WIPE, plan_wipe, NULL },
		{ "drop", LANE_POOL, plan_drop, done_drop },
		{ 0 },
	},
	.undo = (const struct job_step[]) {
		{ "undo", LANE_NONE, plan_nothing, done_undo },
		{ "undo-backup", LANE_LEFT, repo_plan_await, NULL },
		{ "undo-activate", LANE_POOL, plan_deactivate, NULL },
		{ "undo-wipe", LANE_WIPE, plan_wipe, NULL },
		{ "undo-snapshot", LANE_POOL, plan_drop, done_undo_drop },
		{ 0 },
	},
	.resume = (const char *const[]) {
		"backup", "activate", "drop", "wipe", "undo-snapshot", "undo-wipe", NULL,
	},
	.takes_long = (const char *const[]) { "backup", "wipe", "undo-wipe", NULL },
	.cancel = (const char *const[]) { "backup", NULL },
	.failed = failed,
};
