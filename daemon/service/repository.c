// SPDX-License-Identifier: LGPL-2.1-or-later
/* Repositories of backups that the daemon knows. */
#include <errno.h>
#include <string.h>

#include "service/service.h"
#include "util/str.h"

int repository_decorate(struct service *service, void *obj)
{
	struct bvol_repository *row = obj;
	struct store_match match[] = {
		{ .attr = BVOL_A_BACKUP_REPOSITORY_ID, .id = &row->id },
		{ .attr = BVOL_A_BACKUP_STATUS, .number = BVOL_BACKUP_STATUS_CREATING, .not = true },
		{ 0 },
	};
	uint64_t n;
	int r = store_count(service->store, &bvol_type_backup, match, &n, NULL);

	if (!r)
		codec_set(row, BVOL_A_REPOSITORY_BACKUPS, backups, n);
	return r;
}

static const struct listing repositories = {
	&bvol_type_repository, BVOL_A_RESPONSE_REPOSITORY, repository_decorate,
};

int repository_find(struct call *call, const char *ref, struct bvol_repository **ret)
{
	struct store *store = call->service->store;
	uint64_t n;
	int r;

	if (ref)
		return service_find(call->service, &bvol_type_repository, ref, (void **)ret, &call->err);
	r = store_count(store, &bvol_type_repository, NULL, &n, &call->err);
	if (!r && n != 1)
		r = err_set(&call->err, -EINVAL, n ? "there are several repositories: name one by --repository" :
			    "there is no repository; see: bvolctl repo attach");
	return r < 0 ? r : store_first(store, &bvol_type_repository, NULL, (void **)ret, &call->err);
}

static int answer(struct call *call, struct bvol_repository *row)
{
	int r = repository_decorate(call->service, row);

	return r < 0 ? r : call_add(call, BVOL_A_RESPONSE_REPOSITORY, &bvol_type_repository, row);
}

static int check_path(struct call *call, const char *what, const char *path, bool url)
{
	if (path[0] == '/' || (url && strstr(path, "://")))
		return 0;
	return err_set(&call->err, -EINVAL, "the path of the %s begins with a /, not as \"%s\"", what, path);
}

static int by_name(struct call *call, const char *name, struct bvol_repository **ret)
{
	struct store_match match[] = { { .attr = BVOL_A_REPOSITORY_NAME, .text = name }, { 0 } };
	int r = store_first(call->service->store, &bvol_type_repository, match, (void **)ret, &call->err);

	return r == -ENOENT ? 0 : r;
}

struct open_job {
	struct call *call;
	const char *kind, *what;
};

static int find_open(void *obj, void *data)
{
	const struct bvol_job *row = obj;
	const struct open_job *open = data;
	char text[BVOL_UUID_TEXT];

	if (row->status == BVOL_JOB_STATUS_DONE || row->status == BVOL_JOB_STATUS_FAILED ||
	    (open->kind && strcmp(open->kind, row->kind)))
		return 0;
	return err_set(&open->call->err, -EBUSY, "the %s job %s works with the %s; wait for it", row->kind,
		       bvol_uuid_text(&row->id, text), open->what);
}

int call_check_jobs(struct call *call, uint16_t attr, const struct bvol_uuid *id, const char *kind,
		    const char *what)
{
	struct store_match match[] = { { .attr = attr, .id = id }, { 0 } };
	struct open_job open = { call, kind, what };

	return store_select(call->service->store, &bvol_type_job, match, NULL, 0, find_open, &open,
			    &call->err);
}

/* A backup that is deleted while somebody reads which there are would be found again. */
static int no_deletes(struct call *call, const struct bvol_repository *row)
{
	return call_check_jobs(call, BVOL_A_JOB_REPOSITORY_ID, &row->id, "backup-delete", "repository");
}

