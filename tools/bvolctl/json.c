// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <jansson.h>

#include "json.h"
#include "print.h"

static json_t *json_of(const struct bvol_type *type, const void *obj);

/* JSON's integers end at 2^63 here; beyond, the digits are exact as a string. */
static json_t *big_number(uint64_t value)
{
	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	return json_sprintf("%llu", (unsigned long long)value);
}

static json_t *list_of(char *const *items)
{
	json_t *array = json_array();

	for (; items && *items; items++)
		json_array_append_new(array, json_string(*items));
	return array;
}

static json_t *array_of(const struct bvol_type *type, void *const *items)
{
	json_t *array = json_array();

	for (; items && *items; items++)
		json_array_append_new(array, json_of(type, *items));
	return array;
}

static json_t *value_of(const struct bvol_field *field, const void *at)
{
	char text[TIME_TEXT > BVOL_UUID_TEXT ? TIME_TEXT : BVOL_UUID_TEXT];

	switch (field->kind) {
	case BVOL_U32:
		return json_integer(*(const uint32_t *)at);
	case BVOL_U64:
		return big_number(*(const uint64_t *)at);
	case BVOL_S64:
		return json_integer(*(const int64_t *)at);
	case BVOL_TIME:
		return json_string(time_text(*(const uint64_t *)at, true, text));
	case BVOL_ENUM:
		return json_string(bvol_enum_name(field->values, *(const uint32_t *)at));
	case BVOL_UUID:
		return json_string(bvol_uuid_text(at, text));
	case BVOL_STRING:
		return json_string(*(char *const *)at);
	case BVOL_LIST:
		return list_of(*(char *const *const *)at);
	case BVOL_NEST:
		return json_of(field->nest, *(const void *const *)at);
	case BVOL_NESTS:
		return array_of(field->nest, *(void *const *const *)at);
	default:
		return NULL;
	}
}

/* What is not set is left out, but for lists: there an empty one is not set. */
static json_t *json_of(const struct bvol_type *type, const void *obj)
{
	json_t *json = json_object();

	for (size_t i = 0; i < type->n_fields; i++) {
		const struct bvol_field *field = &type->fields[i];

		if ((*(const uint64_t *)obj & BVOL_BIT(field->attr)) || field->kind == BVOL_LIST)
			json_object_set_new(json, field->name,
					    value_of(field, (const char *)obj + field->offset));
	}
	return json;
}

struct json *json_list(void)
{
	return (struct json *)json_array();
}

int json_list_add(struct json *list, const struct bvol_type *type, const void *obj)
{
	return json_array_append_new((json_t *)list, json_of(type, obj)) < 0 ? -ENOMEM : 0;
}

struct json *json_object_of(const struct bvol_type *type, const void *obj,
			    const struct bvol_uuid *job_id)
{
	json_t *json = json_of(type, obj);
	char text[BVOL_UUID_TEXT];

	if (job_id)
		json_object_set_new(json, "job_id", json_string(bvol_uuid_text(job_id, text)));
	return (struct json *)json;
}

void json_print(const struct json *json, bool one_line, FILE *out)
{
	/* In ASCII a name can do nothing to a terminal. */
	json_dumpf((const json_t *)json, out,
		   JSON_ENSURE_ASCII | (one_line ? JSON_COMPACT : JSON_INDENT(2)));
	putc('\n', out);
}

void json_free(struct json *json)
{
	json_decref((json_t *)json);
}
