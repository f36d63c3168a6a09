// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>
#include <linux/genetlink.h>

#include "attr.h"
#include "codec.h"

#define HEAD_LEN ((size_t)NLMSG_HDRLEN + GENL_HDRLEN)

/* A number of an envelope and its place in struct frame. */
struct item {
	uint8_t attr;
	uint8_t size;
	uint16_t offset;
};

struct envelope {
	uint8_t cmd;
	uint8_t payload;	/* attribute that holds the payload, 0: there is none */
	struct item items[5];
};

#define ITEM(attr, member) \
	{ attr, sizeof(((struct frame *)0)->member), offsetof(struct frame, member) }
#define RELAY_ITEMS { \
	ITEM(BVOL_A_RELAY_COOKIE, cookie), ITEM(BVOL_A_RELAY_VERB, verb), \
	ITEM(BVOL_A_RELAY_UID, uid), ITEM(BVOL_A_RELAY_PID, pid) }

/* Commands that are not in this table have no envelope. */
static const struct envelope envelopes[] = {
	{ BVOL_CMD_CALL, BVOL_A_RELAY_PAYLOAD, RELAY_ITEMS },
	{ BVOL_CMD_REPLY, BVOL_A_RELAY_PAYLOAD, RELAY_ITEMS },
	{ BVOL_CMD_EVENT_GET, 0, {
		ITEM(BVOL_A_LOG_SINCE, since), ITEM(BVOL_A_LOG_FOLLOW, follow) } },
};

static const struct envelope *envelope_of(uint8_t cmd)
{
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++)
		if (envelopes[i].cmd == cmd)
			return &envelopes[i];
	return NULL;
}

static int put_envelope(struct attrs *out, const struct envelope *envelope,
			const struct frame *frame)
{
	static const uint64_t zero;
	const struct item *item;
	int r = 0;

	for (item = envelope->items; item->attr && r == 0; item++) {
		const char *value = (const char *)frame + item->offset;

		if (memcmp(value, &zero, item->size))
			r = attrs_put(out, item->attr, value, item->size);
	}
	if (r == 0 && envelope->payload)
		r = attrs_put(out, envelope->payload, frame->payload, frame->payload_len);
	return r;
}

static int put_direct(struct attrs *out, const struct frame *frame)
{
	void *room = attrs_room(out, frame->payload_len);

	if (!room)
		return -EMSGSIZE;
	if (frame->payload_len)
		memcpy(room, frame->payload, frame->payload_len);
	return 0;
}

ssize_t frame_put(const struct frame *frame, void *buf, size_t len)
{
	const struct envelope *envelope = envelope_of(frame->cmd);
	struct nlmsghdr head = {
		.nlmsg_type = frame->type ?: BVOL_FRAME,
		.nlmsg_flags = frame->flags,
		.nlmsg_seq = frame->seq,
	};
	struct genlmsghdr genl = { .cmd = frame->cmd, .version = BVOL_GENL_VERSION };
	struct attrs out = { .buf = buf, .max = len };
	uint8_t *room;
	int r;

	if (frame->payload_len > BVOL_PAYLOAD_MAX)
		return -EMSGSIZE;
	room = attrs_room(&out, HEAD_LEN);
	if (!room)
		return -EMSGSIZE;
	r = envelope ? put_envelope(&out, envelope, frame) : put_direct(&out, frame);
	if (r < 0)
		return r;
	head.nlmsg_len = out.len;
	memcpy(room, &head, sizeof(head));
	memcpy(room + NLMSG_HDRLEN, &genl, sizeof(genl));
	return out.len;
}

static int get_item(const struct envelope *envelope, const struct attr *attr, struct frame *ret)
{
	const struct bytes *value = &attr->value;
	const struct item *item;

	if (envelope->payload && attr->type == envelope->payload) {
		if (ret->payload || value->left > BVOL_PAYLOAD_MAX)
			return -EBADMSG;
		ret->payload = value->at;
		ret->payload_len = value->left;
		return 0;
	}
	for (item = envelope->items; item->attr; item++) {
		if (attr->type != item->attr)
			continue;
		if (value->left != item->size)
			return -EBADMSG;
		memcpy((char *)ret + item->offset, value->at, value->left);
	}
	return 0;
}

int frame_parse(const void *message, struct frame *ret)
{
	const struct envelope *envelope;
	struct genlmsghdr genl;
	struct nlmsghdr head;
	struct bytes in;
	struct attr attr;
	int r;

	memcpy(&head, message, sizeof(head));
	if (head.nlmsg_len < HEAD_LEN)
		return -EBADMSG;
	memcpy(&genl, (const uint8_t *)message + NLMSG_HDRLEN, sizeof(genl));
	in = (struct bytes){ (const uint8_t *)message + HEAD_LEN, head.nlmsg_len - HEAD_LEN };
	*ret = (struct frame) {
		.cmd = genl.cmd, .seq = head.nlmsg_seq,
		.type = head.nlmsg_type, .flags = head.nlmsg_flags,
	};
	envelope = envelope_of(genl.cmd);
	if (!envelope) {
		ret->payload = in.at;
		ret->payload_len = in.left;
		return 0;
	}
	while ((r = attr_next(&in, &attr)) > 0) {
		r = get_item(envelope, &attr, ret);
		if (r < 0)
			return r;
	}
	return r;
}

int frame_get(const void *buf, size_t len, struct frame *ret)
{
	struct nlmsghdr head;

	if (len < HEAD_LEN)
		return -EBADMSG;
	memcpy(&head, buf, sizeof(head));
	if (head.nlmsg_len != len || head.nlmsg_type != BVOL_FRAME)
		return -EBADMSG;
	return frame_parse(buf, ret);
}
