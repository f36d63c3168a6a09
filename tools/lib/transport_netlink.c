// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sockets of the generic netlink family. The family is looked up in the
 * list of all families: asking for it by name would make the kernel load the
 * module that an operator has just unloaded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>

#include "attr.h"
#include "clock.h"
#include "port.h"

/* The controller's group "notify" has this number since it exists. */
#define NOTIFY_GROUP GENL_ID_CTRL
#define EVENT_BUFFER (1 << 20)
#define RESOLVE_MS 5000

static int netlink_send(struct port *port, const void *buf, size_t len)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (sendto(port->fd, buf, len, MSG_DONTWAIT, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

static void netlink_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
}

/* Receiving */

/* 1 when there is a datagram from the kernel, 0 when it was somebody else's. */
static int fill(struct port *port)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	len = recvfrom(port->fd, port->buf, sizeof(port->buf), MSG_DONTWAIT | MSG_TRUNC,
		       (struct sockaddr *)&from, &from_len);
	if (len < 0)
		return -errno;
	port->len = port->next = 0;
	if ((size_t)len > sizeof(port->buf))
		return -EBADMSG;
	if (from.nl_pid)
		return 0;
	port->len = len;
	return 1;
}

/* What follows skip bytes of a message's content; empty when the message is shorter. */
static struct bytes after(const struct nlmsghdr *head, size_t skip)
{
	size_t len = head->nlmsg_len - NLMSG_HDRLEN;

	if (skip > len)
		skip = len;
	return (struct bytes){ (const uint8_t *)head + NLMSG_HDRLEN + skip, len - skip };
}

/* The sentence among the attributes of an error or of the end of a dump. */
static const char *extack(struct bytes in)
{
	struct attr attr;

	while (attr_next(&in, &attr) > 0)
		if (attr.type == NLMSGERR_ATTR_MSG && attr_is_text(&attr))
			return (const char *)attr.value.at;
	return NULL;
}

/* Both begin with an int that says how it went; an error then has the request's header and more. */
static int get_end(const struct nlmsghdr *head, struct message *ret)
{
	struct bytes content = after(head, 0);
	struct nlmsgerr error = { 0 };
	size_t skip = sizeof(int);

	ret->end = true;
	if (content.left < skip)
		return head->nlmsg_type == NLMSG_DONE ? 1 : -EBADMSG;
	memcpy(&error, content.at, content.left < sizeof(error) ? content.left : sizeof(error));
	ret->error = error.error;
	if (head->nlmsg_type == NLMSG_ERROR) {
		skip = sizeof(error);
		if (!(head->nlmsg_flags & NLM_F_CAPPED) && error.msg.nlmsg_len > NLMSG_HDRLEN)
			skip += NLMSG_ALIGN((size_t)error.msg.nlmsg_len) - NLMSG_HDRLEN;
	}
	if (head->nlmsg_flags & NLM_F_ACK_TLVS)
		ret->sentence = extack(after(head, skip));
	return 1;
}

/* One group of a family's list: take the number of our events'. */
static void take_group(struct port *port, struct bytes in)
{
	struct attr attr;
	bool events = false;
	uint32_t id = 0;

	while (attr_next(&in, &attr) > 0) {
		if (attr.type == CTRL_ATTR_MCAST_GRP_NAME && attr_is_text(&attr))
			events = !strcmp((const char *)attr.value.at, "events");
		if (attr.type == CTRL_ATTR_MCAST_GRP_ID && attr.value.left == sizeof(id))
			memcpy(&id, attr.value.at, sizeof(id));
	}
	if (events)
		port->group = id;
}

struct family {
	uint16_t id;
	bool ours;
	struct bytes groups;
};

static void get_family(struct bytes in, struct family *ret)
{
	struct attr attr;

	*ret = (struct family){ 0 };
	while (attr_next(&in, &attr) > 0) {
		if (attr.type == CTRL_ATTR_FAMILY_ID && attr.value.left == sizeof(ret->id))
			memcpy(&ret->id, attr.value.at, sizeof(ret->id));
		if (attr.type == CTRL_ATTR_FAMILY_NAME && attr_is_text(&attr))
			ret->ours = !strcmp((const char *)attr.value.at, BVOL_GENL_NAME);
		if (attr.type == CTRL_ATTR_MCAST_GROUPS)
			ret->groups = attr.value;
	}
}

/* 1: our family came (only a port without family asks), -ENODEV: it went, 0: another one. */
static int get_controller(struct port *port, const struct nlmsghdr *head)
{
	struct bytes content = after(head, 0);
	struct family family;
	struct attr group;
	uint8_t cmd;

	if (content.left < GENL_HDRLEN)
		return 0;
	cmd = content.at[offsetof(struct genlmsghdr, cmd)];
	get_family(after(head, GENL_HDRLEN), &family);
	if (!family.ours)
		return 0;
	if (cmd == CTRL_CMD_DELFAMILY && port->family)
		return -ENODEV;
	if (cmd != CTRL_CMD_NEWFAMILY || port->family)
		return 0;
	if (!head->nlmsg_seq)
		return 1;
	port->family = family.id;
	while (attr_next(&family.groups, &group) > 0)
		take_group(port, group.value);
	return 0;
}

/* 1: ret is filled in, 0: nothing for the caller. */
static int get_message(struct port *port, const struct nlmsghdr *head, struct message *ret)
{
	int r;

	ret->seq = head->nlmsg_seq;
	ret->dump = head->nlmsg_flags & NLM_F_MULTI;
	if (head->nlmsg_type == NLMSG_ERROR || head->nlmsg_type == NLMSG_DONE)
		return get_end(head, ret);
	if (head->nlmsg_type == GENL_ID_CTRL)
		return get_controller(port, head);
	if (!port->family || head->nlmsg_type != port->family)
		return 0;
	r = frame_parse(head, &ret->frame);
	if (r < 0)
		return r;
	ret->end = ret->frame.cmd == BVOL_CMD_REPLY;
	return 1;
}

