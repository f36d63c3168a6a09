// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The verbs of store.h as SQL. Its text is put together from field tables
 * alone; the same text is the same prepared statement.
 *
 * No statement stays open while a caller's function runs: a walk asks for one
 * row at a time, the first behind the key it has seen. So the caller may
 * change, delete, commit and roll back what he likes, and each object is as
 * the database has it when it is handed out.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/sql.h"
#include "util/cleanup.h"

/* Conditions in one query, the key of a walk included. */
#define VALUES_MAX 8
/* Three times what the widest table needs. */
#define SQL_MAX 2048

static int add_column(const struct sql_value *values, size_t n, void *data, struct err *e)
{
	return row_map_add(data, values[0].text, e);
}

/* The type's map, made from the table at first use. */
static int get_map(struct store *store, const struct bvol_type *type, const struct row_map **ret,
		   struct err *e)
{
	struct row_map *map;
	struct sql_value name;
	int r;

	for (map = store->maps; map; map = map->next) {
		if (map->type == type) {
			*ret = map;
			return 0;
		}
	}
	map = row_map_new(type);
	if (!map)
		return err_set(e, -ENOMEM, "out of memory");
	name = (struct sql_value) { SQL_TEXT, .text = map->table };
	r = sql_run(store, "SELECT name FROM pragma_table_info(?1)", &name, 1, add_column, map, e);
	if (!r && !row_map_find(map, type->fields[0].attr))
		r = err_set(e, -EUCLEAN, "the state database has no table %s with a key %s",
			    map->table, type->fields[0].name);
	if (r < 0) {
		row_map_free(map);
		return r;
	}
	map->next = store->maps;
	store->maps = map;
	*ret = map;
	return 0;
}

struct query {
	const struct row_map *map;
	struct sql_value values[ROW_COLUMNS_MAX];
	size_t n;
	char sql[SQL_MAX];
	size_t len;		/* of sql; SQL_MAX: it had no room */
};

static void query_clear(struct query *q)
{
	for (size_t i = 0; i < q->n; i++)
		sql_value_clear(&q->values[i]);
}

#define _cleanup_query_ _cleanup_(query_clear)

/* Texts end with NULL. A query runs several times in each call, so stdio would be felt. */
static void put_texts(struct query *q, ...)
{
	const char *text;
	va_list texts;

	va_start(texts, q);
	while ((text = va_arg(texts, const char *))) {
		size_t len = strlen(text);

		if (len >= SQL_MAX - q->len) {
			q->len = SQL_MAX;
			break;
		}
		memcpy(q->sql + q->len, text, len + 1);
		q->len += len;
	}
	va_end(texts);
}

#define put(q, ...) put_texts(q, __VA_ARGS__, (const char *)NULL)

/* The i-th value, from 1 on. */
static void put_value(struct query *q, size_t i)
{
	const char text[] = { '?', (char)('0' + i / 10), (char)('0' + i % 10), '\0' };

	put(q, text);
}

static int run(struct store *store, const struct query *q, sql_row row, void *data, struct err *e)
{
	if (q->len == SQL_MAX)
		return err_set(e, -E2BIG, "the table %s is too wide", q->map->table);
	return sql_run(store, q->sql, q->values, q->n, row, data, e);
}

/* Writing */

static int check_writable(struct store *store, struct err *e)
{
	if (store_in_transaction(store))
		return 0;
	return err_set(e, -EPROTO, "the state database is written to outside of a transaction");
}

static int object_values(struct query *q, const void *obj, struct err *e)
{
	int r = 0;

	for (q->n = 0; !r && q->n < q->map->n; q->n++)
		r = row_value(&q->map->columns[q->n], obj, &q->values[q->n], e);
	return r;
}

static void insert_sql(struct query *q)
{
	size_t i;

	put(q, "INSERT INTO \"", q->map->table, "\" (");
	for (i = 0; i < q->map->n; i++)
		put(q, i ? ", \"" : "\"", q->map->columns[i].name, "\"");
	put(q, ") VALUES (");
	for (i = 0; i < q->map->n; i++) {
		put(q, i ? ", " : "");
		put_value(q, i + 1);
	}
	put(q, ")");
}

