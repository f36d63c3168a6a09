// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The unix socket. Whoever may connect (root, the group) may ask anything;
 * who it was is taken from the socket, never from the message. A client that
 * does not read its answers is let go, one that does not read its events
 * finds a gap in their numbers.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "wire/wire.h"

#define CLIENTS_MAX	128
#define CALLS_MAX	32

struct client {
	struct client *next;
	struct wire *wire;
	uint64_t id;
	int fd;
	struct source *source;
	uint32_t uid, pid;
	unsigned int calls;	/* not answered yet */
	bool reads;		/* events, up to now or (follows) for ever */
	bool follows;
	uint32_t seq;		/* of the request for them */
	uint64_t want;		/* next event */
	uint64_t log_id;	/* the log that want is a number of */
};

static void client_close(struct client *client)
{
	struct wire *wire = client->wire;
	struct client **link = &wire->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	wire->n_clients--;
	source_free(client->source);
	close(client->fd);
	free(client);
}

static struct client *client_find(struct wire *wire, uint64_t id)
{
	struct client *client = wire->clients;

	while (client && client->id != id)
		client = client->next;
	return client;
}

static int client_send(struct client *client, const struct frame *frame)
{
	char buf[BVOL_FRAME_MAX];
	ssize_t n = frame_put(frame, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	return send(client->fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Events as far as the socket takes them; -EAGAIN: more when it is writable. */
static int client_feed(struct client *client)
{
	const struct ring *ring = &client->wire->ring;
	int r = 0;

	if (client->log_id != ring->log_id) {
		client->log_id = ring->log_id;
		client->want = ring->first;
	}
	if (client->want < ring->first)
		client->want = ring->first;
	while (!r && client->want < ring->next) {
		const struct blob *blob = ring_at(ring, client->want);
		struct frame frame = {
			.cmd = BVOL_CMD_EVENT, .payload = blob->bytes, .payload_len = blob->len,
		};

		r = client_send(client, &frame);
		if (!r)
			client->want++;
	}
	if (!r && !client->follows) {
		r = client_send(client, &(struct frame) { .cmd = BVOL_CMD_REPLY, .seq = client->seq });
		client->reads = r == -EAGAIN;
	}
	source_events(client->source, r == -EAGAIN ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return r == -EAGAIN ? 0 : r;
}

void listener_kick(struct wire *wire)
{
	struct client *client, *next;

	for (client = wire->clients; client; client = next) {
		next = client->next;
		if (client->reads && client_feed(client) < 0)
			client_close(client);
	}
}

static void client_reply(struct call *call)
{
	struct wire *wire = call->data;
	struct client *client = client_find(wire, call->peer);
	struct frame frame = { .cmd = BVOL_CMD_REPLY, .seq = (uint32_t)call->seq };
	char payload[BVOL_PAYLOAD_MAX];
	ssize_t n;

	if (client) {
		client->calls--;
		n = codec_encode(&bvol_type_response, call->response, payload, sizeof(payload));
		frame.payload = payload;
		frame.payload_len = n < 0 ? 0 : (size_t)n;
		if (n < 0 || client_send(client, &frame) < 0)
			client_close(client);
	}
	call_free(call);
}

static int client_call(struct client *client, const struct frame *frame)
{
	struct call *call;

	if (client->calls >= CALLS_MAX)
		return -EBUSY;
	call = call_new(client->wire->service);
	if (!call)
		return -ENOMEM;
	call->uid = client->uid;
	call->pid = client->pid;
	call->peer = client->id;
	call->seq = frame->seq;
	call->reply = client_reply;
	call->data = client->wire;
	client->calls++;
	service_call(call, frame->verb, frame->payload, frame->payload_len);
	return 0;
}

/*
 * since: UINT64_MAX for new events alone, else from that number of this log on.
 * One who does not follow gets an empty reply behind the last event.
 */
static int client_follow(struct client *client, const struct frame *frame)
{
	const struct ring *ring = &client->wire->ring;

	client->log_id = ring->log_id;
	client->want = frame->since > ring->next ? ring->next : frame->since;
	client->seq = frame->seq;
	client->reads = true;
	client->follows = frame->follow;
	return client_feed(client);
}

/* One message; -EPIPE: the client has gone, other errors: it has to go. */
static int client_message(struct client *client)
{
	char buf[BVOL_FRAME_MAX];
	struct frame frame;
	ssize_t n = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
	int r;

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	r = (size_t)n > sizeof(buf) ? -EMSGSIZE : frame_get(buf, (size_t)n, &frame);
	if (r < 0)
		return r;
	switch (frame.cmd) {
	case BVOL_CMD_CALL:
		return client_call(client, &frame);
	case BVOL_CMD_EVENT_GET:
		return client_follow(client, &frame);
	default:
		return -EOPNOTSUPP;
	}
}

static int on_client(struct source *source, uint32_t events, void *data)
{
	struct client *client = data;
	struct wire *wire = client->wire;
	uint64_t id = client->id;
	int r = 0;

	if (events & EPOLLIN)
		r = client_message(client);
	/* An answer that could not be sent has closed the client already. */
	client = client_find(wire, id);
	if (!client)
		return 0;
	if (!r && events & EPOLLOUT && client->reads)
		r = client_feed(client);
	if (r < 0 || (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN)))
		client_close(client);
	return 0;
}

static int on_accept(struct source *source, uint32_t events, void *data)
{
	struct wire *wire = data;
	struct client *client;
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(wire->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return 0;
	client = wire->n_clients < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 ||
	    loop_io(wire->loop, fd, EPOLLIN, on_client, client, &client->source) < 0) {
		log_warn("a client was turned away: %u are connected", wire->n_clients);
		free(client);
		close(fd);
		return 0;
	}
	client->wire = wire;
	client->id = ++wire->last_client;
	client->fd = fd;
	client->uid = who.uid;
	client->pid = (uint32_t)who.pid;
	client->next = wire->clients;
	wire->clients = client;
	wire->n_clients++;
	return 0;
}

/* The socket is for root, and for the group if this system has it. */
static void give_to_group(const char *path, const char *group)
{
	struct group *g = group && *group ? getgrnam(group) : NULL;

	if (chmod(path, g ? 0660 : 0600) < 0 || (g && chown(path, 0, g->gr_gid) < 0))
		log_warn("can't give %s to group %s: %s", path, group, strerror(errno));
}

int listener_open(struct wire *wire, const char *path, const char *group, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t old;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, -ENAMETOOLONG, "the path %s is too long for a socket", path);
	strcpy(address.sun_path, path);
	strcpy(wire->path, path);
	wire->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (wire->fd < 0)
		return err_set(e, -errno, "can't make a socket: %s", strerror(errno));
	/* The run directory's lock says that no other daemon listens there. */
	unlink(path);
	old = umask(0177);
	r = bind(wire->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(wire->fd, 16) < 0 ? -errno : 0;
	umask(old);
	if (!r) {
		give_to_group(path, group);
		r = loop_io(wire->loop, wire->fd, EPOLLIN, on_accept, wire, &wire->accept_source);
	}
	return r < 0 ? err_set(e, r, "can't listen at %s: %s", path, strerror(-r)) : 0;
}

void listener_close(struct wire *wire)
{
	wire->accept_source = source_free(wire->accept_source);
	while (wire->clients)
		client_close(wire->clients);
	if (wire->fd >= 0) {
		unlink(wire->path);
		close(wire->fd);
		wire->fd = -1;
	}
}
