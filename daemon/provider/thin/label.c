// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "provider/thin/label.h"
#include "sys/node.h"
#include "util/str.h"

#define MAGIC		"BVOLPOOL"
#define VERSION		2
#define MIB		(UINT64_C(1) << 20)

/* Segments begin at a multiple of this. */
#define ALIGN		MIB
#define SELF_LENGTH	MIB
#define ROWS_LENGTH	(15 * MIB)
/* 64 bytes for each chunk, and as much again for snapshots that diverge. */
#define METADATA_CHUNK	128
#define METADATA_MIN	(16 * MIB)
/* The metadata may grow to this many times their length, and to this part of the first device. */
#define GROWTH		4
#define GROWTH_PART	32
#define DATA_MIN	(16 * MIB)
/* dm-thin's. */
#define CHUNK_UNIT	(64 << 10)
#define CHUNK_MAX	(1 << 30)

enum { STATE_MAKING, STATE_READY, STATE_SPARE };

struct disk_segment {
	uint32_t role, zero;
	uint64_t offset, length;
} __attribute__((packed));

struct disk_label {
	char magic[8];
	uint32_t version, crc;
	uint8_t pool_id[16];
	uint32_t index, count, state, chunk_size;
	uint64_t device_size;
	uint32_t n_segments, zero;
	struct disk_segment segments[LABEL_SEGMENTS_MAX];
	uint8_t unused[1024 - 64 - LABEL_SEGMENTS_MAX * sizeof(struct disk_segment)];
	uint32_t owned, zero2;
	uint64_t generation;
	uint8_t node[16];
	char name[LABEL_NODE_MAX + 1];
	uint32_t swapped;
} __attribute__((packed));

_Static_assert(__builtin_offsetof(struct disk_label, name) == 1056, "as label.h tells");

