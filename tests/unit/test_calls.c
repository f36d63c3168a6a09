// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bvol_call() and its kin over the unix socket. Nothing runs beside the test:
 * the peer's answers, with the numbers that the calls will have, wait in the
 * socket before the calls are made.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "peer.h"

static struct peer peer;
static struct bvol *bvol;

static int set_up(void **state)
{
	peer_listen(&peer);
	assert_int_equal(bvol_open(BVOL_UNIX, peer.path, &bvol), 0);
	peer_accept(&peer);
	return 0;
}

static int tear_down(void **state)
{
	bvol = bvol_close(bvol);
	peer_free(&peer);
	return 0;
}

static void answered(void **state)
{
	struct bvol_response answer = { 0 }, *response;
	struct bvol_request request = { .has = BVOL_BIT(BVOL_A_REQUEST_NAME), .name = (char *)"v1" };
	struct bvol_request *seen;
	struct frame call;

	assert_int_equal(bvol_transport(bvol), BVOL_UNIX);
	memset(&answer.job_id, 7, sizeof(answer.job_id));
	answer.has = BVOL_BIT(BVOL_A_RESPONSE_JOB_ID);
	peer_reply(&peer, 99, &(struct bvol_response){ 0 });
	peer_reply(&peer, 1, &answer);
	assert_int_equal(bvol_call(bvol, BVOL_VERB_VOLUME_CREATE, &request, 1000, &response), 0);
	assert_true(bvol_has(response, BVOL_A_RESPONSE_JOB_ID));
	assert_int_equal(response->job_id.b[3], 7);
	bvol_free(&bvol_type_response, response);
	peer_expect(&peer, BVOL_CMD_CALL, &call);
	assert_int_equal(call.verb, BVOL_VERB_VOLUME_CREATE);
	assert_int_equal(codec_decode(&bvol_type_request, call.payload, call.payload_len,
				      (void **)&seen), 0);
	assert_string_equal(seen->name, "v1");
	bvol_free(&bvol_type_request, seen);
}

static void refused(void **state)
{
	struct bvol_response answer = {
		.has = BVOL_BIT(BVOL_A_RESPONSE_ERROR) | BVOL_BIT(BVOL_A_RESPONSE_MESSAGE),
		.error = ENOSPC, .message = (char *)"the pool is full",
	}, *response = NULL;

	peer_reply(&peer, 1, &answer);
	assert_int_equal(bvol_call(bvol, BVOL_VERB_VOLUME_CREATE, NULL, 1000, &response), -ENOSPC);
	assert_string_equal(bvol_sentence(bvol), "the pool is full");
	assert_null(response);
}

/* A reply that comes too late is not taken for the one to the next call. */
static void late(void **state)
{
	struct bvol_response answer = { .has = BVOL_BIT(BVOL_A_RESPONSE_ERROR), .error = EIO };
	struct bvol_response *response = NULL;

	assert_int_equal(bvol_call(bvol, BVOL_VERB_DIFF, NULL, 10, &response), -ETIMEDOUT);
	assert_null(response);
	peer_reply(&peer, 1, &answer);
	peer_reply(&peer, 2, &(struct bvol_response){ 0 });
	assert_int_equal(bvol_call(bvol, BVOL_VERB_DIFF, NULL, 1000, &response), 0);
	bvol_free(&bvol_type_response, response);
}

static void nonsense(void **state)
{
	struct bvol_response *response;

	peer_bytes(&peer, "nonsense", 8);
	assert_int_equal(bvol_call(bvol, BVOL_VERB_DIFF, NULL, 1000, &response), -EBADMSG);
}

static void unsendable(void **state)
{
	static char name[BVOL_PAYLOAD_MAX + 1];
	struct bvol_request request = { .has = BVOL_BIT(BVOL_A_REQUEST_NAME), .name = name };
	struct bvol_response *response;

	memset(name, 'x', BVOL_PAYLOAD_MAX);
	assert_int_equal(bvol_call(bvol, BVOL_VERB_DIFF, &request, 1000, &response), -EMSGSIZE);
	request.name = (char *)"\xff";
	assert_int_equal(bvol_call(bvol, BVOL_VERB_DIFF, &request, 1000, &response), -EILSEQ);
	assert_string_equal(bvol_sentence(bvol), "an argument is not valid UTF-8");
}

