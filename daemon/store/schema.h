/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_STORE_SCHEMA_H
#define BVOL_STORE_SCHEMA_H

#include <stdint.h>

/*
 * SQL that leads from one version of the schema to the next: entry 0 makes
 * version 1 of an empty database. What was released is never edited; a change
 * is a new file and a new line in schema.c.
 */
extern const char *const schema_steps[];
/* Newest version, the number of entries. */
extern const uint32_t schema_newest;

#endif
