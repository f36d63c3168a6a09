/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Objects to bytes and back, driven by the field tables. Inside the tree only:
 * libbvol and the daemon share it. The bytes are netlink attributes; a message
 * on the unix socket is a struct nlmsghdr, a struct genlmsghdr and attributes,
 * as on netlink, with nlmsg_type BVOL_FRAME.
 */
#ifndef BVOL_CODEC_H
#define BVOL_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bvol.h"

/* nlmsg_type on the unix socket, where no family id exists. */
#define BVOL_FRAME	0x10
/* Largest message either way, headers and envelope included. */
#define BVOL_FRAME_MAX	(BVOL_PAYLOAD_MAX + 1024)
/* How deep objects nest at most; deeper input is refused. */
#define BVOL_DEPTH_MAX	4

/* Zeroed object of a type, NULL without memory; the struct's first bytes are "has". */
void *codec_new(const struct bvol_type *type);

/*
 * Attributes of obj into buf: number of bytes, or -EMSGSIZE (also when a
 * string is longer than its field may be), -EILSEQ for a string outside UTF-8.
 * Only fields whose "has" bit is set are written.
 */
ssize_t codec_encode(const struct bvol_type *type, const void *obj, void *buf, size_t len);
/*
 * -EBADMSG: a wrong length, bytes outside UTF-8, a string without its NUL or
 * too long, a single value twice, too deep; -ENOMEM. Unknown attributes are
 * skipped (a newer peer).
 */
int codec_decode(const struct bvol_type *type, const void *buf, size_t len, void **ret);

/* Deep copy, NULL without memory. */
void *codec_copy(const struct bvol_type *type, const void *obj);
/* Move to into what it lacks and from has; both stay the caller's. */
void codec_merge(const struct bvol_type *type, void *into, void *from);

/*
 * Setters that copy and set the "has" bit; obj's struct must be of that type.
 * A string NULL clears the field. -EINVAL: the field is of another kind; -ENOMEM.
 */
int codec_set_string(const struct bvol_type *type, void *obj, uint16_t attr, const char *value);
int codec_set_list(const struct bvol_type *type, void *obj, uint16_t attr,
		   const char *const *values, size_t n);
int codec_append_list(const struct bvol_type *type, void *obj, uint16_t attr, const char *value);
/* Takes over item (freed on error too), appended to a BVOL_NESTS field. */
int codec_append_nest(const struct bvol_type *type, void *obj, uint16_t attr, void *item);

/* Number and UUID fields: assign and set the bit. */
#define codec_set(obj, attr, member, value) \
	do { (obj)->member = (value); (obj)->has |= BVOL_BIT(attr); } while (0)

/*
 * One message, on the unix socket and on netlink. A call or a reply carries
 * its attributes as payload of an envelope; event-get has the envelope alone;
 * any other command has its attributes directly, here called payload too.
 * On the unix socket event-get without follow ends with a reply without
 * payload, event-get with follow never ends; since = UINT64_MAX stands for new
 * events alone.
 */
struct frame {
	uint8_t cmd;		/* enum BVOL_CMD_… */
	uint32_t seq;
	/* Envelope; absent values are 0. */
	uint32_t verb;
	uint64_t since;		/* of event-get */
	uint32_t follow;	/* of event-get */
	const void *payload;	/* attributes; points into the buffer that was parsed */
	size_t payload_len;
	/* Netlink alone. */
	uint16_t type;		/* nlmsg_type; 0 stands for BVOL_FRAME */
	uint16_t flags;		/* nlmsg_flags */
	uint64_t cookie;
	uint32_t uid;
	uint32_t pid;
};

/* Bytes written, or -EMSGSIZE. */
ssize_t frame_put(const struct frame *frame, void *buf, size_t len);
/* -EBADMSG unless buf is exactly one well-formed message of type BVOL_FRAME. */
int frame_get(const void *buf, size_t len, struct frame *ret);
/* The same for a message of any type whose header and length fit in its buffer. */
int frame_parse(const void *message, struct frame *ret);

#endif
