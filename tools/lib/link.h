/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's end of the netlink family. Inside the tree only. Three sockets:
 * one bound as the node's daemon (calls come in there), one that hears the
 * events, one for requests of the daemon itself, so that an acknowledgement
 * never waits behind a call.
 * Everything is for one thread, the daemon's loop. Requests wait for the
 * kernel's answer, which the module gives without sleeping on anything.
 */
#ifndef BVOL_LINK_H
#define BVOL_LINK_H

#include "codec.h"

struct link;

struct link_call {
	uint64_t cookie;
	uint32_t verb;
	uint32_t uid;
	uint32_t pid;
	const void *payload;	/* valid during the callback */
	size_t payload_len;
};

struct link_ops {
	void (*call)(const struct link_call *call, void *data);
	void (*event)(const struct bvol_event *event, void *data);
	/* Events were lost in the socket; read them with link_events(). */
	void (*overrun)(void *data);
};

/*
 * Resolve the family, bind as daemon, join the events. -ENOENT: the module is
 * not there; -EBUSY: another daemon is bound; -EPERM. sentence gets one
 * sentence (BVOL_SENTENCE_MAX + 1 bytes) on error.
 */
int link_open(const char *version, char *sentence, struct link **ret);
/* Takes NULL, returns NULL. */
struct link *link_close(struct link *link);
/* Descriptors to poll for POLLIN: calls, events. */
int link_call_fd(const struct link *link);
int link_event_fd(const struct link *link);
/*
 * Deliver what is there without waiting. -ENODEV: the module has gone (or the
 * binding is lost): close the link and wait for the family to come back. A call
 * may be there before its descriptor says so: handle them once before polling.
 */
int link_handle_calls(struct link *link, const struct link_ops *ops, void *data);
int link_handle_events(struct link *link, const struct link_ops *ops, void *data);

/*
 * -ENOENT: the caller has gone; -EAGAIN: its socket is full and it gets
 * nothing; -EMSGSIZE: the response does not fit into a message.
 */
int link_reply(struct link *link, uint64_t cookie, const struct bvol_response *response);
int link_notify(struct link *link, const struct bvol_event *event);
int link_export_add(struct link *link, const struct bvol_export *export);
int link_export_del(struct link *link, const struct bvol_uuid *id);
/* Dumps; each is called with struct bvol_export, bvol_session, bvol_event. */
int link_exports(struct link *link, bvol_each each, void *data);
int link_sessions(struct link *link, bvol_each each, void *data);
int link_events(struct link *link, uint64_t since, bvol_each each, void *data);
int link_info(struct link *link, struct bvol_info **ret);

/*
 * Watch for the family's appearance: a descriptor to poll and a function that
 * reads it, returning 1 when the family "bvol" may have been added. Open the
 * watch before link_open() and no appearance is missed.
 */
struct link_watch;
int link_watch_open(struct link_watch **ret);
struct link_watch *link_watch_close(struct link_watch *watch);
int link_watch_fd(const struct link_watch *watch);
int link_watch_handle(struct link_watch *watch);

#endif
