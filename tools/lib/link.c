// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "link.h"
#include "port.h"

/* The kernel answers at once; a time-out shows a defect instead of hiding it in a hung loop. */
#define ASK_MS 5000

struct link {
	struct port *calls;
	struct port *events;
	struct port *requests;
};

static int ask(struct link *link, struct frame *frame, uint16_t flags, port_each each, void *data)
{
	char sentence[BVOL_SENTENCE_MAX + 1];

	frame->flags = NLM_F_REQUEST | flags;
	return port_ask(link->requests, frame, clock_ms() + ASK_MS, sentence, each, data);
}

/* A request whose attributes are those of obj. */
static int tell(struct link *link, uint8_t cmd, const struct bvol_type *type, const void *obj)
{
	uint8_t buf[BVOL_FRAME_MAX];
	struct frame frame = { .cmd = cmd, .payload = buf };
	ssize_t len;

	len = codec_encode(type, obj, buf, sizeof(buf));
	if (len < 0)
		return len;
	frame.payload_len = len;
	return ask(link, &frame, NLM_F_ACK, NULL, NULL);
}

/* Opening */

/*
 * The kernel acts on the message before send() returns, so that the answer is
 * there already. A client may have called in between: its call is proof
 * enough, and is left for link_handle_calls().
 */
static int bind_daemon(struct link *link, const char *version, char *sentence)
{
	uint8_t buf[256];
	struct bvol_info info = { .has = BVOL_BIT(BVOL_A_INFO_DAEMON_VERSION),
				  .daemon_version = (char *)version };
	struct frame frame = { .cmd = BVOL_CMD_DAEMON_BIND, .flags = NLM_F_REQUEST, .payload = buf };
	struct message answer;
	ssize_t len;
	int r;

	len = codec_encode(&bvol_type_info, &info, buf, sizeof(buf));
	if (len < 0)
		return say(sentence, len, "the daemon's version is too long");
	frame.payload_len = len;
	r = port_send(link->calls, &frame);
	if (r == 0)
		r = port_wait(link->calls, clock_ms() + ASK_MS);
	if (r == 0)
		r = port_recv(link->calls, &answer);
	if (r == 0 && answer.frame.cmd == BVOL_CMD_CALL)
		port_again(link->calls);
	if (r == 0 && answer.end)
		r = answer.error;
	if (r == -EBUSY)
		return say(sentence, r, "another bvold is running on this node");
	if (r < 0)
		return say(sentence, r, "the bvol kernel module refuses this daemon: %s",
			   answer.sentence ?: strerror(-r));
	return 0;
}

int link_open(const char *version, char *sentence, struct link **ret)
{
	struct link *link;
	int r;

	link = calloc(1, sizeof(*link));
	if (!link)
		return say(sentence, -ENOMEM, "out of memory");
	r = port_open_netlink(false, sentence, &link->requests);
	if (r == 0)
		r = port_open_netlink(true, sentence, &link->events);
	if (r == 0)
		r = port_open_netlink(false, sentence, &link->calls);
	if (r == 0)
		r = bind_daemon(link, version, sentence);
	if (r == 0) {
		*ret = link;
		return 0;
	}
	link_close(link);
	/* What a client should do is no advice for the daemon. */
	if (r == -ENOENT)
		return say(sentence, r, "the bvol kernel module is not loaded");
	if (r == -EPERM)
		return say(sentence, r, "bvold needs CAP_NET_ADMIN in the initial user and network "
			   "namespace: run it as root");
	return r;
}

struct link *link_close(struct link *link)
{
	if (!link)
		return NULL;
	port_close(link->calls);
	port_close(link->events);
	port_close(link->requests);
	free(link);
	return NULL;
}

int link_call_fd(const struct link *link)
{
	return link->calls->fd;
}

int link_event_fd(const struct link *link)
{
	return link->events->fd;
}

/* Receiving */

int link_handle_calls(struct link *link, const struct link_ops *ops, void *data)
{
	struct message message;
	int r;

	while ((r = port_recv(link->calls, &message)) != -EAGAIN) {
		const struct frame *frame = &message.frame;

		/* A call that found no room got an error from the kernel. */
		if (r == -ENOBUFS || r == -EBADMSG)
			continue;
		if (r < 0)
			return r;
		if (frame->cmd != BVOL_CMD_CALL)
			continue;
		ops->call(&(struct link_call){
			.cookie = frame->cookie, .verb = frame->verb,
			.uid = frame->uid, .pid = frame->pid,
			.payload = frame->payload, .payload_len = frame->payload_len,
		}, data);
	}
	return 0;
}

