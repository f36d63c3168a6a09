/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Objects as bytes, one behind the other, to be kept outside of the database. No I/O.
 *
 * A record has 4 bytes of tag, 4 bytes of length, then that many bytes of the object's
 * fields as codec_encode() makes them, then zeroes up to a multiple of 4. Numbers are
 * little-endian. A tag stands for a type for ever; so do the numbers of its fields.
 */
#ifndef BVOL_STORE_RECORDS_H
#define BVOL_STORE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "bvol.h"
#include "util/err.h"

enum record_tag {
	RECORD_POOL = 1,
	RECORD_VOLUME_TYPE,
	RECORD_GROUP,
	RECORD_GROUP_SNAPSHOT,
	RECORD_VOLUME,
	RECORD_SNAPSHOT,
	/* Providers' own, see their rows. */
	RECORD_THIN_POOL = 16,
	RECORD_THIN_DEV,
	RECORD_THIN_OP,
	RECORD_TAGS
};

struct records {
	uint8_t *data;
	size_t n, room;
};

/* Forget what is in it. */
void records_clear(struct records *r);
/* Append obj. -ENOMEM, -EMSGSIZE of an object that no call could carry either; with a sentence. */
int records_add(struct records *r, enum record_tag tag, const struct bvol_type *type,
		const void *obj, struct err *e);

/* The types that a walk wants to see, by their tags; others have type NULL and are passed over. */
typedef const struct bvol_type *records_types[RECORD_TAGS];
/* Non-zero ends the walk with that value. The object is the walk's. */
typedef int (*records_each)(enum record_tag tag, void *obj, void *data);
/*
 * -EBADMSG: these bytes are not records; -EPROTO: a later version has written tags or
 * fields that this one does not know. Both with a sentence; -ENOMEM.
 */
int records_walk(const void *data, size_t n, const records_types types, records_each each,
		 void *each_data, struct err *e);

#endif
