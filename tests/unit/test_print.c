// SPDX-License-Identifier: LGPL-2.1-or-later
/* What people and programs get to read, whole. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"
#include "codec.h"
#include "print.h"

static char *text;
static size_t text_len;
static FILE *out;

static int open_out(void **state)
{
	out = open_memstream(&text, &text_len);
	return !out;
}

static int close_out(void **state)
{
	free(text);
	return 0;
}

static void assert_printed(const char *expected)
{
	fclose(out);
	assert_string_equal(text, expected);
}

static struct bvol_volume a_volume(const char *name, uint8_t id)
{
	struct bvol_volume v = { 0 };

	memset(&v.id, id, sizeof(v.id));
	v.has = BVOL_BIT(BVOL_A_VOLUME_ID) | BVOL_BIT(BVOL_A_VOLUME_NAME);
	v.name = (char *)name;
	codec_set(&v, BVOL_A_VOLUME_STATUS, status, BVOL_VOLUME_STATUS_IN_USE);
	codec_set(&v, BVOL_A_VOLUME_SIZE, size, UINT64_C(3) << 29);
	codec_set(&v, BVOL_A_VOLUME_CREATED_AT, created_at, UINT64_C(1700000000123456789));
	return v;
}

static struct bvol_export an_export(void)
{
	static char *portals[] = { (char *)"10.0.0.1:3260", (char *)"[fd00::1]:3260", NULL };
	static struct bvol_auth auth = {
		.has = BVOL_BIT(BVOL_A_AUTH_METHOD) | BVOL_BIT(BVOL_A_AUTH_SECRET),
		.method = (char *)"CHAP", .secret = (char *)"s3",
	};
	struct bvol_export e = { .portals = portals, .auth = &auth };

	e.has = BVOL_BIT(BVOL_A_EXPORT_PORTALS) | BVOL_BIT(BVOL_A_EXPORT_AUTH);
	codec_set(&e, BVOL_A_EXPORT_LUN, lun, 0);
	return e;
}

static void table(void **state)
{
	struct bvol_volume a = a_volume("a", 0x11), b = a_volume("\xc3\xa4\033[2J\n", 0x22);
	struct listing *listing = listing_new(&bvol_type_volume, "id name size pool", false);

	listing_add(&a, listing);
	listing_add(&b, listing);
	listing_end(listing, out);
	assert_printed("ID                                    NAME          SIZE  POOL\n"
		       "11111111-1111-1111-1111-111111111111  a             1.5G  -\n"
		       "22222222-2222-2222-2222-222222222222  \xc3\xa4\\x1b[2J\\x0a  1.5G  -\n");
}

static void many_rows(void **state)
{
	struct bvol_volume a = a_volume("a", 0x11);
	struct listing *listing = listing_new(&bvol_type_volume, "name status", false);
	int lines = 0;

	for (int i = 0; i < 1000; i++)
		assert_int_equal(listing_add(&a, listing), 0);
	listing_end(listing, out);
	fclose(out);
	for (char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 1001);
}

static void no_rows(void **state)
{
	listing_end(listing_new(&bvol_type_difference, "layer id", false), out);
	assert_printed("LAYER  ID\n");
}

static void array(void **state)
{
	struct bvol_volume a = a_volume("a\"\n\xc2\x9b", 0x11);
	struct listing *listing = listing_new(&bvol_type_volume, "id", true);

	listing_add(&a, listing);
	listing_end(listing, out);
	assert_printed("[\n  {\n"
		       "    \"id\": \"11111111-1111-1111-1111-111111111111\",\n"
		       "    \"name\": \"a\\\"\\n\\u009B\",\n"
		       "    \"status\": \"in-use\",\n"
		       "    \"size\": 1610612736,\n"
		       "    \"created_at\": \"2023-11-14T22:13:20.123456Z\"\n"
		       "  }\n]\n");
}

static void empty_array(void **state)
{
	listing_end(listing_new(&bvol_type_volume, "id", true), out);
	assert_printed("[]\n");
}

static void object(void **state)
{
	struct bvol_export e = an_export();
	struct bvol_uuid job = { { 0xff } };

	print_object(&bvol_type_export, &e, &job, false, out);
	assert_printed("lun: 0\n"
		       "portals: 10.0.0.1:3260,[fd00::1]:3260\n"
		       "auth.method: CHAP\n"
		       "auth.secret: s3\n"
		       "job_id: ff000000-0000-0000-0000-000000000000\n");
}

static void object_json(void **state)
{
	struct bvol_export e = an_export();

	print_object(&bvol_type_export, &e, NULL, true, out);
	assert_printed("{\n"
		       "  \"lun\": 0,\n"
		       "  \"portals\": [\n    \"10.0.0.1:3260\",\n    \"[fd00::1]:3260\"\n  ],\n"
		       "  \"initiators\": [],\n"
		       "  \"auth\": {\n    \"method\": \"CHAP\",\n    \"secret\": \"s3\"\n  }\n"
		       "}\n");
}

static void exact_size(void **state)
{
	struct bvol_volume v = { 0 };

	codec_set(&v, BVOL_A_VOLUME_SIZE, size, (UINT64_C(1) << 30) + 512);
	print_object(&bvol_type_volume, &v, NULL, false, out);
	assert_printed("size: 1.0G (1073742336 bytes)\n");
}

static struct bvol_event an_event(void)
{
	struct bvol_event e = { .initiator = (char *)"iqn.x\033" };

	e.has = BVOL_BIT(BVOL_A_EVENT_INITIATOR);
	codec_set(&e, BVOL_A_EVENT_SEQ, seq, 7);
	codec_set(&e, BVOL_A_EVENT_LOG_ID, log_id, UINT64_MAX);
	codec_set(&e, BVOL_A_EVENT_KIND, kind, BVOL_EVENT_KIND_LOGIN_FAILED);
	codec_set(&e, BVOL_A_EVENT_TIME, time, UINT64_C(1700000000000001000));
	codec_set(&e, BVOL_A_EVENT_REASON, reason, BVOL_LOGIN_FAILURE_AUTHENTICATION);
	return e;
}

static void event(void **state)
{
	struct bvol_event e = an_event();

	print_event(&e, false, out);
	assert_printed("2023-11-14T22:13:20.000001Z 7 login-failed initiator=\"iqn.x\\x1b\" "
		       "reason=authentication\n");
}

static void event_json(void **state)
{
	struct bvol_event e = an_event();

	print_event(&e, true, out);
	assert_printed("{\"seq\":7,\"log_id\":\"18446744073709551615\",\"kind\":\"login-failed\","
		       "\"time\":\"2023-11-14T22:13:20.000001Z\",\"initiator\":\"iqn.x\\u001B\","
		       "\"reason\":\"authentication\"}\n");
}

/* Against the C library, a day and a second on, until beyond 2500. */
static void times(void **state)
{
	char expected[TIME_TEXT], got[TIME_TEXT];

	fclose(out);
	for (time_t t = 0; t < INT64_C(18446744073); t += 86401) {
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_string_equal(time_text(t * UINT64_C(1000000000), false, got), expected);
	}
	time_text(UINT64_MAX, true, got);
	assert_string_equal(got, "2554-07-21T23:34:33.709551Z");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_out, close_out)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(table), CASE(many_rows), CASE(no_rows), CASE(array), CASE(empty_array),
		CASE(object), CASE(object_json), CASE(exact_size), CASE(event), CASE(event_json),
		CASE(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
