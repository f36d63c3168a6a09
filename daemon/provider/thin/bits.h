/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bit for each chunk of a pool: 2 MiB for a tebibyte of 64 KiB chunks. */
#ifndef BVOL_THIN_BITS_H
#define BVOL_THIN_BITS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bits {
	uint64_t *words;
	uint64_t n;
};

static inline size_t bits_words(uint64_t n)
{
	return (size_t)((n + 63) / 64);
}

/* Make room for n; what is new is 0. Does not shrink. */
static inline int bits_size(struct bits *b, uint64_t n)
{
	uint64_t *more;

	if (n <= b->n)
		return 0;
	more = reallocarray(b->words, bits_words(n), sizeof(*more));
	if (!more)
		return -ENOMEM;
	memset(more + bits_words(b->n), 0, (bits_words(n) - bits_words(b->n)) * sizeof(*more));
	b->words = more;
	b->n = n;
	return 0;
}

static inline void bits_free(struct bits *b)
{
	free(b->words);
	*b = (struct bits) { 0 };
}

static inline void bits_clear(struct bits *b)
{
	if (b->n)
		memset(b->words, 0, bits_words(b->n) * sizeof(*b->words));
}

static inline bool bits_test(const struct bits *b, uint64_t i)
{
	return b->words[i / 64] >> (i % 64) & 1;
}

static inline void bits_set(struct bits *b, uint64_t i)
{
	b->words[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void bits_reset(struct bits *b, uint64_t i)
{
	b->words[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* Leave in b what is set in both; bits that other does not have are 0. */
static inline void bits_and(struct bits *b, const struct bits *other)
{
	for (size_t i = 0; i < bits_words(b->n); i++)
		b->words[i] &= i < bits_words(other->n) ? other->words[i] : 0;
}

static inline uint64_t bits_count(const struct bits *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bits_words(b->n); i++)
		n += (uint64_t)__builtin_popcountll(b->words[i]);
	return n;
}

static inline void bits_set_run(struct bits *b, uint64_t begin, uint64_t length)
{
	while (length--)
		bits_set(b, begin++);
}

/* The first run of bits that are set, from bit from on; false when there is none. */
static inline bool bits_next_run(const struct bits *b, uint64_t from, uint64_t *begin,
				 uint64_t *length)
{
	uint64_t i = from;

	while (i < b->n && !bits_test(b, i))
		i += b->words[i / 64] >> (i % 64) ? 1 : 64 - i % 64;
	*begin = i;
	while (i < b->n && bits_test(b, i))
		i++;
	*length = i - *begin;
	return *length;
}

#endif
