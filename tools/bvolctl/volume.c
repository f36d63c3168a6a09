// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

static const struct param create_params[] = {
	ARG("NAME", NAME),
	OPTION("--size", "SIZE", SIZE, .bytes = true),
	OPTION("--pool", "POOL", POOL),
	OPTION("--snapshot", "SNAPSHOT", SNAPSHOT),
	OPTION("--volume", "VOLUME", VOLUME),
	OPTION("--type", "TYPE", TYPE),
	OPTION("--group", "GROUP", GROUP),
	OPTION("--project", "PROJECT", PROJECT),
	{ 0 },
};

static const struct param list_params[] = {
	OPTION("--project", "PROJECT", PROJECT),
	OPTION("--pool", "POOL", POOL),
	{ 0 },
};

static const struct param delete_params[] = {
	ARG("VOLUME", REF),
	WIPE_OPTIONS,
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("VOLUME", REF),
	{ 0 },
};

static const struct param extend_params[] = {
	ARG("VOLUME", REF),
	OPTION("--size", "SIZE", SIZE, .required = true, .bytes = true),
	{ 0 },
};

static const struct param revert_params[] = {
	ARG("VOLUME", REF),
	OPTION("--snapshot", "SNAPSHOT", SNAPSHOT, .required = true),
	{ 0 },
};

static const char *size_or_origin(const struct context *ctx)
{
	return ctx->request.has & (BVOL_BIT(BVOL_A_REQUEST_SIZE) |
				   BVOL_BIT(BVOL_A_REQUEST_SNAPSHOT) |
				   BVOL_BIT(BVOL_A_REQUEST_VOLUME)) ? NULL :
	       "--size, --snapshot or --volume";
}

const struct command volume_commands[] = {
	{
		.noun = "volume", .verb = "create", .params = create_params,
		.help = "make a volume, empty or a copy of a snapshot or volume and then of its size unless told",
		.check = size_or_origin,
		.call = BVOL_VERB_VOLUME_CREATE, .list = BVOL_VERB_VOLUME_LIST,
		.type = &bvol_type_volume, .run = run_change,
	},
	{
		.noun = "volume", .verb = "list", .params = list_params,
		.help = "all volumes, or those of a project or pool",
		.call = BVOL_VERB_VOLUME_LIST, .type = &bvol_type_volume, .run = run_list,
		.columns = "id name status size pool project",
	},
	{
		.noun = "volume", .verb = "show", .params = ref_params,
		.help = "everything about a volume",
		.call = BVOL_VERB_VOLUME_LIST, .usage = true, .type = &bvol_type_volume,
		.run = run_show,
	},
	{
		.noun = "volume", .verb = "delete", .params = delete_params,
		.help = "delete a volume that has no snapshots and no export",
		.call = BVOL_VERB_VOLUME_DELETE, .type = &bvol_type_volume, .run = run_change,
	},
	{
		.noun = "volume", .verb = "extend", .params = extend_params,
		.help = "make a volume larger, also while it is in use",
		.call = BVOL_VERB_VOLUME_EXTEND, .list = BVOL_VERB_VOLUME_LIST,
		.type = &bvol_type_volume, .run = run_change,
	},
	{
		.noun = "volume", .verb = "revert", .params = revert_params,
		.help = "give a volume the content of one of its snapshots",
		.call = BVOL_VERB_VOLUME_REVERT, .list = BVOL_VERB_VOLUME_LIST,
		.type = &bvol_type_volume, .run = run_change,
	},
	{ 0 },
};
