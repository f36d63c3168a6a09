// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "store/rows.h"

static const void *at(const struct bvol_field *field, const void *obj)
{
	return (const char *)obj + field->offset;
}

static bool is_set(const struct bvol_field *field, const void *obj)
{
	return *(const uint64_t *)obj & BVOL_BIT(field->attr);
}

static void mark(const struct bvol_field *field, void *obj)
{
	*(uint64_t *)obj |= BVOL_BIT(field->attr);
}

void sql_value_clear(struct sql_value *value)
{
	free(value->owned);
	*value = (struct sql_value) { .kind = SQL_NULL };
}

struct row_map *row_map_new(const struct bvol_type *type)
{
	struct row_map *map = calloc(1, sizeof(*map));
	char *p;

	if (!map)
		return NULL;
	map->type = type;
	map->table = strdup(type->name);
	if (!map->table)
		return row_map_free(map);
	for (p = map->table; *p; p++)
		if (*p == '-')
			*p = '_';
	return map;
}

struct row_map *row_map_free(struct row_map *map)
{
	if (!map)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		free(map->columns[i].name);
	free(map->table);
	free(map);
	return NULL;
}

/* The field a column is named after: "size", or "auth_user" for user in auth. */
static bool find_field(const struct bvol_type *type, const char *name, struct row_column *ret)
{
	const struct bvol_field *field = bvol_field(type, name);

	*ret = (struct row_column) { .field = field };
	if (field)
		return field->kind != BVOL_NEST && field->kind != BVOL_NESTS;
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct bvol_field *outer = &type->fields[i];
		size_t len = strlen(outer->name);

		if (outer->kind != BVOL_NEST || strncmp(name, outer->name, len) || name[len] != '_')
			continue;
		ret->outer = outer;
		ret->field = bvol_field(outer->nest, name + len + 1);
		return ret->field && ret->field->kind != BVOL_NEST &&
		       ret->field->kind != BVOL_NESTS;
	}
	return false;
}

int row_map_add(struct row_map *map, const char *name, struct err *e)
{
	struct row_column *column = &map->columns[map->n];

	if (map->n == ROW_COLUMNS_MAX)
		return err_set(e, -EUCLEAN, "the state database's table %s has too many columns",
			       map->table);
	if (!find_field(map->type, name, column))
		return err_set(e, -EUCLEAN, "the state database's table %s has an unknown column %s",
			       map->table, name);
	column->name = strdup(name);
	if (!column->name)
		return err_set(e, -ENOMEM, "out of memory");
	map->n++;
	return 0;
}

const struct row_column *row_map_find(const struct row_map *map, uint16_t attr)
{
	for (size_t i = 0; i < map->n; i++)
		if (!map->columns[i].outer && map->columns[i].field->attr == attr)
			return &map->columns[i];
	return NULL;
}

static int own(struct sql_value *ret, char *text, struct err *e)
{
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	*ret = (struct sql_value) { SQL_TEXT, .text = text, .owned = text };
	return 0;
}

static int list_value(const char *name, char *const *list, struct sql_value *ret, struct err *e)
{
	size_t len = 1, i;
	char *text, *p;

	for (i = 0; list && list[i]; i++) {
		if (strchr(list[i], '\n'))
			return err_set(e, -EINVAL, "%s may not hold a line feed", name);
		len += strlen(list[i]) + 1;
	}
	text = p = malloc(len);
	for (i = 0; text && list && list[i]; i++) {
		p = stpcpy(p, list[i]);
		*p++ = '\n';
	}
	if (text)
		*p = '\0';
	return own(ret, text, e);
}

static int enum_value(const struct bvol_field *field, uint32_t value, struct sql_value *ret,
		      struct err *e)
{
	if (value >= field->values->n)
		return err_set(e, -EINVAL, "%" PRIu32 " is no %s", value, field->values->name);
	*ret = (struct sql_value) { SQL_TEXT, .text = field->values->values[value] };
	return 0;
}

static int number_value(const struct bvol_field *field, const void *p, struct sql_value *ret,
			struct err *e)
{
	*ret = (struct sql_value) { .kind = SQL_INT };
	if (field->kind == BVOL_U32)
		ret->number = *(const uint32_t *)p;
	else
		ret->number = *(const int64_t *)p;
	if (ret->number < 0 && field->kind != BVOL_S64)
		return err_set(e, -ERANGE, "%s is too large: %" PRIu64, field->name,
			       *(const uint64_t *)p);
	return 0;
}

