// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/thin/kept.h"
#include "sys/node.h"
#include "util/crc32c.h"

#define MAGIC	"BVOLROWS"
#define VERSION	1
#define BLOCK	4096
#define SLOTS	2
/* Most that a copy may have, whatever the label of a foreign disk tells of its room. */
#define ROOM_MAX (64 << 20)
/* Of one transfer. */
#define PIECE	(1 << 20)

struct disk_kept {
	char magic[8];
	uint32_t version, crc;
	uint8_t pool_id[16];
	uint64_t generation, at, length;
	char hash[SHA256_TEXT - 1];
	char node[64];
	uint8_t unused[BLOCK - 184];
} __attribute__((packed));

_Static_assert(sizeof(struct disk_kept) == BLOCK, "as kept.h tells");
_Static_assert(__builtin_offsetof(struct disk_kept, node) == 120, "as kept.h tells");

static size_t slot_length(const struct label *label)
{
	const struct label_segment *s = label_find(label, LABEL_ROWS);

	return s ? s->length / SLOTS / BLOCK * BLOCK : 0;
}

static uint64_t slot_offset(const struct label *label, int slot)
{
	return label_find(label, LABEL_ROWS)->offset + (uint64_t)slot * slot_length(label);
}

size_t kept_room(const struct label *label)
{
	size_t length = slot_length(label);

	length = length > BLOCK ? length - BLOCK : 0;
	return length < ROOM_MAX ? length : ROOM_MAX;
}

static void *block_alloc(size_t n)
{
	void *p;

	if (posix_memalign(&p, BLOCK, n))
		return NULL;
	memset(p, 0, n);
	return p;
}

static int pieces(int fd, uint8_t *at, size_t n, uint64_t offset, bool write)
{
	while (n) {
		size_t piece = n < PIECE ? n : PIECE;
		ssize_t done = write ? pwrite(fd, at, piece, (off_t)offset) :
				       pread(fd, at, piece, (off_t)offset);

		if (done != (ssize_t)piece)
			return done < 0 ? -errno : -EIO;
		at += piece;
		offset += piece;
		n -= piece;
	}
	return 0;
}

/* Past the page cache; durable when it was a write and returns 0. */
static int transfer(const struct disk *disk, void *data, size_t n, uint64_t offset, bool write,
		    struct err *e)
{
	int flags = fcntl(disk->fd, F_GETFL), code;

	if (flags < 0 || fcntl(disk->fd, F_SETFL, flags | O_DIRECT))
		code = -errno;
	else
		code = pieces(disk->fd, data, n, offset, write);
	if (!code && write && fsync(disk->fd))
		code = -errno;
	fcntl(disk->fd, F_SETFL, flags);
	return code ? err_set(e, code, "cannot %s the copy of the pool's rows on device %s: %s",
			      write ? "write" : "read", disk->path, strerror(-code)) : 0;
}

static uint32_t block_crc(const struct disk_kept *block)
{
	struct disk_kept copy = *block;

	copy.crc = 0;
	return ~crc32c(~0U, &copy, sizeof(copy));
}

static void encode(const struct disk *first, const struct kept *kept, struct disk_kept *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->magic, MAGIC, sizeof(ret->magic));
	ret->version = htole32(VERSION);
	memcpy(ret->pool_id, first->label.pool_id.b, sizeof(ret->pool_id));
	ret->generation = htole64(kept->generation);
	ret->at = htole64(kept->at);
	ret->length = htole64(kept->length);
	memcpy(ret->hash, kept->hash, sizeof(ret->hash));
	memcpy(ret->node, kept->node, strnlen(kept->node, sizeof(ret->node) - 1));
	ret->crc = htole32(block_crc(ret));
}

/* 1: no copy of this pool; -EBADMSG, -EPROTO without a sentence. */
static int decode(const struct disk *first, const struct disk_kept *block, struct kept *ret)
{
	if (memcmp(block->magic, MAGIC, sizeof(block->magic)))
		return 1;
	if (le32toh(block->crc) != block_crc(block))
		return -EBADMSG;
	if (memcmp(block->pool_id, first->label.pool_id.b, sizeof(block->pool_id)))
		return 1;
	if (le32toh(block->version) != VERSION)
		return -EPROTO;
	*ret = (struct kept) {
		.generation = le64toh(block->generation),
		.at = le64toh(block->at),
		.length = le64toh(block->length),
	};
	memcpy(ret->hash, block->hash, sizeof(block->hash));
	memcpy(ret->node, block->node, sizeof(ret->node) - 1);
	/* It comes to sentences. */
	for (char *p = ret->node; *p; p++)
		if (*p <= ' ' || *p > '~')
			*p = '?';
	return ret->length > kept_room(&first->label) || ret->generation == UINT64_MAX ? -EBADMSG : 0;
}

static int read_block(const struct disk *first, int slot, struct kept *ret, struct err *e)
{
	_Alignas(BLOCK) struct disk_kept block;
	int code = transfer(first, &block, sizeof(block), slot_offset(&first->label, slot), false, e);

	return code ? code : decode(first, &block, ret);
}

/* -EBADMSG without a sentence: it is not what its block tells. */
static int read_copy(const struct disk *first, int slot, const struct kept *kept, void **data,
		     struct err *e)
{
	size_t n = (kept->length + BLOCK - 1) / BLOCK * BLOCK;
	char hash[SHA256_TEXT];
	void *copy = block_alloc(n ? n : BLOCK);
	int code = copy ? 0 : err_set(e, -ENOMEM, "out of memory");

