// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "codec.h"

static const struct bvol_type *const types[] = {
	&bvol_type_info, &bvol_type_auth, &bvol_type_export, &bvol_type_session, &bvol_type_event,
	&bvol_type_pool, &bvol_type_volume, &bvol_type_snapshot, &bvol_type_job, &bvol_type_quota,
	&bvol_type_backup, &bvol_type_repository, &bvol_type_repository_key, &bvol_type_repository_report,
	&bvol_type_difference, &bvol_type_request, &bvol_type_response,
};

static uint8_t buf[BVOL_PAYLOAD_MAX];

static void *full(const struct bvol_type *type);

static void fill(const struct bvol_type *type, const struct bvol_field *field, void *obj, size_t i)
{
	void *at = (char *)obj + field->offset;
	char text[32];

	snprintf(text, sizeof(text), "%s-\xc3\xa9-%zu", field->name, i);
	*(uint64_t *)obj |= BVOL_BIT(field->attr);
	switch (field->kind) {
	case BVOL_U32:
	case BVOL_ENUM:
		*(uint32_t *)at = 0xdead0000 + i;
		break;
	case BVOL_U64:
	case BVOL_TIME:
		*(uint64_t *)at = UINT64_MAX - i;
		break;
	case BVOL_S64:
		*(int64_t *)at = INT64_MIN + i;
		break;
	case BVOL_UUID:
		memset(at, i + 1, sizeof(struct bvol_uuid));
		break;
	case BVOL_STRING:
		assert_int_equal(codec_set_string(type, obj, field->attr, text), 0);
		break;
	case BVOL_LIST:
		assert_int_equal(codec_append_list(type, obj, field->attr, text), 0);
		assert_int_equal(codec_append_list(type, obj, field->attr, ""), 0);
		break;
	case BVOL_NEST:
		*(void **)at = full(field->nest);
		break;
	case BVOL_NESTS:
		assert_int_equal(codec_append_nest(type, obj, field->attr, full(field->nest)), 0);
		assert_int_equal(codec_append_nest(type, obj, field->attr, codec_new(field->nest)), 0);
		break;
	}
}

/* An object with every field set to something of its own. */
static void *full(const struct bvol_type *type)
{
	void *obj = codec_new(type);

	assert_non_null(obj);
	for (size_t i = 0; i < type->n_fields; i++)
		fill(type, &type->fields[i], obj, i);
	return obj;
}

static ssize_t encode_full(const struct bvol_type *type, void **obj)
{
	ssize_t len;

	*obj = full(type);
	len = codec_encode(type, *obj, buf, sizeof(buf));
	assert_true(len > 0);
	return len;
}

/* What is decoded from the bytes of a full object encodes to the same bytes. */
static void round_trip(void **state)
{
	static uint8_t again[sizeof(buf)];

	for (size_t i = 0; i < N_OF(types); i++) {
		void *obj, *back, *copy;
		ssize_t len = encode_full(types[i], &obj);

		assert_int_equal(codec_decode(types[i], buf, len, &back), 0);
		assert_int_equal(*(uint64_t *)back, *(uint64_t *)obj);
		assert_int_equal(codec_encode(types[i], back, again, sizeof(again)), len);
		assert_memory_equal(buf, again, len);
		copy = codec_copy(types[i], back);
		assert_int_equal(codec_encode(types[i], copy, again, sizeof(again)), len);
		assert_memory_equal(buf, again, len);
		bvol_free(types[i], obj);
		bvol_free(types[i], back);
		bvol_free(types[i], copy);
	}
}

static void values_survive(void **state)
{
	struct bvol_volume v = { 0 }, *back;
	ssize_t len;

	codec_set(&v, BVOL_A_VOLUME_SIZE, size, UINT64_C(1) << 62);
	codec_set(&v, BVOL_A_VOLUME_STATUS, status, BVOL_VOLUME_STATUS_IN_USE);
	codec_set(&v, BVOL_A_VOLUME_NAME, name, (char *)"a");
	len = codec_encode(&bvol_type_volume, &v, buf, sizeof(buf));
	assert_int_equal(codec_decode(&bvol_type_volume, buf, len, (void **)&back), 0);
	assert_true(bvol_has(back, BVOL_A_VOLUME_SIZE));
	assert_false(bvol_has(back, BVOL_A_VOLUME_ID));
	assert_int_equal(back->size, UINT64_C(1) << 62);
	assert_int_equal(back->status, BVOL_VOLUME_STATUS_IN_USE);
	assert_string_equal(back->name, "a");
	assert_null(back->pool);
	bvol_free(&bvol_type_volume, back);
}

