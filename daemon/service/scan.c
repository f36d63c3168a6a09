// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is in a repository, whoever wrote it: a worker opens it and reads all
 * manifests, then the rows are made the same. A crash before that is as if nobody
 * had asked. A repository that does not answer keeps its worker, and who asked is
 * told so; it is not asked again meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "copy/repo/describe.h"
#include "job/repo.h"
#include "service/service.h"
#include "util/log.h"

#define WAIT_USEC (50 * 1000 * 1000)

struct scan {
	struct scan *next;
	struct service *service;
	struct call *call;		/* NULL: was told that nobody answers */
	struct source *timer;
	char *path, *name;		/* the loop's own: the row is the worker's until it is done */
	bool known;			/* was attached before */
	struct bvol_repository *row;
	uint64_t since;
	struct bvol_backup **found;	/* sorted by id */
	size_t n, room;
	bool *kept;			/* which of them have a row */
};

/* The loop's. */
static struct scan *scans;

static const struct scan *find(const char *name)
{
	const struct scan *s = scans;

	while (s && strcmp(s->name, name))
		s = s->next;
	return s;
}

bool scan_runs(const char *name)
{
	return find(name);
}

bool scan_counts(const char *name)
{
	const struct scan *s = find(name);

	return s && s->call;
}

static void scan_free(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		bvol_free(&bvol_type_backup, s->found[i]);
	free(s->found);
	free(s->kept);
	free(s->path);
	free(s->name);
	bvol_free(&bvol_type_repository, s->row);
	source_free(s->timer);
	free(s);
}

/* On the worker */

static int keep(struct scan *s, struct bvol_backup *backup, struct err *e)
{
	if (backup && s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		void *more = reallocarray(s->found, room, sizeof(*s->found));

		if (!more) {
			bvol_free(&bvol_type_backup, backup);
			backup = NULL;
		} else {
			s->found = more;
			s->room = room;
		}
	}
	if (!backup)
		return err_set(e, -ENOMEM, "out of memory");
	s->found[s->n++] = backup;
	return 0;
}

static int add_backup(void *data, struct manifest *m, struct err *e)
{
	struct bvol_backup *backup = manifest_describe(m);

	manifest_free(m);
	if (backup)
		codec_set(backup, BVOL_A_BACKUP_STATUS, status, BVOL_BACKUP_STATUS_AVAILABLE);
	return keep(data, backup, e);
}

/* It is listed, with what is wrong with it. */
static int add_damaged(void *data, const uint8_t id[REPO_ID], struct err *e)
{
	struct bvol_backup *backup = codec_new(&bvol_type_backup);

	if (backup) {
		memcpy(&backup->id, id, REPO_ID);
		backup->has |= BVOL_BIT(BVOL_A_BACKUP_ID);
		codec_set(backup, BVOL_A_BACKUP_STATUS, status, BVOL_BACKUP_STATUS_ERROR);
		if (codec_set_string(&bvol_type_backup, backup, BVOL_A_BACKUP_ERROR, e->text) < 0)
			bvol_free(&bvol_type_backup, backup), backup = NULL;
	}
	return keep(data, backup, e);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(&(*(struct bvol_backup *const *)a)->id, &(*(struct bvol_backup *const *)b)->id,
		      sizeof(struct bvol_uuid));
}

static int work(void *data, struct err *e)
{
	struct scan *s = data;
	_cleanup_(repo_closep) struct repo *repo = NULL;
	int r = repo_open_row(s->row->path, s->row->key_file, &repo, e);

	/* Rows that know their repository know its identifier. */
	if (!r && bvol_has(s->row, BVOL_A_REPOSITORY_ID) && memcmp(&s->row->id, repo->id, REPO_ID))
		return err_set(e, -ESTALE, "%s has another repository than the one that is called %s",
			       s->row->path, s->row->name);
	if (!r)
		r = repo_describe(repo, s->row, e);
	if (!r)
		r = manifest_each(repo, NULL, add_backup, add_damaged, s, e);
	if (!r && s->n)
		qsort(s->found, s->n, sizeof(*s->found), by_id);
	return r;
}

/* On the loop again */

static int change_to(struct scan *s, struct bvol_backup *row, uint32_t status, const char *error)
{
	struct change *change = &s->service->change;

	return row->status == status && !error && !row->error ? 0 :
	       change_backup(change, row, status, error, &s->call->err);
}

/* A row, and what was found of it; jobs know better of those that they work at. */
static int compare(void *obj, void *data)
{
	struct bvol_backup *row = obj, **found = NULL;
	struct scan *s = data;
	uint32_t status;

	if (s->n)
		found = bsearch(&row, s->found, s->n, sizeof(row), by_id);
	if (found)
		s->kept[found - s->found] = true;
	if ((row->status != BVOL_BACKUP_STATUS_AVAILABLE && row->status != BVOL_BACKUP_STATUS_ERROR) ||
	    row->updated_at >= s->since)
		return 0;
	if (found) {
		status = (*found)->status;
		/* What a restore has found damaged below the manifest is not known here. */
		return row->status == status && status == BVOL_BACKUP_STATUS_AVAILABLE ? 0 :
		       change_to(s, row, status, (*found)->error);
	}
	/* One that could not be made was never there. */
	return row->status == BVOL_BACKUP_STATUS_ERROR ? 0 :
	       change_to(s, row, BVOL_BACKUP_STATUS_DELETED, NULL);
}

