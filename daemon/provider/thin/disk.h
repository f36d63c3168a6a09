/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The block devices of a pool: opened by the path a user gave, known by number and label. */
#ifndef BVOL_THIN_DISK_H
#define BVOL_THIN_DISK_H

#include <stddef.h>

#include "provider/thin/label.h"
#include "util/cleanup.h"

#define DISK_PATH_MAX 255

struct disk {
	char path[DISK_PATH_MAX + 1];
	int fd;
	uint32_t major, minor;
	uint64_t size;		/* bytes */
	int found;		/* what label_read() returned: 0, 1, -EBADMSG or -EPROTO */
	struct label label;
};

struct disks {
	size_t n;
	struct disk disk[];
};

/* Is path one that a pool may name? Looks at the text alone. */
int disk_check_path(const char *path, struct err *e);

enum disk_use {
	DISK_READ,
	DISK_WRITE,
	DISK_CLAIM,	/* -EBUSY while it is mounted or has another user in the kernel; keeps others out */
};

/* Open and read the label. */
int disk_open(const char *path, enum disk_use use, struct disk *ret, struct err *e);
void disk_close(struct disk *disk);
/*
 * Look through all block devices for the one with this number in the pool, or
 * for one of its spares. -ENODEV without a sentence; -EEXIST: several say that
 * they have the number.
 */
#define DISK_SPARE UINT32_MAX
int disk_find(const struct bvol_uuid *pool_id, uint32_t index, struct disk *ret, struct err *e);

/* Paths of all spares of the pool that are there, appended to *paths (see members.h). */
int disk_find_spares(const struct bvol_uuid *pool_id, char ***paths, struct err *e);

/* Room for n that are not open yet; NULL with a sentence (-ENOMEM). */
struct disks *disks_new(size_t n, struct err *e);
/* All devices of the list, which ends with NULL; -EINVAL when two are the same. */
int disks_open(char *const *paths, enum disk_use use, struct disks **ret, struct err *e);
struct disks *disks_close(struct disks *disks);

static inline void disks_closep(struct disks **disks)
{
	disks_close(*disks);
}

#define _cleanup_disks_ _cleanup_(disks_closep)

/* Does the device carry this pool's label? */
bool disk_is_of(const struct disk *disk, const struct bvol_uuid *pool_id);
/*
 * 0 when the device may become part of this pool. A foreign signature is
 * refused unless force; a label of another pool always.
 */
int disk_check_free(const struct disk *disk, const struct bvol_uuid *pool_id, bool force,
		    struct err *e);
/* Take foreign signatures away, and the partitions that the kernel made of one. */
int disk_wipe(const struct disk *disk, struct err *e);

#endif
