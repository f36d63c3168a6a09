// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

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

static const struct param dir_params[] = {
	WORD_ARG("DIR", DIR),
	{ 0 },
};

static const struct param open_params[] = {
	WORD_ARG("DIR", DIR),
	OPEN_OPTIONS,
	{ 0 },
};

static const struct param gc_params[] = {
	WORD_ARG("DIR", DIR),
	OPEN_OPTIONS,
	RATE_OPTION,
	{ 0 },
};

static const struct param scrub_params[] = {
	WORD_ARG("DIR", DIR),
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

const struct command repo_commands[] = {
	{
		.noun = "repo", .verb = "create", .params = create_params,
		.help = "make a repository of backups in an empty folder or an S3 bucket",
		.type = &bvol_type_repository, .run = run_helper,
	},
	{
		.noun = "repo", .verb = "list", .params = dir_params,
		.help = "the repositories in the folders of a folder",
		.type = &bvol_type_repository, .run = run_helper, .columns = "id path encrypted",
	},
	{
		.noun = "repo", .verb = "show", .params = open_params,
		.help = "everything about a repository",
		.type = &bvol_type_repository, .run = run_helper,
	},
	{
		.noun = "repo", .verb = "gc", .params = gc_params,
		.help = "free what no backup needs",
		.type = &bvol_type_repository_report, .run = run_helper,
	},
	{
		.noun = "repo", .verb = "scrub", .params = scrub_params,
		.help = "read everything, name what is damaged and the backups that it hits",
		.type = &bvol_type_repository_report, .run = run_helper,
	},
	{
		.noun = "repo", .verb = "key", .params = key_params,
		.help = "list, add and remove the keys that open a repository",
		.type = &bvol_type_repository_key, .run = run_helper, .columns = "id method label",
	},
	{ 0 },
};
