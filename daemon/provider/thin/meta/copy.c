// SPDX-License-Identifier: LGPL-2.1-or-later
/* The only writer of the format: whole copies of what is sound, and the superblock's mark and number. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "provider/thin/meta/reader.h"
#include "util/cleanup.h"
#include "util/crc32c.h"

/* Blocks that are moved at once. */
#define PIECE 256

struct copying {
	struct meta *m;
	int fd;
	uint8_t *data;		/* PIECE blocks */
	struct err *e;
};

/* Past the page cache, through which nobody else looks; only a file may have no such way. */
static int open_target(const char *path, int flags, struct err *e)
{
	int fd = open(path, flags | O_CLOEXEC | O_DIRECT);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? err_set(e, -errno, "the place for metadata can't be opened: %s",
				strerror(errno)) : fd;
}

static int write_blocks(int fd, uint64_t block, const uint8_t *data, uint64_t count, struct err *e)
{
	size_t size = count * META_BLOCK, done = 0;

	while (done < size) {
		ssize_t n = pwrite(fd, data + done, size - done, (off_t)(block * META_BLOCK + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, -EIO, "block %" PRIu64 " of the metadata's copy can't be written: %s",
				       block + done / META_BLOCK, n ? strerror(errno) : "nothing was taken");
		done += (size_t)n;
	}
	return 0;
}

static int copy_run(struct copying *c, uint64_t begin, uint64_t length)
{
	int code = 0;

	while (!code && length) {
		struct span span = { begin, length < PIECE ? length : PIECE, c->data };

		code = source_read(&c->m->source, &span, 1, c->e);
		if (!code)
			code = write_blocks(c->fd, begin, c->data, span.count, c->e);
		begin += span.count;
		length -= span.count;
	}
	return code;
}

static int copy_used(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	/* The superblock waits. */
	return begin ? copy_run(data, begin, length) : copy_run(data, 1, length - 1);
}

static int copy_all(struct copying *c)
{
	int code = meta_block_counts(c->m, copy_used, c, c->e);

	if (!code && fdatasync(c->fd))
		code = err_set(c->e, -errno, "the metadata's copy can't be flushed: %s", strerror(errno));
	if (!code)
		code = copy_run(c, 0, 1);
	if (!code && fdatasync(c->fd))
		code = err_set(c->e, -errno, "the metadata's copy can't be flushed: %s", strerror(errno));
	return code;
}

/* A crash leaves a part, without its superblock or with that of what was there before. */
int meta_copy(struct meta *m, const char *path, struct err *e)
{
	_cleanup_free_ uint8_t *data = source_buffer(PIECE, e);
	_cleanup_close_ int fd = data ? open_target(path, O_RDWR, e) : -ENOMEM;
	struct copying c = { m, fd, data, e };
	off_t end;

	if (fd < 0)
		return fd;
	end = lseek(fd, 0, SEEK_END);
	if (end < 0 || (uint64_t)end / META_BLOCK < m->pool.blocks)
		return err_set(e, -ENOSPC, "there is no place for %" PRIu64 " blocks of metadata",
			       m->pool.blocks);
	return copy_all(&c);
}

static void seal(uint8_t *data, uint32_t salt)
{
	struct disk_head *head = (struct disk_head *)data;

	head->checksum = htole32(crc32c(~0U, data + sizeof(head->checksum),
					META_BLOCK - sizeof(head->checksum)) ^ salt);
}

static int read_block(int fd, uint8_t *data, struct err *e)
{
	ssize_t n = pread(fd, data, META_BLOCK, 0);

	if (n != META_BLOCK)
		return err_set(e, -EIO, "the superblock can't be read: %s",
			       n < 0 ? strerror(errno) : "the device ends before it");
	return check_seal(data, 0, SALT_SUPER, e);
}

int meta_stamp(const char *path, uint64_t transaction_id, struct err *e)
{
	_cleanup_free_ uint8_t *data = source_buffer(2, e);
	_cleanup_close_ int fd = data ? open_target(path, O_RDWR, e) : -ENOMEM;
	struct disk_super *super = (struct disk_super *)data;
	int code;

	if (fd < 0)
		return fd;
	if ((code = read_block(fd, data, e)))
		return code;
	super->head.flags &= htole32(~(uint32_t)SUPER_NEEDS_CHECK);
	super->transaction_id = htole64(transaction_id);
	seal(data, SALT_SUPER);
	if ((code = write_blocks(fd, 0, data, 1, e)))
		return code;
	if (fdatasync(fd))
		return err_set(e, -errno, "the superblock can't be flushed: %s", strerror(errno));
	if ((code = read_block(fd, data + META_BLOCK, e)))
		return code;
	return memcmp(data, data + META_BLOCK, META_BLOCK) ?
	       err_set(e, -EIO, "the superblock is not what was written") : 0;
}