static uint32_t crc32(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0U;

	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void add_segment(struct label *label, enum label_role role, uint64_t *at, uint64_t length)
{
	if (!length)
		return;
	label->segments[label->n_segments++] = (struct label_segment) { role, *at, length };
	*at += length;
}

static uint64_t metadata_length(uint64_t pool_size, uint32_t chunk_size)
{
	uint64_t length = pool_size / chunk_size * METADATA_CHUNK;

	if (length > LABEL_METADATA_MAX)
		return LABEL_METADATA_MAX;
	return length < METADATA_MIN ? METADATA_MIN : (length + ALIGN - 1) / ALIGN * ALIGN;
}

/* Bytes for the metadata behind what device 0 begins with; others keep as much as their chunks want. */
static uint64_t room_length(const struct label *label, uint64_t metadata)
{
	uint64_t most = label->device_size / GROWTH_PART / ALIGN * ALIGN, wanted = metadata;

	if (label->index == 0) {
		wanted = GROWTH * metadata < LABEL_METADATA_MAX ? GROWTH * metadata : LABEL_METADATA_MAX;
		wanted -= metadata;
		most -= most < metadata ? most : metadata;
	}
	return wanted < most ? wanted : most;
}

int label_plan(struct label *label, uint64_t size, const char *path, struct err *e)
{
	bool first = label->index == 0;
	uint64_t metadata = metadata_length(size, label->chunk_size), at = 0, least;
	uint64_t room = size ? room_length(label, metadata) : 0;
	char have[16], want[16];

	label->n_segments = 0;
	add_segment(label, LABEL_SELF, &at, SELF_LENGTH);
	if (first)
		add_segment(label, LABEL_ROWS, &at, ROWS_LENGTH);
	add_segment(label, LABEL_METADATA, &at, first ? metadata : 0);
	add_segment(label, LABEL_ROOM, &at, room);
	add_segment(label, LABEL_SPARE, &at, first ? metadata : 0);
	add_segment(label, LABEL_ROOM, &at, room);
	least = at + (label->chunk_size > DATA_MIN ? label->chunk_size : DATA_MIN);
	if (label->device_size < least)
		return err_set(e, -ENOSPC,
			       "device %s has %s, this pool needs at least %s there; use a larger device",
			       path, str_size(label->device_size, have), str_size(least, want));
	add_segment(label, LABEL_DATA, &at, (label->device_size - at) / ALIGN * ALIGN);
	return 0;
}

uint64_t label_grow(struct label *label, uint64_t length)
{
	const struct label old = *label;
	enum label_role fresh = LABEL_METADATA, role;
	uint64_t at = 0, step = length;

	for (uint32_t i = 0; i < old.n_segments; i++)
		if (old.segments[i].role == LABEL_ROOM && old.segments[i].length < step)
			step = old.segments[i].length;
	if (!label_find(label, LABEL_ROOM))
		return 0;
	label->n_segments = 0;
	for (uint32_t i = 0; i < old.n_segments; i++) {
		const struct label_segment *s = &old.segments[i];

		at = s->offset;
		role = i ? old.segments[i - 1].role : 0;
		if (s->role != LABEL_ROOM) {
			add_segment(label, s->role, &at, s->length);
			continue;
		}
		if (role == LABEL_METADATA || role == LABEL_SPARE) {
			label->segments[label->n_segments - 1].length += step;
			at += step;
		} else {
			add_segment(label, fresh, &at, step);
			fresh = LABEL_SPARE;
		}
		add_segment(label, LABEL_ROOM, &at, s->length - step);
	}
	return step;
}

const struct label_segment *label_find(const struct label *label, enum label_role role)
{
	for (uint32_t i = 0; i < label->n_segments; i++)
		if (label->segments[i].role == role)
			return &label->segments[i];
	return NULL;
}

void label_encode(const struct label *label, uint8_t block[LABEL_SIZE])
{
	struct disk_label *disk = (struct disk_label *)block;

	memset(block, 0, LABEL_SIZE);
	memcpy(disk->magic, MAGIC, sizeof(disk->magic));
	disk->version = htole32(VERSION);
	memcpy(disk->pool_id, label->pool_id.b, sizeof(disk->pool_id));
	disk->index = htole32(label->index);
	disk->count = htole32(label->count);
	disk->state = htole32(label->spare ? STATE_SPARE : label->ready);
	disk->chunk_size = htole32(label->chunk_size);
	disk->device_size = htole64(label->device_size);
	disk->n_segments = htole32(label->n_segments);
	for (uint32_t i = 0; i < label->n_segments; i++) {
		disk->segments[i].role = htole32(label->segments[i].role);
		disk->segments[i].offset = htole64(label->segments[i].offset);
		disk->segments[i].length = htole64(label->segments[i].length);
	}
	disk->owned = htole32(label->owner.state);
	disk->generation = htole64(label->owner.generation);
	memcpy(disk->node, label->owner.node.b, sizeof(disk->node));
	disk->swapped = htole32(label->swapped);
	memcpy(disk->name, label->owner.name, strnlen(label->owner.name, LABEL_NODE_MAX));
	disk->crc = htole32(crc32(block, LABEL_SIZE));
}

/* Do the segments lie on the device, one behind the other, with what a device must have? */
static bool segments_sound(const struct label *label)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < label->n_segments; i++) {
		const struct label_segment *s = &label->segments[i];

		if (s->offset < end || s->offset % ALIGN || !s->length || s->length % ALIGN ||
		    __builtin_add_overflow(s->offset, s->length, &end) ||
		    end > label->device_size)
			return false;
	}
	return label->spare || (label_find(label, LABEL_DATA) &&
	       (label->index > 0 || label_find(label, LABEL_METADATA)));
}

static void take_owner(const struct disk_label *disk, struct label_owner *ret)
{
	*ret = (struct label_owner) {
		.state = le32toh(disk->owned), .generation = le64toh(disk->generation),
	};
	memcpy(ret->node.b, disk->node, sizeof(disk->node));
	memcpy(ret->name, disk->name, LABEL_NODE_MAX);
	/* It comes to sentences. */
	for (char *p = ret->name; *p; p++)
		if (*p <= ' ' || *p > '~')
			*p = '?';
}

void label_own(struct label *label, enum label_owned state)
{
	struct label_owner *owner = &label->owner;

	*owner = (struct label_owner) { .state = state, .generation = owner->generation + 1 };
	if (state == LABEL_OWNED) {
		owner->node = node_self()->id;
		snprintf(owner->name, sizeof(owner->name), "%s", node_self()->name);
	}
}

int label_is_mine(const struct label *label, const char *pool, struct err *e)
{
	const struct label_owner *owner = &label->owner;

	if (owner->state == LABEL_UNTOLD)
		return 0;
	if (owner->state == LABEL_FREE)
		return err_set(e, -EBUSY, "pool %s was exported and belongs to no node; import it",
			       pool);
	if (memcmp(&owner->node, &node_self()->id, sizeof(owner->node)))
		return err_set(e, -EBUSY,
			       "pool %s belongs to node %s; export it there, or if that node is dead for good import it with --force",
			       pool, owner->name);
	return 1;
}