int link_handle_events(struct link *link, const struct link_ops *ops, void *data)
{
	struct message message;
	void *event;
	int r;

	while ((r = port_recv(link->events, &message)) != -EAGAIN) {
		if (r == -ENOBUFS || r == -EBADMSG) {
			ops->overrun(data);
			continue;
		}
		if (r < 0)
			return r;
		if (message.frame.cmd != BVOL_CMD_EVENT)
			continue;
		r = codec_decode(&bvol_type_event, message.frame.payload,
				 message.frame.payload_len, &event);
		if (r < 0) {
			ops->overrun(data);
			continue;
		}
		ops->event(event, data);
		bvol_free(&bvol_type_event, event);
	}
	return 0;
}


/* Requests */

int link_reply(struct link *link, uint64_t cookie, const struct bvol_response *response)
{
	uint8_t buf[BVOL_PAYLOAD_MAX];
	struct frame frame = { .cmd = BVOL_CMD_REPLY, .cookie = cookie, .payload = buf };
	ssize_t len;

	len = codec_encode(&bvol_type_response, response, buf, sizeof(buf));
	if (len < 0)
		return len;
	frame.payload_len = len;
	return ask(link, &frame, NLM_F_ACK, NULL, NULL);
}

int link_notify(struct link *link, const struct bvol_event *event)
{
	return tell(link, BVOL_CMD_NOTIFY, &bvol_type_event, event);
}

/* The kernel is told what it has to know, and no secret. */
int link_export_add(struct link *link, const struct bvol_export *export)
{
	struct bvol_export told = *export;

	told.has &= BVOL_BIT(BVOL_A_EXPORT_ID) | BVOL_BIT(BVOL_A_EXPORT_VOLUME_ID) |
		    BVOL_BIT(BVOL_A_EXPORT_FABRIC) | BVOL_BIT(BVOL_A_EXPORT_TARGET) |
		    BVOL_BIT(BVOL_A_EXPORT_TPGT) | BVOL_BIT(BVOL_A_EXPORT_LUN) |
		    BVOL_BIT(BVOL_A_EXPORT_SIZE);
	return tell(link, BVOL_CMD_EXPORT_ADD, &bvol_type_export, &told);
}

int link_export_del(struct link *link, const struct bvol_uuid *id)
{
	struct bvol_export export = { .has = BVOL_BIT(BVOL_A_EXPORT_ID), .id = *id };

	return tell(link, BVOL_CMD_EXPORT_DEL, &bvol_type_export, &export);
}

static int dump(struct link *link, struct frame frame, const struct bvol_type *type,
		bvol_each each, void *data)
{
	return ask(link, &frame, NLM_F_DUMP, port_walk, &(struct port_walk){ type, each, data });
}

int link_exports(struct link *link, bvol_each each, void *data)
{
	return dump(link, (struct frame){ .cmd = BVOL_CMD_EXPORT_GET }, &bvol_type_export, each, data);
}

int link_sessions(struct link *link, bvol_each each, void *data)
{
	return dump(link, (struct frame){ .cmd = BVOL_CMD_SESSION_GET }, &bvol_type_session,
		    each, data);
}

int link_events(struct link *link, uint64_t since, bvol_each each, void *data)
{
	return dump(link, (struct frame){ .cmd = BVOL_CMD_EVENT_GET, .since = since },
		    &bvol_type_event, each, data);
}

int link_info(struct link *link, struct bvol_info **ret)
{
	struct frame frame = { .cmd = BVOL_CMD_INFO };
	struct bvol_info *info;
	int r;

	info = codec_new(&bvol_type_info);
	if (!info)
		return -ENOMEM;
	r = ask(link, &frame, NLM_F_ACK, port_merge_info, info);
	if (r == 0)
		*ret = info;
	else
		bvol_free(&bvol_type_info, info);
	return r;
}

/* Watching; the type exists so that nobody mistakes one for the other. */

struct link_watch {
	struct port *port;
};

int link_watch_open(struct link_watch **ret)
{
	char sentence[BVOL_SENTENCE_MAX + 1];
	struct link_watch *watch;
	int r;

	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	r = port_open_watch(sentence, &watch->port);
	if (r < 0)
		link_watch_close(watch);
	else
		*ret = watch;
	return r;
}

struct link_watch *link_watch_close(struct link_watch *watch)
{
	if (watch)
		port_close(watch->port);
	free(watch);
	return NULL;
}

int link_watch_fd(const struct link_watch *watch)
{
	return watch->port->fd;
}

int link_watch_handle(struct link_watch *watch)
{
	struct message message;
	int came = 0, r;

	while ((r = port_recv(watch->port, &message)) != -EAGAIN) {
		/* After an overrun it may have come: a vain look does no harm. */
		if (r < 0 && r != -ENOBUFS && r != -EBADMSG)
			return r;
		came = 1;
	}
	return came;
}