static int next_head(struct port *port, const struct nlmsghdr **ret)
{
	size_t left;
	int r;

	while (port->next >= port->len) {
		r = fill(port);
		if (r < 0)
			return r;
	}
	left = port->len - port->next;
	port->last = port->next;
	*ret = (const void *)(port->buf + port->next);
	if (left < NLMSG_HDRLEN || (*ret)->nlmsg_len < NLMSG_HDRLEN || (*ret)->nlmsg_len > left) {
		port->next = port->len;
		return -EBADMSG;
	}
	port->next += NLMSG_ALIGN((*ret)->nlmsg_len);
	return 0;
}

static int netlink_recv(struct port *port, struct message *ret)
{
	const struct nlmsghdr *head;
	int r;

	do {
		r = next_head(port, &head);
		if (r < 0)
			return r;
		r = get_message(port, head, ret);
	} while (!r);
	return r < 0 ? r : 0;
}

void port_again(struct port *port)
{
	port->next = port->last;
}

static const struct port_ops netlink_ops = { netlink_send, netlink_recv, netlink_close };

/* Opening */

static int set(struct port *port, int option, int value)
{
	return setsockopt(port->fd, SOL_NETLINK, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Bound, because the kernel's multicast passes by a socket without a number. */
static int open_socket(char *sentence, struct port **ret)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	struct port *port;
	int r;

	port = calloc(1, sizeof(*port));
	if (!port)
		return say(sentence, -ENOMEM, "out of memory");
	port->ops = &netlink_ops;
	port->transport = BVOL_NETLINK;
	port->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (port->fd < 0 || bind(port->fd, (struct sockaddr *)&any, sizeof(any)) < 0) {
		r = -errno;
		port_close(port);
		return say(sentence, r, "cannot open a generic netlink socket: %s", strerror(-r));
	}
	set(port, NETLINK_EXT_ACK, 1);
	set(port, NETLINK_CAP_ACK, 1);
	*ret = port;
	return 0;
}

static int resolve(struct port *port, char *sentence)
{
	struct frame list = {
		.type = GENL_ID_CTRL, .cmd = CTRL_CMD_GETFAMILY, .flags = NLM_F_REQUEST | NLM_F_DUMP,
	};
	int r;

	r = port_ask(port, &list, clock_ms() + RESOLVE_MS, sentence, NULL, NULL);
	if (r < 0)
		return say(sentence, r, "the kernel does not list its netlink families: %s",
			   strerror(-r));
	if (!port->family)
		return say(sentence, -ENOENT, "the bvol kernel module is not loaded: start bvold, "
			   "or use --transport unix");
	return 0;
}

/* May this user ask, and is there a daemon? Before events come, among which its answer would be. */
static int ask_info(struct port *port, char *sentence)
{
	struct frame get = { .cmd = BVOL_CMD_INFO, .flags = NLM_F_REQUEST | NLM_F_ACK };
	struct bvol_info *info = codec_new(&bvol_type_info);
	int r;

	if (!info)
		return say(sentence, -ENOMEM, "out of memory");
	r = port_ask(port, &get, clock_ms() + RESOLVE_MS, sentence, port_merge_info, info);
	port->served = bvol_has(info, BVOL_A_INFO_DAEMON_PID);
	bvol_free(&bvol_type_info, info);
	if (r == -EPERM)
		return say(sentence, r, PORT_EPERM);
	if (r < 0)
		return say(sentence, r, "the bvol kernel module does not answer: %s", strerror(-r));
	return 0;
}

/* The buffer takes a burst of logins; without the right to have it the usual one does. */
static int join_events(struct port *port, char *sentence)
{
	int size = EVENT_BUFFER, r;

	setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	r = set(port, NETLINK_ADD_MEMBERSHIP, port->group);
	if (r == -EPERM)
		return say(sentence, r, PORT_EPERM);
	if (r < 0)
		return say(sentence, r, "cannot subscribe to bvol's events: %s", strerror(-r));
	return 0;
}

/* Watching before asking, a family that goes in between is not missed. */
int port_open_netlink(bool events, char *sentence, struct port **ret)
{
	struct port *port;
	int r;

	r = events ? port_open_watch(sentence, &port) : open_socket(sentence, &port);
	if (r < 0)
		return r;
	r = resolve(port, sentence);
	if (r == 0)
		r = ask_info(port, sentence);
	if (r == 0 && events)
		r = join_events(port, sentence);
	if (r < 0)
		port_close(port);
	else
		*ret = port;
	return r;
}

/* A family that went meanwhile is missed; events then stay away, as from a daemon that is silent. */
int port_open_beside(const struct port *port, char *sentence, struct port **ret)
{
	int r = port_open_watch(sentence, ret);

	if (r < 0)
		return r;
	(*ret)->family = port->family;
	(*ret)->group = port->group;
	(*ret)->served = port->served;
	r = join_events(*ret, sentence);
	if (r < 0)
		*ret = port_close(*ret);
	return r;
}

int port_open_watch(char *sentence, struct port **ret)
{
	struct port *port;
	int r;

	r = open_socket(sentence, &port);
	if (r < 0)
		return r;
	r = set(port, NETLINK_ADD_MEMBERSHIP, NOTIFY_GROUP);
	if (r < 0) {
		port_close(port);
		return say(sentence, r, "cannot watch the kernel's netlink families: %s",
			   strerror(-r));
	}
	*ret = port;
	return 0;
}
