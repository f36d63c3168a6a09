// SPDX-License-Identifier: LGPL-2.1-or-later
#include <string.h>

#include "unit.h"
#include "text.h"

static const struct {
	const char *text;
	bool good;
	const char *escaped;
} cases[] = {
	{ "", true, "" },
	{ "plain", true, "plain" },
	{ "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xbe", true, "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xbe" },
	{ "a\nb\tc\x7f", true, "a\\x0ab\\x09c\\x7f" },
	{ "\033[31mred", true, "\\x1b[31mred" },
	{ "\xc2\x9b" "31m", true, "\\xc2\\x9b31m" },
	{ "\xe2\x80\xae" "abc", true, "\\xe2\\x80\\xae" "abc" },
	{ "\x80", false, "\\x80" },
	{ "a\xff", false, "a\\xff" },
	{ "\xc0\xaf", false, "\\xc0\\xaf" },
	{ "\xe0\x80\xaf", false, "\\xe0\\x80\\xaf" },
	{ "\xed\xa0\x80", false, "\\xed\\xa0\\x80" },
	{ "\xf4\x90\x80\x80", false, "\\xf4\\x90\\x80\\x80" },
	{ "\xe2\x82", false, "\\xe2\\x82" },
};

static void utf8_and_escape(void **state)
{
	char out[64];

	for (size_t i = 0; i < N_OF(cases); i++) {
		assert_int_equal(text_utf8(cases[i].text, strlen(cases[i].text)), cases[i].good);
		assert_int_equal(text_escape(cases[i].text, out, sizeof(out)),
				 strlen(cases[i].escaped));
		assert_string_equal(out, cases[i].escaped);
	}
}

static void narrow(void **state)
{
	char out[6];

	assert_int_equal(text_escape("abcdefgh", out, sizeof(out)), 5);
	assert_string_equal(out, "abcde");
	assert_int_equal(text_escape("ab\nd", out, sizeof(out)), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(text_escape("abcd\xc3\xa9", out, sizeof(out)), 4);
	assert_string_equal(out, "abcd");
}

static void columns(void **state)
{
	assert_int_equal(text_columns("a\xc3\xa9" "b"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_and_escape),
		cmocka_unit_test(narrow),
		cmocka_unit_test(columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