/* Cut anywhere, it is decoded without its tail or refused, and never read beyond its end. */
static void truncated(void **state)
{
	for (size_t i = 0; i < N_OF(types); i++) {
		void *obj, *back;
		ssize_t len = encode_full(types[i], &obj);

		for (ssize_t cut = 0; cut < len; cut++) {
			void *exact = malloc(cut ?: 1);

			memcpy(exact, buf, cut);
			if (codec_decode(types[i], exact, cut, &back) == 0)
				bvol_free(types[i], back);
			free(exact);
		}
		bvol_free(types[i], obj);
	}
}

static void mutated(void **state)
{
	unsigned int seed = 1;
	size_t good = 0, bad = 0;

	for (size_t i = 0; i < N_OF(types); i++) {
		void *obj, *back;
		ssize_t len = encode_full(types[i], &obj);
		uint8_t *mutant = malloc(len);

		for (int round = 0; round < 100000 / (int)N_OF(types); round++) {
			memcpy(mutant, buf, len);
			for (int n = 1 + rand_r(&seed) % 4; n; n--)
				mutant[rand_r(&seed) % len] = rand_r(&seed);
			if (codec_decode(types[i], mutant, len, &back) == 0) {
				bvol_free(types[i], back);
				good++;
			} else {
				bad++;
			}
		}
		free(mutant);
		bvol_free(types[i], obj);
	}
	assert_true(good > 0 && bad > 0);
}

static void short_buffer(void **state)
{
	for (size_t i = 0; i < N_OF(types); i++) {
		void *obj;
		ssize_t len = encode_full(types[i], &obj);

		for (ssize_t room = 0; room < len; room++) {
			uint8_t *exact = malloc(room ?: 1);

			assert_int_equal(codec_encode(types[i], obj, exact, room), -EMSGSIZE);
			free(exact);
		}
		bvol_free(types[i], obj);
	}
}

#define ATTR(len, type) (len) & 0xff, (len) >> 8, (type), 0

/* Bytes that a decoder of volumes must refuse. */
static const struct {
	const char *why;
	uint8_t len;
	uint8_t bytes[64];
} refused[] = {
	{ "a header cut off", 3, { 8, 0, 4 } },
	{ "a length below the header's", 4, { ATTR(3, BVOL_A_VOLUME_STATUS) } },
	{ "a length beyond the end", 8, { ATTR(12, BVOL_A_VOLUME_STATUS) } },
	{ "a u32 of two bytes", 8, { ATTR(6, BVOL_A_VOLUME_STATUS), 1, 0 } },
	{ "a u64 of four bytes", 8, { ATTR(8, BVOL_A_VOLUME_SIZE), 1 } },
	{ "a UUID of four bytes", 8, { ATTR(8, BVOL_A_VOLUME_ID), 1 } },
	{ "a string without NUL", 8, { ATTR(8, BVOL_A_VOLUME_NAME), 'a', 'b', 'c', 'd' } },
	{ "a string of no bytes", 4, { ATTR(4, BVOL_A_VOLUME_NAME) } },
	{ "a NUL inside", 8, { ATTR(8, BVOL_A_VOLUME_NAME), 'a', 0, 'c', 0 } },
	{ "a lone UTF-8 tail", 8, { ATTR(6, BVOL_A_VOLUME_NAME), 0x80, 0 } },
	{ "an overlong slash", 8, { ATTR(7, BVOL_A_VOLUME_NAME), 0xc0, 0xaf, 0 } },
	{ "a surrogate", 8, { ATTR(8, BVOL_A_VOLUME_NAME), 0xed, 0xa0, 0x80, 0 } },
	{ "a single value twice", 16, { ATTR(8, BVOL_A_VOLUME_STATUS), 1, 0, 0, 0,
					ATTR(8, BVOL_A_VOLUME_STATUS), 2, 0, 0, 0 } },
};

static void bad_bytes(void **state)
{
	void *back = NULL;

	for (size_t i = 0; i < N_OF(refused); i++) {
		int r = codec_decode(&bvol_type_volume, refused[i].bytes, refused[i].len, &back);

		if (r != -EBADMSG)
			fail_msg("%s gave %d", refused[i].why, r);
	}
	assert_null(back);
}

static void unknown_is_skipped(void **state)
{
	static const uint8_t bytes[] = { ATTR(8, 60), 1, 2, 3, 4, ATTR(8, 200), 1, 2, 3, 4,
					 ATTR(8, BVOL_A_VOLUME_STATUS), 1, 0, 0, 0 };
	struct bvol_volume *v;

	assert_int_equal(codec_decode(&bvol_type_volume, bytes, sizeof(bytes), (void **)&v), 0);
	assert_int_equal(v->has, BVOL_BIT(BVOL_A_VOLUME_STATUS));
	bvol_free(&bvol_type_volume, v);
}

