// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

static const struct param show_params[] = {
	{ .value = "PROJECT", .attr = BVOL_A_REQUEST_REF },
	{ 0 },
};

static const struct param set_params[] = {
	ARG("PROJECT", REF),
	OPTION("--volumes", "N", VOLUMES),
	OPTION("--snapshots", "N", SNAPSHOTS),
	OPTION("--gigabytes", "N", GIGABYTES),
	{ 0 },
};

static const char *any_limit(const struct context *ctx)
{
	return ctx->request.has & (BVOL_BIT(BVOL_A_REQUEST_VOLUMES) |
				   BVOL_BIT(BVOL_A_REQUEST_SNAPSHOTS) |
				   BVOL_BIT(BVOL_A_REQUEST_GIGABYTES)) ? NULL : "a limit to set";
}

static int show(struct context *ctx)
{
	return bvol_has(&ctx->request, BVOL_A_REQUEST_REF) ? run_show(ctx) : run_list(ctx);
}

const struct command quota_commands[] = {
	{
		.noun = "quota", .verb = "show", .params = show_params,
		.help = "what projects, or this one, may have and have; -1 is no limit",
		.call = BVOL_VERB_QUOTA_LIST, .type = &bvol_type_quota, .run = show,
		.columns = "project volumes volumes_used snapshots snapshots_used gigabytes "
			   "gigabytes_used",
	},
	{
		.noun = "quota", .verb = "set", .params = set_params,
		.help = "limit a project; -1 for no limit, gigabytes in GiB",
		.check = any_limit,
		.call = BVOL_VERB_QUOTA_SET, .type = &bvol_type_quota, .run = run_change,
	},
	{ 0 },
};
