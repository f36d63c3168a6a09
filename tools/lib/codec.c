// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "codec.h"
#include "text.h"

static uint64_t *has_of(void *obj)
{
	return obj;
}

static const struct bvol_field *field_of(const struct bvol_type *type, uint16_t attr)
{
	for (size_t i = 0; i < type->n_fields; i++)
		if (type->fields[i].attr == attr)
			return &type->fields[i];
	return NULL;
}

/* Bytes of a number or UUID, in the struct as on the wire; 0 for the other kinds. */
static size_t plain_size(const struct bvol_field *field)
{
	switch (field->kind) {
	case BVOL_U32:
	case BVOL_ENUM:
		return sizeof(uint32_t);
	case BVOL_U64:
	case BVOL_S64:
	case BVOL_TIME:
		return sizeof(uint64_t);
	case BVOL_UUID:
		return sizeof(struct bvol_uuid);
	default:
		return 0;
	}
}

void *codec_new(const struct bvol_type *type)
{
	return calloc(1, type->size);
}

/* Encoding */

static int put_object(struct attrs *out, const struct bvol_type *type, const void *obj);

static int put_string(struct attrs *out, const struct bvol_field *field, const char *value)
{
	size_t len = strlen(value);

	if (field->max_len && len > field->max_len)
		return -EMSGSIZE;
	if (!text_utf8(value, len))
		return -EILSEQ;
	return attrs_put(out, field->attr, value, len + 1);
}

static int put_nest(struct attrs *out, const struct bvol_field *field, const void *value)
{
	ssize_t start = attrs_begin(out, field->attr);
	int r;

	if (start < 0)
		return start;
	r = put_object(out, field->nest, value);
	return r < 0 ? r : attrs_end(out, start);
}

static int put_one(struct attrs *out, const struct bvol_field *field, const void *value)
{
	if (field->kind == BVOL_NEST || field->kind == BVOL_NESTS)
		return put_nest(out, field, value);
	return put_string(out, field, value);
}

