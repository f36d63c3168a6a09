// SPDX-License-Identifier: LGPL-2.1-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "provider/thin/disk.h"
#include "provider/thin/members.h"
#include "provider/thin/thin.h"
#include "sys/blkid.h"
#include "util/cleanup.h"

int disk_check_path(const char *path, struct err *e)
{
	size_t n = strlen(path);

	if (n > DISK_PATH_MAX)
		return err_set(e, -EINVAL, "a device's path has at most %d bytes", DISK_PATH_MAX);
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, -EINVAL,
				       "a device's path has letters, digits and punctuation of ASCII alone");
	if (strncmp(path, "/dev/", 5) || strstr(path, "/../") || path[n - 1] == '/')
		return err_set(e, -EINVAL,
			       "%s is not the path of a device; name one below /dev, as /dev/sdb", path);
	return 0;
}

/* A volume that nobody has open at the moment would pass for a free disk. */
static bool is_ours(const struct disk *disk)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], text[THIN_NAME_MAX] = "";

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/uuid", disk->major, disk->minor);
	file = fopen(path, "re");
	return file && fgets(text, sizeof(text), file) &&
	       !strncmp(text, THIN_DM_PREFIX, strlen(THIN_DM_PREFIX));
}

/* Opening something else than a block device might already do something, so look first. */
static int open_node(struct disk *disk, enum disk_use use, struct err *e)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_RDWR | O_EXCL };
	const char *path = disk->path;
	struct stat st;
	int read_only;

	if (stat(path, &st))
		return err_set(e, -errno, "cannot find device %s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return err_set(e, -ENOTBLK, "%s is not a block device", path);
	disk->fd = open(path, flags[use] | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (disk->fd < 0 && errno == EBUSY)
		return err_set(e, -EBUSY,
			       "device %s is in use: it is mounted, or part of another device or pool",
			       path);
	if (disk->fd < 0 || fstat(disk->fd, &st))
		return err_set(e, -errno, "cannot open device %s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return err_set(e, -ENOTBLK, "%s is not a block device", path);
	if (ioctl(disk->fd, BLKGETSIZE64, &disk->size) || ioctl(disk->fd, BLKROGET, &read_only))
		return err_set(e, -errno, "cannot ask device %s for its size: %s", path,
			       strerror(errno));
	if (read_only && use != DISK_READ)
		return err_set(e, -EROFS, "device %s is read-only", path);
	disk->major = major(st.st_rdev);
	disk->minor = minor(st.st_rdev);
	return 0;
}

int disk_open(const char *path, enum disk_use use, struct disk *ret, struct err *e)
{
	int code;

	*ret = (struct disk) { .fd = -1 };
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	code = open_node(ret, use, e);
	if (!code && ret->size < LABEL_COPY + LABEL_SIZE)
		code = err_set(e, -ENOSPC, "device %s is too small for a pool", path);
	if (!code && is_ours(ret))
		code = err_set(e, -EBUSY, "device %s is one of bvol's own devices", path);
	if (!code) {
		ret->found = label_read(ret->fd, path, &ret->label, e);
		if (ret->found < 0 && ret->found != -EBADMSG && ret->found != -EPROTO)
			code = ret->found;
	}
	if (code)
		disk_close(ret);
	return code;
}

void disk_close(struct disk *disk)
{
	if (disk->fd >= 0)
		close(disk->fd);
	disk->fd = -1;
}

struct disks *disks_new(size_t n, struct err *e)
{
	struct disks *disks = thin_alloc(sizeof(*disks) + n * sizeof(*disks->disk), e);

	for (size_t i = 0; disks && i < n; i++)
		disks->disk[i].fd = -1;
	if (disks)
		disks->n = n;
	return disks;
}

struct disks *disks_close(struct disks *disks)
{
	for (size_t i = 0; disks && i < disks->n; i++)
		disk_close(&disks->disk[i]);
	free(disks);
	return NULL;
}

/* Is it another one than those before it? */
static int check_distinct(const struct disks *disks, size_t n, struct err *e)
{
	const struct disk *disk = &disks->disk[n];

	for (size_t i = 0; i < n; i++)
		if (disks->disk[i].major == disk->major && disks->disk[i].minor == disk->minor)
			return err_set(e, -EINVAL, "%s and %s are the same device",
				       disks->disk[i].path, disk->path);
	return 0;
}

int disks_open(char *const *paths, enum disk_use use, struct disks **ret, struct err *e)
{
	struct disks *disks;
	size_t n = 0;
	int code = 0;

	while (paths[n])
		n++;
	disks = disks_new(n, e);
	if (!disks)
		return -ENOMEM;
	for (size_t i = 0; !code && i < n; i++) {
		code = disk_open(paths[i], use, &disks->disk[i], e);
		if (!code)
			code = check_distinct(disks, i, e);
	}
	if (code)
		disks_close(disks);
	else
		*ret = disks;
	return code;
}

/* A device of this name in sysfs, where '!' stands for '/'. */
static bool is_wanted(const char *name, const struct bvol_uuid *pool_id, uint32_t index,
		      struct disk *ret)
{
	char path[DISK_PATH_MAX + 1];

	if (snprintf(path, sizeof(path), "/dev/%s", name) >= (int)sizeof(path))
		return false;
	for (char *p = path; *p; p++)
		if (*p == '!')
			*p = '/';
	if (disk_open(path, DISK_READ, ret, NULL))
		return false;
	if (disk_is_of(ret, pool_id) &&
	    (index == DISK_SPARE ? ret->label.spare : !ret->label.spare && ret->label.index == index))
		return true;
	disk_close(ret);
	return false;
}

int disk_find(const struct bvol_uuid *pool_id, uint32_t index, struct disk *ret, struct err *e)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *entry;
	int code = -ENODEV;
	struct disk found;

	while (dir && code != -EEXIST && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_wanted(entry->d_name, pool_id, index, &found))
			continue;
		if (code == -ENODEV) {
			*ret = found;
			code = 0;
			continue;
		}
		if (index == DISK_SPARE) {
			disk_close(&found);
			continue;
		}
		code = err_set(e, -EEXIST,
			       "%s and %s have the same label; take the one that is a copy away",
			       ret->path, found.path);
		disk_close(&found);
		disk_close(ret);
	}
	if (dir)
		closedir(dir);
	return code;
}

