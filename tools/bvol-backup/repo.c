// SPDX-License-Identifier: LGPL-2.1-or-later
#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "copy/repo/describe.h"
#include "copy/repo/gc.h"
#include "copy/repo/keyfile.h"
#include "copy/repo/scrub.h"
#include "size.h"
#include "tool.h"

static int out_of_memory(void)
{
	complain("out of memory");
	return EXIT_FAILED;
}

/* A new object of a type, for bvol_free(). */
#define NEW(type) ((struct type *)calloc(1, sizeof(struct type)))

static void set_id(struct bvol_uuid *to, const uint8_t id[REPO_ID])
{
	memcpy(to, id, sizeof(*to));
}

static int count_backup(void *data, struct manifest *m, struct err *e)
{
	++*(uint64_t *)data;
	manifest_free(m);
	return 0;
}

static int skip_backup(void *data, const uint8_t id[REPO_ID], struct err *e)
{
	complain("%s", e->text);
	return 0;
}

static int describe(const struct repo *repo, struct bvol_repository *o, struct err *e)
{
	uint64_t backups = 0;
	int r = repo_describe(repo, o, e);

	if (!r)
		r = manifest_each(repo, NULL, count_backup, skip_backup, &backups, e);
	SET(o, REPOSITORY, BACKUPS, backups, backups);
	return r;
}

static int print_repo(const struct context *ctx, const struct repo *repo)
{
	struct bvol_repository *o = NEW(bvol_repository);
	struct err e = { 0 };
	int r;

	if (!o)
		return out_of_memory();
	r = describe(repo, o, &e);
	if (!r)
		print_object(&bvol_type_repository, o, NULL, ctx->json, stdout);
	bvol_free(&bvol_type_repository, o);
	return r ? tool_fail(r, &e) : 0;
}

static int parse_choice(const struct context *ctx, struct repo_choice *choice, struct err *e)
{
	char why[256];
	uint64_t size;

	choice->encrypted = !ctx->word[WORD_NO_ENCRYPTION];
	if (ctx->word[WORD_CHUNK_SIZE]) {
		if (size_parse(ctx->word[WORD_CHUNK_SIZE], UINT32_MAX, &size, why, sizeof(why)) < 0)
			return err_set(e, -EINVAL, "--chunk-size: %s", why);
		choice->chunk_size = (uint32_t)size;
	}
	return compression_parse(ctx->word[WORD_COMPRESSION] ?: "zstd", &choice->compression, &choice->level,
				 e);
}

int repo_create_command(struct context *ctx)
{
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct repo_secret secret = { 0 };
	struct repo_choice choice = { 0 };
	struct err e = { 0 };
	int r = parse_choice(ctx, &choice, &e), status;
	_cleanup_free_ char *where = NULL;

	if (r)
		return tool_fail(r, &e);
	where = tool_where(ctx, ctx->word[WORD_DIR]);
	if (!where)
		return EXIT_FAILED;
	status = tool_secret(ctx->word[WORD_KEY_FILE], choice.encrypted, &secret);
	if (status)
		return status;
	r = repo_create(where, &choice, secret.bytes ? &secret : NULL, &repo, &e);
	repo_secret_deinit(&secret);
	return r ? tool_fail(r, &e) : print_repo(ctx, repo);
}

static int list_one(struct listing *listing, const char *path)
{
	struct bvol_repository *o;
	struct err e = { 0 };
	uint8_t id[REPO_ID];
	bool encrypted;
	int r = repo_peek(path, id, &encrypted, &e);

	/* Folders that are no repositories are none of ours to complain about. */
	if (r)
		return r == -ENOENT || r == -ENOTDIR || r == -EACCES ? 0 : (complain("%s", e.text), 0);
	o = NEW(bvol_repository);
	if (!o)
		return -ENOMEM;
	set_id(&o->id, id);
	o->has |= BVOL_BIT(BVOL_A_REPOSITORY_ID);
	SET(o, REPOSITORY, PATH, path, strdup(path));
	SET(o, REPOSITORY, ENCRYPTED, encrypted, encrypted);
	r = listing_add(o, listing);
	bvol_free(&bvol_type_repository, o);
	return r;
}

int repo_list_command(struct context *ctx)
{
	const char *where = ctx->word[WORD_DIR];
	struct listing *listing = listing_new(&bvol_type_repository, "id path encrypted", ctx->json);
	struct dirent **entries;
	int n = listing ? scandir(where, &entries, NULL, alphasort) : -1;

	if (n < 0) {
		complain("cannot list %s: %s", where, strerror(errno));
		listing_free(listing);
		return EXIT_FAILED;
	}
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if (entries[i]->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", where, entries[i]->d_name) < (int)sizeof(path))
			list_one(listing, path);
		free(entries[i]);
	}
	free(entries);
	listing_end(listing, stdout);
	return 0;
}

int repo_show_command(struct context *ctx)
{
	_cleanup_(repo_closep) struct repo *repo = NULL;
	int status = tool_open(ctx, ctx->word[WORD_DIR], &repo);

	return status ? status : print_repo(ctx, repo);
}

