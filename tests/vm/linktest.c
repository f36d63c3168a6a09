// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * linktest - the daemon's end of the netlink family, without a daemon around it.
 *
 *	linktest bind	become the node's daemon; for each line on stdin, which is a number,
 *			put that many events in the log and say "done"; then the log's own
 *			events are counted: "heard N", and after an overrun "overrun"
 *	linktest watch	say "came" each time the family appears
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

static unsigned long heard;
static bool overrun;

static void on_call(const struct link_call *call, void *data)
{
	struct link *link = *(struct link **)data;
	struct bvol_response response = {
		.has = BVOL_BIT(BVOL_A_RESPONSE_ERROR) | BVOL_BIT(BVOL_A_RESPONSE_MESSAGE),
		.error = EOPNOTSUPP, .message = (char *)"linktest does nothing",
	};

	if (link_reply(link, call->cookie, &response) < 0)
		puts("not replied");
}

static void on_event(const struct bvol_event *event, void *data)
{
	heard++;
}

static void on_overrun(void *data)
{
	overrun = true;
}

static const struct link_ops ops = { on_call, on_event, on_overrun };

static int notify(struct link *link, long n)
{
	struct bvol_event event = { 0 };
	int r = 0;

	codec_set(&event, BVOL_A_EVENT_KIND, kind, BVOL_EVENT_KIND_JOB_CHANGED);
	for (long i = 0; i < n && !r; i++) {
		codec_set(&event, BVOL_A_EVENT_SIZE, size, i);
		r = link_notify(link, &event);
	}
	return r;
}

static int play_daemon(void)
{
	char sentence[BVOL_SENTENCE_MAX + 1], line[32];
	struct link *link;
	int r;

	r = link_open("linktest", sentence, &link);
	if (r < 0) {
		printf("error %d %s\n", -r, sentence);
		return 1;
	}
	puts("bound");
	for (;;) {
		struct pollfd fds[] = {
			{ 0, POLLIN, 0 }, { link_call_fd(link), POLLIN, 0 },
			{ link_event_fd(link), POLLIN, 0 },
		};

		poll(fds, 3, -1);
		r = link_handle_calls(link, &ops, &link);
		if (!r)
			r = link_handle_events(link, &ops, &link);
		if (r < 0)
			break;
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		r = notify(link, strtol(line, NULL, 10));
		printf("%s\n", r ? strerror(-r) : "done");
	}
	printf("heard %lu%s%s\n", heard, overrun ? " overrun " : "", r ? strerror(-r) : "");
	link_close(link);
	return 0;
}

static int watch(void)
{
	struct link_watch *w;

	if (link_watch_open(&w) < 0)
		return 1;
	puts("watching");
	for (;;) {
		struct pollfd fd = { link_watch_fd(w), POLLIN, 0 };

		poll(&fd, 1, -1);
		if (link_watch_handle(w) == 1)
			puts("came");
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	return argc > 1 && !strcmp(argv[1], "watch") ? watch() : play_daemon();
}
