// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

const struct command session_commands[] = {
	{
		/* The kernel module knows the sessions, also while no daemon runs. */
		.noun = "session", .verb = "list", .walk = bvol_sessions,
		.help = "initiators that are logged in",
		.type = &bvol_type_session, .run = run_list,
		.columns = "id status initiator volume_id export_id created_at",
	},
	{ 0 },
};
