// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

/*
 * Each command has two sides: with --repo DIR it works by itself, without it the
 * daemon does it. These belong to the first.
 */
#define REPO_OPTIONS \
	WORD_OPTION("--repo", "DIR", REPO), \
	WORD_OPTION("--key-file", "FILE", KEY_FILE), \
	WORD_OPTION("--s3-credentials", "FILE", S3_CREDENTIALS)

static const struct param create_params[] = {
	{ .value = "VOLUME", .attr = BVOL_A_REQUEST_VOLUME },
	{ .value = "NAME", .attr = BVOL_A_REQUEST_NAME },
	OPTION("--snapshot", "SNAPSHOT", SNAPSHOT),
	OPTION("--repository", "REPOSITORY", REPOSITORY),
	FLAG("--incremental", INCREMENTAL),
	WORD_OPTION("--parent", "BACKUP", PARENT),
	WORD_OPTION("--from", "FILE_OR_DEVICE", FROM),
	WORD_OPTION("--name", "NAME", NAME),
	REPO_OPTIONS,
	WORD_OPTION("--memory", "SIZE", MEMORY),
	RATE_OPTION,
	{ 0 },
};

static const struct param list_params[] = {
	OPTION("--repository", "REPOSITORY", REPOSITORY),
	OPTION("--volume", "VOLUME", VOLUME),
	OPTION("--project", "PROJECT", PROJECT),
	REPO_OPTIONS,
	{ 0 },
};

static const struct param show_params[] = {
	WORD_ARG("BACKUP", BACKUP),
	REPO_OPTIONS,
	WORD_FLAG("--map", MAP),
	{ 0 },
};

static const struct param backup_params[] = {
	WORD_ARG("BACKUP", BACKUP),
	REPO_OPTIONS,
	{ 0 },
};

static const struct param restore_params[] = {
	WORD_ARG("BACKUP", BACKUP),
	OPTION("--volume", "VOLUME", VOLUME),
	WORD_OPTION("--name", "NAME", NAME),
	OPTION("--pool", "POOL", POOL),
	OPTION("--type", "TYPE", TYPE),
	OPTION("--project", "PROJECT", PROJECT),
	REPO_OPTIONS,
	WORD_OPTION("--to", "FILE_OR_DEVICE", TO),
	WORD_FLAG("--diff", DIFF),
	RATE_OPTION,
	{ 0 },
};

static const struct param verify_params[] = {
	WORD_ARG("BACKUP", BACKUP),
	REPO_OPTIONS,
	RATE_OPTION,
	{ 0 },
};

static const struct param cat_params[] = {
	WORD_ARG("BACKUP", BACKUP),
	WORD_OPTION("--repo", "DIR", REPO, .required = true),
	WORD_OPTION("--key-file", "FILE", KEY_FILE),
	WORD_OPTION("--s3-credentials", "FILE", S3_CREDENTIALS),
	WORD_OPTION("--offset", "SIZE", OFFSET),
	WORD_OPTION("--length", "SIZE", LENGTH),
	{ 0 },
};

/* What one side takes and the other does not. */
static const char *check_sides(const struct context *ctx)
{
	static const struct {
		enum word word;
		const char *missing;
	} alone[] = {
		{ WORD_FROM, "--repo, for --from" }, { WORD_KEY_FILE, "--repo, for --key-file" },
		{ WORD_S3_CREDENTIALS, "--repo, for --s3-credentials" },
		{ WORD_MEMORY, "--repo, for --memory" }, { WORD_MAP, "--repo, for --map" },
		{ WORD_TO, "--repo, for --to" }, { WORD_DIFF, "--repo, for --diff" },
	};

	if (ctx->word[WORD_REPO])
		return ctx->request.has ? "a choice: --repo, or what the daemon alone can do" : NULL;
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		if (ctx->word[alone[i].word])
			return alone[i].missing;
	return NULL;
}

static const char *check_create(const struct context *ctx)
{
	const char *missing = check_sides(ctx);
	bool snapshot = ctx->request.has & BVOL_BIT(BVOL_A_REQUEST_SNAPSHOT);

	if (missing)
		return missing;
	if (ctx->word[WORD_REPO])
		return !ctx->word[WORD_FROM] ? "--from" : !ctx->word[WORD_NAME] ? "--name" : NULL;
	if (ctx->word[WORD_NAME])
		return "--repo, for --name";
	if (!ctx->request.volume)
		return snapshot ? "NAME" : "VOLUME or --snapshot";
	return snapshot || ctx->request.name ? NULL : "NAME";
}

