/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing netlink attributes into a buffer. Inside tools/lib only. */
#ifndef BVOL_ATTR_H
#define BVOL_ATTR_H

#include <stddef.h>
#include <stdint.h>

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
