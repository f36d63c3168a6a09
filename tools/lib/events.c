// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The event stream. What keeps it whole:
 *
 *	position	log id and number of the last event that was delivered. The
 *			next one is delivered; an older one is a repetition; a newer
 *			one shows a gap.
 *	reading		a gap, an overrun of the socket or a new connection starts
 *			a reading of the log from the position on. What the log
 *			itself does not hold is lost, and only that.
 *	new log		numbers of different logs don't compare: an event of another
 *			log means that an unknown number was lost, and the new log
 *			is read whole.
 *
 * On netlink a reading is a dump on the socket that the multicast arrives at;
 * events that overtake it wait in the log. On the unix socket it is a new
 * connection, whose first event is the oldest that the log holds for us and
 * whose others follow it one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "port.h"

#define RETRY_MS 200
#define RETRY_MAX_MS 2000

struct bvol_events {
	enum bvol_transport wanted;
	char *path;
	struct port *port;	/* NULL while there is nobody to hear */
	int64_t retry_at;	/* without port: when to connect again */
	int64_t retry_ms;
	bool new_only;		/* without a position: the next event sets it, not the log */
	bool placed;		/* last is a position */
	bool log_known;
	uint64_t log_id;
	uint64_t last;		/* number of the last event delivered */
	uint64_t newest;	/* highest number seen */
	bool reading;
	bool whole;		/* the reading began at the log's first event */
	bool read_again;	/* something was missed meanwhile */
	uint64_t due;		/* what the log either holds or has dropped: newest at its start */
	char sentence[BVOL_SENTENCE_MAX + 1];
};

/* Where the caller's functions are. */
struct sink {
	const struct bvol_event_ops *ops;
	void *data;
};

static void lose(const struct sink *sink, uint64_t first, uint64_t last)
{
	if (sink->ops->lost)
		sink->ops->lost(first, last, sink->data);
}

/* Connection */

static int read_log(struct bvol_events *events, uint64_t since)
{
	bool netlink = events->port->transport == BVOL_NETLINK;
	struct frame get = {
		.cmd = BVOL_CMD_EVENT_GET, .since = since, .follow = !netlink,
		.flags = netlink ? NLM_F_REQUEST | NLM_F_DUMP : 0,
	};

	events->reading = true;
	events->whole = !since;
	events->read_again = false;
	events->due = events->newest;
	return port_send(events->port, &get);
}

/* Another try in a while; the position stays. */
static int disconnect(struct bvol_events *events)
{
	events->port = port_close(events->port);
	events->reading = false;
	events->retry_at = clock_ms() + events->retry_ms;
	if (events->retry_ms < RETRY_MAX_MS)
		events->retry_ms *= 2;
	return 0;
}

static uint64_t next_wanted(const struct bvol_events *events)
{
	if (events->placed)
		return events->last + 1;
	return events->new_only ? BVOL_EVENTS_NEW : 0;
}

static int connect_at(struct bvol_events *events, uint64_t since)
{
	int r;

	r = port_open(events->wanted, events->path, true, events->sentence, &events->port);
	if (r < 0)
		return r;
	/* Netlink's multicast brings new events without being asked. */
	if (since == BVOL_EVENTS_NEW && events->port->transport == BVOL_NETLINK)
		return 0;
	r = read_log(events, since);
	if (r < 0) {
		events->port = port_close(events->port);
		say(events->sentence, r, "bvol's event log cannot be read: %s", strerror(-r));
	}
	return r;
}

/*
 * After a time without connection it may be another log, in which the same
 * numbers mean something else: it is read whole, and what is known is skipped.
 * Without a position nothing tells what was missed.
 */
static int reconnect(struct bvol_events *events, const struct sink *sink)
{
	uint64_t since = events->placed && events->log_known ? 0 : next_wanted(events);
	int r;

	r = connect_at(events, since);
	if (r < 0) {
		disconnect(events);
		return r == -EPERM || r == -EACCES || r == -ENOMEM ? r : 0;
	}
	events->retry_ms = RETRY_MS;
	if (since == BVOL_EVENTS_NEW)
		lose(sink, 1, 0);
	return 0;
}

/* Read from the position on; a reading that is under way is followed by another one. */
static int resume(struct bvol_events *events)
{
	int r;

	if (events->port->transport == BVOL_NETLINK && events->reading) {
		events->read_again = true;
		return 0;
	}
	if (events->port->transport == BVOL_NETLINK) {
		r = read_log(events, next_wanted(events));
	} else {
		events->port = port_close(events->port);
		r = connect_at(events, next_wanted(events));
	}
	return r < 0 ? disconnect(events) : 0;
}

static struct bvol_events *events_new(enum bvol_transport transport, const char *path, uint64_t since)
{
	struct bvol_events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->path = strdup(path);
	if (!events->path) {
		free(events);
		return NULL;
	}
	events->wanted = transport;
	events->retry_ms = RETRY_MS;
	events->new_only = since == BVOL_EVENTS_NEW;
	events->placed = since && !events->new_only;
	events->last = events->placed ? since - 1 : 0;
	return events;
}

