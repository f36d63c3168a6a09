// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

#define REPO_OPTIONS \
	WORD_OPTION("--repo", "DIR", REPO, .required = true), \
	WORD_OPTION("--key-file", "FILE", KEY_FILE), \
	WORD_OPTION("--s3-credentials", "FILE", S3_CREDENTIALS)

static const struct param create_params[] = {
	WORD_OPTION("--from", "FILE_OR_DEVICE", FROM, .required = true),
	WORD_OPTION("--name", "NAME", NAME, .required = true),
	REPO_OPTIONS,
	WORD_OPTION("--parent", "BACKUP", PARENT),
	WORD_OPTION("--memory", "SIZE", MEMORY),
	RATE_OPTION,
	{ 0 },
};

static const struct param list_params[] = {
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
	REPO_OPTIONS,
	WORD_OPTION("--to", "FILE_OR_DEVICE", TO, .required = true),
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
	REPO_OPTIONS,
	WORD_OPTION("--offset", "SIZE", OFFSET),
	WORD_OPTION("--length", "SIZE", LENGTH),
	{ 0 },
};

const struct command backup_commands[] = {
	{
		.noun = "backup", .verb = "create", .params = create_params,
		.help = "back up a file or block device into a repository",
		.type = &bvol_type_backup, .run = run_helper,
	},
	{
		.noun = "backup", .verb = "list", .params = list_params,
		.help = "the backups in a repository",
		.type = &bvol_type_backup, .run = run_helper,
		.columns = "id name size is_incremental added created_at",
	},
	{
		.noun = "backup", .verb = "show", .params = show_params,
		.help = "everything about a backup",
		.type = &bvol_type_backup, .run = run_helper,
	},
	{
		.noun = "backup", .verb = "delete", .params = backup_params,
		.help = "forget a backup; repo gc frees what it took",
		.type = &bvol_type_backup, .run = run_helper,
	},
	{
		.noun = "backup", .verb = "restore", .params = restore_params,
		.help = "write a backup to a file or block device",
		.type = &bvol_type_repository_report, .run = run_helper,
	},
	{
		.noun = "backup", .verb = "verify", .params = verify_params,
		.help = "prove that a backup can be restored, without writing",
		.type = &bvol_type_repository_report, .run = run_helper,
	},
	{
		.noun = "backup", .verb = "cat", .params = cat_params,
		.help = "write bytes of a backup to standard output",
		.run = run_helper,
	},
	{ 0 },
};