int disk_find_spares(const struct bvol_uuid *pool_id, char ***paths, struct err *e)
{
	DIR *dir = opendir("/sys/class/block");
	struct dirent *entry;
	struct disk found;
	int code = 0;

	while (dir && !code && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !is_wanted(entry->d_name, pool_id, DISK_SPARE, &found))
			continue;
		code = paths_append(paths, strdup(found.path), e);
		disk_close(&found);
	}
	if (dir)
		closedir(dir);
	return code;
}

bool disk_is_of(const struct disk *disk, const struct bvol_uuid *pool_id)
{
	return !disk->found && !memcmp(&disk->label.pool_id, pool_id, sizeof(*pool_id));
}

int disk_check_free(const struct disk *disk, const struct bvol_uuid *pool_id, bool force,
		    struct err *e)
{
	char text[BVOL_UUID_TEXT], what[64];
	int code;

	if (disk_is_of(disk, pool_id))
		return 0;
	if (!disk->found)
		return err_set(e, -EEXIST,
			       "device %s belongs to pool %s; delete that pool, or erase the first MiB of the device if the pool is lost",
			       disk->path, bvol_uuid_text(&disk->label.pool_id, text));
	if (disk->found < 0)
		return err_set(e, -EEXIST,
			       "device %s has the label of a pool, %s; erase the first MiB of the device if it is not needed",
			       disk->path, disk->found == -EPROTO ? "of a newer version of bvol" :
			       "but a damaged one");
	code = blkid_probe_fd(disk->fd, what, sizeof(what), e);
	if (code > 0 && !force)
		return err_set(e, -EEXIST,
			       "device %s carries something (%s); use --force to overwrite it",
			       disk->path, what);
	return code < 0 ? code : 0;
}

int disk_wipe(const struct disk *disk, struct err *e)
{
	int code = blkid_wipe_fd(disk->fd, e);

	/* Fails where there can't be partitions. */
	if (!code && ioctl(disk->fd, BLKRRPART) && errno == EBUSY)
		return err_set(e, -EBUSY, "partitions of device %s are in use", disk->path);
	return code;
}
