// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libnl writes attributes into messages of its own alone and drops a nested
 * attribute without content; it is used for reading.
 */
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <linux/netlink.h>

#include "attr.h"

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
