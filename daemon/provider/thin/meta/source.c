// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "provider/thin/meta/format.h"
#include "provider/thin/meta/source.h"
#include "util/crc32c.h"

/*
 * The kernel writes metadata past the page cache of the device, so what a
 * buffered read finds there can be old. Only files are read so, if they have to.
 */
static int open_direct(const char *path, struct stat *st, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);

	if (fd < 0 && errno == EINVAL && !stat(path, st) && S_ISREG(st->st_mode))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st)) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return err_set(e, code, "the pool's metadata can't be opened: %s", strerror(-code));
	}
	return fd;
}

/* Too large for the stack, where it would be cleared for every call. */
struct batch {
	struct iocb blocks[SOURCE_SPANS], *list[SOURCE_SPANS];
	struct io_event events[SOURCE_SPANS];
};

/*
 * A context of the kernel that nobody uses. To destroy one takes it tens of
 * milliseconds, far longer than most of what one is wanted for.
 */
static _Atomic(aio_context_t) spare;

/* 0: there is none, spans are read one after the other. */
static aio_context_t begin_aio(void)
{
	aio_context_t aio = atomic_exchange(&spare, 0);

	return aio || !syscall(SYS_io_setup, SOURCE_SPANS, &aio) ? aio : 0;
}

/* Waits for what is on its way. */
static void end_aio(struct source *s)
{
	if (s->aio)
		syscall(SYS_io_destroy, s->aio);
	s->aio = 0;
}

void source_close(struct source *s)
{
	aio_context_t none = 0;

	if (!atomic_compare_exchange_strong(&spare, &none, s->aio))
		end_aio(s);
	free(s->batch);
	close(s->fd);
}

int source_open(struct source *s, const char *path, struct err *e)
{
	struct batch *batch = malloc(sizeof(*batch));
	struct stat st;
	uint64_t size = 0;
	int fd = batch ? open_direct(path, &st, e) : err_set(e, -ENOMEM, "out of memory");

	if (fd < 0) {
		free(batch);
		return fd;
	}
	*s = (struct source){ .fd = fd, .aio = begin_aio(), .batch = batch };
	if (S_ISREG(st.st_mode)) {
		size = (uint64_t)st.st_size;
	} else if (!S_ISBLK(st.st_mode) || ioctl(fd, BLKGETSIZE64, &size)) {
		source_close(s);
		return err_set(e, -EINVAL, "the pool's metadata is neither a block device nor a file");
	}
	s->blocks = size / META_BLOCK;
	return 0;
}

void *source_buffer(size_t count, struct err *e)
{
	void *p = aligned_alloc(META_BLOCK, count * META_BLOCK);

	if (!p)
		err_set(e, -ENOMEM, "out of memory");
	return p;
}

static int read_span(struct source *s, const struct span *span, struct err *e)
{
	size_t size = span->count * META_BLOCK, have = 0;

	while (have < size) {
		ssize_t n = pread(s->fd, span->to + have, size - have,
				  (off_t)(span->block * META_BLOCK + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, -EIO, "block %" PRIu64 " of the pool's metadata can't be read: %s",
				       span->block + have / META_BLOCK,
				       n ? strerror(errno) : "the device ends before it");
		have += (size_t)n;
	}
	return 0;
}

/* All at once; done are those of which every byte has come. */
static void read_together(struct source *s, const struct span *spans, size_t n, bool *done)
{
	struct iocb *blocks = s->batch->blocks, **list = s->batch->list;
	struct io_event *events = s->batch->events;
	size_t asked = 0, came = 0;
	long r = 1;

	for (size_t i = 0; i < n; i++) {
		list[i] = &blocks[i];
		blocks[i] = (struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD,
					   .aio_fildes = (uint32_t)s->fd,
					   .aio_data = i,
					   .aio_buf = (uintptr_t)spans[i].to,
					   .aio_nbytes = spans[i].count * META_BLOCK,
					   .aio_offset = (int64_t)(spans[i].block * META_BLOCK) };
	}
	while (asked < n && (r = syscall(SYS_io_submit, s->aio, n - asked, list + asked)) > 0)
		asked += (size_t)r;
	while (came < asked) {
		r = syscall(SYS_io_getevents, s->aio, asked - came, asked - came, events, NULL);
		if (r < 0 && errno != EINTR) {
			end_aio(s);
			return;
		}
		for (long i = 0; i < r; i++)
			done[events[i].data] = events[i].res == (int64_t)blocks[events[i].data].aio_nbytes;
		came += r > 0 ? (size_t)r : 0;
	}
}

int source_read(struct source *s, const struct span *spans, size_t n, struct err *e)
{
	bool done[SOURCE_SPANS] = { false };
	int code = 0;

	if (s->cancel && atomic_load_explicit(s->cancel, memory_order_relaxed))
		return err_set(e, -ECANCELED, "cancelled");
	if (s->aio && n > 1)
		read_together(s, spans, n, done);
	/* One that failed is asked for again, which tells why, and which of its blocks it was. */
	for (size_t i = 0; !code && i < n; i++) {
		s->blocks_read += spans[i].count;
		if (!done[i])
			code = read_span(s, &spans[i], e);
	}
	return code;
}

int damaged(uint64_t block, struct err *e, const char *format, ...)
{
	char what[160];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return err_set(e, -EUCLEAN, "block %" PRIu64 " of the pool's metadata is damaged: %s", block, what);
}

int check_seal(const void *data, uint64_t block, uint32_t salt, struct err *e)
{
	const struct disk_head *head = data;
	uint32_t sum = crc32c(~0U, (const uint8_t *)data + sizeof(head->checksum),
			      META_BLOCK - sizeof(head->checksum)) ^ salt;

	if (le32toh(head->checksum) != sum)
		return damaged(block, e, "its checksum is wrong");
	if (le64toh(head->block) != block)
		return damaged(block, e, "it was written for block %" PRIu64, le64toh(head->block));
	return 0;
}
