/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's end of a unix socket, played by the test step by step. */
#ifndef BVOL_PEER_H
#define BVOL_PEER_H

#include "codec.h"

struct peer {
	char path[108];
	int listener;
	int fd;			/* the client's connection, -1: none */
};

void peer_listen(struct peer *peer);
/* The connection that a client has made, instead of the one before. */
void peer_accept(struct peer *peer);
/* What the client has sent; the payload is valid until the next one. */
void peer_expect(struct peer *peer, uint8_t cmd, struct frame *ret);
void peer_reply(struct peer *peer, uint32_t seq, const struct bvol_response *response);
void peer_event(struct peer *peer, uint64_t log_id, uint64_t seq);
void peer_put_event(struct peer *peer, const struct bvol_event *event);
/* What a program that is no bvold would send. */
void peer_bytes(struct peer *peer, const void *bytes, size_t len);
/* The daemon dies; its socket's file stays, as after a crash. */
void peer_die(struct peer *peer);
void peer_free(struct peer *peer);

#endif
