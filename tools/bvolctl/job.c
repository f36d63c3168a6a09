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

static const struct param set_params[] = {
	ARG("JOB", REF),
	OPTION("--rate", "RATE", RATE, .required = true, .rate = true),
	{ 0 },
};

const struct command job_commands[] = {
	{
		.noun = "job", .verb = "list", .params = list_params,
		.help = "jobs that have not ended, or with --all the ended ones too",
		.call = BVOL_VERB_JOB_LIST, .type = &bvol_type_job, .run = run_list,
		.columns = "id kind status progress bytes_done bytes_total rate seconds_left step "
			   "created_at waiting error",
	},
	{
		.noun = "job", .verb = "show", .params = ref_params,
		.help = "everything about a job",
		.call = BVOL_VERB_JOB_LIST, .type = &bvol_type_job, .run = run_show,
	},
	{
		.noun = "job", .verb = "cancel", .params = ref_params,
		.help = "stop a wipe, or work in a repository, for good",
		.call = BVOL_VERB_JOB_CANCEL, .type = &bvol_type_job, .run = run_change,
	},
	{
		.noun = "job", .verb = "pause", .params = ref_params,
		.help = "let a job that takes long stand still until it is told to go on",
		.call = BVOL_VERB_JOB_PAUSE, .type = &bvol_type_job, .run = run_change,
	},
	{
		.noun = "job", .verb = "resume", .params = ref_params,
		.help = "let a paused job go on",
		.call = BVOL_VERB_JOB_RESUME, .type = &bvol_type_job, .run = run_change,
	},
	{
		.noun = "job", .verb = "set", .params = set_params,
		.help = "limit how many bytes a second a job does",
		.call = BVOL_VERB_JOB_SET, .type = &bvol_type_job, .run = run_change,
	},
	{ 0 },
};
