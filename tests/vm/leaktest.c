// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writes marks that say whose they are into volumes, and finds them on the raw disk.
 *
 *	leaktest fill DEVICE MODEL OFFSET LENGTH PROJECT VOLUME GENERATION [FREED]
 *	leaktest discard DEVICE MODEL OFFSET LENGTH FREED
 *	leaktest compare DEVICE MODEL
 *	leaktest busy DEVICE END BLOCKS
 *	leaktest scan DISK METADATA START [FREED]
 *
 * A mark has 16 bytes and is repeated from OFFSET on, as bytes of a device that
 * is filled with it from 0 on: offsets and lengths are any number of bytes.
 * MODEL is a file that has what DEVICE should have; discard takes the whole
 * chunks of its range. busy writes and reads back blocks of 4 KiB among the first
 * BLOCKS until there is a file END, then reads all of them. Into FREED go the marks that the chunks of the range had
 * before: a kernel that gives them back without a wipe is no fault then.
 *
 * scan looks at the whole disk, on which the pool's data begin at START (bytes),
 * and finds fault with each mark that lies in no chunk that a device of the pool
 * maps, unless it is in FREED.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/thin/bits.h"
#include "provider/thin/meta/meta.h"

#define CHUNK	(UINT64_C(64) << 10)
#define BUFFER	(UINT64_C(1) << 20)
#define MAGIC	UINT32_C(0x6b72616d)
#define BLOCK	4096
#define SHOWN	8

struct mark {
	uint32_t magic;
	uint32_t volume;	/* with the project's letter in the highest byte */
	uint32_t generation;
	uint32_t check;		/* so that no other bytes are taken for one */
};

static uint8_t *buffer;

__attribute__((noreturn))
static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path);
	return fd;
}

static uint32_t check_of(const struct mark *m)
{
	return (m->volume * UINT32_C(2654435761) ^ m->generation * UINT32_C(2246822519)) + MAGIC;
}

static struct mark mark_of(const char *project, const char *volume, const char *generation)
{
	struct mark m = { .magic = MAGIC };

	m.volume = (uint32_t)project[0] << 24 | (uint32_t)strtoul(volume, NULL, 10);
	m.generation = (uint32_t)strtoul(generation, NULL, 10);
	m.check = check_of(&m);
	return m;
}

/* Marks that were met */

struct marks {
	struct mark *list;
	size_t n;
};

static bool marks_have(const struct marks *marks, const struct mark *m)
{
	for (size_t i = marks->n; i-- > 0;)
		if (!memcmp(&marks->list[i], m, sizeof(*m)))
			return true;
	return false;
}

static void marks_add(struct marks *marks, const struct mark *m)
{
	if (marks_have(marks, m))
		return;
	marks->list = reallocarray(marks->list, marks->n + 1, sizeof(*m));
	if (!marks->list)
		die("memory");
	marks->list[marks->n++] = *m;
}

static struct marks marks_read(const char *path)
{
	int fd = open_or_die(path, O_RDWR | O_CREAT);
	struct marks marks = { 0 };
	struct mark m;

	while (read(fd, &m, sizeof(m)) == sizeof(m))
		marks_add(&marks, &m);
	close(fd);
	return marks;
}

static void marks_write(const char *path, const struct marks *marks)
{
	int fd = open_or_die(path, O_WRONLY | O_TRUNC);
	size_t size = marks->n * sizeof(*marks->list);

	if (write(fd, marks->list, size) != (ssize_t)size || fsync(fd))
		die(path);
	close(fd);
}

static bool is_mark(const struct mark *m)
{
	return m->magic == MAGIC && m->check == check_of(m);
}

/* What the chunks of this range of the model have may come back to the pool as it is. */
static void note_freed(const char *path, int model, uint64_t offset, uint64_t length)
{
	struct marks marks = marks_read(path);
	uint64_t at = offset / CHUNK * CHUNK, end = (offset + length + CHUNK - 1) / CHUNK * CHUNK;
	struct mark m;

	for (; at < end && pread(model, &m, sizeof(m), (off_t)at) == sizeof(m); at += sizeof(m))
		if (is_mark(&m))
			marks_add(&marks, &m);
	marks_write(path, &marks);
	free(marks.list);
}

