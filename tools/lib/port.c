// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "port.h"

int say(char *sentence, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, BVOL_SENTENCE_MAX + 1, format, args);
	va_end(args);
	return error;
}

struct port *port_close(struct port *port)
{
	if (port)
		port->ops->close(port);
	free(port);
	return NULL;
}

int port_send(struct port *port, struct frame *frame)
{
	uint8_t buf[BVOL_FRAME_MAX];
	ssize_t len;

	if (!++port->seq)
		port->seq = 1;
	frame->seq = port->seq;
	if (port->family)
		frame->type = port->family;
	len = frame_put(frame, buf, sizeof(buf));
	return len < 0 ? len : port->ops->send(port, buf, len);
}

int port_recv(struct port *port, struct message *ret)
{
	*ret = (struct message) { 0 };
	return port->ops->recv(port, ret);
}

static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int64_t left;
	int r;

	do {
		left = deadline == PORT_EVER ? -1 : deadline - clock_ms();
		if (deadline != PORT_EVER && left < 0)
			left = 0;
		r = poll(&poll_fd, 1, left > INT32_MAX ? INT32_MAX : left);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

int port_wait(struct port *port, int64_t deadline)
{
	return wait_for(port->fd, POLLIN, deadline);
}

static int send_patiently(struct port *port, struct frame *frame, int64_t deadline)
{
	int r;

	for (;;) {
		r = port_send(port, frame);
		if (r != -EAGAIN)
			return r;
		r = wait_for(port->fd, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
}

int port_ask(struct port *port, struct frame *frame, int64_t deadline, char *sentence,
	     port_each each, void *data)
{
	struct message message;
	int r, stop = 0;

	r = send_patiently(port, frame, deadline);
	while (r >= 0) {
		r = port_recv(port, &message);
		if (r == -EAGAIN) {
			r = port_wait(port, deadline);
			continue;
		}
		if (r < 0 || message.seq != port->seq)
			continue;
		if (message.frame.cmd && each && !stop)
			stop = each(&message, data);
		if (message.end) {
			if (message.sentence)
				say(sentence, 0, "%s", message.sentence);
			return stop ?: message.error;
		}
	}
	return r;
}

int port_walk(const struct message *message, void *data)
{
	const struct port_walk *walk = data;
	void *obj;
	int r;

	/* The end of the events on the unix socket. */
	if (message->frame.cmd == BVOL_CMD_REPLY)
		return 0;
	r = codec_decode(walk->type, message->frame.payload, message->frame.payload_len, &obj);
	/* An event holds what strangers sent; a gap in the numbers shows that it is missing. */
	if (r == -EBADMSG && walk->type == &bvol_type_event)
		return 0;
	if (r < 0)
		return r;
	r = walk->each(obj, walk->data);
	bvol_free(walk->type, obj);
	return r;
}

int port_merge_info(const struct message *message, void *data)
{
	void *info;
	int r;

	r = codec_decode(&bvol_type_info, message->frame.payload, message->frame.payload_len, &info);
	if (r < 0)
		return r;
	codec_merge(&bvol_type_info, data, info);
	bvol_free(&bvol_type_info, info);
	return 0;
}

/* A user may lack what one transport asks for and have what the other does. */
static int explain_both(int netlink, int error, const char *path, char *sentence)
{
	const char *why = error == -EACCES ? "needs the group bvol" :
			  error == -ENOENT ? "is not there" : "does not answer";

	if (error == -ENOENT && netlink == -ENOENT)
		return say(sentence, error, "bvold is not running: neither the bvol kernel module "
			   "nor %s is there; start bvold", path);
	if (netlink == -EPERM)
		return say(sentence, error == -EACCES ? error : netlink,
			   "this user may not talk to bvold: netlink needs CAP_NET_ADMIN, and %s %s; "
			   "run as root or join the group bvol", path, why);
	return error;
}

/* A module that no daemon serves is second to a daemon without a module, and better than none. */
static int open_any(const char *path, bool events, char *sentence, struct port **ret)
{
	char why[BVOL_SENTENCE_MAX + 1];
	struct port *netlink = NULL;
	int first, r;

	first = port_open_netlink(events, why, &netlink);
	if (first == 0 && netlink->served) {
		*ret = netlink;
		return 0;
	}
	r = port_open_unix(path, sentence, ret);
	if (r == 0) {
		port_close(netlink);
		return 0;
	}
	if (first < 0)
		return explain_both(first, r, path, sentence);
	*ret = netlink;
	return 0;
}

int port_open(enum bvol_transport transport, const char *path, bool events, char *sentence,
	      struct port **ret)
{
	if (!path)
		path = BVOL_SOCKET;
	switch (transport) {
	case BVOL_NETLINK:
		return port_open_netlink(events, sentence, ret);
	case BVOL_UNIX:
		return port_open_unix(path, sentence, ret);
	default:
		return open_any(path, events, sentence, ret);
	}
}
