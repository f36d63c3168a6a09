// SPDX-License-Identifier: LGPL-2.1-or-later
/* The copy engine's parts that do no I/O: extents, rate limits, the random pattern. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "copy/extent.h"
#include "copy/limit.h"
#include "copy/pattern.h"

#define KIB	UINT64_C(1024)
#define MIB	(KIB * KIB)
#define NS	UINT64_C(1000000000)

static struct err err;

static void test_extents_are_sorted_and_joined(void **state)
{
	static const struct copy_extent list[] = {
		{ 4096, 512 }, { 100, 50 }, { 4608, 1 }, { 90, 10 }, { 7, 0 }, { 0, 1 },
	};
	struct extents x;

	assert_int_equal(extents_init(&x, list, N_OF(list), &err), 0);
	assert_int_equal(x.n, 3);
	assert_int_equal(x.list[0].offset, 0);
	assert_int_equal(x.list[1].offset, 90);
	assert_int_equal(x.list[1].length, 60);
	assert_int_equal(x.list[2].offset, 4096);
	assert_int_equal(x.list[2].length, 513);
	assert_int_equal(x.bytes, 574);
	assert_int_equal(extents_end(&x), 4609);
	extents_deinit(&x);
	assert_int_equal(extents_init(&x, NULL, 0, &err), 0);
	assert_int_equal(extents_end(&x), 0);
	extents_deinit(&x);
}

static void test_unsound_extents(void **state)
{
	static const struct {
		struct copy_extent list[2];
		const char *words;
	} cases[] = {
		{ { { 10, 11 }, { 0, 11 } }, "extents 0+11 and 10+11 overlap" },
		{ { { 0, 5 }, { 0, 5 } }, "overlap" },
		{ { { UINT64_MAX, 1 }, { 0, 1 } }, "ends behind 2^63" },
		{ { { INT64_MAX, 1 }, { 0, 1 } }, "ends behind 2^63" },
		{ { { 5, UINT64_MAX }, { 0, 1 } }, "ends behind 2^63" },
	};
	struct extents x;

	for (size_t i = 0; i < N_OF(cases); i++) {
		err_clear(&err);
		assert_int_equal(extents_init(&x, cases[i].list, 2, &err), -EINVAL);
		assert_non_null(strstr(err.text, cases[i].words));
	}
}

/* Every byte exactly once, pieces as they have to be, from wherever one begins. */
static void walk_all(const struct extents *x, uint64_t from, uint64_t align, uint64_t size)
{
	uint64_t seen = from, last = 0;
	struct copy_extent piece;
	enum walk_step step;
	struct walk walk;

	walk_begin(&walk, x, from);
	while ((step = walk_next(&walk, align, size, &piece)) != WALK_END) {
		uint64_t end = piece.offset + piece.length;

		assert_true(piece.length > 0);
		assert_true(piece.offset >= last);
		assert_true(piece.offset / size == (end - 1) / size);
		if (step == WALK_BODY)
			assert_true(piece.offset % align == 0 && piece.length % align == 0);
		else
			assert_true(piece.length < align && piece.offset / align == (end - 1) / align);
		seen += piece.length;
		last = end;
		assert_int_equal(walk.done, seen);
	}
	assert_int_equal(seen, x->bytes);
}

static void test_walks(void **state)
{
	srandom(7);
	for (int round = 0; round < 200; round++) {
		struct copy_extent list[20];
		uint64_t at = 0;
		struct extents x;

		for (size_t i = 0; i < N_OF(list); i++) {
			at += (uint64_t)random() % 5000;
			list[i] = (struct copy_extent) { at, (uint64_t)random() % (round % 2 ? 300 : 20000) };
			at += list[i].length;
		}
		assert_int_equal(extents_init(&x, list, N_OF(list), &err), 0);
		for (uint64_t align = 1; align <= 4096; align *= 8) {
			walk_all(&x, 0, align, 4096);
			walk_all(&x, x.bytes / 3, align, 8192);
			walk_all(&x, x.bytes, align, UINT64_C(1) << 62);
		}
		extents_deinit(&x);
	}
}

/* As somebody who takes as soon as he may: bytes that went through until the time is over. */
static uint64_t flow(struct copy_limit *limit, uint64_t request, uint64_t begin, uint64_t end)
{
	uint64_t bytes = 0, wait;

	for (uint64_t now = begin; now < end; now += wait) {
		wait = limit_take(limit, request, now);
		if (!wait)
			bytes += request;
	}
	return bytes;
}

