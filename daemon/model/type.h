/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types of volumes: what their extra specs say. Keys that are not named here are
 * kept and shown, and mean nothing yet; those that begin with "bvol:" have to be
 * known, so that a slip of the pen does not leave a disk unwiped.
 *
 *	volume_backend_name	the pool that takes its volumes, by name
 *	bvol:wipe		none, discard, zero or random: what deletes do to the
 *				bytes, unless they are told
 *	bvol:verify		true or false: read back what was wiped
 */
#ifndef BVOL_TYPE_H
#define BVOL_TYPE_H

#include <stdbool.h>

#include "bvol.h"
#include "util/err.h"

/* Most extra specs of a type. */
#define TYPE_SPECS_MAX 64

/* 0 when it is KEY=VALUE with a key and a value that a type can have. -EINVAL, -EILSEQ */
int type_check_spec(const char *spec, struct err *e);
/* 0 when a type can have it. -EILSEQ */
int type_check_description(const char *text, struct err *e);
/* Have both the same key? Each may also be a key alone. */
bool type_same_key(const char *a, const char *b);

/* The value of an extra spec; NULL when there is none, or no type. */
const char *type_spec(const struct bvol_volume_type *type, const char *key);
/* BVOL_WIPE_DEFAULT when it says nothing. */
enum bvol_wipe type_wipe(const struct bvol_volume_type *type);
bool type_verify(const struct bvol_volume_type *type);

#endif
