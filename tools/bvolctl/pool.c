// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"
#include "print.h"

static const struct param create_params[] = {
	ARG("NAME", NAME),
	ARG("DEVICE", DEVICES),
	FLAG("--force", FORCE),
	OPTION("--chunk-size", "SIZE", CHUNK_SIZE, .bytes = true),
	OPTION("--reserve", "PERCENT", RESERVE),
	OPTION("--over-subscription", "PERCENT", OVER_SUBSCRIPTION),
	OPTION("--warn", "PERCENT,...", WARN),
	OPTION("--grow", "PERCENT", GROW),
	WIPE_OPTIONS,
	OPTION("--wipe-rate", "RATE", RATE, .rate = true),
	{ 0 },
};

static const struct param extend_params[] = {
	ARG("POOL", REF),
	ARG("DEVICE", DEVICES),
	FLAG("--spare", SPARE),
	FLAG("--force", FORCE),
	{ 0 },
};

static int set_no_verify(struct context *ctx, const char *value)
{
	if (ctx->request.has & BVOL_BIT(BVOL_A_REQUEST_VERIFY)) {
		complain("--verify and --no-verify say the opposite; leave out one of the two");
		return EXIT_FAILED;
	}
	ctx->request.has |= BVOL_BIT(BVOL_A_REQUEST_VERIFY);
	return 0;
}

static const struct param set_params[] = {
	ARG("POOL", REF),
	WIPE_OPTIONS,
	{ .name = "--no-verify", .set = set_no_verify },
	OPTION("--wipe-rate", "RATE", RATE, .rate = true),
	OPTION("--warn", "PERCENT,...", WARN),
	OPTION("--grow", "PERCENT", GROW),
	{ 0 },
};

static const char *check_set(const struct context *ctx)
{
	return ctx->request.has & ~BVOL_BIT(BVOL_A_REQUEST_REF) ? NULL :
	       "--wipe, --verify, --no-verify, --wipe-rate, --warn or --grow";
}

static const struct param ref_params[] = {
	ARG("POOL", REF),
	{ 0 },
};

static const struct param export_params[] = {
	ARG("POOL", REF),
	FLAG("--force", FORCE),
	{ 0 },
};

static const struct param import_params[] = {
	ARG("DEVICE", REF),
	OPTION("--name", "NAME", NAME),
	FLAG("--force", FORCE),
	{ 0 },
};

static const struct param scrub_params[] = {
	ARG("POOL", REF),
	WIPE_OPTIONS,
	{ 0 },
};

static const struct param repair_params[] = {
	ARG("POOL", REF),
	FLAG("--force", FORCE),
	{ 0 },
};

const struct command pool_commands[] = {
	{
		.noun = "pool", .verb = "create", .params = create_params,
		.help = "make a pool of thin volumes on block devices",
		.call = BVOL_VERB_POOL_CREATE, .list = BVOL_VERB_POOL_LIST,
		.type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "list",
		.help = "all pools and how full they are",
		.call = BVOL_VERB_POOL_LIST, .type = &bvol_type_pool, .run = run_list,
		.columns = "id name status data_total data_used metadata_total metadata_used "
			   "provisioned devices",
	},
	{
		.noun = "pool", .verb = "show", .params = ref_params,
		.help = "everything about a pool",
		.call = BVOL_VERB_POOL_LIST, .type = &bvol_type_pool, .run = run_show,
	},
	{
		.noun = "pool", .verb = "extend", .params = extend_params,
		.help = "give a pool more block devices, or keep them for it",
		.call = BVOL_VERB_POOL_EXTEND, .list = BVOL_VERB_POOL_LIST,
		.type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "set", .params = set_params, .check = check_set,
		.help = "how what is deleted is wiped, and when to tell of a pool's space",
		.call = BVOL_VERB_POOL_SET, .list = BVOL_VERB_POOL_LIST,
		.type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "delete", .params = ref_params,
		.help = "give an empty pool's devices back",
		.call = BVOL_VERB_POOL_DELETE, .type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "scrub", .params = scrub_params,
		.help = "overwrite what no volume of a pool has",
		.call = BVOL_VERB_POOL_SCRUB, .list = BVOL_VERB_POOL_LIST,
		.type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "check", .params = ref_params,
		.help = "read all of a pool's metadata and tell what is wrong with it",
		.call = BVOL_VERB_POOL_CHECK, .type = &bvol_type_difference, .run = run_check,
		.columns = "status object message",
	},
	{
		.noun = "pool", .verb = "export", .params = export_params,
		.help = "hand a pool over: take it down and leave all about it on its devices",
		.call = BVOL_VERB_POOL_EXPORT, .gone = "exported",
		.type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "import", .params = import_params,
		.help = "take a pool that is on devices, with all that lies in it",
		.call = BVOL_VERB_POOL_IMPORT, .list = BVOL_VERB_POOL_LIST,
		.type = &bvol_type_pool, .run = run_change,
	},
	{
		.noun = "pool", .verb = "repair", .params = repair_params,
		.help = "mend a pool's metadata that are damaged or need a check",
		.call = BVOL_VERB_POOL_REPAIR, .list = BVOL_VERB_POOL_LIST,
		.type = &bvol_type_pool, .run = run_change,
	},
	{ 0 },
};