static int put_field(struct attrs *out, const struct bvol_field *field, const void *at)
{
	size_t size = plain_size(field);
	void *const *items;
	int r;

	if (size)
		return attrs_put(out, field->attr, at, size);
	items = *(void *const *)at;
	if (!items)
		return 0;
	if (field->kind == BVOL_STRING || field->kind == BVOL_NEST)
		return put_one(out, field, items);
	for (; *items; items++) {
		r = put_one(out, field, *items);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_object(struct attrs *out, const struct bvol_type *type, const void *obj)
{
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct bvol_field *field = &type->fields[i];
		int r;

		if (!(*(const uint64_t *)obj & BVOL_BIT(field->attr)))
			continue;
		r = put_field(out, field, (const char *)obj + field->offset);
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t codec_encode(const struct bvol_type *type, const void *obj, void *buf, size_t len)
{
	struct attrs out = { .buf = buf, .max = len };
	int r;

	r = put_object(&out, type, obj);
	return r < 0 ? r : (ssize_t)out.len;
}

/* Decoding */

static int get_object(const struct bvol_type *type, struct bytes in, int depth, void **ret);

static int get_string(const struct bvol_field *field, const struct attr *attr, void **ret)
{
	const char *text = (const char *)attr->value.at;
	size_t len = attr->value.left;

	if (!attr_is_text(attr) || (field->max_len && len - 1 > field->max_len) ||
	    !text_utf8(text, len - 1))
		return -EBADMSG;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int get_one(const struct bvol_field *field, const struct attr *attr, int depth, void **ret)
{
	if (field->kind == BVOL_NEST || field->kind == BVOL_NESTS)
		return get_object(field->nest, attr->value, depth + 1, ret);
	return get_string(field, attr, ret);
}

/* All attributes of this field at once, so that a long list costs no more than its length. */
static int get_many(const struct bvol_field *field, struct bytes in, int depth, void **ret)
{
	struct bytes count = in;
	struct attr attr;
	void **items;
	size_t n = 0;
	int r;

	while (attr_next(&count, &attr) > 0)
		n += attr.type == field->attr;
	items = calloc(n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	*ret = items;
	while (attr_next(&in, &attr) > 0) {
		if (attr.type != field->attr)
			continue;
		r = get_one(field, &attr, depth, items++);
		if (r < 0)
			return r;
	}
	return 0;
}

/* rest: this attribute and all after it. */
static int get_field(const struct bvol_field *field, const struct attr *attr, struct bytes rest,
		     int depth, void *obj)
{
	bool many = field->kind == BVOL_LIST || field->kind == BVOL_NESTS;
	void *at = (char *)obj + field->offset;
	size_t size = plain_size(field);

	if (*has_of(obj) & BVOL_BIT(field->attr))
		return many ? 0 : -EBADMSG;
	*has_of(obj) |= BVOL_BIT(field->attr);
	if (many)
		return get_many(field, rest, depth, at);
	if (!size)
		return get_one(field, attr, depth, at);
	if (attr->value.left != size)
		return -EBADMSG;
	memcpy(at, attr->value.at, size);
	return 0;
}

static int get_fields(const struct bvol_type *type, struct bytes in, int depth, void *obj)
{
	const struct bvol_field *field;
	struct bytes rest = in;
	struct attr attr;
	int r;

	while ((r = attr_next(&in, &attr)) > 0) {
		field = field_of(type, attr.type);
		if (field)
			r = get_field(field, &attr, rest, depth, obj);
		if (r < 0)
			return r;
		rest = in;
	}
	return r;
}

static int get_object(const struct bvol_type *type, struct bytes in, int depth, void **ret)
{
	void *obj;
	int r;

	if (depth > BVOL_DEPTH_MAX)
		return -EBADMSG;
	obj = codec_new(type);
	if (!obj)
		return -ENOMEM;
	r = get_fields(type, in, depth, obj);
	if (r < 0) {
		bvol_free(type, obj);
		return r;
	}
	*ret = obj;
	return 0;
}

int codec_decode(const struct bvol_type *type, const void *buf, size_t len, void **ret)
{
	return get_object(type, (struct bytes){ buf, len }, 1, ret);
}

/* Copies and setters */

void *codec_copy(const struct bvol_type *type, const void *obj)
{
	void *buf = NULL, *more, *copy = NULL;
	size_t len = 4096;
	ssize_t used;

	do {
		more = realloc(buf, len);
		if (!more)
			break;
		buf = more;
		used = codec_encode(type, obj, buf, len);
		len *= 2;
	} while (used == -EMSGSIZE && len <= 1 << 20);
	if (more && used >= 0)
		codec_decode(type, buf, used, &copy);
	free(buf);
	return copy;
}

void codec_merge(const struct bvol_type *type, void *into, void *from)
{
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct bvol_field *field = &type->fields[i];
		uint64_t bit = BVOL_BIT(field->attr);
		size_t size = plain_size(field) ?: sizeof(void *);

		if (!(*has_of(from) & bit) || (*has_of(into) & bit))
			continue;
		memcpy((char *)into + field->offset, (char *)from + field->offset, size);
		memset((char *)from + field->offset, 0, size);
		*has_of(into) |= bit;
		*has_of(from) &= ~bit;
	}
}

int codec_set_string(const struct bvol_type *type, void *obj, uint16_t attr, const char *value)
{
	const struct bvol_field *field = field_of(type, attr);
	char *copy = NULL;
	void **at;

	if (!field || field->kind != BVOL_STRING)
		return -EINVAL;
	if (value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	at = (void *)((char *)obj + field->offset);
	free(*at);
	*at = copy;
	if (copy)
		*has_of(obj) |= BVOL_BIT(attr);
	else
		*has_of(obj) &= ~BVOL_BIT(attr);
	return 0;
}

/* One more item at the end of a NULL-terminated array. */
static int append(const struct bvol_field *field, void *obj, void *item)
{
	void **at = (void *)((char *)obj + field->offset);
	void **items = *at, **grown;
	size_t n = 0;

	while (items && items[n])
		n++;
	grown = reallocarray(items, n + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[n] = item;
	grown[n + 1] = NULL;
	*at = grown;
	*has_of(obj) |= BVOL_BIT(field->attr);
	return 0;
}

int codec_append_list(const struct bvol_type *type, void *obj, uint16_t attr, const char *value)
{
	const struct bvol_field *field = field_of(type, attr);
	char *copy;
	int r;

	if (!field || field->kind != BVOL_LIST)
		return -EINVAL;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	r = append(field, obj, copy);
	if (r < 0)
		free(copy);
	return r;
}

int codec_set_list(const struct bvol_type *type, void *obj, uint16_t attr,
		   const char *const *values, size_t n)
{
	const struct bvol_field *field = field_of(type, attr);
	void **at, **items;
	int r = 0;

	if (!field || field->kind != BVOL_LIST)
		return -EINVAL;
	at = (void *)((char *)obj + field->offset);
	for (items = *at; items && *items; items++)
		free(*items);
	free(*at);
	*at = NULL;
	*has_of(obj) |= BVOL_BIT(attr);
	for (size_t i = 0; i < n && r == 0; i++)
		r = codec_append_list(type, obj, attr, values[i]);
	return r;
}

int codec_append_nest(const struct bvol_type *type, void *obj, uint16_t attr, void *item)
{
	const struct bvol_field *field = field_of(type, attr);
	int r = -EINVAL;

	if (field && field->kind == BVOL_NESTS)
		r = append(field, obj, item);
	if (r < 0 && field && field->nest)
		bvol_free(field->nest, item);
	return r;
}
