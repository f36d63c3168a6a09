// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "size.h"

#define G (UINT64_C(1) << 30)

static const struct {
	const char *text;
	uint64_t size;		/* 0: refused */
	const char *why;	/* part of the sentence */
} sizes[] = {
	{ "1", 1, NULL },
	{ "4096", 4096, NULL },
	{ "512B", 512, NULL },
	{ "10G", 10 * G, NULL },
	{ "10g", 10 * G, NULL },
	{ "10GiB", 10 * G, NULL },
	{ "10gb", 10 * G, NULL },
	{ "1K", 1024, NULL },
	{ "512M", G / 2, NULL },
	{ "2T", 2048 * G, NULL },
	{ "8191P", UINT64_C(8191) << 50, NULL },
	{ "9223372036854775807", INT64_MAX, NULL },
	{ "8192P", 0, "less than 8192.0P" },
	{ "9223372036854775808", 0, "less than" },
	{ "18446744073709551616", 0, "less than" },
	{ "99999999999999999999999G", 0, "less than" },
	{ "17179869184G", 0, "less than" },
	{ "0", 0, "at least 1 byte, not 0" },
	{ "0G", 0, "at least 1 byte, not 0G" },
	{ "-1", 0, "negative" },
	{ "-10G", 0, "negative" },
	{ "1.5G", 0, "fraction" },
	{ "1,5G", 0, "fraction" },
	{ "", 0, "number of bytes" },
	{ "G", 0, "number of bytes" },
	{ "ten", 0, "number of bytes" },
	{ "10X", 0, "number of bytes" },
	{ "10Gi", 0, "number of bytes" },
	{ "10 G", 0, "number of bytes" },
	{ " 10G", 0, "number of bytes" },
	{ "+10G", 0, "number of bytes" },
	{ "0x10", 0, "number of bytes" },
	{ "10GG", 0, "number of bytes" },
	{ "10\n", 0, "number of bytes" },
};

static void parse(void **state)
{
	char why[256];
	uint64_t size;

	for (size_t i = 0; i < N_OF(sizes); i++) {
		int r;

		size = 42;
		r = size_parse(sizes[i].text, INT64_MAX, &size, why, sizeof(why));
		if (sizes[i].size) {
			if (r || size != sizes[i].size)
				fail_msg("%s gave %d", sizes[i].text, r);
			continue;
		}
		assert_int_equal(size, 42);
		if (r != -EINVAL || !strstr(why, sizes[i].why))
			fail_msg("'%s' gave %d, %s", sizes[i].text, r, why);
	}
	assert_int_equal(size_parse("4G", UINT32_MAX, &size, why, sizeof(why)), -EINVAL);
	assert_int_equal(size_parse("64K", UINT32_MAX, &size, why, sizeof(why)), 0);
	assert_int_equal(size, 65536);
}

static void numbers(void **state)
{
	static const char *const bad[] = { "", "x", "1x", " 1", "1 ", "1.0", "-2", "101",
					   "99999999999999999999" };
	char why[256];
	int64_t n;

	assert_int_equal(number_parse("-1", -1, 100, &n, why, sizeof(why)), 0);
	assert_int_equal(n, -1);
	assert_int_equal(number_parse("100", -1, 100, &n, why, sizeof(why)), 0);
	assert_int_equal(n, 100);
	for (size_t i = 0; i < N_OF(bad); i++)
		assert_int_equal(number_parse(bad[i], -1, 100, &n, why, sizeof(why)), -EINVAL);
}

static const struct {
	uint64_t size;
	const char *text;
} texts[] = {
	{ 0, "0B" },
	{ 1023, "1023B" },
	{ 1024, "1.0K" },
	{ 1536, "1.5K" },
	{ G, "1.0G" },
	{ G - 1, "1.0G" },
	{ 10 * G + G / 2, "10.5G" },
	{ UINT64_C(1) << 50, "1.0P" },
	{ INT64_MAX, "8192.0P" },
	{ UINT64_MAX, "16384.0P" },
};

static void format(void **state)
{
	char buf[SIZE_TEXT];

	for (size_t i = 0; i < N_OF(texts); i++)
		assert_string_equal(size_text(texts[i].size, buf), texts[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(numbers),
		cmocka_unit_test(format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
