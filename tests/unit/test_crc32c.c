// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "util/crc32c.h"

/* As the check values are given: inverted at both ends. */
static uint32_t sum(const void *data, size_t n)
{
	return ~crc32c(~0U, data, n);
}

static void known(void **state)
{
	uint8_t bytes[32] = { 0 };

	assert_int_equal(sum("123456789", 9), 0xe3069283);
	assert_int_equal(sum(bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	assert_int_equal(sum(bytes, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(sum(bytes, 32), 0x46dd794e);
	assert_int_equal(crc32c(7, bytes, 0), 7);
}

static uint32_t by_bits(uint32_t crc, const uint8_t *p, size_t n)
{
	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Any length and place, at once and in pieces. */
static void any(void **state)
{
	static uint8_t bytes[20000];

	srand(1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand();
	for (int turn = 0; turn < 500; turn++) {
		size_t from = (size_t)rand() % 64, n = (size_t)rand() % (turn % 2 ? 100 : 15000);
		size_t half = n ? (size_t)rand() % n : 0;
		uint32_t wanted = by_bits((uint32_t)turn, bytes + from, n);

		assert_int_equal(crc32c((uint32_t)turn, bytes + from, n), wanted);
		assert_int_equal(crc32c(crc32c((uint32_t)turn, bytes + from, half), bytes + from + half, n - half),
				 wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known),
		cmocka_unit_test(any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
