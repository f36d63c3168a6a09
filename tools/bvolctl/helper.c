// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "print.h"
#include "size.h"

#define HELPER "bvol-backup"

/* Beside this program as it is after a build, else where it was installed. */
int run_helper(struct context *ctx)
{
	char self[PATH_MAX], path[PATH_MAX + sizeof("/../" HELPER "/" HELPER)];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/../" HELPER "/" HELPER, self);
		execv(path, ctx->argv);
	}
	execv(BVOL_LIBEXECDIR "/" HELPER, ctx->argv);
	complain("cannot start " BVOL_LIBEXECDIR "/" HELPER ": %s", strerror(errno));
	return EXIT_FAILED;
}

int ask_rate(struct context *ctx)
{
	const char *text = ctx->word[WORD_RATE];
	char why[256];

	if (!text)
		return 0;
	ctx->request.has |= BVOL_BIT(BVOL_A_REQUEST_RATE);
	if (!strcmp(text, "none") || !strcmp(text, "0") ||
	    size_parse(text, INT64_MAX, &ctx->request.rate, why, sizeof(why)) >= 0)
		return 0;
	complain("--rate: %s", why);
	return EXIT_FAILED;
}
