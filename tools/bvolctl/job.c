// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

static const struct param list_params[] = {
	FLAG("--all", ALL),
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("JOB", REF),
	{ 0 },
};

const struct command job_commands[] = {
	{
		.noun = "job", .verb = "list", .params = list_params,
		.help = "jobs that have not ended, or with --all the ended ones too",
		.call = BVOL_VERB_JOB_LIST, .type = &bvol_type_job, .run = run_list,
		.columns = "id kind status progress step created_at error",
	},
	{
		.noun = "job", .verb = "show", .params = ref_params,
		.help = "everything about a job",
		.call = BVOL_VERB_JOB_LIST, .type = &bvol_type_job, .run = run_show,
	},
	{ 0 },
};
