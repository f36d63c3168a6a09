/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One socket that speaks frames, whatever the transport. Inside tools/lib only.
 * Nothing here waits but port_wait() and port_ask().
 */
#ifndef BVOL_PORT_H
#define BVOL_PORT_H

#include <linux/netlink.h>

#include "codec.h"

/* Netlink's dumps come in datagrams of up to 32 KiB. */
#define PORT_BUF 32768
#define PORT_EVER INT64_MAX
#define PORT_EPERM "netlink needs CAP_NET_ADMIN: run as root, or join the group bvol and use " \
		   "--transport unix"

struct port;

/* One thing that was received; pointers are valid until the next port_recv(). */
struct message {
	uint32_t seq;		/* of the request that it answers, 0: of none */
	bool end;		/* nothing more answers that request */
	bool dump;		/* read from the log, not sent when it happened */
	int error;		/* how it ended, negative errno */
	const char *sentence;	/* why, when the peer said so, else NULL */
	struct frame frame;	/* cmd 0: no frame in it */
};

struct port_ops {
	int (*send)(struct port *port, const void *buf, size_t len);
	int (*recv)(struct port *port, struct message *ret);
	void (*close)(struct port *port);
};

struct port {
	const struct port_ops *ops;
	enum bvol_transport transport;
	int fd;
	uint32_t seq;			/* of the last request */
	/* Netlink alone. */
	uint16_t family;
	uint32_t group;
	bool served;			/* a daemon was bound when the port was opened */
	size_t len, next, last;		/* of the datagram in buf, the message after, this message */
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[PORT_BUF];
};

/*
 * A port that no daemon's event goes to, or with events = true one that hears
 * them (netlink: multicast; unix: once event-get with follow was sent).
 * sentence gets BVOL_SENTENCE_MAX + 1 bytes on error. Errors as of bvol_open().
 */
int port_open(enum bvol_transport transport, const char *path, bool events, char *sentence,
	      struct port **ret);
int port_open_unix(const char *path, char *sentence, struct port **ret);
int port_open_netlink(bool events, char *sentence, struct port **ret);
/* Netlink; one that hears events, of the family that another one has found. */
int port_open_beside(const struct port *port, char *sentence, struct port **ret);
/* Netlink; receives a message without frame whenever the family comes. */
int port_open_watch(char *sentence, struct port **ret);
/* How a connection was asked for, and what it has now (NULL: nothing). */
struct bvol_way {
	enum bvol_transport wanted;
	const char *path;
	const struct port *port;
};

struct bvol_way bvol_way(const struct bvol *bvol);
/* Takes NULL, returns NULL. */
struct port *port_close(struct port *port);

/*
 * Send a request; its sequence number is port->seq. -ESTALE: the port is dead
 * and nothing was sent; -EAGAIN: the peer's queue is full; -EMSGSIZE.
 */
int port_send(struct port *port, struct frame *frame);
/*
 * -EAGAIN: nothing there; -ENOBUFS: messages were lost; -ENODEV: the family has
 * gone; -ECONNRESET: the daemon has gone; -EBADMSG: a message that makes no
 * sense was dropped.
 */
int port_recv(struct port *port, struct message *ret);
/* Let the next port_recv() return the last message again; netlink alone. */
void port_again(struct port *port);
/* 0 when something can be received, -ETIMEDOUT at deadline (of clock_ms()) unless it is PORT_EVER. */
int port_wait(struct port *port, int64_t deadline);

typedef int (*port_each)(const struct message *message, void *data);
/*
 * Send a request and hand each frame that answers it to each (NULL: drop them)
 * until the answer is complete. The first result of each that is not 0 is
 * returned; frames after that are dropped. A sentence of the peer goes to
 * sentence, else that stays as it is.
 */
int port_ask(struct port *port, struct frame *frame, int64_t deadline, char *sentence,
	     port_each each, void *data);

/* A port_each that hands on objects: data is a struct port_walk. */
struct port_walk {
	const struct bvol_type *type;
	bvol_each each;
	void *data;
};
int port_walk(const struct message *message, void *data);
/* A port_each that adds what it gets to data, a struct bvol_info. */
int port_merge_info(const struct message *message, void *data);

/* Write a sentence of BVOL_SENTENCE_MAX bytes at most and return error. */
int say(char *sentence, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
