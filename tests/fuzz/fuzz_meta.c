// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A pool's metadata: the first byte says what is asked, the rest is the device,
 * every block of it in use. A checksum would stop all that the fuzzer invents,
 * so its mutator seals the blocks again, with the right address mostly.
 */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "provider/thin/meta/format.h"
#include "util/crc32c.h"

#define BLOCKS_LIMIT 64

static const uint32_t salts[] = { SALT_NODE, SALT_SUPER, SALT_INDEX, SALT_BITMAP };

static uint64_t sum;

static void expect(int truth)
{
	if (!truth)
		abort();
}

static int take_device(const struct meta_device *d, void *data)
{
	expect(d->id < META_DEVICES);
	sum += d->mapped;
	return 0;
}

/* In order, without overlaps, joined, and on the data device. */
struct order {
	struct meta *m;
	struct meta_extent last;
};

static int take_extent(const struct meta_extent *x, void *data)
{
	struct order *o = data;

	expect(x->length && x->data + x->length <= meta_pool(o->m)->chunks);
	expect(x->begin <= UINT64_MAX / meta_pool(o->m)->chunk_size - x->length);
	expect(!o->last.length || x->begin >= o->last.begin + o->last.length);
	expect(!o->last.length || x->begin > o->last.begin + o->last.length ||
	       x->data != o->last.data + o->last.length);
	o->last = *x;
	return 0;
}

static int take_change(const struct meta_change *c, void *data)
{
	struct order *o = data;

	expect(c->length && (!o->last.length || c->begin >= o->last.begin + o->last.length));
	expect(c->side == META_RIGHT || c->left + c->length <= meta_pool(o->m)->chunks);
	expect(c->side == META_LEFT || c->right + c->length <= meta_pool(o->m)->chunks);
	o->last = (struct meta_extent){ c->begin, 0, c->length };
	return 0;
}

static int take_count(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	struct order *o = data;

	expect(length && count && (!o->last.length || begin >= o->last.begin + o->last.length));
	o->last = (struct meta_extent){ begin, 0, length };
	return 0;
}

static int ask(struct meta *m, unsigned int what, struct err *e)
{
	struct order o = { .m = m };
	uint32_t left = 1 + (what >> 3 & 1), right = 3 - left;

	switch (what & 7) {
	case 0:
		return meta_devices(m, take_device, NULL, e);
	case 1:
		return meta_mapped(m, left, take_extent, &o, e);
	case 2:
	case 3:
		return meta_exclusive(m, left, what & 1, take_extent, &o, e);
	case 4:
	case 5:
		return meta_diff(m, left, right, what & 1, take_change, &o, e);
	case 6:
		return meta_chunk_counts(m, take_count, &o, e);
	default:
		return meta_block_counts(m, take_count, &o, e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t max);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int memory = -1;
	struct err e = { 0 };
	uint64_t snapshot;
	struct meta *m;
	char path[32];

	if (len < 1 + META_BLOCK || len > 1 + BLOCKS_LIMIT * META_BLOCK)
		return 0;
	if (memory < 0)
		memory = memfd_create("meta", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	expect(!ftruncate(memory, 0) && pwrite(memory, data + 1, len - 1, 0) == (ssize_t)len - 1);
	memcpy(&snapshot, data + 1 + __builtin_offsetof(struct disk_super, snapshot), sizeof(snapshot));
	if (meta_open(path, data[0] & 16 ? le64toh(snapshot) : 0, NULL, &m, &e)) {
		expect(e.code && e.text[0]);
		return 0;
	}
	expect(!ask(m, data[0], &e) == !e.text[0]);
	/* The children of every block once a level, in each of three passes: no cycle, no bomb. */
	expect(meta_blocks_read(m) <= 3 * 8 * 254 * BLOCKS_LIMIT);
	meta_close(m);
	return 0;
}

static void seal(uint8_t *block, uint64_t address, uint32_t salt)
{
	struct disk_head head;

	memcpy(&head, block, sizeof(head));
	head.block = htole64(address);
	memcpy(block, &head, sizeof(head));
	head.checksum = htole32(crc32c(~0U, block + sizeof(head.checksum),
				       META_BLOCK - sizeof(head.checksum)) ^ salt);
	memcpy(block, &head, sizeof(head));
}

/* The salt that the block was sealed with, before it is changed; any if with none. */
static uint32_t salt_of(const uint8_t *block, unsigned int seed)
{
	uint32_t found, sum_now = crc32c(~0U, block + sizeof(found), META_BLOCK - sizeof(found));

	memcpy(&found, block, sizeof(found));
	for (size_t i = 0; i < sizeof(salts) / sizeof(salts[0]); i++)
		if (le32toh(found) == (sum_now ^ salts[i]))
			return salts[i];
	return salts[seed % 4];
}

/* Numbers that stand at places with a meaning. */
static void change_field(uint8_t *block, unsigned int seed, size_t blocks)
{
	static const uint8_t offsets[] = { 4, 16, 20, 24, 32, 40, 48, 52, 56, 64, 72, 80, 88, 192, 200, 208, 216 };
	const uint64_t values[] = { 0, 1, 2, 3, blocks - 1, blocks, 252, 253, UINT32_MAX, UINT64_MAX,
				    seed % (blocks + 1), seed };
	uint64_t value = htole64(values[seed / 64 % (sizeof(values) / sizeof(values[0]))]);
	size_t at = seed & 1 ? offsets[seed / 2 % sizeof(offsets)] :
			       32 + seed / 8 % ((META_BLOCK - 32) / 8) * 8;

	memcpy(block + at, &value, at < 32 ? sizeof(uint32_t) : sizeof(value));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max, unsigned int seed)
{
	size_t blocks = len ? (len - 1) / META_BLOCK : 0, n = blocks ? seed / 16 % blocks : 0;
	uint8_t *block = data + 1 + n * META_BLOCK;
	uint32_t salt;

	if (!blocks)
		return LLVMFuzzerMutate(data, len, max);
	data[0] = (uint8_t)(seed >> 8);
	salt = salt_of(block, seed);
	switch (seed & 7) {
	case 0:
		memcpy(block, data + 1 + seed / 128 % blocks * META_BLOCK, META_BLOCK);
		break;
	case 1:
		LLVMFuzzerMutate(block, 256, 256);
		break;
	case 2:
		LLVMFuzzerMutate(block, META_BLOCK, META_BLOCK);
		break;
	default:
		change_field(block, seed >> 3, blocks);
	}
	/* One in 16 stays as it is: broken, or written for another place. */
	if (seed & 0xf00000)
		seal(block, n, salt);
	return 1 + blocks * META_BLOCK;
}
