/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Netlink attributes in a buffer, one by one. Inside tools/lib only. */
#ifndef BVOL_ATTR_H
#define BVOL_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reading */

struct bytes {
	const uint8_t *at;
	size_t left;
};

struct attr {
	uint16_t type;
	struct bytes value;
};

/* Take the first attribute off in: 1, 0 when in is empty, -EBADMSG. */
int attr_next(struct bytes *in, struct attr *ret);
/* Is it a text that ends with a NUL and has no other? */
bool attr_is_text(const struct attr *attr);

/* Writing */

struct attrs {
	uint8_t *buf;
	size_t len;
	size_t max;
};

/* len bytes that are written nowhere else, aligned and zeroed; NULL when they don't fit. */
void *attrs_room(struct attrs *out, size_t len);
/* -EMSGSIZE when it does not fit. */
int attrs_put(struct attrs *out, uint16_t type, const void *data, size_t len);
/* What is put between the two is the content of a nested attribute; start is begin's result. */
ssize_t attrs_begin(struct attrs *out, uint16_t type);
int attrs_end(struct attrs *out, size_t start);

#endif
