// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * login_lag PORTAL TARGET INITIATOR USER RUNS - log in that often, with the
 * secret that standard input holds, and print for each login after how many
 * nanoseconds a subscriber heard of it: from the return of the initiator's
 * login, so that a negative number means before that.
 */
#include <bvol.h>
#include <errno.h>
#include <iscsi/iscsi.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 10

/* What the subscriber has heard, by kind of event. */
struct heard {
	pthread_mutex_t lock;
	pthread_cond_t more;
	const char *initiator;
	struct bvol_events *events;
	unsigned int logins, logouts;
	int64_t login_at;
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int on_event(const struct bvol_event *event, void *data)
{
	struct heard *h = data;
	int64_t at = now();

	if (!event->initiator || strcmp(event->initiator, h->initiator))
		return 0;
	pthread_mutex_lock(&h->lock);
	if (event->kind == BVOL_EVENT_KIND_SESSION_LOGIN) {
		h->login_at = at;
		h->logins++;
	} else if (event->kind == BVOL_EVENT_KIND_SESSION_LOGOUT) {
		h->logouts++;
	}
	pthread_cond_signal(&h->more);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static void *subscriber(void *data)
{
	static const struct bvol_event_ops ops = { .event = on_event };
	struct heard *h = data;
	struct pollfd fd = { .events = POLLIN };

	for (;;) {
		fd.fd = bvol_events_fd(h->events);
		poll(&fd, 1, bvol_events_timeout(h->events));
		if (bvol_events_handle(h->events, &ops, h) < 0)
			return NULL;
	}
}

/* Until that many have been heard; false when none comes. */
static bool hear(struct heard *h, const unsigned int *count, unsigned int wanted)
{
	struct timespec end;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&h->lock);
	while (!r && *count < wanted)
		r = pthread_cond_timedwait(&h->more, &h->lock, &end);
	pthread_mutex_unlock(&h->lock);
	return !r;
}

static int measure(struct heard *h, char **argv, const char *secret, unsigned int i)
{
	struct iscsi_context *c = iscsi_create_context(h->initiator);
	int64_t returned;

	if (!c)
		return -ENOMEM;
	if (iscsi_set_targetname(c, argv[2]) || iscsi_set_session_type(c, ISCSI_SESSION_NORMAL) ||
	    iscsi_set_initiator_username_pwd(c, argv[4], secret) ||
	    iscsi_connect_sync(c, argv[1]) || iscsi_login_sync(c)) {
		fprintf(stderr, "login_lag: %s\n", iscsi_get_error(c));
		iscsi_destroy_context(c);
		return -EIO;
	}
	returned = now();
	if (hear(h, &h->logins, i))
		printf("%lld\n", (long long)(h->login_at - returned));
	iscsi_logout_sync(c);
	iscsi_destroy_context(c);
	return hear(h, &h->logouts, i) && h->logins == i ? 0 : -ETIMEDOUT;
}

int main(int argc, char **argv)
{
	struct heard h = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER,
	};
	char secret[256] = "";
	pthread_t thread;
	unsigned int i, runs;
	int r;

	if (argc != 6 || !fgets(secret, sizeof(secret), stdin)) {
		fputs("usage: login_lag PORTAL TARGET INITIATOR USER RUNS <SECRET\n", stderr);
		return 2;
	}
	secret[strcspn(secret, "\n")] = '\0';
	h.initiator = argv[3];
	runs = (unsigned int)strtoul(argv[5], NULL, 10);
	r = bvol_events_open(BVOL_ANY, NULL, BVOL_EVENTS_NEW, &h.events);
	if (r < 0) {
		fprintf(stderr, "login_lag: %s\n", bvol_events_sentence(h.events));
		return 1;
	}
	if (pthread_create(&thread, NULL, subscriber, &h))
		return 1;
	for (i = 1; !r && i <= runs; i++)
		r = measure(&h, argv, secret, i);
	if (r < 0)
		fprintf(stderr, "login_lag: login %u: %s\n", i - 1, strerror(-r));
	return r < 0;
}