/* Verbs */

static void put(int fd, const char *path, uint64_t offset, uint64_t length)
{
	if (pwrite(fd, buffer, length, (off_t)offset) != (ssize_t)length || fsync(fd))
		die(path);
}

static int fill(char **argv, int argc)
{
	int device = open_or_die(argv[0], O_RDWR), model = open_or_die(argv[1], O_RDWR);
	uint64_t offset = strtoull(argv[2], NULL, 10), length = strtoull(argv[3], NULL, 10);
	struct mark m = mark_of(argv[4], argv[5], argv[6]);

	if (length > BUFFER)
		return 2;
	if (argc > 7)
		note_freed(argv[7], model, offset, length);
	for (uint64_t i = 0; i < length; i++)
		buffer[i] = ((uint8_t *)&m)[(offset + i) % sizeof(m)];
	put(model, argv[1], offset, length);
	put(device, argv[0], offset, length);
	/* The block device may get another content behind the cache's back: a revert. */
	return ioctl(device, BLKFLSBUF) && errno != ENOTTY ? 1 : 0;
}

static int discard(char **argv, int argc)
{
	int device = open_or_die(argv[0], O_RDWR), model = open_or_die(argv[1], O_RDWR);
	uint64_t offset = strtoull(argv[2], NULL, 10), length = strtoull(argv[3], NULL, 10);
	uint64_t begin = (offset + CHUNK - 1) / CHUNK * CHUNK, end = (offset + length) / CHUNK * CHUNK;
	uint64_t range[2] = { begin, end - begin };

	if (begin >= end || range[1] > BUFFER)
		return begin >= end ? 0 : 2;
	note_freed(argv[4], model, begin, range[1]);
	memset(buffer, 0, range[1]);
	put(model, argv[1], begin, range[1]);
	/* The flush makes the kernel commit. */
	if (ioctl(device, BLKDISCARD, range) || fsync(device))
		die(argv[0]);
	return 0;
}

/* Past the page cache; whole sectors, which both have. */
static int compare(char **argv, int argc)
{
	int device = open_or_die(argv[0], O_RDONLY | O_DIRECT), model = open_or_die(argv[1], O_RDONLY);
	uint8_t *wanted = malloc(BUFFER);
	uint64_t offset = 0, size = (uint64_t)lseek(device, 0, SEEK_END);
	ssize_t n, m;

	if (!wanted || size != (uint64_t)lseek(model, 0, SEEK_END)) {
		printf("%s has not the size of its model\n", argv[0]);
		return 1;
	}
	for (; (n = pread(device, buffer, BUFFER, (off_t)offset)) > 0; offset += (uint64_t)n) {
		m = pread(model, wanted, (size_t)n, (off_t)offset);
		if (m != n || memcmp(buffer, wanted, (size_t)n)) {
			printf("%s differs from its model within %zd bytes of byte %" PRIu64 "\n", argv[0],
			       n, offset);
			return 1;
		}
	}
	return n || offset != size;
}

/* A block that says which one it is, and how often it was written: 0 is not at all. */
static void make_block(uint8_t *block, uint64_t number, uint32_t generation)
{
	struct mark m = { MAGIC, (uint32_t)number, generation, 0 };

	m.check = check_of(&m);
	for (size_t i = 0; i < BLOCK; i += sizeof(m))
		memcpy(block + i, &m, sizeof(m));
	if (!generation)
		memset(block, 0, BLOCK);
}

static bool block_holds(int device, uint64_t number, uint32_t generation)
{
	make_block(buffer + BLOCK, number, generation);
	if (pread(device, buffer, BLOCK, (off_t)(number * BLOCK)) == BLOCK &&
	    !memcmp(buffer, buffer + BLOCK, BLOCK))
		return true;
	printf("block %" PRIu64 " is not what was written as its %" PRIu32 "th\n", number, generation);
	return false;
}

