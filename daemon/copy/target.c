// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "copy/target.h"
#include "util/cleanup.h"

#define KIB			1024u
#define PAGE			(4 * KIB)
/* More requests at a time gain nothing. */
#define DEPTH_MAX		16

int target_failed(const struct target *target, const char *verb, uint64_t offset, int code,
		  struct err *e)
{
	return err_set(e, code, "cannot %s %s at byte %" PRIu64 ": %s", verb, target->path, offset,
		       strerror(-code));
}

/* A limit of the queue of a device, or of the disk that it is a partition of. */
static uint64_t queue_limit(dev_t device, const char *name, uint64_t otherwise)
{
	static const char *const forms[] = {
		"/sys/dev/block/%u:%u/queue/%s", "/sys/dev/block/%u:%u/../queue/%s",
	};
	uint64_t value = otherwise;
	char path[96];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		_cleanup_fclose_ FILE *file = NULL;

		snprintf(path, sizeof(path), forms[i], major(device), minor(device), name);
		file = fopen(path, "re");
		if (file && fscanf(file, "%" SCNu64, &value) == 1)
			break;
	}
	return value;
}

static uint32_t power_of_two(uint64_t n, uint32_t most)
{
	uint32_t power = PAGE;

	while (power < most && power * UINT64_C(2) <= n)
		power *= 2;
	return power;
}

/*
 * A request that the kernel has to split can't be submitted without waiting,
 * and io_uring gives such a one to a helper thread. Small pages are counted
 * one by one there, and registered memory is small pages to kernels before
 * 6.12, even where it lies in huge pages.
 */
static void set_shape(struct target *t, dev_t device)
{
	uint64_t bytes = queue_limit(device, "max_sectors_kb", 512) * KIB;
	uint64_t pages = queue_limit(device, "max_segments", 128) * PAGE;

	t->request_size = power_of_two(bytes, TARGET_REQUEST_MAX);
	t->merges = pages >= t->request_size;
	t->depth = TARGET_IN_FLIGHT_MAX / t->request_size;
	if (t->depth > DEPTH_MAX)
		t->depth = DEPTH_MAX;
}

static int open_block(struct target *t, const struct stat *st, struct err *e)
{
	int align;

	if (ioctl(t->fd, BLKGETSIZE64, &t->size) || ioctl(t->fd, BLKSSZGET, &align))
		return err_set(e, -errno, "cannot ask device %s for its size: %s", t->path,
			       strerror(errno));
	t->align = (uint32_t)align;
	t->can_discard = queue_limit(st->st_rdev, "discard_max_bytes", 0) > 0;
	set_shape(t, st->st_rdev);
	return 0;
}

static int open_file(struct target *t, bool write, const struct stat *st, struct err *e)
{
	struct statx x;

	if (write && flock(t->fd, LOCK_EX | LOCK_NB))
		return err_set(e, -EBUSY, "file %s is in use by another run", t->path);
	t->size = (uint64_t)st->st_size;
	t->align = (uint32_t)st->st_blksize;
	t->can_discard = true;
	if (!statx(t->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) && x.stx_mask & STATX_DIOALIGN) {
		t->direct = x.stx_dio_offset_align > 0;
		if (t->direct)
			t->align = x.stx_dio_offset_align > x.stx_dio_mem_align ?
				   x.stx_dio_offset_align : x.stx_dio_mem_align;
	}
	set_shape(t, st->st_dev);
	return 0;
}

/* Some file systems take the flag and refuse the I/O, so a block is read. */
static int settle_direct(struct target *t, struct err *e)
{
	_cleanup_free_ uint8_t *block = NULL;
	/* io_uring would take O_NONBLOCK for a wish to fail instead of waiting. */
	int flags = fcntl(t->fd, F_GETFL) & ~O_NONBLOCK;

	if (t->align > TARGET_ALIGN_MAX || t->align & (t->align - 1))
		return err_set(e, -EINVAL, "%s has blocks of %u bytes, which is not supported", t->path,
			       t->align);
	block = aligned_alloc(TARGET_ALIGN_MAX, TARGET_ALIGN_MAX);
	if (!block)
		return err_set(e, -ENOMEM, "no memory");
	if (t->direct && !fcntl(t->fd, F_SETFL, flags | O_DIRECT) &&
	    (pread(t->fd, block, t->align, 0) >= 0 || errno != EINVAL))
		return 0;
	if (fcntl(t->fd, F_SETFL, flags & ~O_DIRECT))
		return err_set(e, -errno, "cannot set the flags of %s: %s", t->path, strerror(errno));
	t->direct = false;
	t->align = 1;
	return 0;
}

