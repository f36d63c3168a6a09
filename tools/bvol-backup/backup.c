// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "copy/backup.h"
#include "copy/repo/describe.h"
#include "copy/restore.h"
#include "size.h"
#include "tool.h"
#include "util/str.h"

/* Of a list; the daemon's have a status besides. */
#define COLUMNS "id name size is_incremental added created_at"

static int print_backup(const struct context *ctx, const struct manifest *m)
{
	struct bvol_backup *o = manifest_describe(m);

	if (!o) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	print_object(&bvol_type_backup, o, NULL, ctx->json, stdout);
	bvol_free(&bvol_type_backup, o);
	return 0;
}

static int parse_size(const char *option, const char *text, uint64_t *ret)
{
	char why[256];

	/* Offsets may be 0, which sizes may not. */
	if (!text || !strcmp(text, "0") || size_parse(text, INT64_MAX, ret, why, sizeof(why)) >= 0)
		return 0;
	complain("%s: %s", option, why);
	return EXIT_FAILED;
}

/* Creating */

static int create(struct context *ctx, const struct repo *repo, struct backup_plan *plan)
{
	struct manifest *m = NULL;
	struct repo_run run = { 0 };
	struct err e = { 0 };
	int status = tool_rate(ctx, &run), r;

	if (status)
		return status;
	r = source_file(ctx->word[WORD_FROM], &plan->source, &e);
	if (r)
		return tool_fail(r, &e);
	progress_begin("backup", &run);
	r = backup_run(repo, plan, &run, &m, &e);
	progress_end();
	backup_source_free(plan->source);
	status = r ? tool_fail(r, &e) : print_backup(ctx, m);
	manifest_free(m);
	return status;
}

int backup_create_command(struct context *ctx)
{
	const struct manifest_text text = { (char *)"name", (char *)ctx->word[WORD_NAME] };
	struct backup_plan plan = { .texts = &text, .n_texts = 1 };
	_cleanup_(manifest_freep) struct manifest *parent = NULL;
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct err e = { 0 };
	int status = parse_size("--memory", ctx->word[WORD_MEMORY], &plan.index_memory);
	int r = str_check_name("backup", text.value, &e);

	if (r)
		return tool_fail(r, &e);
	if (!status)
		status = tool_open(ctx, ctx->word[WORD_REPO], &repo);
	if (!status && ctx->word[WORD_PARENT])
		status = tool_find(repo, ctx->word[WORD_PARENT], &parent);
	plan.parent = parent;
	return status ? status : create(ctx, repo, &plan);
}

/* Listing */

struct backups {
	struct bvol_backup **list;
	size_t n;
};

