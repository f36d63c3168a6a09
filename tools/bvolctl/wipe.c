// SPDX-License-Identifier: LGPL-2.1-or-later
#include <string.h>

#include "command.h"
#include "print.h"

static const struct param list_params[] = {
	OPTION("--project", "PROJECT", PROJECT),
	{ 0 },
};

static const struct param ref_params[] = {
	ARG("UUID", REF),
	{ 0 },
};

static const struct param check_params[] = {
	OPTION("--head", "HASH", HEAD),
	{ 0 },
};

/* Sum up what the daemon says of some records after the other. */
static int check_chain(struct context *ctx, struct bvol_chain **ret)
{
	uint64_t records = 0;

	for (;;) {
		struct bvol_response *response;
		struct bvol_chain *chain;
		bool more;

		if (bvol_call(ctx->bvol, ctx->command->call, &ctx->request, ctx->timeout_ms,
			      &response) < 0)
			return context_fail(ctx);
		chain = response->chain ? response->chain[0] : NULL;
		more = bvol_has(response, BVOL_A_RESPONSE_MORE);
		ctx->request.after = response->more;
		ctx->request.has |= BVOL_BIT(BVOL_A_REQUEST_AFTER);
		ctx->request.has &= ~BVOL_BIT(BVOL_A_REQUEST_HEAD);
		if (chain) {
			records += chain->records;
			chain->records = records;
			response->chain[0] = NULL;
		}
		bvol_free(&bvol_type_response, response);
		if (!more || !chain || chain->message) {
			*ret = chain;
			return 0;
		}
		bvol_free(&bvol_type_chain, chain);
	}
}

static int run_verify(struct context *ctx)
{
	struct bvol_chain *chain = NULL;
	int r = EXIT_FAILED;

	if (context_connect(ctx) || check_chain(ctx, &chain))
		return EXIT_FAILED;
	if (!chain)
		complain("bvold's answer has no chain in it");
	else if (chain->message)
		complain("%s; the %llu before fit", chain->message, (unsigned long long)chain->records);
	else
		r = 0;
	if (!r)
		print_object(&bvol_type_chain, chain, NULL, ctx->json, stdout);
	bvol_free(&bvol_type_chain, chain);
	return r;
}

const struct command wipe_commands[] = {
	{
		.noun = "wipe", .verb = "list", .params = list_params,
		.help = "what became of the bytes of all that was deleted",
		.call = BVOL_VERB_WIPE_LIST, .type = &bvol_type_proof, .run = run_list,
		.columns = "number finished_at what name project pool policy verified "
			   "bytes_overwritten bytes_discarded id",
	},
	{
		.noun = "wipe", .verb = "show", .params = ref_params,
		.help = "everything about one of these records, by its UUID or that of what was deleted",
		.call = BVOL_VERB_WIPE_LIST, .type = &bvol_type_proof, .run = run_show,
	},
	{
		.noun = "wipe", .verb = "verify-chain", .params = check_params,
		.help = "whether all records are there as they were written, and the hash of the last one",
		.call = BVOL_VERB_WIPE_CHECK, .type = &bvol_type_chain, .run = run_verify,
	},
	{ 0 },
};
