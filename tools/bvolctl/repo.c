// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"
#include "print.h"
#include "size.h"

#define OPEN_OPTIONS \
	WORD_OPTION("--key-file", "FILE", KEY_FILE), \
	WORD_OPTION("--s3-credentials", "FILE", S3_CREDENTIALS)

static const struct param create_params[] = {
	WORD_ARG("DIR", DIR),
	WORD_FLAG("--no-encryption", NO_ENCRYPTION),
	OPEN_OPTIONS,
	WORD_OPTION("--chunk-size", "SIZE", CHUNK_SIZE),
	WORD_OPTION("--compression", "none|lz4|zstd[:LEVEL]", COMPRESSION),
	{ 0 },
};

static const struct param attach_params[] = {
	ARG("NAME", NAME),
	{ .value = "PATH", .attr = BVOL_A_REQUEST_PATH },
	OPTION("--key-file", "FILE", KEY_FILE),
	{ 0 },
};

static const struct param detach_params[] = {
	ARG("REPOSITORY", REF),
	{ 0 },
};

/* The list of all has no repository of its own. */
static const struct param list_params[] = {
	{ .value = "DIR", .word = WORD_DIR },
	{ 0 },
};

static const struct param open_params[] = {
	PLACE_ARG("REPOSITORY|DIR", REF, .required = true),
	OPEN_OPTIONS,
	{ 0 },
};

static const struct param gc_params[] = {
	PLACE_ARG("REPOSITORY|DIR", REF, .required = true),
	OPEN_OPTIONS,
	RATE_OPTION,
	{ 0 },
};

static const struct param scrub_params[] = {
	PLACE_ARG("REPOSITORY|DIR", REF, .required = true),
	OPEN_OPTIONS,
	WORD_OPTION("--share", "PERCENT", SHARE),
	RATE_OPTION,
	{ 0 },
};

static const struct param key_params[] = {
	WORD_ARG("DIR", DIR),
	OPEN_OPTIONS,
	WORD_FLAG("--add", ADD),
	WORD_OPTION("--new-key-file", "FILE", NEW_KEY_FILE),
	WORD_OPTION("--label", "TEXT", LABEL),
	WORD_OPTION("--remove", "KEY", REMOVE),
	{ 0 },
};

/* What names a place needs no daemon; what names one that the daemon knows needs no key. */
static const char *no_key(const struct context *ctx)
{
	return ctx->word[WORD_KEY_FILE] && !ctx->word[WORD_DIR] ?
	       "a DIR with a / in it, for --key-file" : NULL;
}

static int run_list_of(struct context *ctx)
{
	return ctx->word[WORD_DIR] ? run_helper(ctx) : run_list(ctx);
}

static int run_show_of(struct context *ctx)
{
	return ctx->word[WORD_DIR] ? run_helper(ctx) : run_show(ctx);
}

static int run_job_of(struct context *ctx)
{
	char why[256];
	int64_t share;

	if (ctx->word[WORD_DIR])
		return run_helper(ctx);
	if (ctx->word[WORD_SHARE]) {
		if (number_parse(ctx->word[WORD_SHARE], 1, 100, &share, why, sizeof(why)) < 0) {
			complain("--share: %s", why);
			return EXIT_FAILED;
		}
		ctx->request.share = (uint32_t)share;
		ctx->request.has |= BVOL_BIT(BVOL_A_REQUEST_SHARE);
	}
	return ask_rate(ctx) ? EXIT_FAILED : run_change(ctx);
}

const struct command repo_commands[] = {
	{
		.noun = "repo", .verb = "create", .params = create_params,
		.help = "make a repository of backups in an empty folder or an S3 bucket",
		.type = &bvol_type_repository, .run = run_helper,
	},
	{
		.noun = "repo", .verb = "attach", .params = attach_params,
		.help = "let the daemon know a repository, and find all backups in it",
		.call = BVOL_VERB_REPOSITORY_ATTACH, .type = &bvol_type_repository, .run = run_change,
	},
	{
		.noun = "repo", .verb = "detach", .params = detach_params,
		.help = "let the daemon forget a repository, which stays as it is",
		.call = BVOL_VERB_REPOSITORY_DETACH, .type = &bvol_type_repository, .run = run_change,
	},
	{
		.noun = "repo", .verb = "list", .params = list_params,
		.help = "the repositories that the daemon knows, or those in the folders of a folder",
		.call = BVOL_VERB_REPOSITORY_LIST, .type = &bvol_type_repository, .run = run_list_of,
		.columns = "id name path encrypted backups bytes error",
	},
	{
		.noun = "repo", .verb = "show", .params = open_params, .check = no_key,
		.help = "everything about a repository",
		.call = BVOL_VERB_REPOSITORY_LIST, .type = &bvol_type_repository, .run = run_show_of,
	},
	{
		.noun = "repo", .verb = "gc", .params = gc_params, .check = no_key,
		.help = "free what no backup needs",
		.call = BVOL_VERB_REPOSITORY_GC, .list = BVOL_VERB_JOB_LIST,
		.type = &bvol_type_job, .run = run_job_of,
	},
	{
		.noun = "repo", .verb = "scrub", .params = scrub_params, .check = no_key,
		.help = "read everything, name what is damaged and the backups that it hits",
		.call = BVOL_VERB_REPOSITORY_SCRUB, .list = BVOL_VERB_JOB_LIST,
		.type = &bvol_type_job, .run = run_job_of,
	},
	{
		.noun = "repo", .verb = "key", .params = key_params,
		.help = "list, add and remove the keys that open a repository",
		.type = &bvol_type_repository_key, .run = run_helper, .columns = "id method label",
	},
	{ 0 },
};
