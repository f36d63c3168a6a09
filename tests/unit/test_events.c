// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The event stream over the unix socket: what is delivered, what is asked for
 * again and what is reported lost, written down as one line of text.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "peer.h"

static struct peer peer;
static struct bvol_events *events;
static char seen[256];

static void note(const char *format, uint64_t a, uint64_t b)
{
	size_t used = strlen(seen);

	snprintf(seen + used, sizeof(seen) - used, format, (unsigned long long)a,
		 (unsigned long long)b);
}

static int on_event(const struct bvol_event *event, void *data)
{
	note("%llu ", event->seq, 0);
	return event->seq == 99 ? 42 : 0;
}

static void on_lost(uint64_t first, uint64_t last, void *data)
{
	note("lost(%llu-%llu) ", first, last);
}

static const struct bvol_event_ops ops = { on_event, on_lost };

/* What the stream makes of everything that has been sent to it. */
static void assert_seen(const char *expected)
{
	assert_int_equal(bvol_events_handle(events, &ops, NULL), 0);
	assert_string_equal(seen, expected);
	*seen = '\0';
}

/* A new connection, which asks from this number on. */
static void assert_asks(uint64_t since)
{
	struct frame get;

	peer_accept(&peer);
	peer_expect(&peer, BVOL_CMD_EVENT_GET, &get);
	assert_int_equal(get.since, since);
	assert_int_equal(get.follow, 1);
}

static void open_at(uint64_t since)
{
	assert_int_equal(bvol_events_open(BVOL_UNIX, peer.path, since, &events), 0);
	assert_true(bvol_events_fd(events) >= 0);
	assert_int_equal(bvol_events_timeout(events), -1);
	assert_asks(since);
}

/* The stream finds that the daemon has gone and waits for the moment to try again. */
static void let_retry(void)
{
	assert_int_equal(bvol_events_fd(events), -1);
	assert_in_range(bvol_events_timeout(events), 0, 5000);
	poll(NULL, 0, bvol_events_timeout(events) + 1);
}

static int set_up(void **state)
{
	*seen = '\0';
	peer_listen(&peer);
	return 0;
}

static int tear_down(void **state)
{
	events = bvol_events_close(events);
	peer_free(&peer);
	return 0;
}

static void in_order(void **state)
{
	open_at(0);
	peer_event(&peer, 1, 5);
	peer_event(&peer, 1, 6);
	assert_seen("5 6 ");
	peer_event(&peer, 1, 6);
	peer_event(&peer, 1, 7);
	assert_seen("7 ");
}

static void new_ones(void **state)
{
	open_at(BVOL_EVENTS_NEW);
	assert_seen("");
	peer_event(&peer, 1, 500);
	assert_seen("500 ");
}

static void log_has_moved_past(void **state)
{
	open_at(10);
	peer_event(&peer, 1, 15);
	peer_event(&peer, 1, 16);
	assert_seen("lost(10-14) 15 16 ");
}

/* The daemon left some out, for a slow reader, but still holds them. */
static void gap_is_read(void **state)
{
	open_at(1);
	peer_event(&peer, 1, 1);
	peer_event(&peer, 1, 4);
	assert_seen("1 ");
	assert_asks(2);
	for (int seq = 2; seq <= 4; seq++)
		peer_event(&peer, 1, seq);
	assert_seen("2 3 4 ");
}

static void gap_is_lost(void **state)
{
	open_at(1);
	peer_event(&peer, 1, 1);
	peer_event(&peer, 1, 4);
	assert_seen("1 ");
	assert_asks(2);
	peer_event(&peer, 1, 4);
	assert_seen("lost(2-3) 4 ");
}

/* With a module beside it the log survives its daemon. */
static void daemon_restarts_same_log(void **state)
{
	open_at(1);
	peer_event(&peer, 1, 1);
	peer_event(&peer, 1, 2);
	assert_seen("1 2 ");
	peer_die(&peer);
	assert_seen("");
	let_retry();
	assert_seen("");
	peer_listen(&peer);
	let_retry();
	assert_seen("");
	assert_asks(0);
	for (int seq = 1; seq <= 4; seq++)
		peer_event(&peer, 1, seq);
	assert_seen("3 4 ");
}

static void daemon_restarts_new_log(void **state)
{
	open_at(1);
	peer_event(&peer, 1, 1);
	peer_event(&peer, 1, 2);
	assert_seen("1 2 ");
	peer_die(&peer);
	peer_listen(&peer);
	assert_seen("");
	let_retry();
	assert_seen("");
	assert_asks(0);
	for (int seq = 1; seq <= 3; seq++)
		peer_event(&peer, 2, seq);
	assert_seen("lost(1-0) 1 2 3 ");
}

/* The module was loaded again under a daemon that lives on: the new log is read from its start. */
static void new_log_in_the_stream(void **state)
{
	open_at(1);
	peer_event(&peer, 1, 1);
	peer_event(&peer, 2, 3);
	assert_seen("1 lost(1-0) ");
	assert_asks(0);
	peer_event(&peer, 2, 2);
	peer_event(&peer, 2, 3);
	assert_seen("2 3 ");
}

/* Somebody else's position: the log began anew since it was written down. */
static void number_of_an_older_log(void **state)
{
	open_at(1000);
	peer_event(&peer, 2, 51);
	assert_seen("lost(1-0) ");
	assert_asks(0);
	peer_event(&peer, 2, 50);
	peer_event(&peer, 2, 51);
	assert_seen("50 51 ");
}

static void new_ones_after_a_restart(void **state)
{
	open_at(BVOL_EVENTS_NEW);
	peer_die(&peer);
	peer_listen(&peer);
	assert_seen("");
	let_retry();
	assert_seen("lost(1-0) ");
	assert_asks(BVOL_EVENTS_NEW);
	peer_event(&peer, 2, 8);
	assert_seen("8 ");
}

static void garbage_is_a_gap(void **state)
{
	open_at(1);
	peer_event(&peer, 1, 1);
	peer_bytes(&peer, "garbage!", 8);
	peer_event(&peer, 1, 2);
	assert_seen("1 2 ");
}

static void refusal(void **state)
{
	struct bvol_response answer = {
		.has = BVOL_BIT(BVOL_A_RESPONSE_ERROR) | BVOL_BIT(BVOL_A_RESPONSE_MESSAGE),
		.error = EBUSY, .message = (char *)"too many follow",
	};

	open_at(1);
	peer_reply(&peer, 1, &answer);
	assert_int_equal(bvol_events_handle(events, &ops, NULL), -EBUSY);
	assert_string_equal(bvol_events_sentence(events), "too many follow");
}

static void callers_value(void **state)
{
	open_at(99);
	peer_event(&peer, 1, 99);
	peer_event(&peer, 1, 100);
	assert_int_equal(bvol_events_handle(events, &ops, NULL), 42);
	*seen = '\0';
	assert_seen("100 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(new_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_has_moved_past, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gap_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gap_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(daemon_restarts_same_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(daemon_restarts_new_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(new_log_in_the_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(number_of_an_older_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(new_ones_after_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_a_gap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(callers_value, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
