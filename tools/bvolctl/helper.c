// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "print.h"

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
