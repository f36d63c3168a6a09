// SPDX-License-Identifier: LGPL-2.1-or-later
/* Thresholds of a pool's use, and how fast it fills. */
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "model/level.h"

static void parse(void **state)
{
	static const char *const bad[] = {
		"", "0", "100", "80,", ",80", "80,80", "90,80", "80 90", "80, 90", "-1", "+80", "8O", "none,80",
		"1,2,3,4,5,6,7,8,9", "99999999999999999999",
	};
	struct levels levels;
	struct err err = { 0 };

	assert_int_equal(levels_parse("80,90,95", &levels, &err), 0);
	assert_int_equal(levels.n, 3);
	assert_int_equal(levels.percent[2], 95);
	assert_int_equal(levels_parse("none", &levels, &err), 0);
	assert_int_equal(levels.n, 0);
	assert_int_equal(levels_parse("1,2,3,4,5,6,7,99", &levels, &err), 0);
	for (size_t i = 0; i < N_OF(bad); i++)
		assert_int_equal(levels_parse(bad[i], &levels, &err), -EINVAL);
	assert_non_null(strstr(err.text, "80,90,95"));
}

/* One after the other: the use, and what is crossed then. */
static void crossed(void **state)
{
	static const struct {
		uint64_t used;
		uint32_t crossed;
	} steps[] = {
		{ 0, 0 }, { 799, 0 }, { 800, 80 }, { 790, 80 }, { 780, 80 }, { 810, 80 }, { 779, 0 },
		{ 800, 80 }, { 899, 80 }, { 960, 95 }, { 931, 95 }, { 929, 90 }, { 999, 95 },
		{ 1000, 100 }, { 985, 100 }, { 979, 95 }, { 0, 0 }, { 2000, 100 },
	};
	struct levels levels;
	uint32_t now = 0;

	levels_parse("80,90,95", &levels, NULL);
	for (size_t i = 0; i < N_OF(steps); i++) {
		now = levels_crossed(&levels, now, steps[i].used, 1000);
		assert_int_equal(now, steps[i].crossed);
	}
	assert_int_equal(levels_crossed(&levels, 0, 0, 0), 0);
	assert_int_equal(levels_crossed(&levels, 0, UINT64_MAX - 1, UINT64_MAX), 95);
	/* A threshold that was taken away is not kept. */
	assert_int_equal(levels_crossed(&levels, 85, 840, 1000), 80);
	levels_parse("none", &levels, NULL);
	assert_int_equal(levels_crossed(&levels, 0, 999, 1000), 0);
	assert_int_equal(levels_crossed(&levels, 0, 1000, 1000), 100);
}

static void mark(void **state)
{
	struct levels levels;

	levels_parse("80,90,95", &levels, NULL);
	assert_int_equal(levels_mark(&levels, 80), 70);
	assert_int_equal(levels_mark(&levels, 60), 60);
	levels_parse("50,90", &levels, NULL);
	assert_int_equal(levels_mark(&levels, 80), 50);
	levels_parse("none", &levels, NULL);
	assert_int_equal(levels_mark(&levels, 80), 70);
}

#define SECOND UINT64_C(1000000000)

static void rate(void **state)
{
	struct rate r = { 0 };
	uint64_t n;

	assert_false(rate_get(&r, &n));
	rate_add(&r, 100 * SECOND, 1000);
	assert_false(rate_get(&r, &n));
	rate_add(&r, 102 * SECOND, 2000);
	assert_false(rate_get(&r, &n));
	rate_add(&r, 110 * SECOND, 2000);
	assert_true(rate_get(&r, &n));
	assert_int_equal(n, 100);
	rate_add(&r, 120 * SECOND, 500);
	assert_true(rate_get(&r, &n));
	assert_int_equal(n, 0);
	/* However often it is read, five minutes are looked back on. */
	for (uint64_t i = 0; i < 10000; i++)
		rate_add(&r, 120 * SECOND + i * SECOND / 2, i * 4096);
	assert_true(rate_get(&r, &n));
	assert_int_equal(n, 8192);
	assert_true(r.reading[r.n - 1].time - r.reading[0].time > 250 * SECOND);
	/* A pause leaves nothing to go by. */
	rate_add(&r, 9000 * SECOND, 0);
	assert_false(rate_get(&r, &n));
	rate_add(&r, 8000 * SECOND, 0);
	assert_int_equal(r.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(crossed),
		cmocka_unit_test(mark),
		cmocka_unit_test(rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