static void test_rate_is_kept(void **state)
{
	static const struct {
		uint64_t rate, request;
	} cases[] = {
		{ MIB, 512 }, { MIB, MIB }, { 100 * MIB, MIB }, { 100 * KIB, MIB }, { 1, 1 },
		{ 3, 100 }, { UINT64_C(20) << 30, MIB }, { 1000003, 4096 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct copy_limit *limit = copy_limit_new(cases[i].rate);
		uint64_t bytes = flow(limit, cases[i].request, NS, 101 * NS), due = cases[i].rate * 100;

		/* The bucket was full at first, and the last one takes all he wants. */
		assert_true(bytes >= due);
		assert_true(bytes <= due + cases[i].rate / 10 + 2 + 2 * cases[i].request);
		copy_limit_unref(limit);
	}
}

static void test_rate_is_shared(void **state)
{
	struct copy_limit *limit = copy_limit_new(10 * MIB);
	uint64_t bytes[2] = { 0 }, next[2] = { NS, NS }, now = NS;

	while (now < 11 * NS) {
		int who = next[1] < next[0];
		uint64_t wait;

		now = next[who];
		wait = limit_take(limit, MIB, now);
		bytes[who] += wait ? 0 : MIB;
		next[who] += wait ? wait : 1000;
	}
	assert_in_range(bytes[0] + bytes[1], 100 * MIB, 104 * MIB);
	copy_limit_unref(limit);
}

static void test_rate_changes(void **state)
{
	struct copy_limit *limit = copy_limit_new(0);

	for (int i = 0; i < 1000; i++)
		assert_int_equal(limit_take(limit, MIB, NS), 0);
	/* A debt of weeks is forgotten with the rate at which it was made. */
	copy_limit_set(limit, 1);
	assert_int_equal(limit_take(limit, MIB, NS), 0);
	assert_int_equal(limit_take(limit, 1, NS + 1), NS);
	copy_limit_set(limit, MIB);
	assert_int_equal(limit_take(limit, 1, NS + 2), 0);
	/* Given back it is there again; a clock that stands still or goes back gives nothing. */
	assert_int_equal(limit_take(limit, MIB, NS + 2), 0);
	assert_true(limit_take(limit, 1, NS + 2) > 0);
	assert_true(limit_take(limit, 1, NS) > 0);
	limit_return(limit, MIB);
	assert_int_equal(limit_take(limit, 1, NS + 2), 0);
	copy_limit_unref(limit);
}

static void test_waiting_once_is_enough(void **state)
{
	struct copy_limit *limit = copy_limit_new(1000);
	uint64_t now = NS, wait;

	for (int i = 0; i < 1000; i++) {
		wait = limit_take(limit, 777, now);
		if (wait) {
			assert_true(limit_take(limit, 777, now + wait - wait / 100 - 1000000) > 0);
			now += wait;
			assert_int_equal(limit_take(limit, 777, now), 0);
		}
	}
	copy_limit_unref(limit);
}

/* Any part of the pattern can be made again by itself. */
static void test_pattern(void **state)
{
	static const uint8_t zeroes[4096];
	uint8_t key[COPY_KEY_SIZE], other[COPY_KEY_SIZE], whole[4096], part[4096];
	struct pattern *pattern;

	assert_int_equal(pattern_key(key, &err), 0);
	assert_int_equal(pattern_key(other, &err), 0);
	assert_memory_not_equal(key, other, sizeof(key));
	assert_int_equal(pattern_new(key, &pattern, &err), 0);
	assert_int_equal(pattern_fill(pattern, 1 << 20, whole, zeroes, sizeof(whole), &err), 0);
	for (size_t from = 0; from < 100; from += 7)
		for (size_t n = 1; n < 200; n += 13) {
			assert_int_equal(pattern_fill(pattern, (1 << 20) + from, part, zeroes, n, &err), 0);
			assert_memory_equal(part, whole + from, n);
		}
	assert_int_equal(pattern_fill(pattern, 2 << 20, part, zeroes, sizeof(part), &err), 0);
	assert_memory_not_equal(part, whole, 16);
	pattern_free(pattern);
	assert_int_equal(pattern_new(other, &pattern, &err), 0);
	assert_int_equal(pattern_fill(pattern, 1 << 20, part, zeroes, sizeof(part), &err), 0);
	assert_memory_not_equal(part, whole, 16);
	pattern_free(pattern);
}

/* The first block is AES-256 of zeroes under a key of zeroes, a vector of the standard's validation. */
static void test_pattern_is_aes_ctr(void **state)
{
	static const uint8_t zeroes[16], key[COPY_KEY_SIZE] = { 0 };
	static const uint8_t first[16] = { 0xdc, 0x95, 0xc0, 0x78, 0xa2, 0x40, 0x89, 0x89,
					   0xad, 0x48, 0xa2, 0x14, 0x92, 0x84, 0x20, 0x87 };
	struct pattern *pattern;
	uint8_t bytes[16];

	assert_int_equal(pattern_new(key, &pattern, &err), 0);
	assert_int_equal(pattern_fill(pattern, 0, bytes, zeroes, sizeof(bytes), &err), 0);
	assert_memory_equal(bytes, first, sizeof(first));
	pattern_free(pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extents_are_sorted_and_joined),
		cmocka_unit_test(test_unsound_extents),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_rate_is_kept),
		cmocka_unit_test(test_rate_is_shared),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_waiting_once_is_enough),
		cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_pattern_is_aes_ctr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