static void update_sql(struct query *q)
{
	const struct row_column *key = row_map_find(q->map, q->map->type->fields[0].attr);
	const char *comma = "";

	put(q, "UPDATE \"", q->map->table, "\" SET ");
	for (size_t i = 0; i < q->map->n; i++) {
		if (&q->map->columns[i] == key)
			continue;
		put(q, comma, "\"", q->map->columns[i].name, "\" = ");
		put_value(q, i + 1);
		comma = ", ";
	}
	put(q, " WHERE \"", key->name, "\" = ");
	put_value(q, (size_t)(key - q->map->columns) + 1);
}

static int write_object(struct store *store, const struct bvol_type *type, const void *obj,
			void (*sql)(struct query *q), struct err *e)
{
	_cleanup_query_ struct query q = {};
	int r;

	r = check_writable(store, e);
	if (!r)
		r = get_map(store, type, &q.map, e);
	if (!r)
		r = object_values(&q, obj, e);
	if (r < 0)
		return r;
	sql(&q);
	return run(store, &q, NULL, NULL, e);
}

static int one_changed(struct store *store, const struct bvol_type *type, struct err *e)
{
	if (sql_changes(store) == 1)
		return 0;
	return err_set(e, -ENOENT, "the state database has no such %s", type->name);
}

int store_insert(struct store *store, const struct bvol_type *type, const void *obj, struct err *e)
{
	return write_object(store, type, obj, insert_sql, e);
}

int store_update(struct store *store, const struct bvol_type *type, const void *obj, struct err *e)
{
	int r = write_object(store, type, obj, update_sql, e);

	return r < 0 ? r : one_changed(store, type, e);
}

int store_delete(struct store *store, const struct bvol_type *type, const void *key, struct err *e)
{
	_cleanup_query_ struct query q = {};
	int r;

	r = check_writable(store, e);
	if (!r)
		r = get_map(store, type, &q.map, e);
	if (!r)
		r = row_key(q.map, key, &q.values[0], e);
	if (r < 0)
		return r;
	q.n = 1;
	put(&q, "DELETE FROM \"", q.map->table, "\" WHERE \"", type->fields[0].name, "\" = ?1");
	r = run(store, &q, NULL, NULL, e);
	return r < 0 ? r : one_changed(store, type, e);
}

/* Reading */

/* What a condition compares with; one without a value asks for fields that are not set. */
static int match_value(const struct bvol_field *field, const struct store_match *match,
		       struct sql_value *ret, struct err *e)
{
	uint64_t wide = match->number;
	const void *p = &wide;

	if (field->kind == BVOL_UUID)
		p = match->id;
	else if (field->kind == BVOL_STRING)
		p = match->text ? &match->text : NULL;
	else if (field->kind == BVOL_U32 || field->kind == BVOL_ENUM)
		p = &match->number;
	*ret = (struct sql_value) { .kind = SQL_NULL };
	return p ? row_field(field, p, ret, e) : 0;
}

static int add_matches(struct query *q, const struct store_match *match, struct err *e)
{
	const struct row_column *column;
	int r = 0;

	for (; !r && match && match->attr; match++) {
		column = row_map_find(q->map, match->attr);
		if (!column || column->field->kind == BVOL_LIST || q->n == VALUES_MAX)
			return err_set(e, -EINVAL, "the table %s can't be asked for field %u",
				       q->map->table, match->attr);
		r = match_value(column->field, match, &q->values[q->n++], e);
		put(q, " AND \"", column->name, match->not ? "\" IS NOT " : "\" IS ");
		put_value(q, q->n);
	}
	return r;
}

/*
 * "SELECT what FROM table WHERE ..."; walk adds an order and a place for the
 * key to begin behind, as the last value. Any text is behind the empty one.
 */
static int make_select(struct store *store, const struct bvol_type *type, const char *what,
		       const struct store_match *match, bool walk, struct query *q, struct err *e)
{
	const char *key = type->fields[0].name;
	int r;

	r = get_map(store, type, &q->map, e);
	if (r < 0)
		return r;
	put(q, "SELECT ", what ? what : "");
	for (size_t i = 0; !what && i < q->map->n; i++)
		put(q, i ? ", \"" : "\"", q->map->columns[i].name, "\"");
	put(q, " FROM \"", q->map->table, "\" WHERE true");
	r = add_matches(q, match, e);
	if (!walk)
		return r;
	q->values[q->n++] = (struct sql_value) { SQL_TEXT, .text = "" };
	put(q, " AND \"", key, "\" > ");
	put_value(q, q->n);
	put(q, " ORDER BY \"", key, "\" LIMIT 1");
	return r;
}

