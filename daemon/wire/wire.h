/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the daemon is reached: the kernel module's relay where the module is
 * loaded (it may come and go), the unix socket always. Both turn messages
 * into calls of the service and its responses into messages; events go
 * through the module's log, or through the ring alone while there is none.
 */
#ifndef BVOL_WIRE_H
#define BVOL_WIRE_H

#include "link.h"
#include "service/service.h"
#include "sys/loop.h"
#include "wire/ring.h"

struct client;

struct wire {
	struct loop *loop;
	struct service *service;
	struct ring ring;

	/* relay.c */
	bool use_module;
	bool ready;			/* calls are taken */
	struct link *link;
	bool lost;			/* the module is not there; link may still have to be closed */
	bool fresh;			/* the module had no exports when we came: it is younger than they are */
	struct source *call_source, *event_source, *watch_source;
	struct link_watch *watch;
	struct source *close_timer;

	/* listener.c */
	char path[108];
	int fd;
	struct source *accept_source;
	struct client *clients;
	unsigned int n_clients;
	uint64_t last_client;
};

/* Bind to the module if it is there. -EBUSY: another daemon is bound. */
int wire_init(struct wire *wire, struct loop *loop, struct service *service, bool use_module,
	      struct err *e);
/* Take calls: from the module, and at the socket path, for root and group. */
int wire_ready(struct wire *wire, const char *path, const char *group, struct err *e);
void wire_deinit(struct wire *wire);

/* For the files of this room. */

int relay_init(struct wire *wire, struct err *e);
int relay_ready(struct wire *wire);
void relay_deinit(struct wire *wire);
/* The table of the module brought in line with the database. */
int relay_catchup(struct wire *wire);
/* The module has gone: everything about it is let go, now or (deferred) from the loop. */
void relay_lost(struct wire *wire);

int listener_open(struct wire *wire, const char *path, const char *group, struct err *e);
void listener_close(struct wire *wire);
/* The ring has grown: send to those who follow. */
void listener_kick(struct wire *wire);

#endif
