// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sockets of the generic netlink family. What libnl does with errors (it
 * maps them to numbers of its own) and with family names (asking for one by
 * name makes the kernel load the module that an operator has just unloaded)
 * is not wanted here, so the family is looked up in the list of all families.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

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
	if (port->socket)
		nl_socket_free(port->socket);
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

/* Sentence among the attributes that follow skip bytes of an error or the end of a dump. */
static const char *extack(const struct nlmsghdr *head, size_t skip)
{
	const struct nlattr *attr;
	const char *text;

	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS) || head->nlmsg_len < NLMSG_HDRLEN + skip)
		return NULL;
	attr = nla_find((const struct nlattr *)((const char *)head + NLMSG_HDRLEN + skip),
			head->nlmsg_len - NLMSG_HDRLEN - skip, NLMSGERR_ATTR_MSG);
	if (!attr || !nla_len(attr))
		return NULL;
	text = nla_data(attr);
	return memchr(text, '\0', nla_len(attr)) ? text : NULL;
}

static int get_error(const struct nlmsghdr *head, struct message *ret)
{
	const struct nlmsgerr *error = nlmsg_data(head);
	size_t skip = sizeof(*error);

	if (head->nlmsg_len < NLMSG_HDRLEN + skip)
		return -EBADMSG;
	if (!(head->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > NLMSG_HDRLEN)
		skip += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
	ret->error = error->error;
	ret->sentence = extack(head, skip);
	ret->end = true;
	return 1;
}

static int get_done(const struct nlmsghdr *head, struct message *ret)
{
	if (head->nlmsg_len >= NLMSG_HDRLEN + sizeof(int)) {
		memcpy(&ret->error, nlmsg_data(head), sizeof(int));
		ret->sentence = extack(head, sizeof(int));
	}
	ret->end = true;
	return 1;
}

static void take_groups(struct port *port, const struct nlattr *groups)
{
	struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];
	struct nlattr *group;
	int left;

	nla_for_each_nested(group, groups, left) {
		if (nla_parse_nested(tb, CTRL_ATTR_MCAST_GRP_MAX, group, NULL) < 0 ||
		    !tb[CTRL_ATTR_MCAST_GRP_NAME] || !tb[CTRL_ATTR_MCAST_GRP_ID])
			continue;
		if (!nla_strcmp(tb[CTRL_ATTR_MCAST_GRP_NAME], "events"))
			port->group = nla_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

/* 1: our family came (only a port without family asks), -ENODEV: it went, 0: another one. */
static int get_controller(struct port *port, const struct nlmsghdr *head, struct message *ret)
{
	const struct genlmsghdr *genl = nlmsg_data(head);
	struct nlattr *tb[CTRL_ATTR_MAX + 1];

	if (head->nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN ||
	    nlmsg_parse((struct nlmsghdr *)head, GENL_HDRLEN, tb, CTRL_ATTR_MAX, NULL) < 0 ||
	    !tb[CTRL_ATTR_FAMILY_NAME] || !tb[CTRL_ATTR_FAMILY_ID] ||
	    nla_strcmp(tb[CTRL_ATTR_FAMILY_NAME], BVOL_GENL_NAME))
		return 0;
	if (genl->cmd == CTRL_CMD_DELFAMILY && port->family)
		return -ENODEV;
	if (genl->cmd != CTRL_CMD_NEWFAMILY || port->family)
		return 0;
	if (head->nlmsg_seq) {
		port->family = nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
		if (tb[CTRL_ATTR_MCAST_GROUPS])
			take_groups(port, tb[CTRL_ATTR_MCAST_GROUPS]);
		return 0;
	}
	return 1;
}

/* 1: ret is filled in, 0: nothing for the caller. */
static int get_message(struct port *port, const struct nlmsghdr *head, struct message *ret)
{
	int r;

	ret->seq = head->nlmsg_seq;
	ret->dump = head->nlmsg_flags & NLM_F_MULTI;
	if (head->nlmsg_type == NLMSG_ERROR)
		return get_error(head, ret);
	if (head->nlmsg_type == NLMSG_DONE)
		return get_done(head, ret);
	if (head->nlmsg_type == GENL_ID_CTRL)
		return get_controller(port, head, ret);
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
	int r;

	while (port->next >= port->len) {
		r = fill(port);
		if (r < 0)
			return r;
	}
	*ret = (const void *)(port->buf + port->next);
	port->last = port->next;
	if (!nlmsg_ok(*ret, port->len - port->next)) {
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
		if (!r)
			r = get_message(port, head, ret);
		else
			return r;
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

static int open_socket(char *sentence, struct port **ret)
{
	struct port *port;

	port = calloc(1, sizeof(*port));
	if (!port)
		return say(sentence, -ENOMEM, "out of memory");
	port->ops = &netlink_ops;
	port->transport = BVOL_NETLINK;
	port->socket = nl_socket_alloc();
	if (!port->socket || nl_connect(port->socket, NETLINK_GENERIC) < 0) {
		port_close(port);
		return say(sentence, -EPROTONOSUPPORT, "this kernel offers no generic netlink socket");
	}
	port->fd = nl_socket_get_fd(port->socket);
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

	r = port_ask(port, &list, port_now() + RESOLVE_MS, sentence, NULL, NULL);
	if (r < 0)
		return say(sentence, r, "the kernel does not list its netlink families: %s",
			   strerror(-r));
	if (!port->family)
		return say(sentence, -ENOENT, "the bvol kernel module is not loaded: start bvold, "
			   "or use --transport unix");
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
	if (r == 0 && events)
		r = join_events(port, sentence);
	if (r < 0)
		port_close(port);
	else
		*ret = port;
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
