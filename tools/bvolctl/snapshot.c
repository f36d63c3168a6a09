// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

static const struct param create_params[] = {
	ARG("VOLUME", VOLUME),
	ARG("NAME", NAME),
	{ 0 },
};

static const struct param list_params[] = {
	OPTION("--volume", "VOLUME", VOLUME),
	OPTION("--project", "PROJECT", PROJECT),
	{ 0 },
};

static const struct param delete_params[] = {
	ARG("SNAPSHOT", REF),
	WIPE_OPTIONS,
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("SNAPSHOT", REF),
	{ 0 },
};

const struct command snapshot_commands[] = {
	{
		.noun = "snapshot", .verb = "create", .params = create_params,
		.help = "keep a volume's present content, also while it is in use",
		.call = BVOL_VERB_SNAPSHOT_CREATE, .list = BVOL_VERB_SNAPSHOT_LIST,
		.type = &bvol_type_snapshot, .run = run_change,
	},
	{
		.noun = "snapshot", .verb = "list", .params = list_params,
		.help = "all snapshots, or those of a volume or project",
		.call = BVOL_VERB_SNAPSHOT_LIST, .type = &bvol_type_snapshot, .run = run_list,
		.columns = "id name status size volume_id project",
	},
	{
		.noun = "snapshot", .verb = "show", .params = ref_params,
		.help = "everything about a snapshot",
		.call = BVOL_VERB_SNAPSHOT_LIST, .usage = true, .type = &bvol_type_snapshot,
		.run = run_show,
	},
	{
		.noun = "snapshot", .verb = "delete", .params = delete_params,
		.help = "delete a snapshot",
		.call = BVOL_VERB_SNAPSHOT_DELETE, .type = &bvol_type_snapshot, .run = run_change,
	},
	{ 0 },
};
