// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

const struct command diff_commands[] = {
	{
		.noun = "diff", .help = "what in the kernel is not as the database wants it",
		.call = BVOL_VERB_DIFF, .type = &bvol_type_difference, .run = run_list,
		.columns = "layer status object id name message",
	},
	{ 0 },
};
