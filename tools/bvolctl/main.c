// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bvolctl: what the command line asks for, one file for each noun.
 *
 *	arguments.c	argv into a request, usage
 *	run.c		list, show and change, which most commands are
 *	wait.c		until a job has ended
 *	print.c json.c	objects on standard output
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "print.h"

#define TIMEOUT_MS 60000

static int show_help(const struct context *ctx)
{
	if (ctx->version)
		puts("bvolctl " BVOL_VERSION);
	else if (ctx->command)
		print_usage(ctx->command, stdout);
	else
		print_help(ctx->noun, stdout);
	return 0;
}

static int run(struct context *ctx, int argc, char **argv)
{
	int r = parse_arguments(ctx, argc, argv);

	if (r)
		return r;
	if (ctx->help || ctx->version)
		return show_help(ctx);
	return ctx->command->run(ctx);
}

int main(int argc, char **argv)
{
	struct context ctx = { .wait = true, .timeout_ms = TIMEOUT_MS,
			       .since = BVOL_EVENTS_NEW };
	int status = run(&ctx, argc, argv);

	bvol_close(ctx.bvol);
	free(ctx.request.devices);
	free(ctx.request.members);
	free(ctx.request.extra_specs);
	free(ctx.request.keys);
	free(ctx.request.initiators);
	free(ctx.request.portals);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %s", strerror(errno));
		status = status ?: EXIT_FAILED;
	}
	return status;
}