int bvol_events_open(enum bvol_transport transport, const char *socket_path, uint64_t since,
		     struct bvol_events **ret)
{
	*ret = events_new(transport, socket_path ?: BVOL_SOCKET, since);
	return *ret ? connect_at(*ret, next_wanted(*ret)) : -ENOMEM;
}

int bvol_events_beside(const struct bvol *bvol, struct bvol_events **ret)
{
	struct bvol_way way = bvol_way(bvol);
	struct bvol_events *events = events_new(way.wanted, way.path, BVOL_EVENTS_NEW);

	*ret = events;
	if (!events)
		return -ENOMEM;
	if (way.port && way.port->transport == BVOL_NETLINK)
		return port_open_beside(way.port, events->sentence, &events->port);
	return connect_at(events, next_wanted(events));
}

struct bvol_events *bvol_events_close(struct bvol_events *events)
{
	if (!events)
		return NULL;
	port_close(events->port);
	free(events->path);
	free(events);
	return NULL;
}

const char *bvol_events_sentence(const struct bvol_events *events)
{
	return events ? events->sentence : "out of memory";
}

int bvol_events_fd(const struct bvol_events *events)
{
	return events->port ? events->port->fd : -1;
}

int bvol_events_timeout(const struct bvol_events *events)
{
	int64_t left;

	if (events->port)
		return -1;
	left = events->retry_at - clock_ms();
	return left > 0 ? left : 0;
}

/* Delivery */

static bool of_another_log(const struct bvol_events *events, const struct bvol_event *event)
{
	if (events->log_known)
		return event->log_id != events->log_id;
	/* Only numbers from the caller's own on were asked for. */
	return events->placed && event->seq <= events->last;
}

/* from_log: it is the next one that the log holds. */
static int take(struct bvol_events *events, const struct bvol_event *event, bool from_log,
		const struct sink *sink)
{
	bool another = of_another_log(events, event);

	events->log_id = event->log_id;
	events->log_known = true;
	if (another) {
		events->placed = events->new_only = false;
		events->last = events->newest = events->due = 0;
		lose(sink, 1, 0);
		if (!from_log || !events->whole)
			return resume(events);
	}
	if (event->seq > events->newest)
		events->newest = event->seq;
	if (events->placed && event->seq <= events->last)
		return 0;
	if (!events->placed && events->reading && !from_log)
		return 0;
	if (events->placed && event->seq > events->last + 1) {
		if (!from_log)
			return resume(events);
		lose(sink, events->last + 1, event->seq - 1);
	}
	events->placed = true;
	events->last = event->seq;
	return sink->ops->event(event, sink->data);
}

static int take_frame(struct bvol_events *events, const struct message *message,
		      const struct sink *sink)
{
	bool netlink = events->port->transport == BVOL_NETLINK;
	bool from_log = netlink ? message->dump : events->reading;
	void *event;
	int r;

	r = codec_decode(&bvol_type_event, message->frame.payload, message->frame.payload_len,
			 &event);
	/* The next event's number shows that this one is missing. */
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	if (!netlink)
		events->reading = false;
	r = take(events, event, from_log, sink);
	bvol_free(&bvol_type_event, event);
	return r;
}

/* The end of a dump, or a refusal of the daemon, which can't be read on from. */
static int take_end(struct bvol_events *events, const struct message *message,
		    const struct sink *sink)
{
	void *decoded;
	int r;

	if (message->frame.cmd == BVOL_CMD_REPLY) {
		struct bvol_response *response;

		r = codec_decode(&bvol_type_response, message->frame.payload,
				 message->frame.payload_len, &decoded);
		disconnect(events);
		if (r < 0)
			return r;
		response = decoded;
		r = -(int)(response->error ?: EPROTO);
		say(events->sentence, r, "%s", response->message ?: strerror(-r));
		bvol_free(&bvol_type_response, response);
		return r;
	}
	if (message->error < 0)
		return disconnect(events);
	events->reading = false;
	if (events->last < events->due) {
		lose(sink, events->last + 1, events->due);
		events->last = events->due;
		events->placed = true;
	}
	return events->read_again || events->newest > events->last ? resume(events) : 0;
}

/* Messages were lost in the socket. */
static int take_overrun(struct bvol_events *events, const struct sink *sink)
{
	if (events->placed || !events->new_only)
		return resume(events);
	lose(sink, 1, 0);
	return 0;
}

/* received: what port_recv() said. */
static int take_one(struct bvol_events *events, const struct message *message, int received,
		    const struct sink *sink)
{
	if (received == -EBADMSG)
		return 0;
	if (received == -ENOBUFS)
		return take_overrun(events, sink);
	if (received < 0)
		return disconnect(events);
	if (message->end)
		return message->seq == events->port->seq ? take_end(events, message, sink) : 0;
	return message->frame.cmd == BVOL_CMD_EVENT ? take_frame(events, message, sink) : 0;
}

int bvol_events_handle(struct bvol_events *events, const struct bvol_event_ops *ops, void *data)
{
	struct sink sink = { ops, data };
	struct message message;
	int r = 0;

	if (!events->port && clock_ms() >= events->retry_at)
		r = reconnect(events, &sink);
	while (events->port && r == 0) {
		r = port_recv(events->port, &message);
		if (r == -EAGAIN)
			return 0;
		r = take_one(events, &message, r, &sink);
	}
	return r;
}
