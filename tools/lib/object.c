// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bvol.h"

static void free_many(const struct bvol_field *field, void **items)
{
	for (size_t i = 0; items && items[i]; i++) {
		if (field->kind == BVOL_NESTS)
			bvol_free(field->nest, items[i]);
		else
			free(items[i]);
	}
	free(items);
}

void bvol_free(const struct bvol_type *type, void *obj)
{
	if (!obj)
		return;
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct bvol_field *field = &type->fields[i];
		void **at = (void *)((char *)obj + field->offset);

		if (field->kind == BVOL_STRING)
			free(*at);
		else if (field->kind == BVOL_NEST)
			bvol_free(field->nest, *at);
		else if (field->kind == BVOL_LIST || field->kind == BVOL_NESTS)
			free_many(field, *at);
	}
	free(obj);
}

const struct bvol_field *bvol_field(const struct bvol_type *type, const char *name)
{
	for (size_t i = 0; i < type->n_fields; i++)
		if (!strcmp(type->fields[i].name, name))
			return &type->fields[i];
	return NULL;
}

const char *bvol_enum_name(const struct bvol_enum *values, uint32_t value)
{
	return value < values->n ? values->values[value] : "unknown";
}

int bvol_enum_parse(const struct bvol_enum *values, const char *name, uint32_t *ret)
{
	for (uint32_t i = 0; i < values->n; i++) {
		if (!strcmp(values->values[i], name)) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

char *bvol_uuid_text(const struct bvol_uuid *id, char text[BVOL_UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;

	for (size_t i = 0; i < BVOL_UUID_LEN; i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = digits[id->b[i] >> 4];
		*p++ = digits[id->b[i] & 0xf];
	}
	*p = '\0';
	return text;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int bvol_uuid_parse(const char *text, struct bvol_uuid *ret)
{
	struct bvol_uuid id;

	for (size_t i = 0; i < BVOL_UUID_LEN; i++) {
		if (dash_before(i) && *text++ != '-')
			return -EINVAL;
		if (hex(text[0]) < 0 || hex(text[1]) < 0)
			return -EINVAL;
		id.b[i] = hex(text[0]) << 4 | hex(text[1]);
		text += 2;
	}
	if (*text)
		return -EINVAL;
	*ret = id;
	return 0;
}

bool bvol_uuid_zero(const struct bvol_uuid *id)
{
	static const struct bvol_uuid zero;

	return !memcmp(id, &zero, sizeof(zero));
}