static void limits(void **state)
{
	char name[BVOL_WWN_MAX + 2];
	struct bvol_event e = { .has = BVOL_BIT(BVOL_A_EVENT_TARGET), .target = name }, *back;
	ssize_t len;

	memset(name, 'x', sizeof(name));
	name[BVOL_WWN_MAX + 1] = '\0';
	assert_int_equal(codec_encode(&bvol_type_event, &e, buf, sizeof(buf)), -EMSGSIZE);
	name[BVOL_WWN_MAX] = '\0';
	len = codec_encode(&bvol_type_event, &e, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(codec_decode(&bvol_type_event, buf, len, (void **)&back), 0);
	assert_string_equal(back->target, name);
	bvol_free(&bvol_type_event, back);
	name[0] = '\xff';
	assert_int_equal(codec_encode(&bvol_type_event, &e, buf, sizeof(buf)), -EILSEQ);
}

static void setters(void **state)
{
	static const char *const two[] = { "a", "b" };
	struct bvol_pool *p = codec_new(&bvol_type_pool);

	assert_int_equal(codec_set_string(&bvol_type_pool, p, BVOL_A_POOL_NAME, "x"), 0);
	assert_int_equal(codec_set_string(&bvol_type_pool, p, BVOL_A_POOL_NAME, "y"), 0);
	assert_string_equal(p->name, "y");
	assert_int_equal(codec_set_string(&bvol_type_pool, p, BVOL_A_POOL_NAME, NULL), 0);
	assert_null(p->name);
	assert_int_equal(p->has, 0);
	assert_int_equal(codec_set_string(&bvol_type_pool, p, BVOL_A_POOL_ID, "y"), -EINVAL);
	assert_int_equal(codec_append_list(&bvol_type_pool, p, BVOL_A_POOL_DEVICES, "c"), 0);
	assert_int_equal(codec_set_list(&bvol_type_pool, p, BVOL_A_POOL_DEVICES, two, 2), 0);
	assert_string_equal(p->devices[0], "a");
	assert_string_equal(p->devices[1], "b");
	assert_null(p->devices[2]);
	assert_int_equal(codec_set_list(&bvol_type_pool, p, BVOL_A_POOL_DEVICES, two, 0), 0);
	assert_null(p->devices);
	bvol_free(&bvol_type_pool, p);
}

static void merge(void **state)
{
	struct bvol_info *a = codec_new(&bvol_type_info), *b = codec_new(&bvol_type_info);

	codec_set(a, BVOL_A_INFO_EXPORTS, exports, 1);
	codec_set(b, BVOL_A_INFO_EXPORTS, exports, 2);
	codec_set(b, BVOL_A_INFO_LOG_ID, log_id, 3);
	codec_set_string(&bvol_type_info, b, BVOL_A_INFO_STORE, "s");
	codec_merge(&bvol_type_info, a, b);
	bvol_free(&bvol_type_info, b);
	assert_int_equal(a->exports, 1);
	assert_int_equal(a->log_id, 3);
	assert_string_equal(a->store, "s");
	bvol_free(&bvol_type_info, a);
}

static void names(void **state)
{
	const char *text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
	char again[BVOL_UUID_TEXT];
	struct bvol_uuid id;
	uint32_t value;

	assert_int_equal(bvol_uuid_parse(text, &id), 0);
	assert_int_equal(id.b[15], 0x0f);
	assert_string_equal(bvol_uuid_text(&id, again), text);
	assert_int_equal(bvol_uuid_parse("00010203-0405-0607-0809-0A0B0C0D0E0F", &id), 0);
	assert_int_equal(bvol_uuid_parse("00010203-0405-0607-0809-0a0b0c0d0e0", &id), -EINVAL);
	assert_int_equal(bvol_uuid_parse("00010203-0405-0607-0809-0a0b0c0d0e0f0", &id), -EINVAL);
	assert_int_equal(bvol_uuid_parse("000102030405060708090a0b0c0d0e0f", &id), -EINVAL);
	assert_int_equal(bvol_uuid_parse("", &id), -EINVAL);
	assert_int_equal(bvol_enum_parse(&bvol_enum_volume_status, "in-use", &value), 0);
	assert_int_equal(value, BVOL_VOLUME_STATUS_IN_USE);
	assert_int_equal(bvol_enum_parse(&bvol_enum_volume_status, "attached", &value), -EINVAL);
	assert_string_equal(bvol_enum_name(&bvol_enum_volume_status, 2), "in-use");
	assert_string_equal(bvol_enum_name(&bvol_enum_volume_status, 99), "unknown");
	assert_ptr_equal(bvol_field(&bvol_type_event, "job_id")->nest, NULL);
	assert_null(bvol_field(&bvol_type_event, "nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(values_survive),
		cmocka_unit_test(truncated),
		cmocka_unit_test(mutated),
		cmocka_unit_test(short_buffer),
		cmocka_unit_test(bad_bytes),
		cmocka_unit_test(unknown_is_skipped),
		cmocka_unit_test(limits),
		cmocka_unit_test(setters),
		cmocka_unit_test(merge),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