	if (!code)
		code = transfer(first, copy, n, slot_offset(&first->label, slot) + BLOCK, false, e);
	if (!code)
		code = sha256_text(copy, kept->length, hash);
	if (!code && strcmp(hash, kept->hash))
		code = -EBADMSG;
	if (code)
		free(copy);
	else
		*data = copy;
	return code;
}

static int write_slot(const struct disk *first, int slot, struct kept *kept, const void *data,
		      struct err *e)
{
	size_t n = (kept->length + BLOCK - 1) / BLOCK * BLOCK;
	uint64_t offset = slot_offset(&first->label, slot);
	_Alignas(BLOCK) struct disk_kept block;
	void *copy = block_alloc(n ? n : BLOCK), *again;
	struct kept found;
	int code;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(copy, data, kept->length);
	encode(first, kept, &block);
	code = transfer(first, copy, n, offset + BLOCK, true, e);
	if (!code)
		code = transfer(first, &block, sizeof(block), offset, true, e);
	free(copy);
	if (!code)
		code = read_block(first, slot, &found, e);
	if (!code && strcmp(found.hash, kept->hash))
		code = -EBADMSG;
	if (!code)
		code = read_copy(first, slot, &found, &again, e);
	if (!code)
		free(again);
	return code ? err_set(e, code < 0 ? code : -EIO,
			      "the copy of the pool's rows on device %s reads back otherwise", first->path)
		    : 0;
}

/* What both slots have; codes as decode() gives them. */
static int look(const struct disk *first, struct kept kept[SLOTS], int codes[SLOTS], struct err *e)
{
	if (!kept_room(&first->label))
		return err_set(e, -ENOSPC, "device %s has no room for a copy of the pool's rows",
			       first->path);
	for (int i = 0; i < SLOTS; i++) {
		codes[i] = read_block(first, i, &kept[i], e);
		if (codes[i] < 0 && codes[i] != -EBADMSG && codes[i] != -EPROTO)
			return codes[i];
	}
	return 0;
}

static int newest_of(const struct kept kept[SLOTS], const int codes[SLOTS])
{
	/* A slot that can't be read counts as the older one. */
	return codes[0] ? 1 : codes[1] ? 0 : kept[1].generation > kept[0].generation;
}

/*
 * The newest slot whose copy is what its block tells, -1: none. A block may be there with
 * a copy that a failing disk has not taken: that slot is to be written next, not the other.
 */
static int find_whole(const struct disk *first, const struct kept kept[SLOTS], int codes[SLOTS],
		      int *ret, struct err *e)
{
	for (int i = 0; i < SLOTS; i++) {
		int slot = newest_of(kept, codes);
		struct err why = { 0 };
		void *data;

		if (codes[slot])
			break;
		codes[slot] = read_copy(first, slot, &kept[slot], &data, &why);
		if (!codes[slot]) {
			free(data);
			*ret = slot;
			break;
		}
		if (codes[slot] != -EBADMSG && codes[slot] != -EIO)
			return err_set(e, codes[slot], "%s", why.text);
	}
	return 0;
}

int kept_write(const struct disk *first, const void *data, size_t n, uint64_t at,
	       struct kept *ret, struct err *e)
{
	struct kept kept[SLOTS] = { 0 }, fresh = { .at = at, .length = n };
	int codes[SLOTS], whole = -1, code = look(first, kept, codes, e);

	if (!code && n > kept_room(&first->label))
		code = err_set(e, -EFBIG,
			       "the copy of the pool's rows has %zu bytes, for which its %zu are no room",
			       n, kept_room(&first->label));
	if (!code && sha256_text(data, n, fresh.hash))
		code = err_set(e, -EIO, "no SHA-256 to be had");
	if (code)
		return code;
	code = find_whole(first, kept, codes, &whole, e);
	if (code)
		return code;
	if (whole >= 0 && !strcmp(kept[whole].hash, fresh.hash)) {
		fresh = kept[whole];
	} else {
		fresh.generation = whole < 0 ? 1 : kept[whole].generation + 1;
		snprintf(fresh.node, sizeof(fresh.node), "%s", node_self()->name);
		code = write_slot(first, whole < 0 ? 0 : !whole, &fresh, data, e);
	}
	if (!code && ret)
		*ret = fresh;
	return code;
}

int kept_read(const struct disk *first, struct kept *ret, void **data, struct err *e)
{
	struct kept kept[SLOTS] = { 0 };
	int codes[SLOTS], code = look(first, kept, codes, e), newest;

	if (code)
		return code;
	if (codes[0] == -EPROTO || codes[1] == -EPROTO)
		return err_set(e, -EPROTO,
			       "a newer version of bvol has written the copy of the rows on device %s; use that one",
			       first->path);
	newest = newest_of(kept, codes);
	for (int i = 0; i < SLOTS; i++) {
		int slot = i ? !newest : newest;

		code = codes[slot] ? codes[slot] : read_copy(first, slot, &kept[slot], data, e);
		if (!code) {
			*ret = kept[slot];
			ret->older = i || codes[!slot] == -EBADMSG;
			return 0;
		}
		if (code < 0 && code != -EBADMSG)
			return code;
	}
	if (codes[0] == 1 && codes[1] == 1)
		return 1;
	return err_set(e, -EBADMSG, "the copy of the pool's rows on device %s is damaged", first->path);
}
