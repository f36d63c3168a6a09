// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/members.h"
#include "util/log.h"

size_t paths_count(char *const *paths)
{
	size_t n = 0;

	while (paths && paths[n])
		n++;
	return n;
}

bool paths_have(char *const *paths, const char *path)
{
	for (; paths && *paths; paths++)
		if (!strcmp(*paths, path))
			return true;
	return false;
}

int paths_append(char ***paths, char *path, struct err *e)
{
	size_t n = paths_count(*paths);
	char **grown = path ? reallocarray(*paths, n + 2, sizeof(*grown)) : NULL;

	if (!grown) {
		free(path);
		return err_set(e, -ENOMEM, "out of memory");
	}
	grown[n] = path;
	grown[n + 1] = NULL;
	*paths = grown;
	return 0;
}

/* Is it device number i of the pool, whole and usable? */
static int check_label(const struct thin_ref *pool, const struct disk *disk, size_t i,
		       struct err *e)
{
	const struct label *label = &disk->label;
	char text[BVOL_UUID_TEXT];

	if (disk->found > 0)
		return err_set(e, -EUCLEAN, "device %s has lost the label of pool %s, or is another one",
			       disk->path, pool->name);
	if (disk->found < 0)
		return err_set(e, -EUCLEAN, "the label of device %s is %s", disk->path,
			       disk->found == -EPROTO ? "of a newer version of bvol" : "damaged");
	if (!disk_is_of(disk, &pool->id))
		return err_set(e, -EUCLEAN, "device %s belongs to another pool, %s", disk->path,
			       bvol_uuid_text(&label->pool_id, text));
	if (label->spare || label->index != i)
		return err_set(e, -EUCLEAN, "device %s is %s%" PRIu32 " of pool %s, not number %zu",
			       disk->path, label->spare ? "a spare, number " : "number ",
			       label->index + 1, pool->name, i + 1);
	if (disk->size < label->device_size)
		return err_set(e, -EUCLEAN, "device %s has shrunk from %" PRIu64 " to %" PRIu64 " bytes",
			       disk->path, label->device_size, disk->size);
	if (i == 0 && !label->ready)
		return err_set(e, -EUCLEAN, "pool %s was never completed; delete it", pool->name);
	return 0;
}

/* The kernel gives names to disks as they come, so what has the path may be another one today. */
static int find_moved(const struct thin_ref *pool, char **path, size_t i, struct disk *disk,
		      struct err *e)
{
	char *found;
	int code;

	disk_close(disk);
	code = disk_find(&pool->id, (uint32_t)i, disk, e);
	if (code || (code = check_label(pool, disk, i, e)))
		return code;
	found = strdup(disk->path);
	if (!found)
		return err_set(e, -ENOMEM, "out of memory");
	log_notice("device %s of pool %s is %s now", *path, pool->name, found);
	free(*path);
	*path = found;
	return 0;
}

static int open_member(const struct thin_ref *pool, char **path, size_t i, bool *moved,
		       struct disk *disk, struct err *e)
{
	struct err why = { 0 };
	int code = disk_open(*path, DISK_READ, disk, &why);

	if (!code)
		code = check_label(pool, disk, i, &why);
	if (!code)
		return 0;
	if (!find_moved(pool, path, i, disk, e)) {
		*moved = true;
		return 0;
	}
	return err_set(e, code, "%s", why.text);
}

/* One that the database does not know yet, because a crash came before its commit. */
static int open_added(const struct thin_ref *pool, char ***paths, size_t i, struct disk *disk,
		      struct err *e)
{
	struct err why = { 0 };
	int code = disk_find(&pool->id, (uint32_t)i, disk, &why);

	if (!code)
		code = check_label(pool, disk, i, &why);
	if (code)
		return err_set(e, code,
			       "device number %zu of pool %s, which was being added to it, is missing%s%s",
			       i + 1, pool->name, why.code ? ": " : "", why.text);
	log_notice("device %s was being added to pool %s", disk->path, pool->name);
	return paths_append(paths, strdup(disk->path), e);
}

int members_open(const struct thin_ref *pool, char ***paths, bool *moved, struct disks **ret,
		 struct err *e)
{
	size_t n = paths_count(*paths), count;
	struct disks *disks = disks_new(LABEL_DEVICES_MAX, e);
	int code = disks ? open_member(pool, *paths, 0, moved, &disks->disk[0], e) : -ENOMEM;

	if (code) {
		disks_close(disks);
		return code;
	}
	count = disks->disk[0].label.count;
	if (count < n)
		code = err_set(e, -EUCLEAN,
			       "device %s counts %zu devices of pool %s, the database %zu",
			       **paths, count, pool->name, n);
	for (size_t i = 1; !code && i < n; i++)
		code = open_member(pool, &(*paths)[i], i, moved, &disks->disk[i], e);
	for (size_t i = n; !code && i < count; i++) {
		code = open_added(pool, paths, i, &disks->disk[i], e);
		*moved = true;
	}
	disks->n = code ? disks->n : count;
	if (code)
		disks_close(disks);
	else
		*ret = disks;
	return code;
}

int members_count(const struct disk *first, uint32_t count, struct err *e)
{
	struct disk disk;
	int code = disk_open(first->path, DISK_WRITE, &disk, e);

	if (code)
		return code;
	disk.label.count = count;
	code = label_write(disk.fd, disk.path, &disk.label, e);
	disk_close(&disk);
	return code;
}
