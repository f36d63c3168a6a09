// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "unit.h"
#include "copybed.h"

uint8_t bed_byte(size_t offset)
{
	uint64_t x = offset * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> 56) | 1;
}

void bed_write(const struct bed *bed, size_t offset, const void *bytes, size_t length)
{
	int fd = open(bed->path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, length, (off_t)offset), length);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

void bed_refill(const struct bed *bed)
{
	uint8_t *bytes = malloc(bed->size);

	assert_non_null(bytes);
	for (size_t i = 0; i < bed->size; i++)
		bytes[i] = bed_byte(i);
	bed_write(bed, 0, bytes, bed->size);
	free(bytes);
}

uint8_t *bed_read(const struct bed *bed)
{
	int fd = open(bed->path, O_RDONLY | O_CLOEXEC);
	uint8_t *bytes = malloc(bed->size);

	assert_non_null(bytes);
	assert_true(fd >= 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	assert_int_equal(pread(fd, bytes, bed->size, 0), bed->size);
	close(fd);
	return bytes;
}

void bed_file(struct bed *bed, const char *folder, size_t size)
{
	int fd;

	*bed = (struct bed) { .size = size, .loop = -1 };
	snprintf(bed->file, sizeof(bed->file), "%s/bvol-copy-XXXXXX", folder);
	fd = mkstemp(bed->file);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
	snprintf(bed->path, sizeof(bed->path), "%s", bed->file);
	bed_refill(bed);
}

static bool attach(struct bed *bed, uint32_t block)
{
	struct loop_config config = { .block_size = block };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;
	bool attached = false;

	/* Somebody else may take the free one first. */
	for (int i = 0; control >= 0 && !attached && i < 20; i++) {
		bed->loop = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(bed->path, sizeof(bed->path), "/dev/loop%d", bed->loop);
		device = open(bed->path, O_RDWR | O_CLOEXEC);
		config.fd = (uint32_t)open(bed->file, O_RDWR | O_CLOEXEC);
		attached = device >= 0 && !ioctl(device, LOOP_CONFIGURE, &config);
		close((int)config.fd);
		if (device >= 0)
			close(device);
	}
	if (control >= 0)
		close(control);
	return attached;
}

bool bed_loop(struct bed *bed, const char *folder, size_t size, uint32_t block)
{
	bed_file(bed, folder, size);
	if (attach(bed, block))
		return true;
	bed->loop = -1;
	bed_free(bed);
	return false;
}

void bed_free(struct bed *bed)
{
	int device = bed->loop < 0 ? -1 : open(bed->path, O_RDWR | O_CLOEXEC);

	if (device >= 0) {
		ioctl(device, LOOP_CLR_FD, 0);
		close(device);
	}
	unlink(bed->file);
}