int verb_repository_attach(struct call *call)
{
	const struct bvol_type *type = &bvol_type_repository;
	const struct bvol_request *rq = call->request;
	struct bvol_repository *row = NULL;
	int r = str_check_name("repository", rq->name, &call->err);

	if (!r && rq->path)
		r = check_path(call, "repository", rq->path, true);
	if (!r && rq->key_file)
		r = check_path(call, "key file", rq->key_file, false);
	if (!r)
		r = by_name(call, rq->name, &row);
	if (!r && row)
		r = no_deletes(call, row);
	if (!r && !row && !rq->path)
		r = err_set(&call->err, -ENOENT,
			    "there is no repository called \"%s\"; to attach one: bvolctl repo attach %s PATH",
			    rq->name, rq->name);
	if (!r && !row && !(row = codec_new(type)))
		r = -ENOMEM;
	if (!r)
		r = codec_set_string(type, row, BVOL_A_REPOSITORY_NAME, rq->name);
	if (!r && rq->path)
		r = codec_set_string(type, row, BVOL_A_REPOSITORY_PATH, rq->path);
	if (!r && rq->key_file)
		r = codec_set_string(type, row, BVOL_A_REPOSITORY_KEY_FILE, rq->key_file);
	if (!r)
		return scan_ask(call, row);
	bvol_free(type, row);
	return r;
}

int verb_repository_list(struct call *call)
{
	_cleanup_repository_ row = NULL;
	int r;

	if (!call->request->ref)
		return call_list(call, &repositories, NULL);
	r = repository_find(call, call->request->ref, &row);
	return r < 0 ? r : answer(call, row);
}

static int forget_backup(void *obj, void *data)
{
	struct call *call = data;

	return store_delete(call->service->store, &bvol_type_backup, &((struct bvol_backup *)obj)->id,
			    &call->err);
}

/* Nothing of the repository is touched. */
int verb_repository_detach(struct call *call)
{
	struct store_match match[] = { { .attr = BVOL_A_BACKUP_REPOSITORY_ID }, { 0 } };
	struct store *store = call->service->store;
	_cleanup_repository_ row = NULL;
	int r = repository_find(call, call->request->ref, &row);

	if (!r)
		r = call_check_jobs(call, BVOL_A_JOB_REPOSITORY_ID, &row->id, NULL, "repository");
	/* One that hangs can be detached. */
	if (!r && scan_counts(row->name))
		r = err_set(&call->err, -EBUSY, "repository %s is just being read; wait for it", row->name);
	if (!r)
		r = answer(call, row);
	if (r < 0)
		return r;
	match[0].id = &row->id;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = store_select(store, &bvol_type_backup, match, NULL, 0, forget_backup, call, &call->err);
	if (!r)
		r = store_delete(store, &bvol_type_repository, &row->id, &call->err);
	return call_commit(call, NULL, r);
}

static int start(struct call *call, const char *kind)
{
	_cleanup_repository_ row = NULL;
	struct bvol_job *job_row;
	struct job *job = NULL;
	int r = repository_find(call, call->request->ref, &row);

	if (r < 0)
		return r;
	job_row = call_job(call, kind);
	if (!job_row)
		return -ENOMEM;
	codec_set(job_row, BVOL_A_JOB_REPOSITORY_ID, repository_id, row->id);
	codec_set(job_row, BVOL_A_JOB_RATE_LIMIT, rate_limit, call->request->rate);
	if (call->request->share)
		codec_set(job_row, BVOL_A_JOB_SHARE, share, call->request->share);
	r = call_begin(call, job_row, &job);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_JOB, &bvol_type_job, job->row);
	return call_commit(call, job, r);
}

int verb_repository_gc(struct call *call)
{
	return start(call, "repository-gc");
}

int verb_repository_scrub(struct call *call)
{
	if (bvol_has(call->request, BVOL_A_REQUEST_SHARE) &&
	    (!call->request->share || call->request->share > 100))
		return err_set(&call->err, -EINVAL, "the share is a number of percent from 1 to 100, not %u",
			       call->request->share);
	return start(call, "repository-scrub");
}