struct object_row {
	const struct row_map *map;
	void *obj;
};

static int object_row(const struct sql_value *values, size_t n, void *data, struct err *e)
{
	struct object_row *row = data;

	return row_object(row->map, values, &row->obj, e);
}

/* The first object behind key (NULL: first of all), NULL when there is none. */
static int next_object(struct store *store, struct query *q, const void *key, void **ret,
		       struct err *e)
{
	struct object_row row = { .map = q->map };
	int r = 0;

	if (key) {
		sql_value_clear(&q->values[q->n - 1]);
		r = row_key(q->map, key, &q->values[q->n - 1], e);
	}
	if (!r)
		r = run(store, q, object_row, &row, e);
	*ret = row.obj;
	return r;
}

static const void *key_of(const struct bvol_type *type, const void *obj)
{
	const void *p = (const char *)obj + type->fields[0].offset;

	return type->fields[0].kind == BVOL_STRING ? *(const void *const *)p : p;
}

int store_get(struct store *store, const struct bvol_type *type, const void *key, void **ret,
	      struct err *e)
{
	struct store_match match[] = { { .attr = type->fields[0].attr }, {} };

	if (type->fields[0].kind == BVOL_STRING)
		match[0].text = key;
	else
		match[0].id = key;
	return store_first(store, type, match, ret, e);
}

int store_select(struct store *store, const struct bvol_type *type,
		 const struct store_match *match, const void *after, unsigned int limit,
		 store_each each, void *data, struct err *e)
{
	_cleanup_query_ struct query q = {};
	void *obj, *last = NULL;
	int r;

	r = make_select(store, type, NULL, match, true, &q, e);
	for (unsigned int n = 0; !r && (!limit || n < limit); n++) {
		r = next_object(store, &q, last ? key_of(type, last) : after, &obj, e);
		if (r < 0 || !obj)
			break;
		bvol_free(type, last);
		last = obj;
		r = each(obj, data);
	}
	bvol_free(type, last);
	return r;
}

int store_first(struct store *store, const struct bvol_type *type,
		const struct store_match *match, void **ret, struct err *e)
{
	_cleanup_query_ struct query q = {};
	void *obj = NULL;
	int r;

	r = make_select(store, type, NULL, match, true, &q, e);
	if (!r)
		r = next_object(store, &q, NULL, &obj, e);
	if (r < 0)
		return r;
	if (!obj)
		return -ENOENT;
	*ret = obj;
	return 0;
}

static int number_row(const struct sql_value *values, size_t n, void *data, struct err *e)
{
	*(int64_t *)data = values[0].number;
	return 0;
}

static int number(struct store *store, const struct bvol_type *type, const char *what,
		  const struct store_match *match, uint64_t *ret, struct err *e)
{
	_cleanup_query_ struct query q = {};
	int64_t n = 0;
	int r;

	r = make_select(store, type, what, match, false, &q, e);
	if (!r)
		r = run(store, &q, number_row, &n, e);
	if (r < 0)
		return r;
	if (n < 0)
		return err_set(e, -ERANGE, "a sum of the table %s is negative", q.map->table);
	*ret = (uint64_t)n;
	return 0;
}

int store_count(struct store *store, const struct bvol_type *type,
		const struct store_match *match, uint64_t *ret, struct err *e)
{
	return number(store, type, "count(*)", match, ret, e);
}

int store_sum(struct store *store, const struct bvol_type *type, uint16_t attr,
	      const struct store_match *match, uint64_t *ret, struct err *e)
{
	const struct row_column *column;
	const struct row_map *map;
	char what[96];
	int r;

	r = get_map(store, type, &map, e);
	if (r < 0)
		return r;
	column = row_map_find(map, attr);
	if (!column)
		return err_set(e, -EINVAL, "the table %s can't be asked for field %u", map->table,
			       attr);
	snprintf(what, sizeof(what), "coalesce(sum(\"%s\"), 0)", column->name);
	return number(store, type, what, match, ret, e);
}
