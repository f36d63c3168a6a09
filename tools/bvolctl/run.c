// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "print.h"
#include "wait.h"

int context_fail(struct context *ctx)
{
	const char *sentence = bvol_sentence(ctx->bvol);

	complain("%s", *sentence ? sentence : "out of memory");
	return EXIT_FAILED;
}

int context_connect(struct context *ctx)
{
	return bvol_open(ctx->transport, ctx->socket, &ctx->bvol) < 0 ? context_fail(ctx) : 0;
}

/* Printing what a verb lists */

int run_list(struct context *ctx)
{
	const struct command *command = ctx->command;
	struct listing *listing = listing_new(command->type, command->columns, ctx->json);
	int r;

	if (!listing || context_connect(ctx)) {
		listing_free(listing);
		return EXIT_FAILED;
	}
	if (command->walk)
		r = command->walk(ctx->bvol, listing_add, listing);
	else
		r = bvol_list(ctx->bvol, command->call, &ctx->request, command->type, listing_add,
			      listing);
	if (r < 0) {
		listing_free(listing);
		return context_fail(ctx);
	}
	listing_end(listing, stdout);
	return 0;
}

/* Single objects */

static const struct bvol_field *member_of_response(const struct bvol_type *type)
{
	for (size_t i = 0; i < bvol_type_response.n_fields; i++)
		if (bvol_type_response.fields[i].nest == type)
			return &bvol_type_response.fields[i];
	return NULL;
}

/* The first object of this type in a response, NULL when there is none. */
static void *object_of(struct bvol_response *response, const struct bvol_type *type)
{
	void **objects = *(void **)((char *)response + member_of_response(type)->offset);

	return objects ? objects[0] : NULL;
}

/* Print the one object of a response. */
static int print_answer(struct context *ctx, struct bvol_response *response,
			const struct bvol_uuid *job_id)
{
	void *obj = object_of(response, ctx->command->type);

	if (!obj) {
		complain("bvold's answer has no %s in it", ctx->command->type->name);
		return EXIT_FAILED;
	}
	print_object(ctx->command->type, obj, job_id, ctx->json, stdout);
	return 0;
}

int run_show(struct context *ctx)
{
	struct bvol_response *response;
	int r;

	if (context_connect(ctx))
		return EXIT_FAILED;
	if (ctx->command->usage) {
		ctx->request.has |= BVOL_BIT(BVOL_A_REQUEST_USAGE);
		ctx->request.usage = 1;
	}
	if (bvol_call(ctx->bvol, ctx->command->call, &ctx->request, ctx->timeout_ms, &response) < 0)
		return context_fail(ctx);
	r = print_answer(ctx, response, NULL);
	bvol_free(&bvol_type_response, response);
	return r;
}

int run_check(struct context *ctx)
{
	const struct bvol_type *type = ctx->command->type;
	struct listing *listing = listing_new(type, ctx->command->columns, ctx->json);
	struct bvol_response *response;
	void **objects;
	size_t n = 0;

	if (!listing || context_connect(ctx)) {
		listing_free(listing);
		return EXIT_FAILED;
	}
	if (bvol_call(ctx->bvol, ctx->command->call, &ctx->request, -1, &response) < 0) {
		listing_free(listing);
		return context_fail(ctx);
	}
	objects = *(void **)((char *)response + member_of_response(type)->offset);
	while (objects && objects[n])
		listing_add(objects[n++], listing);
	if (n || ctx->json)
		listing_end(listing, stdout);
	else
		listing_free(listing);
	bvol_free(&bvol_type_response, response);
	return n ? EXIT_FAILED : 0;
}

/* Changes */

/* As it is now that the job is done; who created an export gets to know its secret. */
static int print_again(struct context *ctx, struct bvol_uuid *id)
{
	char ref[BVOL_UUID_TEXT];
	struct bvol_request request = {
		.has = BVOL_BIT(BVOL_A_REQUEST_REF), .ref = bvol_uuid_text(id, ref),
	};
	struct bvol_response *response;
	int r;

	if (ctx->command->secrets) {
		request.has |= BVOL_BIT(BVOL_A_REQUEST_SECRETS);
		request.secrets = 1;
	}
	if (patient_call(ctx, ctx->command->list, &request, &response) < 0)
		return context_fail(ctx);
	r = print_answer(ctx, response, NULL);
	bvol_free(&bvol_type_response, response);
	return r;
}

/* Of a deleted object nothing can be read again. */
static void set_gone(const struct command *command, void *obj)
{
	const struct bvol_field *status = bvol_field(command->type, "status");

	if (status && status->kind == BVOL_ENUM)
		bvol_enum_parse(status->values, command->gone ? command->gone : "deleted",
				(void *)((char *)obj + status->offset));
}

static int finish(struct context *ctx, struct bvol_events *events, struct bvol_response *response)
{
	const struct bvol_type *type = ctx->command->type;
	bool job = bvol_has(response, BVOL_A_RESPONSE_JOB_ID);
	void *obj = object_of(response, type);

	if (!job || !ctx->wait || !obj)
		return print_answer(ctx, response, job ? &response->job_id : NULL);
	if (wait_for_job(ctx, events, &response->job_id))
		return EXIT_FAILED;
	if (ctx->command->list)
		return print_again(ctx, (void *)((char *)obj + bvol_field(type, "id")->offset));
	set_gone(ctx->command, obj);
	return print_answer(ctx, response, NULL);
}

/* The events are subscribed to first, so that even the shortest job's end is among them. */
int run_change(struct context *ctx)
{
	struct bvol_response *response = NULL;
	struct bvol_events *events = NULL;
	int r = EXIT_FAILED;

	if (context_connect(ctx))
		return EXIT_FAILED;
	if (ctx->wait && bvol_events_beside(ctx->bvol, &events) < 0) {
		complain("%s", bvol_events_sentence(events));
	} else {
		if (bvol_call(ctx->bvol, ctx->command->call, &ctx->request, ctx->timeout_ms,
			      &response) < 0)
			context_fail(ctx);
		else
			r = finish(ctx, events, response);
	}
	bvol_free(&bvol_type_response, response);
	bvol_events_close(events);
	return r;
}
