/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_MEMBERS_H
#define BVOL_THIN_MEMBERS_H

#include "provider/thin/disk.h"
#include "provider/thin/kernel.h"

/*
 * Open all devices of a ready pool, for reading, each checked by its label. *paths
 * (malloc()ed, ends with NULL) is what the database knows; where a device has
 * another name today, or device 0 counts more of them, because an extension was
 * cut off, *paths is set right and *moved becomes true. An error leaves *ret
 * alone.
 */
int members_open(const struct thin_ref *pool, char ***paths, bool *moved, struct disks **ret,
		 struct err *e);
/*
 * Let device 0 count this many devices: from this moment on those behind the old
 * count belong to the pool, or don't any more.
 */
int members_count(const struct disk *first, uint32_t count, struct err *e);

/* Of lists of paths that end with NULL. append: takes over path; -ENOMEM with a sentence. */
size_t paths_count(char *const *paths);
bool paths_have(char *const *paths, const char *path);
int paths_append(char ***paths, char *path, struct err *e);

#endif
