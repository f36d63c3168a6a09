// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"
#include "peer.h"

static uint8_t buf[BVOL_FRAME_MAX];

void peer_listen(struct peer *peer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!*peer->path)
		snprintf(peer->path, sizeof(peer->path), "/tmp/bvol-test-%d.sock", (int)getpid());
	unlink(peer->path);
	memcpy(address.sun_path, peer->path, sizeof(address.sun_path));
	peer->fd = -1;
	peer->listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(peer->listener, 4), 0);
}

void peer_accept(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(peer->fd >= 0);
}

void peer_expect(struct peer *peer, uint8_t cmd, struct frame *ret)
{
	ssize_t len = recv(peer->fd, buf, sizeof(buf), 0);

	assert_true(len > 0);
	assert_int_equal(frame_get(buf, len, ret), 0);
	assert_int_equal(ret->cmd, cmd);
}

void peer_bytes(struct peer *peer, const void *bytes, size_t len)
{
	assert_int_equal(send(peer->fd, bytes, len, MSG_NOSIGNAL), len);
}

static void put(struct peer *peer, struct frame frame, const struct bvol_type *type, const void *obj)
{
	static uint8_t payload[BVOL_PAYLOAD_MAX];
	ssize_t len = codec_encode(type, obj, payload, sizeof(payload));

	assert_true(len >= 0);
	frame.payload = payload;
	frame.payload_len = len;
	len = frame_put(&frame, buf, sizeof(buf));
	assert_true(len > 0);
	peer_bytes(peer, buf, len);
}

void peer_reply(struct peer *peer, uint32_t seq, const struct bvol_response *response)
{
	put(peer, (struct frame){ .cmd = BVOL_CMD_REPLY, .seq = seq }, &bvol_type_response, response);
}

void peer_put_event(struct peer *peer, const struct bvol_event *event)
{
	put(peer, (struct frame){ .cmd = BVOL_CMD_EVENT }, &bvol_type_event, event);
}

void peer_event(struct peer *peer, uint64_t log_id, uint64_t seq)
{
	struct bvol_event event = { 0 };

	codec_set(&event, BVOL_A_EVENT_SEQ, seq, seq);
	codec_set(&event, BVOL_A_EVENT_LOG_ID, log_id, log_id);
	codec_set(&event, BVOL_A_EVENT_KIND, kind, BVOL_EVENT_KIND_DAEMON_UP);
	peer_put_event(peer, &event);
}

void peer_die(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	if (peer->listener >= 0)
		close(peer->listener);
	peer->fd = peer->listener = -1;
}

void peer_free(struct peer *peer)
{
	peer_die(peer);
	unlink(peer->path);
}
