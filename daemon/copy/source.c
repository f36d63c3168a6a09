// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy/source.h"

static void file_free(struct source *source)
{
	backup_source_close(source);
	free(source);
}

/* Holes read as zeroes. Whoever can't tell where they are, as a device, says that it is all data. */
static int file_state(struct source *source, uint64_t offset, uint64_t *length, bool has_parent,
		      enum source_state *ret, struct err *e)
{
	off_t data = lseek(source->fd, (off_t)offset, SEEK_DATA), end;

	*ret = SOURCE_DATA;
	if (data < 0 && errno == ENXIO)
		data = (off_t)(offset + *length);
	if (data < 0)
		return 0;
	if ((uint64_t)data > offset) {
		*ret = SOURCE_ZERO;
		end = data;
	} else {
		end = lseek(source->fd, (off_t)offset, SEEK_HOLE);
	}
	if (end > (off_t)offset && (uint64_t)end - offset < *length)
		*length = (uint64_t)end - offset;
	return 0;
}

static const struct source_ops file_ops = { .free = file_free, .state = file_state };

static int measure(struct source *source, struct err *e)
{
	struct stat st;

	if (fstat(source->fd, &st) < 0)
		return err_set(e, -errno, "cannot read %s: %s", source->name, strerror(errno));
	if (S_ISREG(st.st_mode)) {
		source->size = (uint64_t)st.st_size;
	} else if (S_ISBLK(st.st_mode)) {
		if (ioctl(source->fd, BLKGETSIZE64, &source->size) < 0)
			return err_set(e, -errno, "cannot read the size of %s: %s", source->name,
				       strerror(errno));
		/* Whole blocks then, which chunks are, and past the page cache. */
		source->direct = fcntl(source->fd, F_SETFL, O_DIRECT) == 0;
	} else {
		return err_set(e, -EINVAL, "%s is neither a file nor a block device", source->name);
	}
	return 0;
}

int backup_source_open(const char *path, struct source *source, struct err *e)
{
	source->fd = -1;
	source->name = strdup(path);
	if (!source->name)
		return err_set(e, -ENOMEM, "out of memory");
	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	return measure(source, e);
}

void backup_source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	free((char *)source->name);
}

int source_file(const char *path, struct source **ret, struct err *e)
{
	struct source *source = calloc(1, sizeof(*source));
	int r;

	if (!source)
		return err_set(e, -ENOMEM, "out of memory");
	source->ops = &file_ops;
	r = backup_source_open(path, source, e);
	if (r)
		backup_source_free(source);
	else
		*ret = source;
	return r;
}

struct source *backup_source_ref(struct source *source)
{
	source->refs++;
	return source;
}

struct source *backup_source_free(struct source *source)
{
	if (source && !source->refs--)
		source->ops->free(source);
	return NULL;
}
