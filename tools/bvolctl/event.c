// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "command.h"
#include "print.h"
#include "size.h"

static int set_follow(struct context *ctx, const char *value)
{
	ctx->follow = true;
	return 0;
}

static int set_since(struct context *ctx, const char *value)
{
	char why[256];
	int64_t since;

	if (number_parse(value, 0, INT64_MAX, &since, why, sizeof(why)) < 0) {
		complain("--since: %s", why);
		return EXIT_FAILED;
	}
	ctx->since = since;
	return 0;
}

static const struct param params[] = {
	{ .name = "--follow", .set = set_follow },
	{ .name = "--since", .value = "SEQ", .set = set_since },
	{ 0 },
};

static int show(const struct bvol_event *event, void *data)
{
	print_event(event, ((struct context *)data)->json, stdout);
	return 0;
}

static void tell_lost(uint64_t first, uint64_t last, void *data)
{
	fflush(stdout);
	if (first > last)
		complain("events were lost, an unknown number: look up the state again");
	else
		complain("events %llu to %llu were lost: look up the state again",
			 (unsigned long long)first, (unsigned long long)last);
}

static int follow(struct context *ctx)
{
	static const struct bvol_event_ops ops = { show, tell_lost };
	struct bvol_events *events;
	int r;

	r = bvol_events_open(ctx->transport, ctx->socket, ctx->since, &events);
	while (r == 0) {
		struct pollfd fd = { .fd = bvol_events_fd(events), .events = POLLIN };

		poll(&fd, 1, bvol_events_timeout(events));
		r = bvol_events_handle(events, &ops, ctx);
		/* main() says what is wrong with the output. */
		if (fflush(stdout))
			break;
	}
	if (r < 0)
		complain("%s", bvol_events_sentence(events));
	bvol_events_close(events);
	return EXIT_FAILED;
}

static int show_one(const void *event, void *data)
{
	return show(event, data);
}

static int run(struct context *ctx)
{
	uint64_t since = ctx->since == BVOL_EVENTS_NEW ? 0 : ctx->since;

	if (ctx->follow)
		return follow(ctx);
	if (context_connect(ctx))
		return EXIT_FAILED;
	return bvol_log(ctx->bvol, since, show_one, ctx) < 0 ? context_fail(ctx) : 0;
}

const struct command event_commands[] = {
	{
		.noun = "events", .params = params,
		.help = "the log of events from a number on, or with --follow new ones as they happen",
		.run = run,
	},
	{ 0 },
};
