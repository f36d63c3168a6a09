// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

static const struct param create_params[] = {
	ARG("NAME", NAME),
	OPTION("--volume", "VOLUME", MEMBERS),
	OPTION("--project", "PROJECT", PROJECT),
	{ 0 },
};

static const struct param list_params[] = {
	OPTION("--project", "PROJECT", PROJECT),
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("GROUP", REF),
	{ 0 },
};

static const struct param members_params[] = {
	ARG("GROUP", REF),
	OPTION("--volume", "VOLUME", MEMBERS, .required = true),
	{ 0 },
};

static const struct param snapshot_params[] = {
	ARG("GROUP", GROUP),
	ARG("NAME", NAME),
	{ 0 },
};

static const struct param snapshot_list_params[] = {
	OPTION("--group", "GROUP", GROUP),
	OPTION("--project", "PROJECT", PROJECT),
	{ 0 },
};

static const struct param snapshot_ref_params[] = {
	ARG("GROUP-SNAPSHOT", REF),
	{ 0 },
};

static const struct param snapshot_delete_params[] = {
	ARG("GROUP-SNAPSHOT", REF),
	WIPE_OPTIONS,
	{ 0 },
};

const struct command group_commands[] = {
	{
		.noun = "group", .verb = "create", .params = create_params,
		.help = "make a group of volumes of one pool",
		.call = BVOL_VERB_GROUP_CREATE, .type = &bvol_type_group, .run = run_change,
	},
	{
		.noun = "group", .verb = "list", .params = list_params,
		.help = "all groups, or those of a project",
		.call = BVOL_VERB_GROUP_LIST, .type = &bvol_type_group, .run = run_list,
		.columns = "id name status pool project volumes",
	},
	{
		.noun = "group", .verb = "show", .params = ref_params,
		.help = "everything about a group",
		.call = BVOL_VERB_GROUP_LIST, .type = &bvol_type_group, .run = run_show,
	},
	{
		.noun = "group", .verb = "add", .params = members_params,
		.help = "make volumes members of a group",
		.call = BVOL_VERB_GROUP_ADD, .type = &bvol_type_group, .run = run_change,
	},
	{
		.noun = "group", .verb = "remove", .params = members_params,
		.help = "volumes are members no more",
		.call = BVOL_VERB_GROUP_REMOVE, .type = &bvol_type_group, .run = run_change,
	},
	{
		.noun = "group", .verb = "delete", .params = ref_params,
		.help = "delete a group that has no snapshots, and leave its volumes",
		.call = BVOL_VERB_GROUP_DELETE, .type = &bvol_type_group, .run = run_change,
	},
	{
		.noun = "group", .verb = "snapshot", .params = snapshot_params,
		.help = "a snapshot of each member, all of one moment",
		.call = BVOL_VERB_GROUP_SNAPSHOT_CREATE, .list = BVOL_VERB_GROUP_SNAPSHOT_LIST,
		.type = &bvol_type_group_snapshot, .run = run_change,
	},
	{
		.noun = "group", .verb = "snapshot-list", .params = snapshot_list_params,
		.help = "all group snapshots, or those of a group or project",
		.call = BVOL_VERB_GROUP_SNAPSHOT_LIST, .type = &bvol_type_group_snapshot,
		.run = run_list, .columns = "id name status group_id project snapshots",
	},
	{
		.noun = "group", .verb = "snapshot-show", .params = snapshot_ref_params,
		.help = "everything about a group snapshot",
		.call = BVOL_VERB_GROUP_SNAPSHOT_LIST, .type = &bvol_type_group_snapshot,
		.run = run_show,
	},
	{
		.noun = "group", .verb = "snapshot-delete", .params = snapshot_delete_params,
		.help = "delete a group snapshot with its snapshots",
		.call = BVOL_VERB_GROUP_SNAPSHOT_DELETE, .type = &bvol_type_group_snapshot,
		.run = run_change,
	},
	{ 0 },
};