/* Died after it got the call: unknown; dead before: the call goes to its successor. */
static void daemon_dies(void **state)
{
	struct bvol_response *response;
	int r;

	close(peer.fd);
	peer.fd = -1;
	r = bvol_call(bvol, BVOL_VERB_DIFF, NULL, 50, &response);
	assert_int_equal(r, -ETIMEDOUT);	/* nobody accepts, but the socket listens */
	peer_accept(&peer);
	peer_die(&peer);
	r = bvol_call(bvol, BVOL_VERB_DIFF, NULL, 1000, &response);
	assert_int_equal(r, -ECONNREFUSED);
	assert_non_null(strstr(bvol_sentence(bvol), "start bvold"));
	peer_listen(&peer);
	assert_int_equal(bvol_call(bvol, BVOL_VERB_DIFF, NULL, 10, &response), -ETIMEDOUT);
}

static void no_daemon(void **state)
{
	struct bvol *other;

	peer_die(&peer);
	assert_int_equal(bvol_open(BVOL_UNIX, peer.path, &other), -ECONNREFUSED);
	bvol_close(other);
	unlink(peer.path);
	assert_int_equal(bvol_open(BVOL_UNIX, peer.path, &other), -ENOENT);
	assert_non_null(strstr(bvol_sentence(other), peer.path));
	bvol_close(other);
}

static int count(const void *obj, void *data)
{
	const struct bvol_volume *volume = obj;

	*(unsigned int *)data = *(unsigned int *)data * 10 + volume->size;
	return volume->size == 5 ? 42 : 0;
}

/* A page of two volumes, and where the next one begins if that is not 0. */
static void reply_page(uint32_t seq, uint64_t first, uint8_t more)
{
	struct bvol_response *page = codec_new(&bvol_type_response);

	for (int i = 0; i < 2; i++) {
		struct bvol_volume *volume = codec_new(&bvol_type_volume);

		codec_set(volume, BVOL_A_VOLUME_SIZE, size, first + i);
		assert_int_equal(codec_append_nest(&bvol_type_response, page,
						   BVOL_A_RESPONSE_VOLUME, volume), 0);
	}
	if (more) {
		memset(&page->more, more, sizeof(page->more));
		page->has |= BVOL_BIT(BVOL_A_RESPONSE_MORE);
	}
	peer_reply(&peer, seq, page);
	bvol_free(&bvol_type_response, page);
}

static void pages(void **state)
{
	struct bvol_request *request;
	unsigned int seen = 0;
	struct frame call;

	reply_page(1, 1, 9);
	reply_page(2, 3, 0);
	assert_int_equal(bvol_list(bvol, BVOL_VERB_VOLUME_LIST, NULL, &bvol_type_volume, count,
				   &seen), 0);
	assert_int_equal(seen, 1234);
	peer_expect(&peer, BVOL_CMD_CALL, &call);
	peer_expect(&peer, BVOL_CMD_CALL, &call);
	assert_int_equal(codec_decode(&bvol_type_request, call.payload, call.payload_len,
				      (void **)&request), 0);
	assert_int_equal(request->after.b[0], 9);
	bvol_free(&bvol_type_request, request);
	reply_page(3, 5, 9);
	assert_int_equal(bvol_list(bvol, BVOL_VERB_VOLUME_LIST, NULL, &bvol_type_volume, count,
				   &seen), 42);
}

static int sum(const void *obj, void *data)
{
	*(uint64_t *)data += ((const struct bvol_event *)obj)->seq;
	return 0;
}

static void log_is_read(void **state)
{
	uint64_t total = 0;

	peer_event(&peer, 1, 10);
	peer_event(&peer, 1, 11);
	peer_reply(&peer, 1, &(struct bvol_response){ 0 });
	assert_int_equal(bvol_log(bvol, 10, sum, &total), 0);
	assert_int_equal(total, 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unsendable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(daemon_dies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_daemon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(log_is_read, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