static int busy(char **argv, int argc)
{
	int device = open_or_die(argv[0], O_RDWR | O_DIRECT);
	uint64_t blocks = strtoull(argv[2], NULL, 10), n, rounds;
	uint32_t *written = calloc(blocks, sizeof(*written));

	if (!written)
		die("memory");
	for (rounds = 0; rounds < blocks || access(argv[1], F_OK); rounds++) {
		/* All of them once, so that the volume is mapped from then on. */
		n = rounds < blocks ? rounds : (uint64_t)rand() % blocks;
		make_block(buffer, n, ++written[n]);
		if (pwrite(device, buffer, BLOCK, (off_t)(n * BLOCK)) != BLOCK)
			die(argv[0]);
		n = (uint64_t)rand() % blocks;
		if (written[n] && !block_holds(device, n, written[n]))
			return 1;
	}
	for (n = 0; n < blocks; n++)
		if (!block_holds(device, n, written[n]))
			return 1;
	printf("# %" PRIu64 " writes\n", rounds);
	return 0;
}

static int add_used(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	bits_set_run(data, begin, length);
	return 0;
}

static struct bits used_chunks(const char *path)
{
	struct bits used = { 0 };
	struct err err = { 0 };
	struct meta *m;

	if (meta_open(path, META_COMMITTED, NULL, &m, &err) ||
	    bits_size(&used, meta_pool(m)->chunks) || meta_pool(m)->chunk_size != CHUNK ||
	    meta_chunk_counts(m, add_used, &used, &err)) {
		fprintf(stderr, "%s: %s\n", path, err.text);
		exit(2);
	}
	meta_close(m);
	return used;
}

struct scan {
	struct bits used;
	struct marks freed, found;	/* found: outside of all that is used */
	uint64_t start, faults, excused, owned;
};

static void look_at(struct scan *s, const struct mark *m, uint64_t at)
{
	uint64_t chunk = (at - s->start) / CHUNK;

	if (at >= s->start && chunk < s->used.n && bits_test(&s->used, chunk)) {
		s->owned++;
		return;
	}
	if (marks_have(&s->freed, m)) {
		s->excused++;
		return;
	}
	s->faults++;
	if (s->found.n < SHOWN && !marks_have(&s->found, m)) {
		marks_add(&s->found, m);
		printf("byte %" PRIu64 ": project %c, volume %" PRIu32 ", generation %" PRIu32 "\n", at,
		       (int)(m->volume >> 24), m->volume & 0xffffff, m->generation);
	}
}

static int scan(char **argv, int argc)
{
	struct scan s = { .start = strtoull(argv[2], NULL, 10), .used = used_chunks(argv[1]) };
	int disk = open_or_die(argv[0], O_RDONLY | O_DIRECT);
	uint64_t at = 0;
	ssize_t n;

	if (argc > 3)
		s.freed = marks_read(argv[3]);
	for (; (n = pread(disk, buffer, BUFFER, (off_t)at)) > 0; at += (uint64_t)n)
		for (size_t i = 0; i + sizeof(struct mark) <= (size_t)n; i += sizeof(struct mark))
			if (is_mark((struct mark *)(buffer + i)))
				look_at(&s, (struct mark *)(buffer + i), at + i);
	printf("# %" PRIu64 " bytes: %" PRIu64 " marks that belong to somebody, %" PRIu64
	       " that the kernel freed, %" PRIu64 " faults\n", at, s.owned, s.excused, s.faults);
	return n || s.faults;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int least, most;
		int (*run)(char **argv, int argc);
	} verbs[] = {
		{ "fill", 7, 8, fill }, { "discard", 5, 5, discard }, { "compare", 2, 2, compare },
		{ "busy", 3, 3, busy }, { "scan", 3, 4, scan },
	};

	buffer = aligned_alloc(4096, BUFFER);
	for (size_t i = 0; buffer && argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name) && argc - 2 >= verbs[i].least &&
		    argc - 2 <= verbs[i].most)
			return verbs[i].run(argv + 2, argc - 2);
	fprintf(stderr, "usage: leaktest VERB ARGUMENT..., see its source\n");
	return 2;
}
