/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's state: one table for each type of object, one row an object.
 * Rows and structs are mapped by the type's field table: a field is stored
 * when the table has a column of its name (an enum as its value's name, a UUID
 * as its text, a list as lines, a nested object's fields with its own name in
 * front, as auth_user). The first field of a type is its key.
 *
 * For one thread, the daemon's loop. Nothing is cached: the database is the
 * truth. Every write needs an open transaction (-EPROTO).
 *
 * Beside what a function names, all of them may fail with -EIO, -ENOSPC,
 * -EUCLEAN or -ENOMEM; the transaction may be rolled back then.
 */
#ifndef BVOL_STORE_H
#define BVOL_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "bvol.h"
#include "util/err.h"

struct store;

/*
 * path: the sqlite database's file, made (mode 0600) when it is not there, and
 * brought to the newest schema, one transaction for each version. -EBUSY
 * another process has it open, -EUCLEAN damaged or another program's, -EPROTO
 * written by a newer bvold, -EACCES other users may read it.
 */
int store_open(const char *path, struct store **ret, struct err *e);
struct store *store_close(struct store *store);
/* Version of the schema. */
uint32_t store_schema(const struct store *store);

int store_begin(struct store *store, struct err *e);
/*
 * Durable when it returns 0; after an error the transaction is rolled back.
 * -EINVAL: it would leave a reference to an object that is not there.
 */
int store_commit(struct store *store, struct err *e);
/* Does nothing without a transaction. */
void store_rollback(struct store *store);
bool store_in_transaction(const struct store *store);

/*
 * -EEXIST the key is taken, -EINVAL a value that its table can't have, -ERANGE
 * a number above INT64_MAX. Fields without their "has" bit become NULL; a
 * nested object without any field is not there when it is read again.
 */
int store_insert(struct store *store, const struct bvol_type *type, const void *obj, struct err *e);
/* Write every field of the object with this key. -ENOENT, errors of store_insert(). */
int store_update(struct store *store, const struct bvol_type *type, const void *obj, struct err *e);
/* -ENOENT. key points to a struct bvol_uuid, or is a char * where the first field is a string. */
int store_delete(struct store *store, const struct bvol_type *type, const void *key, struct err *e);
/* -ENOENT without a sentence (the caller knows what the user called it). Free with bvol_free(). */
int store_get(struct store *store, const struct bvol_type *type, const void *key, void **ret,
	      struct err *e);

/*
 * A condition "field = value"; an array of them ends with attr 0, all have to
 * hold. Without id or text it asks for an object whose field is not set.
 * -EINVAL: the field is not stored, is a list or nested, or there are too many.
 */
struct store_match {
	uint16_t attr;
	const struct bvol_uuid *id;	/* for UUID fields */
	const char *text;		/* for string fields */
	uint32_t number;		/* for enum and number fields */
	bool not;			/* "field <> value" (or NULL) instead */
};

/* Non-zero ends the walk with that value. The object is the store's. */
typedef int (*store_each)(void *obj, void *data);

/*
 * Objects that match, in the order of their keys (ids are made in order of
 * time), those behind key after (NULL: from the first), limit at most (0: all).
 * each may use the store, also write to it and end transactions: an object is
 * read when its turn comes.
 */
int store_select(struct store *store, const struct bvol_type *type,
		 const struct store_match *match, const void *after, unsigned int limit,
		 store_each each, void *data, struct err *e);
/* First match or -ENOENT without a sentence. */
int store_first(struct store *store, const struct bvol_type *type,
		const struct store_match *match, void **ret, struct err *e);
int store_count(struct store *store, const struct bvol_type *type,
		const struct store_match *match, uint64_t *ret, struct err *e);
/* Sum of a number field. -EIO: above INT64_MAX, -ERANGE: below 0. */
int store_sum(struct store *store, const struct bvol_type *type, uint16_t attr,
	      const struct store_match *match, uint64_t *ret, struct err *e);

#endif
