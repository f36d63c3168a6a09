// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <string.h>

#include "util/crc32c.h"

#define POLYNOMIAL 0x82f63b78

/* steps[i][b]: what the byte b becomes when i bytes follow it. */
static uint32_t steps[8][256];

static void fill_steps(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		steps[0][b] = crc;
	}
	for (int i = 1; i < 8; i++)
		for (int b = 0; b < 256; b++)
			steps[i][b] = steps[i - 1][b] >> 8 ^ steps[0][steps[i - 1][b] & 0xff];
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		word = le64toh(word) ^ crc;
		crc = 0;
		for (int i = 0; i < 8; i++)
			crc ^= steps[7 - i][word >> 8 * i & 0xff];
	}
	while (n--)
		crc = crc >> 8 ^ steps[0][(crc ^ *p++) & 0xff];
	return crc;
}

#ifdef __x86_64__
/* The instruction takes three cycles, but three of them take no longer: so much goes to each. */
#define LANE 1360

/* What the bytes of a checksum become when LANE, or twice as many, zeros follow. */
static uint32_t over_one[4][256], over_two[4][256];

static void fill_over(uint32_t over[4][256], size_t n)
{
	static const uint8_t zeros[2 * LANE];

	for (int byte = 0; byte < 4; byte++)
		for (uint32_t b = 1; b < 256; b++)
			/* The checksum is linear: of two bits, that of both. */
			over[byte][b] = b & (b - 1) ? over[byte][b & (b - 1)] ^ over[byte][b & -b] :
						      by_table(b << 8 * byte, zeros, n);
}

static uint32_t shift(const uint32_t over[4][256], uint64_t crc)
{
	return over[0][crc & 0xff] ^ over[1][crc >> 8 & 0xff] ^ over[2][crc >> 16 & 0xff] ^ over[3][crc >> 24];
}

static uint64_t word_at(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p,
								 size_t n)
{
	uint64_t a = crc;

	for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
		uint64_t b = 0, c = 0;

		for (size_t i = 0; i < LANE; i += 8) {
			a = __builtin_ia32_crc32di(a, word_at(p + i));
			b = __builtin_ia32_crc32di(b, word_at(p + LANE + i));
			c = __builtin_ia32_crc32di(c, word_at(p + 2 * LANE + i));
		}
		a = shift(over_two, a) ^ shift(over_one, b) ^ c;
	}
	for (; n >= 8; n -= 8, p += 8)
		a = __builtin_ia32_crc32di(a, word_at(p));
	crc = (uint32_t)a;
	while (n--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

__attribute__((constructor)) static void fill_tables(void)
{
	fill_steps();
#ifdef __x86_64__
	fill_over(over_one, LANE);
	fill_over(over_two, 2 * LANE);
#endif
}

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return by_instruction(crc, data, n);
#endif
	return by_table(crc, data, n);
}