int repo_gc_command(struct context *ctx)
{
	struct bvol_repository_report o = { 0 };
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct repo_run run = { 0 };
	struct gc_result result;
	struct err e = { 0 };
	int status = tool_rate(ctx, &run), r;

	if (!status)
		status = tool_open(ctx, ctx->word[WORD_DIR], &repo);
	if (status)
		return status;
	progress_begin("gc", &run);
	r = gc_run(repo, 0, &run, &result, &e);
	progress_end();
	if (r)
		return tool_fail(r, &e);
	SET(&o, REPOSITORY_REPORT, PACKS, packs, result.packs);
	SET(&o, REPOSITORY_REPORT, BYTES, bytes, result.bytes);
	SET(&o, REPOSITORY_REPORT, DELETED_PACKS, deleted_packs, result.deleted_packs);
	SET(&o, REPOSITORY_REPORT, FREED, freed, result.freed);
	SET(&o, REPOSITORY_REPORT, COPIED, copied, result.copied);
	SET(&o, REPOSITORY_REPORT, FENCED, fenced, result.fenced);
	SET(&o, REPOSITORY_REPORT, WAITING, waiting, result.waiting);
	print_object(&bvol_type_repository_report, &o, NULL, ctx->json, stdout);
	return 0;
}

static void keep_sentence(void *data, const char *sentence)
{
	struct bvol_repository_report *o = data;
	size_t n = 0;
	char **more;

	complain("%s", sentence);
	while (o->damages && o->damages[n])
		n++;
	more = realloc(o->damages, (n + 2) * sizeof(*more));
	if (!more)
		return;
	more[n] = strdup(sentence);
	more[n + 1] = NULL;
	SET(o, REPOSITORY_REPORT, DAMAGES, damages, more);
}

int repo_scrub_command(struct context *ctx)
{
	struct bvol_repository_report *o = NEW(bvol_repository_report);
	struct scrub_plan plan = { .report = keep_sentence, .data = o };
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct repo_run run = { 0 };
	struct scrub_result result;
	struct err e = { 0 };
	int status = o ? tool_rate(ctx, &run) : out_of_memory(), r = 0;
	int64_t percent = 0;
	char why[256];

	if (!status && ctx->word[WORD_SHARE] &&
	    number_parse(ctx->word[WORD_SHARE], 1, 100, &percent, why, sizeof(why)) < 0) {
		complain("--share: %s", why);
		status = EXIT_FAILED;
	}
	plan.percent = (unsigned int)percent;
	if (!status)
		status = tool_open(ctx, ctx->word[WORD_DIR], &repo);
	if (!status) {
		progress_begin("scrub", &run);
		r = scrub_run(repo, &plan, &run, &result, &e);
		progress_end();
		status = r ? tool_fail(r, &e) : result.damaged || result.hit ? EXIT_FAILED : 0;
	}
	if (repo && !r) {
		SET(o, REPOSITORY_REPORT, PACKS, packs, result.packs);
		SET(o, REPOSITORY_REPORT, CHUNKS, chunks, result.records);
		SET(o, REPOSITORY_REPORT, BYTES, bytes, result.bytes);
		SET(o, REPOSITORY_REPORT, BACKUPS, backups, result.backups);
		SET(o, REPOSITORY_REPORT, HIT_BACKUPS, hit_backups, result.hit);
		SET(o, REPOSITORY_REPORT, DAMAGED, damaged, result.damaged);
		SET(o, REPOSITORY_REPORT, INDEXED, indexed, result.rebuilt);
		print_object(&bvol_type_repository_report, o, NULL, ctx->json, stdout);
	}
	bvol_free(&bvol_type_repository_report, o);
	return status;
}

/* Keys */

static int list_key(void *data, const struct repo_key *key, struct err *e)
{
	static const char *const methods[] = {
		[KEY_NONE] = "none", [KEY_PASSPHRASE] = "passphrase", [KEY_FILE] = "key-file",
	};
	struct bvol_repository_key *o = NEW(bvol_repository_key);
	bool known = key->method >= KEY_NONE && key->method <= KEY_FILE;
	int r;

	if (!o)
		return -ENOMEM;
	set_id(&o->id, key->id);
	o->has |= BVOL_BIT(BVOL_A_REPOSITORY_KEY_ID);
	SET(o, REPOSITORY_KEY, METHOD, method, strdup(known ? methods[key->method] : "unknown"));
	SET(o, REPOSITORY_KEY, LABEL, label, strdup(key->label));
	r = listing_add(o, data);
	bvol_free(&bvol_type_repository_key, o);
	return r;
}

static int change_keys(const struct context *ctx, struct repo *repo)
{
	const char *file = ctx->word[WORD_NEW_KEY_FILE], *gone = ctx->word[WORD_REMOVE];
	struct repo_secret secret = { 0 };
	struct err e = { 0 };
	struct bvol_uuid id;
	int r = 0, status = 0;

	if (gone && bvol_uuid_parse(gone, &id)) {
		complain("--remove: %s is not a key's UUID, see the list of keys", gone);
		return EXIT_FAILED;
	}
	if (ctx->word[WORD_ADD] || file) {
		status = tool_secret(file, true, &secret);
		if (!status)
			r = repo_key_add(repo, &secret, ctx->word[WORD_LABEL] ?: "", &e);
		repo_secret_deinit(&secret);
	}
	if (!status && !r && gone)
		r = repo_key_remove(repo, (const uint8_t *)&id, &e);
	return r ? tool_fail(r, &e) : status;
}

int repo_key_command(struct context *ctx)
{
	_cleanup_(repo_closep) struct repo *repo = NULL;
	struct listing *listing;
	struct err e = { 0 };
	int status = tool_open(ctx, ctx->word[WORD_DIR], &repo), r;

	if (!status)
		status = change_keys(ctx, repo);
	if (status)
		return status;
	listing = listing_new(&bvol_type_repository_key, ctx->command->columns, ctx->json);
	r = listing ? repo_keys(repo, list_key, listing, &e) : -ENOMEM;
	if (r) {
		listing_free(listing);
		return tool_fail(r, &e);
	}
	listing_end(listing, stdout);
	return 0;
}
