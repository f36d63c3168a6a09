// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "port.h"

/* How long a daemon that does not accept connections is waited for. */
#define CONNECT_SECONDS 5

static int unix_send(struct port *port, const void *buf, size_t len)
{
	if (send(port->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? -ESTALE : -errno;
}

static int unix_recv(struct port *port, struct message *ret)
{
	ssize_t len;
	int r;

	len = recv(port->fd, port->buf, sizeof(port->buf), MSG_DONTWAIT | MSG_TRUNC);
	if (len < 0)
		return -errno;
	if (!len)
		return -ECONNRESET;
	if ((size_t)len > sizeof(port->buf))
		return -EBADMSG;
	r = frame_get(port->buf, len, &ret->frame);
	if (r < 0)
		return r;
	/* Events come to nobody who did not ask for them. */
	ret->seq = ret->frame.cmd == BVOL_CMD_EVENT ? port->seq : ret->frame.seq;
	ret->end = ret->frame.cmd == BVOL_CMD_REPLY;
	return 0;
}

static void unix_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
}

static const struct port_ops unix_ops = { unix_send, unix_recv, unix_close };

static int connect_to(int fd, const char *path)
{
	struct timeval patience = { .tv_sec = CONNECT_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int explain(char *sentence, int error, const char *path)
{
	switch (error) {
	case -ENOENT:
		return say(sentence, error, "bvold is not running: there is no %s; start bvold", path);
	case -ECONNREFUSED:
		return say(sentence, error,
			   "bvold is not running: nobody listens at %s; start bvold", path);
	case -EACCES:
	case -EPERM:
		return say(sentence, -EACCES,
			   "%s refuses this user: run as root or join the group bvol", path);
	case -ETIMEDOUT:
		return say(sentence, error, "bvold takes no connections at %s", path);
	default:
		return say(sentence, error, "cannot connect to %s: %s", path, strerror(-error));
	}
}

int port_open_unix(const char *path, char *sentence, struct port **ret)
{
	struct port *port;
	int r;

	port = calloc(1, sizeof(*port));
	if (!port)
		return say(sentence, -ENOMEM, "out of memory");
	port->ops = &unix_ops;
	port->transport = BVOL_UNIX;
	port->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	r = port->fd < 0 ? -errno : connect_to(port->fd, path);
	if (r < 0) {
		port_close(port);
		return explain(sentence, r, path);
	}
	*ret = port;
	return 0;
}