static const char *check_restore(const struct context *ctx)
{
	const char *missing = check_sides(ctx);

	if (missing || !ctx->word[WORD_REPO])
		return missing;
	return ctx->word[WORD_TO] ? NULL : "--to";
}

static void ask(struct context *ctx, uint16_t attr, char **field, enum word word)
{
	if (!ctx->word[word])
		return;
	*field = (char *)ctx->word[word];
	ctx->request.has |= BVOL_BIT(attr);
}

/* The daemon's words are the request's. */
static void ask_all(struct context *ctx)
{
	struct bvol_request *rq = &ctx->request;

	ask(ctx, BVOL_A_REQUEST_REF, &rq->ref, WORD_BACKUP);
	ask(ctx, BVOL_A_REQUEST_NAME, &rq->name, WORD_NAME);
	ask(ctx, BVOL_A_REQUEST_PARENT, &rq->parent, WORD_PARENT);
}

static int run_create(struct context *ctx)
{
	struct bvol_request *rq = &ctx->request;

	if (ctx->word[WORD_REPO])
		return run_helper(ctx);
	ask_all(ctx);
	if (ask_rate(ctx))
		return EXIT_FAILED;
	/* With a snapshot there is no volume, and what comes first is the name. */
	if (rq->snapshot && !rq->name) {
		rq->name = rq->volume;
		rq->volume = NULL;
		rq->has &= ~BVOL_BIT(BVOL_A_REQUEST_VOLUME);
		rq->has |= BVOL_BIT(BVOL_A_REQUEST_NAME);
	}
	return run_change(ctx);
}

static int run_list_of(struct context *ctx)
{
	return ctx->word[WORD_REPO] ? run_helper(ctx) : run_list(ctx);
}

static int run_show_of(struct context *ctx)
{
	if (ctx->word[WORD_REPO])
		return run_helper(ctx);
	ask_all(ctx);
	return run_show(ctx);
}

static int run_change_of(struct context *ctx)
{
	if (ctx->word[WORD_REPO])
		return run_helper(ctx);
	ask_all(ctx);
	return ask_rate(ctx) ? EXIT_FAILED : run_change(ctx);
}

const struct command backup_commands[] = {
	{
		.noun = "backup", .verb = "create", .params = create_params, .check = check_create,
		.help = "back up a volume or snapshot, or with --repo a file or block device",
		.call = BVOL_VERB_BACKUP_CREATE, .list = BVOL_VERB_BACKUP_LIST,
		.type = &bvol_type_backup, .run = run_create,
	},
	{
		.noun = "backup", .verb = "list", .params = list_params, .check = check_sides,
		.help = "the backups that the daemon knows, or with --repo those in a repository",
		.call = BVOL_VERB_BACKUP_LIST, .type = &bvol_type_backup, .run = run_list_of,
		.columns = "id name status repository volume_name size is_incremental added created_at",
	},
	{
		.noun = "backup", .verb = "show", .params = show_params, .check = check_sides,
		.help = "everything about a backup",
		.call = BVOL_VERB_BACKUP_LIST, .type = &bvol_type_backup, .run = run_show_of,
	},
	{
		.noun = "backup", .verb = "delete", .params = backup_params, .check = check_sides,
		.help = "forget a backup; repo gc frees what it took",
		.call = BVOL_VERB_BACKUP_DELETE, .type = &bvol_type_backup, .run = run_change_of,
	},
	{
		.noun = "backup", .verb = "restore", .params = restore_params, .check = check_restore,
		.help = "write a backup to a new or another volume, or with --repo to a file or block device",
		.call = BVOL_VERB_BACKUP_RESTORE, .list = BVOL_VERB_VOLUME_LIST,
		.type = &bvol_type_volume, .run = run_change_of,
	},
	{
		.noun = "backup", .verb = "verify", .params = verify_params, .check = check_sides,
		.help = "prove that a backup can be restored, without writing",
		.call = BVOL_VERB_BACKUP_VERIFY, .list = BVOL_VERB_JOB_LIST,
		.type = &bvol_type_job, .run = run_change_of,
	},
	{
		.noun = "backup", .verb = "cat", .params = cat_params,
		.help = "write bytes of a backup to standard output",
		.run = run_helper,
	},
	{ 0 },
};
