// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"
#include "print.h"

static int show(struct context *ctx)
{
	struct bvol_info *info;

	if (context_connect(ctx))
		return EXIT_FAILED;
	if (bvol_info(ctx->bvol, &info) < 0)
		return context_fail(ctx);
	print_object(&bvol_type_info, info, NULL, ctx->json, stdout);
	bvol_free(&bvol_type_info, info);
	return 0;
}

const struct command info_commands[] = {
	{ .noun = "info", .help = "state of the kernel module and of bvold", .run = show },
	{ 0 },
};