static int keep_backup(void *data, struct manifest *m, struct err *e)
{
	struct backups *all = data;
	void *more = realloc(all->list, (all->n + 1) * sizeof(*all->list));

	if (more) {
		all->list = more;
		all->list[all->n] = manifest_describe(m);
		all->n += all->list[all->n] != NULL;
	}
	manifest_free(m);
	return more && all->n && all->list[all->n - 1] ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int tell_damaged(void *data, const uint8_t id[REPO_ID], struct err *e)
{
	complain("%s", e->text);
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct bvol_backup *x = *(struct bvol_backup *const *)a, *y = *(struct bvol_backup *const *)b;

	return (x->created_at > y->created_at) - (x->created_at < y->created_at);
}

static bool is_parent(const struct backups *all, const struct bvol_uuid *id)
{
	for (size_t i = 0; i < all->n; i++)
		if (bvol_has(all->list[i], BVOL_A_BACKUP_PARENT_ID) &&
		    !memcmp(&all->list[i]->parent_id, id, sizeof(*id)))
			return true;
	return false;
}

int backup_list_command(struct context *ctx)
{
	struct listing *listing = listing_new(&bvol_type_backup, COLUMNS, ctx->json);
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct backups all = { 0 };
	struct err e = { 0 };
	int status = tool_open(ctx, ctx->word[WORD_REPO], &repo), r = 0;

	if (!status)
		r = manifest_each(repo, NULL, keep_backup, tell_damaged, &all, &e);
	if (all.n)
		qsort(all.list, all.n, sizeof(*all.list), by_time);
	for (size_t i = 0; i < all.n && !r; i++) {
		SET(all.list[i], BACKUP, HAS_DEPENDENT_BACKUPS, has_dependent_backups,
		    is_parent(&all, &all.list[i]->id));
		r = listing ? listing_add(all.list[i], listing) : -ENOMEM;
	}
	if (!status && !r)
		listing_end(listing, stdout);
	else
		listing_free(listing);
	for (size_t i = 0; i < all.n; i++)
		bvol_free(&bvol_type_backup, all.list[i]);
	free(all.list);
	return r ? tool_fail(r, &e) : status;
}

/* Showing */

struct mapper {
	const struct manifest *m;
	struct bvol_backup *o;
	size_t n;
	uint64_t zeroes;	/* chunks of zeroes that are not told yet */
};

static int add_run(struct mapper *k, uint64_t chunk, uint64_t n, const char *what)
{
	char text[128], **more = realloc(k->o->map, (k->n + 2) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	snprintf(text, sizeof(text), "%llu %llu %s", (unsigned long long)(chunk * k->m->chunk_size),
		 (unsigned long long)n, what);
	more[k->n++] = strdup(text);
	more[k->n] = NULL;
	SET(k->o, BACKUP, MAP, map, more);
	return 0;
}

static int add_page(void *data, uint32_t page, const uint8_t (*ids)[CHUNK_ID], uint32_t n, struct err *e)
{
	struct mapper *k = data;
	uint64_t first = (uint64_t)page * page_chunks(k->m->chunk_size);
	char text[2 * CHUNK_ID + 1];
	int r = 0;

	for (uint32_t i = 0; i < n && !r; i++) {
		bool zero = is_zero_id(ids[i]);

		if (!zero && k->zeroes)
			r = add_run(k, first + i - k->zeroes, k->zeroes, "zero");
		k->zeroes = zero ? k->zeroes + 1 : 0;
		if (!r && !zero)
			r = add_run(k, first + i, 1, repo_hex(ids[i], CHUNK_ID, text));
	}
	return r ? err_set(e, r, "out of memory") : 0;
}

static int show_map(const struct context *ctx, const struct repo *repo, const struct manifest *m)
{
	struct mapper k = { .m = m, .o = manifest_describe(m) };
	struct err e = { 0 };
	int r = k.o ? restore_map(repo, m, add_page, &k, &e) : err_set(&e, -ENOMEM, "out of memory");

	if (!r && k.zeroes)
		r = add_run(&k, volume_chunks(m->size, m->chunk_size) - k.zeroes, k.zeroes, "zero");
	if (!r && ctx->json)
		print_object(&bvol_type_backup, k.o, NULL, true, stdout);
	for (size_t i = 0; !r && !ctx->json && i < k.n; i++)
		puts(k.o->map[i]);
	bvol_free(&bvol_type_backup, k.o);
	return r ? tool_fail(r, &e) : 0;
}

/* The repository and the backup that the command line names. */
static int open_backup(const struct context *ctx, struct repo **repo, struct manifest **m)
{
	int status = tool_open(ctx, ctx->word[WORD_REPO], repo);

	return status ? status : tool_find(*repo, ctx->word[WORD_BACKUP], m);
}

int backup_show_command(struct context *ctx)
{
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	_cleanup_(repo_closep) struct repo *repo = NULL;
	int status = open_backup(ctx, &repo, &m);

	if (status)
		return status;
	return ctx->word[WORD_MAP] ? show_map(ctx, repo, m) : print_backup(ctx, m);
}

/* By UUID also one whose manifest is damaged. */
int backup_delete_command(struct context *ctx)
{
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct err e = { 0 };
	struct bvol_uuid id;
	int status = tool_open(ctx, ctx->word[WORD_REPO], &repo), r;

	if (!status && bvol_uuid_parse(ctx->word[WORD_BACKUP], &id)) {
		status = tool_find(repo, ctx->word[WORD_BACKUP], &m);
		if (!status)
			memcpy(&id, m->id, sizeof(id));
	}
	if (status)
		return status;
	r = repo->ops->remove(repo->driver, REPO_BACKUP, (const uint8_t *)&id, &e);
	if (r == -ENOENT)
		err_set(&e, r, "the repository %s has no backup %s", repo->where, ctx->word[WORD_BACKUP]);
	return r ? tool_fail(r, &e) : 0;
}

/* Reading */

static int restore(struct context *ctx, const char *what, const char *to)
{
	struct restore_plan plan = { .to = to, .diff = ctx->word[WORD_DIFF] };
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct bvol_repository_report o = { 0 };
	struct restore_result result = { 0 };
	struct repo_run run = { 0 };
	struct err e = { 0 };
	int status = tool_rate(ctx, &run), r;

	if (!status)
		status = open_backup(ctx, &repo, &m);
	if (status)
		return status;
	plan.m = m;
	progress_begin(what, &run);
	r = restore_run(repo, &plan, &run, &result, &e);
	progress_end();
	if (r && to && (result.written || result.zeroed))
		complain("%s has only a part of the backup now", to);
	if (r)
		return tool_fail(r, &e);
	SET(&o, REPOSITORY_REPORT, CHUNKS, chunks, m->data);
	SET(&o, REPOSITORY_REPORT, BYTES, bytes, m->size);
	if (to) {
		SET(&o, REPOSITORY_REPORT, WRITTEN, written, result.written);
		SET(&o, REPOSITORY_REPORT, EQUAL, equal, result.equal);
		SET(&o, REPOSITORY_REPORT, ZEROED, zeroed, result.zeroed);
	}
	print_object(&bvol_type_repository_report, &o, NULL, ctx->json, stdout);
	return 0;
}

int backup_restore_command(struct context *ctx)
{
	return restore(ctx, "restore", ctx->word[WORD_TO]);
}

int backup_verify_command(struct context *ctx)
{
	return restore(ctx, "verify", NULL);
}

static int write_out(void *data, const void *bytes, size_t n, struct err *e)
{
	return fwrite(bytes, 1, n, stdout) == n ? 0 :
	       err_set(e, -errno, "cannot write the output: %s", strerror(errno));
}

int backup_cat_command(struct context *ctx)
{
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	_cleanup_(repo_closep) struct repo *repo = NULL;
	uint64_t offset = 0, length = 0;
	struct err e = { 0 };
	int status = parse_size("--offset", ctx->word[WORD_OFFSET], &offset), r;

	if (!status)
		status = parse_size("--length", ctx->word[WORD_LENGTH], &length);
	if (!status)
		status = open_backup(ctx, &repo, &m);
	if (status)
		return status;
	if (!ctx->word[WORD_LENGTH] && offset < m->size)
		length = m->size - offset;
	r = restore_cat(repo, m, offset, length, write_out, NULL, &e);
	return r ? tool_fail(r, &e) : 0;
}
