/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of what was done to the bytes of what is gone. Each has the hash
 * of the one before it and its own, SHA-256 of a text that has for each field
 * but the hash that is set, in the order of the specification,
 *
 *	name BLANK length BLANK value LF
 *
 * with the name as in JSON, numbers and times in decimal digits, an enumeration
 * by its value's name, a UUID as its text, a list with a line feed between its
 * items; length is the value's in bytes.
 *
 * How many there are, and the last one's hash, stands in a row of its own, by
 * which records that are missing at the end are noticed.
 */
#ifndef BVOL_PROOF_H
#define BVOL_PROOF_H

#include "bvol.h"
#include "store/store.h"

/*
 * Write a record, in the caller's transaction: fills in id, number, previous and
 * hash. What a crash leaves is the whole of that transaction or nothing.
 */
int proof_add(struct store *store, struct bvol_proof *proof, struct err *e);
/*
 * Look whether up to limit records behind after (NULL: from the first) fit, and
 * after the last one whether it is. *more is set if there may be others, with the
 * id that they lie behind. A record that does not fit is no error; the chain says
 * which and why. -ENOENT: after is no record any more.
 */
int proof_check(struct store *store, const struct bvol_uuid *after, unsigned int limit,
		struct bvol_chain *ret, bool *more, struct bvol_uuid *last, struct err *e);

#endif
