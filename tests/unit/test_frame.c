// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netlink.h>

#include "unit.h"
#include "codec.h"

static uint8_t buf[BVOL_FRAME_MAX];

static void call_round_trip(void **state)
{
	struct frame call = { .cmd = BVOL_CMD_CALL, .seq = 7, .verb = BVOL_VERB_DIFF, .cookie = 9,
			      .uid = 1, .pid = 2, .payload = "abcde", .payload_len = 5 }, back;
	ssize_t len = frame_put(&call, buf, sizeof(buf));

	assert_true(len > 0);
	assert_int_equal(frame_get(buf, len, &back), 0);
	assert_int_equal(back.cmd, BVOL_CMD_CALL);
	assert_int_equal(back.seq, 7);
	assert_int_equal(back.verb, BVOL_VERB_DIFF);
	assert_int_equal(back.cookie, 9);
	assert_int_equal(back.uid, 1);
	assert_int_equal(back.pid, 2);
	assert_int_equal(back.payload_len, 5);
	assert_memory_equal(back.payload, "abcde", 5);
	assert_int_equal(back.type, BVOL_FRAME);
}

static void log_and_event(void **state)
{
	struct frame log = { .cmd = BVOL_CMD_EVENT_GET, .since = UINT64_MAX, .follow = 1 }, back;
	struct bvol_event event = { .has = BVOL_BIT(BVOL_A_EVENT_SEQ), .seq = 5 }, *decoded;
	uint8_t attrs[64];
	ssize_t len = frame_put(&log, buf, sizeof(buf));

	assert_int_equal(frame_get(buf, len, &back), 0);
	assert_true(back.since == UINT64_MAX && back.follow == 1 && !back.payload);
	len = codec_encode(&bvol_type_event, &event, attrs, sizeof(attrs));
	len = frame_put(&(struct frame){ .cmd = BVOL_CMD_EVENT, .payload = attrs,
					 .payload_len = len }, buf, sizeof(buf));
	assert_int_equal(frame_get(buf, len, &back), 0);
	assert_int_equal(back.cmd, BVOL_CMD_EVENT);
	assert_int_equal(codec_decode(&bvol_type_event, back.payload, back.payload_len,
				      (void **)&decoded), 0);
	assert_int_equal(decoded->seq, 5);
	bvol_free(&bvol_type_event, decoded);
}

static void largest(void **state)
{
	static uint8_t payload[BVOL_PAYLOAD_MAX + 1];
	struct frame reply = { .cmd = BVOL_CMD_REPLY, .seq = 1, .cookie = 1, .payload = payload,
			       .payload_len = BVOL_PAYLOAD_MAX }, back;
	ssize_t len = frame_put(&reply, buf, sizeof(buf));

	assert_true(len > 0);
	assert_int_equal(frame_get(buf, len, &back), 0);
	assert_int_equal(back.payload_len, BVOL_PAYLOAD_MAX);
	assert_int_equal(frame_put(&reply, buf, len - 1), -EMSGSIZE);
	reply.payload_len++;
	assert_int_equal(frame_put(&reply, buf, sizeof(buf)), -EMSGSIZE);
}

/* Of a frame's own bytes each cut and each change of one byte is refused or read within bounds. */
static void damaged(void **state)
{
	struct frame call = { .cmd = BVOL_CMD_CALL, .seq = 7, .verb = 1, .payload = "abcde",
			      .payload_len = 5 }, back;
	size_t len = frame_put(&call, buf, sizeof(buf));
	uint8_t *exact;

	for (size_t cut = 0; cut < len; cut++) {
		exact = malloc(cut ?: 1);
		memcpy(exact, buf, cut);
		assert_int_equal(frame_get(exact, cut, &back), -EBADMSG);
		free(exact);
	}
	exact = malloc(len);
	for (size_t i = 0; i < len; i++) {
		for (int value = 0; value < 256; value++) {
			memcpy(exact, buf, len);
			exact[i] = value;
			if (frame_get(exact, len, &back) == 0 && back.payload)
				assert_in_range((uintptr_t)back.payload + back.payload_len,
						(uintptr_t)exact, (uintptr_t)exact + len);
		}
	}
	free(exact);
}

static void wrong_heads(void **state)
{
	struct frame call = { .cmd = BVOL_CMD_CALL, .seq = 7, .verb = 1 }, back;
	ssize_t len = frame_put(&call, buf, sizeof(buf) - 4);

	((struct nlmsghdr *)buf)->nlmsg_type = BVOL_FRAME + 1;
	assert_int_equal(frame_get(buf, len, &back), -EBADMSG);
	((struct nlmsghdr *)buf)->nlmsg_type = BVOL_FRAME;
	assert_int_equal(frame_get(buf, len, &back), 0);
	assert_int_equal(frame_get(buf, len + 4, &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_round_trip),
		cmocka_unit_test(log_and_event),
		cmocka_unit_test(largest),
		cmocka_unit_test(damaged),
		cmocka_unit_test(wrong_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