int label_decode(const uint8_t block[LABEL_SIZE], struct label *label)
{
	const struct disk_label *disk = (const struct disk_label *)block;
	uint8_t copy[LABEL_SIZE];

	if (memcmp(disk->magic, MAGIC, sizeof(disk->magic)))
		return 1;
	memcpy(copy, block, LABEL_SIZE);
	((struct disk_label *)copy)->crc = 0;
	if (le32toh(disk->crc) != crc32(copy, LABEL_SIZE))
		return -EBADMSG;
	if (!disk->version || le32toh(disk->version) > VERSION)
		return -EPROTO;
	*label = (struct label) {
		.index = le32toh(disk->index),
		.count = le32toh(disk->count),
		.ready = le32toh(disk->state) == STATE_READY,
		.spare = le32toh(disk->state) == STATE_SPARE,
		.chunk_size = le32toh(disk->chunk_size),
		.device_size = le64toh(disk->device_size),
		.n_segments = le32toh(disk->n_segments),
	};
	memcpy(label->pool_id.b, disk->pool_id, sizeof(disk->pool_id));
	if (le32toh(disk->version) > 1) {
		take_owner(disk, &label->owner);
		label->swapped = le32toh(disk->swapped) == 1;
	}
	if (label->count > LABEL_DEVICES_MAX || label->owner.state > LABEL_FREE || label->index >= label->count ||
	    label->n_segments > LABEL_SEGMENTS_MAX || !label->chunk_size ||
	    label->chunk_size % CHUNK_UNIT || label->chunk_size > CHUNK_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < label->n_segments; i++)
		label->segments[i] = (struct label_segment) {
			le32toh(disk->segments[i].role),
			le64toh(disk->segments[i].offset),
			le64toh(disk->segments[i].length),
		};
	return segments_sound(label) ? 0 : -EBADMSG;
}

/* Read or write one block past the page cache; the descriptor's own mode stays. */
static int transfer(int fd, uint8_t *block, uint64_t offset, bool write)
{
	int flags = fcntl(fd, F_GETFL);
	ssize_t n = -1;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT))
		return -errno;
	errno = EIO;
	n = write ? pwrite(fd, block, LABEL_SIZE, (off_t)offset) :
		    pread(fd, block, LABEL_SIZE, (off_t)offset);
	if (n != LABEL_SIZE || (write && fsync(fd)))
		n = -errno;
	fcntl(fd, F_SETFL, flags);
	return n < 0 ? (int)n : 0;
}

static const uint64_t copies[] = { 0, LABEL_COPY };
#define N_COPIES (sizeof(copies) / sizeof(*copies))

int label_read(int fd, const char *path, struct label *label, struct err *e)
{
	_Alignas(LABEL_SIZE) uint8_t block[LABEL_SIZE];
	int result = 1, code;

	for (size_t i = 0; i < N_COPIES; i++) {
		code = transfer(fd, block, copies[i], false);
		if (code)
			return err_set(e, code, "cannot read the label of device %s: %s", path,
				       strerror(-code));
		code = label_decode(block, label);
		if (!code)
			return 0;
		if (code < 0)
			result = code;
	}
	return result;
}

/* A crash between the copies leaves one whole label, the new or the old one. */
int label_write(int fd, const char *path, const struct label *label, struct err *e)
{
	_Alignas(LABEL_SIZE) uint8_t block[LABEL_SIZE], back[LABEL_SIZE];
	int code;

	label_encode(label, block);
	for (size_t i = 0; i < N_COPIES; i++) {
		code = transfer(fd, block, copies[i], true);
		if (!code)
			code = transfer(fd, back, copies[i], false);
		if (!code && memcmp(block, back, LABEL_SIZE))
			code = -EIO;
		if (code)
			return err_set(e, code, "cannot write the label of device %s: %s", path,
				       strerror(-code));
	}
	return 0;
}

int label_zero(int fd, const char *path, uint64_t offset, struct err *e)
{
	_Alignas(LABEL_SIZE) uint8_t block[LABEL_SIZE] = { 0 };
	int code = transfer(fd, block, offset, true);

	return code ? err_set(e, code, "cannot erase a block of device %s: %s", path,
			      strerror(-code)) : 0;
}

/* The copy goes first: a crash between the two leaves the label whole. */
int label_erase(int fd, const char *path, struct err *e)
{
	int code = 0;

	for (size_t i = N_COPIES; !code && i-- > 0;)
		code = label_zero(fd, path, copies[i], e);
	return code;
}
