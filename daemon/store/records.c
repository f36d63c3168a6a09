// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "store/records.h"
#include "util/cleanup.h"

#define ROOM_FIRST (64 * 1024)

struct head {
	uint32_t tag, length;
};

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

void records_clear(struct records *r)
{
	free(r->data);
	*r = (struct records) { 0 };
}

static int make_room(struct records *r, size_t n, struct err *e)
{
	size_t room = r->room ? r->room : ROOM_FIRST;
	uint8_t *grown;

	while (room - r->n < n)
		room *= 2;
	if (room == r->room)
		return 0;
	grown = realloc(r->data, room);
	if (!grown)
		return err_set(e, -ENOMEM, "out of memory");
	r->data = grown;
	r->room = room;
	return 0;
}

int records_add(struct records *r, enum record_tag tag, const struct bvol_type *type,
		const void *obj, struct err *e)
{
	struct head head = { .tag = htole32(tag) };
	size_t most = sizeof(head) + BVOL_PAYLOAD_MAX;
	ssize_t length;
	int code = make_room(r, most, e);

	if (code)
		return code;
	length = codec_encode(type, obj, r->data + r->n + sizeof(head), BVOL_PAYLOAD_MAX - 4);
	if (length < 0)
		return err_set(e, (int)length, "a %s can't be written down", type->name);
	head.length = htole32((uint32_t)length);
	memcpy(r->data + r->n, &head, sizeof(head));
	r->n += sizeof(head) + (size_t)length;
	while (r->n % 4)
		r->data[r->n++] = 0;
	return 0;
}

/*
 * A field that this version does not know is skipped by the codec, and gone when the
 * object is written again: that would be a loss that nobody is told of.
 */
static int check_known(const struct bvol_type *type, const void *obj, size_t length, struct err *e)
{
	_cleanup_free_ uint8_t *again = malloc(BVOL_PAYLOAD_MAX);
	ssize_t n = again ? codec_encode(type, obj, again, BVOL_PAYLOAD_MAX) : -ENOMEM;

	if (n < 0)
		return err_set(e, n == -ENOMEM ? -ENOMEM : -EBADMSG, "a %s that was kept is damaged",
			       type->name);
	if ((size_t)n != length)
		return err_set(e, -EPROTO, "a %s was kept by a newer version of bvol; use that one",
			       type->name);
	return 0;
}

static int take_one(const struct head *head, const uint8_t *at, const records_types types,
		    records_each each, void *each_data, struct err *e)
{
	const struct bvol_type *type;
	void *obj;
	int code;

	if (!head->tag || head->tag >= RECORD_TAGS)
		return err_set(e, -EPROTO,
			       "something was kept that only a newer version of bvol knows; use that one");
	type = types[head->tag];
	if (!type)
		return 0;
	code = codec_decode(type, at, head->length, &obj);
	if (code)
		return err_set(e, code, "a %s that was kept is damaged", type->name);
	code = check_known(type, obj, head->length, e);
	if (!code && !(*(uint64_t *)obj & BVOL_BIT(type->fields[0].attr)))
		code = err_set(e, -EBADMSG, "a %s was kept without its key", type->name);
	if (!code)
		code = each(head->tag, obj, each_data);
	bvol_free(type, obj);
	return code;
}

int records_walk(const void *data, size_t n, const records_types types, records_each each,
		 void *each_data, struct err *e)
{
	const uint8_t *at = data;
	struct head head;
	int code = 0;

	while (!code && n) {
		if (n < sizeof(head))
			return err_set(e, -EBADMSG, "what was kept is damaged");
		memcpy(&head, at, sizeof(head));
		head = (struct head) { le32toh(head.tag), le32toh(head.length) };
		at += sizeof(head);
		n -= sizeof(head);
		if (head.length > BVOL_PAYLOAD_MAX || padded(head.length) > n)
			return err_set(e, -EBADMSG, "what was kept is damaged");
		code = take_one(&head, at, types, each, each_data, e);
		at += padded(head.length);
		n -= padded(head.length);
	}
	return code;
}
