// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A command that waits for its job, run as a process of its own, while the
 * test plays the daemon: events that come, that don't, a daemon that dies.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "command.h"
#include "peer.h"

static const struct bvol_uuid job_id = { { 0xa0 } }, volume_id = { { 0xb0 } };
static const char job_text[] = "a0000000-0000-0000-0000-000000000000";

static struct peer listener, subscriber, caller;
static char output[4096];	/* of the process, both streams */
static int output_fd;
static pid_t process;

/* The process opens the connection it calls on first, then its event stream. */
static void run(int timeout_ms, const char *verb)
{
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	process = fork();
	if (!process) {
		char *argv[] = { (char *)"bvolctl", (char *)"--json", (char *)"volume",
				 (char *)verb, (char *)"v1", (char *)"--size", (char *)"1G" };
		struct context ctx = { .wait = true, .timeout_ms = timeout_ms,
				       .transport = BVOL_UNIX, .socket = listener.path };
		int status;

		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		close(listener.listener);
		status = parse_arguments(&ctx, strcmp(verb, "delete") ? 7 : 5, argv);
		status = status ?: ctx.command->run(&ctx);
		fflush(stdout);
		_exit(status);
	}
	close(pipes[1]);
	output_fd = pipes[0];
}

/* Its exit status; 1000 and more: killed by a signal. */
static int finished(void)
{
	size_t used = 0;
	ssize_t n;
	int status;

	while ((n = read(output_fd, output + used, sizeof(output) - 1 - used)) > 0)
		used += n;
	output[used] = '\0';
	close(output_fd);
	waitpid(process, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void assert_said(const char *part)
{
	if (!strstr(output, part))
		fail_msg("no \"%s\" in: %s", part, output);
}

/* What it asks, within five seconds; waits, unlike the peer of the other tests. */
static void expect(struct peer *peer, uint8_t cmd, uint32_t verb, struct frame *ret)
{
	struct pollfd fd = { .fd = peer->fd, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 5000), 1);
	peer_expect(peer, cmd, ret);
	assert_int_equal(ret->verb, verb);
}

static void accept_from(struct peer *peer)
{
	struct pollfd fd = { .fd = listener.listener, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 5000), 1);
	peer_accept(&listener);
	peer->fd = listener.fd;
	listener.fd = -1;
}

static void answer_volume(uint32_t seq, uint32_t status, bool job)
{
	struct bvol_response *answer = codec_new(&bvol_type_response);
	struct bvol_volume *volume = codec_new(&bvol_type_volume);

	codec_set(volume, BVOL_A_VOLUME_ID, id, volume_id);
	codec_set(volume, BVOL_A_VOLUME_STATUS, status, status);
	assert_int_equal(codec_append_nest(&bvol_type_response, answer, BVOL_A_RESPONSE_VOLUME,
					   volume), 0);
	if (job)
		codec_set(answer, BVOL_A_RESPONSE_JOB_ID, job_id, job_id);
	peer_reply(&caller, seq, answer);
	bvol_free(&bvol_type_response, answer);
}

static void answer_job(uint32_t seq, uint32_t status, const char *error)
{
	struct bvol_response *answer = codec_new(&bvol_type_response);
	struct bvol_job *job = codec_new(&bvol_type_job);

	codec_set(job, BVOL_A_JOB_ID, id, job_id);
	codec_set(job, BVOL_A_JOB_STATUS, status, status);
	codec_set_string(&bvol_type_job, job, BVOL_A_JOB_ERROR, error);
	assert_int_equal(codec_append_nest(&bvol_type_response, answer, BVOL_A_RESPONSE_JOB, job), 0);
	peer_reply(&caller, seq, answer);
	bvol_free(&bvol_type_response, answer);
}

static void tell_job(const char *status)
{
	static uint64_t seq;
	struct bvol_event event = { 0 };

	codec_set(&event, BVOL_A_EVENT_SEQ, seq, ++seq);
	codec_set(&event, BVOL_A_EVENT_KIND, kind, BVOL_EVENT_KIND_JOB_CHANGED);
	codec_set(&event, BVOL_A_EVENT_JOB_ID, job_id, job_id);
	codec_set(&event, BVOL_A_EVENT_STATUS, status, (char *)status);
	peer_put_event(&subscriber, &event);
}

/* Up to the answer that a job was started. */
static void begin(int timeout_ms, const char *verb, uint32_t expected)
{
	struct frame frame;

	run(timeout_ms, verb);
	accept_from(&caller);
	accept_from(&subscriber);
	expect(&subscriber, BVOL_CMD_EVENT_GET, 0, &frame);
	assert_int_equal(frame.since, BVOL_EVENTS_NEW);
	expect(&caller, BVOL_CMD_CALL, expected, &frame);
	answer_volume(frame.seq, BVOL_VOLUME_STATUS_CREATING, true);
}

