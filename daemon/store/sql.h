/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the room needs of a database, in plain C types: sqlite.c is the only
 * file that knows the library.
 */
#ifndef BVOL_STORE_SQL_H
#define BVOL_STORE_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "store/rows.h"
#include "store/store.h"

struct sqlite3;
struct sql_statement;

struct store {
	struct sqlite3 *db;
	struct sql_statement *statements;
	struct row_map *maps;
	char *path;
	uint32_t schema;
};

/* Gets a row; texts are valid until it returns. An error ends the walk. */
typedef int (*sql_row)(const struct sql_value *values, size_t n, void *data, struct err *e);

/*
 * Run a statement, prepared at its first use and kept: sql is made of constant
 * text and names from field tables, values are bound to ?1, ?2, ... row may be
 * NULL, and may not run the same statement again. -EEXIST for a key that is
 * taken; after any other error the transaction may be rolled back already.
 */
int sql_run(struct store *store, const char *sql, const struct sql_value *values, size_t n,
	    sql_row row, void *data, struct err *e);
/* The number in a statement's only row and column, 0 for NULL. */
int sql_number(struct store *store, const char *sql, const struct sql_value *values, size_t n,
	       int64_t *ret, struct err *e);
/* Rows that the last INSERT, UPDATE or DELETE has changed. */
int sql_changes(const struct store *store);

#endif
