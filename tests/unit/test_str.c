// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "util/str.h"

static const char uuid[] = "0195b7a0-0000-7000-8000-00000000000A";

static void good_names(void **state)
{
	static const char *const names[] = {
		"v1", "a b", "caf\xc3\xa9", "\xf0\x9f\x92\xbe", "..", "-rf", "100%", "a\\n", "'\"`$()",
		"0195b7a0-0000-7000-8000-00000000000", "0195b7a0-0000-7000-8000-00000000000Az",
	};
	char longest[BVOL_NAME_MAX + 1];
	struct err e = {};

	for (size_t i = 0; i < N_OF(names); i++)
		assert_int_equal(str_check_name("volume", names[i], &e), 0);
	memset(longest, 'n', BVOL_NAME_MAX);
	longest[BVOL_NAME_MAX] = '\0';
	assert_int_equal(str_check_name("volume", longest, &e), 0);
	assert_int_equal(e.code, 0);
}

static void bad_names(void **state)
{
	static const struct {
		const char *name;
		int r;
		const char *sentence;
	} cases[] = {
		{ "", -EINVAL, "a volume needs a name" },
		{ "a/b", -EINVAL, "the name of a volume has no '/': a/b" },
		{ " a", -EINVAL, "the name of a volume has no blank at either end: \" a\"" },
		{ "a ", -EINVAL, "the name of a volume has no blank at either end: \"a \"" },
		{ "a\nb", -EINVAL, "the name of a volume has no control characters: a\\x0ab" },
		{ "a\x7f", -EINVAL, "the name of a volume has no control characters: a\\x7f" },
		{ "a\xc2\x85", -EINVAL, "the name of a volume has no control characters: a\\xc2\\x85" },
		{ "a\xe2\x80\xae" "b", -EINVAL,
		  "the name of a volume has no control characters: a\\xe2\\x80\\xaeb" },
		{ "a\xff", -EILSEQ, "the name of a volume has to be UTF-8" },
		{ "\xed\xa0\x80", -EILSEQ, "the name of a volume has to be UTF-8" },
		{ uuid, -EINVAL, "the name of a volume may not look like a UUID: "
				 "0195b7a0-0000-7000-8000-00000000000A" },
	};
	char longer[BVOL_NAME_MAX + 2];

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct err e = {};

		assert_int_equal(str_check_name("volume", cases[i].name, &e), cases[i].r);
		assert_string_equal(e.text, cases[i].sentence);
	}
	memset(longer, 'n', sizeof(longer));
	longer[BVOL_NAME_MAX + 1] = '\0';
	assert_int_equal(str_check_name("pool", longer, NULL), -ENAMETOOLONG);
}

static void sizes_shown(void **state)
{
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" }, { 1536, "1.5 KiB" },
		{ 1048575, "1023.9 KiB" }, { 1048576, "1.0 MiB" }, { UINT64_C(10) << 40, "10.0 TiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};
	char buf[16];

	for (size_t i = 0; i < N_OF(cases); i++)
		assert_string_equal(str_size(cases[i].n, buf), cases[i].text);
}

static void sizes_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t n;
	} cases[] = {
		{ "0", 0, 0 }, { "512", 0, 512 }, { "512B", 0, 512 }, { "64K", 0, 65536 },
		{ "64k", 0, 65536 }, { "1M", 0, 1 << 20 }, { "10G", 0, UINT64_C(10) << 30 },
		{ "2T", 0, UINT64_C(2) << 40 }, { "1P", 0, UINT64_C(1) << 50 },
		{ "15E", 0, UINT64_C(15) << 60 }, { "18446744073709551615", 0, UINT64_MAX },
		{ "16E", -ERANGE, 0 }, { "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "K", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 }, { "1 K", -EINVAL, 0 }, { "1.5K", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 }, { "1X", -EINVAL, 0 }, { "0x10", -EINVAL, 0 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		uint64_t n = 0;

		assert_int_equal(str_parse_size(cases[i].text, &n), cases[i].r);
		assert_int_equal(n, cases[i].n);
	}
}

static void sentences(void **state)
{
	char name[601];
	struct err e = {};

	assert_int_equal(err_set(NULL, -EIO, "nobody asks"), -EIO);
	assert_int_equal(err_set(&e, -EIO, "first \xff\n"), -EIO);
	assert_int_equal(err_set(&e, -EBUSY, "second"), -EBUSY);
	assert_string_equal(e.text, "first \\xff\\x0a");
	assert_int_equal(e.code, -EIO);
	err_clear(&e);

	/* Cut at the end of a character. */
	for (size_t i = 0; i < sizeof(name) - 1; i += 2)
		memcpy(name + i, "\xc3\xa9", 3);
	err_set(&e, -EIO, "%s", name);
	assert_true(str_utf8(e.text));
	assert_int_equal(strlen(e.text), BVOL_SENTENCE_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_names),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(sizes_shown),
		cmocka_unit_test(sizes_read),
		cmocka_unit_test(sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