static int open_fd(struct target *t, bool write, struct err *e)
{
	struct stat st;
	int flags = (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	/* Opening something else might already do something, so look first. */
	if (stat(t->path, &st))
		return err_set(e, -errno, "cannot find %s: %s", t->path, strerror(errno));
	if (S_ISBLK(st.st_mode))
		flags |= write ? O_EXCL : 0;
	else if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s is neither a block device nor a file", t->path);
	t->fd = open(t->path, flags);
	if (t->fd < 0 && errno == EBUSY)
		return err_set(e, -EBUSY, "device %s is in use", t->path);
	if (t->fd < 0 || fstat(t->fd, &st))
		return err_set(e, -errno, "cannot open %s: %s", t->path, strerror(errno));
	t->block = S_ISBLK(st.st_mode);
	t->direct = true;
	if (t->block)
		return open_block(t, &st, e);
	if (S_ISREG(st.st_mode))
		return open_file(t, write, &st, e);
	return err_set(e, -EINVAL, "%s is neither a block device nor a file", t->path);
}

int target_open(struct target *t, const char *path, bool write, struct err *e)
{
	int code;

	*t = (struct target) { .fd = -1, .path = strdup(path) };
	if (!t->path)
		return err_set(e, -ENOMEM, "no memory");
	code = open_fd(t, write, e);
	if (!code)
		code = settle_direct(t, e);
	if (code)
		target_close(t);
	return code;
}

void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	*t = (struct target) { .fd = -1 };
}

int target_flush(struct target *t, struct err *e)
{
	if (fdatasync(t->fd))
		return err_set(e, -errno, "cannot flush %s: %s", t->path, strerror(errno));
	/* What is read back should come from the device as far as that can be had. */
	if (!t->direct)
		posix_fadvise(t->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

int target_discard(struct target *t, uint64_t offset, uint64_t length, struct err *e)
{
	uint64_t range[2] = { offset, length };
	int r;

	if (t->block)
		r = t->can_discard ? ioctl(t->fd, BLKDISCARD, range) : (errno = EOPNOTSUPP, -1);
	else
		r = fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			      (off_t)length);
	return r ? target_failed(t, "discard", offset, -errno, e) : 0;
}

static bool is_cached(const struct target *t)
{
	return !t->block && t->direct;
}

static int set_direct(struct target *t, bool direct, struct err *e)
{
	int flags = fcntl(t->fd, F_GETFL);

	if (fcntl(t->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT))
		return err_set(e, -errno, "cannot switch direct I/O of %s: %s", t->path,
			       strerror(errno));
	return 0;
}

int target_edges_begin(struct target *t, struct err *e)
{
	return is_cached(t) ? set_direct(t, false, e) : 0;
}

/* A dirty page must not outlive this: written back later it would undo what direct I/O wrote. */
int target_edges_end(struct target *t, bool wrote, struct err *e)
{
	int code = wrote ? target_flush(t, e) : 0;

	if (is_cached(t)) {
		posix_fadvise(t->fd, 0, 0, POSIX_FADV_DONTNEED);
		if (!code)
			code = set_direct(t, true, e);
	}
	return code;
}

static int transfer(struct target *t, bool write, uint8_t *bytes, size_t length, uint64_t offset,
		    struct err *e)
{
	const char *verb = write ? "write" : "read";
	ssize_t n;

	do {
		n = write ? pwrite(t->fd, bytes, length, (off_t)offset) :
			    pread(t->fd, bytes, length, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return target_failed(t, verb, offset, -errno, e);
	return (size_t)n == length ? 0 : target_failed(t, verb, offset, -EIO, e);
}

int target_edge_read(struct target *t, uint8_t *block, uint64_t offset, uint8_t *bytes, size_t length,
		     struct err *e)
{
	uint64_t in = offset & (t->align - 1);
	int code;

	if (!t->block)
		return transfer(t, false, bytes, length, offset, e);
	code = transfer(t, false, block, t->align, offset - in, e);
	if (!code)
		memcpy(bytes, block + in, length);
	return code;
}

int target_edge_write(struct target *t, uint8_t *block, uint64_t offset, const uint8_t *bytes,
		      size_t length, struct err *e)
{
	uint64_t in = offset & (t->align - 1);
	int code;

	if (!t->block)
		return transfer(t, true, (uint8_t *)bytes, length, offset, e);
	code = transfer(t, false, block, t->align, offset - in, e);
	if (code)
		return code;
	memcpy(block + in, bytes, length);
	return transfer(t, true, block, t->align, offset - in, e);
}
