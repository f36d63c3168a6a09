// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bvol-backup: bvolctl starts it with its own command line.
 *
 *	open.c		repositories, their keys, backups by name
 *	progress.c	how far it is, Ctrl-C
 *	repo.c backup.c	one function for each command
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static const struct {
	const char *noun, *verb;
	int (*run)(struct context *ctx);
} commands[] = {
	{ "repo", "create", repo_create_command },
	{ "repo", "list", repo_list_command },
	{ "repo", "show", repo_show_command },
	{ "repo", "gc", repo_gc_command },
	{ "repo", "scrub", repo_scrub_command },
	{ "repo", "key", repo_key_command },
	{ "backup", "create", backup_create_command },
	{ "backup", "list", backup_list_command },
	{ "backup", "show", backup_show_command },
	{ "backup", "delete", backup_delete_command },
	{ "backup", "restore", backup_restore_command },
	{ "backup", "verify", backup_verify_command },
	{ "backup", "cat", backup_cat_command },
};

static int run(struct context *ctx, int argc, char **argv)
{
	int r = parse_arguments(ctx, argc, argv);

	if (r)
		return r;
	for (size_t i = 0; ctx->command && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].noun, ctx->command->noun) && ctx->command->verb &&
		    !strcmp(commands[i].verb, ctx->command->verb))
			return ctx->help ? (print_usage(ctx->command, stdout), 0) : commands[i].run(ctx);
	complain("this program is a part of bvolctl, which starts it");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct context ctx = { .wait = true };
	int status = run(&ctx, argc, argv);

	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %s", strerror(errno));
		status = status ?: EXIT_FAILED;
	}
	/* Threads that hang in the repository still use what exit() would tear down. */
	if (copy_abandoned())
		_exit(status);
	return status;
}