static int add_missing(struct scan *s)
{
	int r = 0;

	for (size_t i = 0; i < s->n && !r; i++) {
		if (s->kept[i])
			continue;
		codec_set(s->found[i], BVOL_A_BACKUP_REPOSITORY_ID, repository_id, s->row->id);
		codec_set(s->found[i], BVOL_A_BACKUP_UPDATED_AT, updated_at, s->since);
		r = store_insert(s->service->store, &bvol_type_backup, s->found[i], &s->call->err);
	}
	return r;
}

static int put_repository(struct scan *s)
{
	const struct bvol_type *type = &bvol_type_repository;
	struct store *store = s->service->store;
	_cleanup_repository_ old = NULL;
	int r = store_get(store, type, &s->row->id, (void **)&old, &s->call->err);

	codec_set(s->row, BVOL_A_REPOSITORY_SCANNED_AT, scanned_at, change_now());
	if (r == -ENOENT)
		return store_insert(store, type, s->row, &s->call->err);
	if (!r && strcmp(old->name, s->row->name))
		return err_set(&s->call->err, -EEXIST, "this repository is attached already, as %s", old->name);
	return r < 0 ? r : store_update(store, type, s->row, &s->call->err);
}

static int record(struct scan *s)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_BACKUP_REPOSITORY_ID, .id = &s->row->id }, { 0 },
	};
	struct call *call = s->call;
	int r;

	s->kept = calloc(s->n + 1, sizeof(*s->kept));
	if (!s->kept)
		return -ENOMEM;
	r = call_begin(call, NULL, NULL);
	if (!r)
		r = put_repository(s);
	if (!r)
		r = store_select(s->service->store, &bvol_type_backup, match, NULL, 0, compare, s, &call->err);
	if (!r)
		r = add_missing(s);
	if (!r)
		r = repository_decorate(s->service, s->row);
	if (!r)
		r = call_add(call, BVOL_A_RESPONSE_REPOSITORY, &bvol_type_repository, s->row);
	return call_commit(call, NULL, r);
}

/* What is wrong with one that was attached before is kept with it. */
static void record_error(struct scan *s, const char *text)
{
	const struct bvol_type *type = &bvol_type_repository;
	struct change *change = &s->service->change;
	_cleanup_repository_ row = NULL;
	int r;

	if (!s->known)
		return;
	r = change_begin(change, NULL);
	if (!r)
		r = store_get(change->store, type, &s->row->id, (void **)&row, NULL);
	if (!r)
		r = codec_set_string(type, row, BVOL_A_REPOSITORY_ERROR, text);
	if (!r)
		r = store_update(change->store, type, row, NULL);
	if (r < 0 || change_commit(change, NULL) < 0)
		change_rollback(change);
}

static void done(void *data, int result, const struct err *e)
{
	struct scan *s = data, **link = &scans;
	struct call *call = s->call;
	int r = result;

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	if (call) {
		if (r < 0) {
			err_set(&call->err, r, "%s", e->text);
			record_error(s, e->text);
		} else {
			codec_set_string(&bvol_type_repository, s->row, BVOL_A_REPOSITORY_ERROR, NULL);
			r = record(s);
		}
		call_end(call, r);
	}
	scan_free(s);
}

static int on_late(struct source *source, uint32_t events, void *data)
{
	struct scan *s = data;
	struct call *call = s->call;

	s->call = NULL;
	err_set(&call->err, -ETIMEDOUT, "the repository at %s does not answer", s->path);
	record_error(s, call->err.text);
	call_end(call, -ETIMEDOUT);
	return 0;
}

int scan_ask(struct call *call, struct bvol_repository *row)
{
	struct scan *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		bvol_free(&bvol_type_repository, row);
		return -ENOMEM;
	}
	*s = (struct scan) { .next = scans, .service = call->service, .call = call, .row = row,
			     .path = strdup(row->path), .name = strdup(row->name),
			     .known = bvol_has(row, BVOL_A_REPOSITORY_SCANNED_AT), .since = change_now() };
	r = !s->path || !s->name ? -ENOMEM :
	    scan_runs(row->name) ? err_set(&call->err, -EBUSY, "repository %s is just being read; wait for it",
					   row->name) :
	    loop_timer(call->service->loop, WAIT_USEC, on_late, s, &s->timer);
	if (!r)
		r = workers_run(call->service->workers, work, done, s);
	if (r < 0) {
		scan_free(s);
		return r;
	}
	scans = s;
	return 1;
}
