// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

#define TYPE_OPTIONS \
	OPTION("--description", "TEXT", DESCRIPTION), \
	FLAG("--public", PUBLIC), FLAG("--private", PRIVATE), \
	OPTION("--property", "KEY=VALUE", EXTRA_SPECS)

static const struct param create_params[] = {
	ARG("NAME", NAME),
	TYPE_OPTIONS,
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("TYPE", REF),
	{ 0 },
};

static const struct param set_params[] = {
	ARG("TYPE", REF),
	OPTION("--name", "NAME", NAME),
	TYPE_OPTIONS,
	{ 0 },
};

static const struct param unset_params[] = {
	ARG("TYPE", REF),
	OPTION("--property", "KEY", KEYS, .required = true),
	{ 0 },
};

static const char *any_change(const struct context *ctx)
{
	return ctx->request.has & ~BVOL_BIT(BVOL_A_REQUEST_REF) ? NULL : "something to set";
}

const struct command type_commands[] = {
	{
		.noun = "type", .verb = "create", .params = create_params,
		.help = "make a type of volumes",
		.call = BVOL_VERB_TYPE_CREATE, .type = &bvol_type_volume_type, .run = run_change,
	},
	{
		.noun = "type", .verb = "list",
		.help = "all types of volumes",
		.call = BVOL_VERB_TYPE_LIST, .type = &bvol_type_volume_type, .run = run_list,
		.columns = "id name public extra_specs description",
	},
	{
		.noun = "type", .verb = "show", .params = ref_params,
		.help = "everything about a type",
		.call = BVOL_VERB_TYPE_LIST, .type = &bvol_type_volume_type, .run = run_show,
	},
	{
		.noun = "type", .verb = "set", .params = set_params,
		.help = "change a type; its properties while no volume is of it",
		.check = any_change,
		.call = BVOL_VERB_TYPE_SET, .type = &bvol_type_volume_type, .run = run_change,
	},
	{
		.noun = "type", .verb = "unset", .params = unset_params,
		.help = "take properties from a type that no volume is of",
		.call = BVOL_VERB_TYPE_UNSET, .type = &bvol_type_volume_type, .run = run_change,
	},
	{
		.noun = "type", .verb = "delete", .params = ref_params,
		.help = "delete a type that no volume is of",
		.call = BVOL_VERB_TYPE_DELETE, .type = &bvol_type_volume_type, .run = run_change,
	},
	{ 0 },
};
