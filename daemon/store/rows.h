/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects to the columns of their table and back, driven by the field tables. No I/O. */
#ifndef BVOL_STORE_ROWS_H
#define BVOL_STORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "bvol.h"
#include "util/err.h"

/* Most columns of a table. */
#define ROW_COLUMNS_MAX 48

enum sql_kind { SQL_NULL, SQL_INT, SQL_TEXT };

struct sql_value {
	enum sql_kind kind;
	int64_t number;
	const char *text;
	char *owned;	/* text when it was made for this value, else NULL */
};

void sql_value_clear(struct sql_value *value);

struct row_column {
	char *name;
	const struct bvol_field *outer;	/* the BVOL_NEST field it lies in, or NULL */
	const struct bvol_field *field;
};

struct row_map {
	struct row_map *next;
	const struct bvol_type *type;
	char *table;	/* the type's name with "_" for "-" */
	size_t n;
	struct row_column columns[ROW_COLUMNS_MAX];
};

/* A map without columns, NULL without memory. */
struct row_map *row_map_new(const struct bvol_type *type);
/* Returns NULL. */
struct row_map *row_map_free(struct row_map *map);
/* -EUCLEAN: the table has a column that no field of the type describes. */
int row_map_add(struct row_map *map, const char *name, struct err *e);
/* Column of a field that is not nested, NULL when the field is not stored. */
const struct row_column *row_map_find(const struct row_map *map, uint16_t attr);

/* The value of a field that lies at p. Errors as row_value(). */
int row_field(const struct bvol_field *field, const void *p, struct sql_value *ret, struct err *e);
/*
 * One field's value, NULL for a field that is not set. -ERANGE more than the
 * database can hold, -EINVAL no value of its enumeration, or a line feed
 * within a list. Clear it after use.
 */
int row_value(const struct row_column *column, const void *obj, struct sql_value *ret,
	      struct err *e);
/* A key as store.h passes it. */
int row_key(const struct row_map *map, const void *key, struct sql_value *ret, struct err *e);
/*
 * A new object from one value for each column of the map. -EUCLEAN: a value
 * that no field of its kind can have.
 */
int row_object(const struct row_map *map, const struct sql_value *values, void **ret,
	       struct err *e);

#endif
