// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

static const struct param create_params[] = {
	ARG("VOLUME", VOLUME),
	OPTION("--initiator", "IQN", INITIATORS, .required = true),
	OPTION("--portal", "ADDR:PORT", PORTALS),
	OPTION("--fabric", "iscsi", FABRIC),
	{ 0 },
};

static const struct param show_params[] = {
	ARG("EXPORT|VOLUME", REF),
	FLAG("--secrets", SECRETS),
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("EXPORT|VOLUME", REF),
	{ 0 },
};

const struct command export_commands[] = {
	{
		.noun = "export", .verb = "create", .params = create_params,
		.help = "let these initiators reach a volume, and show the secret they need",
		.call = BVOL_VERB_EXPORT_CREATE, .list = BVOL_VERB_EXPORT_LIST, .secrets = true,
		.type = &bvol_type_export, .run = run_change,
	},
	{
		.noun = "export", .verb = "list",
		.help = "all exports",
		.call = BVOL_VERB_EXPORT_LIST, .type = &bvol_type_export, .run = run_list,
		.columns = "id status volume_id size lun target portals initiators",
	},
	{
		.noun = "export", .verb = "show", .params = show_params,
		.help = "everything about an export",
		.call = BVOL_VERB_EXPORT_LIST, .type = &bvol_type_export, .run = run_show,
	},
	{
		.noun = "export", .verb = "delete", .params = ref_params,
		.help = "end an export and its sessions",
		.call = BVOL_VERB_EXPORT_DELETE, .type = &bvol_type_export, .run = run_change,
	},
	{ 0 },
};