static void expect_reading(void)
{
	struct frame frame;

	expect(&caller, BVOL_CMD_CALL, BVOL_VERB_VOLUME_LIST, &frame);
	answer_volume(frame.seq, BVOL_VOLUME_STATUS_AVAILABLE, false);
}

static void expect_look(uint32_t status, const char *error)
{
	struct frame frame;

	expect(&caller, BVOL_CMD_CALL, BVOL_VERB_JOB_LIST, &frame);
	answer_job(frame.seq, status, error);
}

static int set_up(void **state)
{
	subscriber.fd = caller.fd = -1;
	subscriber.listener = caller.listener = -1;
	peer_listen(&listener);
	return 0;
}

static int tear_down(void **state)
{
	peer_die(&subscriber);
	peer_die(&caller);
	peer_free(&listener);
	return 0;
}

static void done_by_event(void **state)
{
	begin(10000, "create", BVOL_VERB_VOLUME_CREATE);
	tell_job("running");
	tell_job("done");
	expect_reading();
	assert_int_equal(finished(), 0);
	assert_said("\"status\": \"available\"");
}

static void deleted(void **state)
{
	begin(10000, "delete", BVOL_VERB_VOLUME_DELETE);
	tell_job("done");
	assert_int_equal(finished(), 0);
	assert_said("\"status\": \"deleted\"");
}

static void event_is_missed(void **state)
{
	begin(10000, "create", BVOL_VERB_VOLUME_CREATE);
	expect_look(BVOL_JOB_STATUS_RUNNING, NULL);
	expect_look(BVOL_JOB_STATUS_DONE, NULL);
	expect_reading();
	assert_int_equal(finished(), 0);
}

static void job_fails(void **state)
{
	begin(10000, "create", BVOL_VERB_VOLUME_CREATE);
	tell_job("failed");
	expect_look(BVOL_JOB_STATUS_FAILED, "the disk is\nbroken");
	assert_int_equal(finished(), EXIT_FAILED);
	assert_string_equal(output, "bvolctl: the disk is\\x0abroken\n");
}

static void job_stands_still(void **state)
{
	begin(1500, "create", BVOL_VERB_VOLUME_CREATE);
	expect_look(BVOL_JOB_STATUS_QUEUED, NULL);
	assert_int_equal(finished(), EXIT_FAILED);
	assert_said(job_text);
}

/* The calls, which the stream may come before or not at all while a call waits for its answer. */
static void accept_returning(void)
{
	struct pollfd fd;
	uint8_t head[20];

	do {
		accept_from(&caller);
		fd = (struct pollfd){ .fd = caller.fd, .events = POLLIN };
		assert_int_equal(poll(&fd, 1, 5000), 1);
		assert_int_equal(recv(caller.fd, head, sizeof(head), MSG_PEEK), sizeof(head));
		if (head[16] != BVOL_CMD_CALL)
			subscriber.fd = caller.fd;
	} while (head[16] != BVOL_CMD_CALL);
}

static void daemon_dies_and_returns(void **state)
{
	begin(20000, "create", BVOL_VERB_VOLUME_CREATE);
	peer_die(&subscriber);
	peer_die(&caller);
	peer_die(&listener);
	poll(NULL, 0, 1500);
	peer_listen(&listener);
	accept_returning();
	expect_look(BVOL_JOB_STATUS_DONE, NULL);
	expect_reading();
	assert_int_equal(finished(), 0);
	assert_said("bvold has stopped, waiting for it to come back\n");
	assert_said("bvold is back\n");
}

static void daemon_stays_away(void **state)
{
	begin(1500, "create", BVOL_VERB_VOLUME_CREATE);
	peer_die(&subscriber);
	peer_die(&caller);
	peer_die(&listener);
	assert_int_equal(finished(), EXIT_FAILED);
	assert_said("because bvold is not running");
	assert_said(job_text);
}

static void interrupted(void **state)
{
	begin(10000, "create", BVOL_VERB_VOLUME_CREATE);
	expect_look(BVOL_JOB_STATUS_RUNNING, NULL);
	kill(process, SIGINT);
	assert_int_equal(finished(), EXIT_INTERRUPTED);
	assert_said("goes on, see: bvolctl job show a0000000-0000-0000-0000-000000000000\n");
	assert_said("to stop it: bvolctl job cancel a0000000-0000-0000-0000-000000000000\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(done_by_event), CASE(deleted), CASE(event_is_missed), CASE(job_fails),
		CASE(job_stands_still), CASE(daemon_dies_and_returns), CASE(daemon_stays_away),
		CASE(interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