int row_field(const struct bvol_field *field, const void *p, struct sql_value *ret, struct err *e)
{
	const char *text;
	char id[BVOL_UUID_TEXT];

	switch (field->kind) {
	case BVOL_ENUM:
		return enum_value(field, *(const uint32_t *)p, ret, e);
	case BVOL_UUID:
		return own(ret, strdup(bvol_uuid_text(p, id)), e);
	case BVOL_LIST:
		return list_value(field->name, *(char *const *const *)p, ret, e);
	case BVOL_STRING:
		text = *(const char *const *)p;
		*ret = (struct sql_value) { text ? SQL_TEXT : SQL_NULL, .text = text };
		return 0;
	default:
		return number_value(field, p, ret, e);
	}
}

int row_value(const struct row_column *column, const void *obj, struct sql_value *ret,
	      struct err *e)
{
	*ret = (struct sql_value) { .kind = SQL_NULL };
	if (column->outer) {
		if (!is_set(column->outer, obj))
			return 0;
		obj = *(const void *const *)at(column->outer, obj);
	}
	if (!obj || !is_set(column->field, obj))
		return 0;
	return row_field(column->field, at(column->field, obj), ret, e);
}

int row_key(const struct row_map *map, const void *key, struct sql_value *ret, struct err *e)
{
	const struct bvol_field *field = &map->type->fields[0];

	return row_field(field, field->kind == BVOL_STRING ? (const void *)&key : key, ret, e);
}

static int set_list(const struct bvol_type *type, const struct bvol_field *field, void *obj,
		    const char *text)
{
	int r = codec_set_list(type, obj, field->attr, NULL, 0);

	while (!r && *text) {
		const char *end = strchrnul(text, '\n');
		char *line = strndup(text, (size_t)(end - text));

		r = line ? codec_append_list(type, obj, field->attr, line) : -ENOMEM;
		free(line);
		text = *end ? end + 1 : end;
	}
	return r;
}

static int set_number(const struct bvol_field *field, void *obj, int64_t number)
{
	void *p = (char *)obj + field->offset;

	if (number < 0 && field->kind != BVOL_S64)
		return -EUCLEAN;
	if (field->kind != BVOL_U32)
		*(int64_t *)p = number;
	else if (number > UINT32_MAX)
		return -EUCLEAN;
	else
		*(uint32_t *)p = (uint32_t)number;
	mark(field, obj);
	return 0;
}

static int set_text(const struct bvol_type *type, const struct bvol_field *field, void *obj,
		    const char *text)
{
	void *p = (char *)obj + field->offset;
	int r;

	switch (field->kind) {
	case BVOL_STRING:
		return codec_set_string(type, obj, field->attr, text);
	case BVOL_LIST:
		return set_list(type, field, obj, text);
	case BVOL_ENUM:
		r = bvol_enum_parse(field->values, text, p);
		break;
	case BVOL_UUID:
		r = bvol_uuid_parse(text, p);
		break;
	default:
		r = -EINVAL;
	}
	if (r < 0)
		return -EUCLEAN;
	mark(field, obj);
	return 0;
}

static bool is_number(const struct bvol_field *field)
{
	return field->kind == BVOL_U32 || field->kind == BVOL_U64 || field->kind == BVOL_S64 ||
	       field->kind == BVOL_TIME;
}

static int assign(const struct row_map *map, const struct row_column *column,
		  const struct sql_value *value, void *obj)
{
	const struct bvol_type *type = map->type;

	if (column->outer) {
		void **nest = (void *)((char *)obj + column->outer->offset);

		type = column->outer->nest;
		if (!*nest)
			*nest = codec_new(type);
		if (!*nest)
			return -ENOMEM;
		mark(column->outer, obj);
		obj = *nest;
	}
	if (is_number(column->field))
		return value->kind == SQL_INT ? set_number(column->field, obj, value->number)
					      : -EUCLEAN;
	return value->kind == SQL_TEXT ? set_text(type, column->field, obj, value->text) : -EUCLEAN;
}

int row_object(const struct row_map *map, const struct sql_value *values, void **ret,
	       struct err *e)
{
	void *obj = codec_new(map->type);
	int r = obj ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < map->n; i++) {
		if (values[i].kind == SQL_NULL)
			continue;
		r = assign(map, &map->columns[i], &values[i], obj);
		if (r == -EUCLEAN)
			err_set(e, r, "the state database is damaged: table %s, column %s holds what "
				"can't be there", map->table, map->columns[i].name);
	}
	if (r < 0) {
		bvol_free(map->type, obj);
		return err_set(e, r, "out of memory");
	}
	*ret = obj;
	return 0;
}
