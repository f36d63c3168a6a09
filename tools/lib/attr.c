// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>
#include <linux/netlink.h>

#include "attr.h"

int attr_next(struct bytes *in, struct attr *ret)
{
	struct nlattr head;
	size_t whole;

	if (!in->left)
		return 0;
	if (in->left < NLA_HDRLEN)
		return -EBADMSG;
	memcpy(&head, in->at, sizeof(head));
	if (head.nla_len < NLA_HDRLEN || head.nla_len > in->left)
		return -EBADMSG;
	ret->type = head.nla_type & NLA_TYPE_MASK;
	ret->value = (struct bytes){ in->at + NLA_HDRLEN, head.nla_len - NLA_HDRLEN };
	/* The last one need not be padded. */
	whole = NLA_ALIGN((size_t)head.nla_len);
	if (whole > in->left)
		whole = in->left;
	in->at += whole;
	in->left -= whole;
	return 1;
}

bool attr_is_text(const struct attr *attr)
{
	const struct bytes *value = &attr->value;

	return value->left && memchr(value->at, '\0', value->left) == value->at + value->left - 1;
}

void *attrs_room(struct attrs *out, size_t len)
{
	size_t aligned = NLA_ALIGN(len);
	void *room = out->buf + out->len;

	if (aligned < len || aligned > out->max - out->len)
		return NULL;
	memset(room, 0, aligned);
	out->len += aligned;
	return room;
}

int attrs_put(struct attrs *out, uint16_t type, const void *data, size_t len)
{
	struct nlattr head = { .nla_len = NLA_HDRLEN + len, .nla_type = type };
	uint8_t *room;

	if (len > UINT16_MAX - NLA_HDRLEN)
		return -EMSGSIZE;
	room = attrs_room(out, NLA_HDRLEN + len);
	if (!room)
		return -EMSGSIZE;
	memcpy(room, &head, sizeof(head));
	if (len)
		memcpy(room + NLA_HDRLEN, data, len);
	return 0;
}

ssize_t attrs_begin(struct attrs *out, uint16_t type)
{
	size_t start = out->len;
	int r;

	r = attrs_put(out, type | NLA_F_NESTED, NULL, 0);
	return r < 0 ? r : (ssize_t)start;
}

int attrs_end(struct attrs *out, size_t start)
{
	size_t len = out->len - start;
	uint16_t nla_len = len;

	if (len > UINT16_MAX)
		return -EMSGSIZE;
	memcpy(out->buf + start + offsetof(struct nlattr, nla_len), &nla_len, sizeof(nla_len));
	return 0;
}
