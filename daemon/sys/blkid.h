/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_BLKID_H
#define BVOL_BLKID_H

#include <stddef.h>

#include "util/err.h"

/*
 * What the block device open at fd carries: 0 nothing known, 1 something, whose
 * name ("ext4 file system", "gpt partition table") is in what. blkid.c is the
 * one file that knows libblkid.
 */
int blkid_probe_fd(int fd, char *what, size_t len, struct err *e);
/* Erase every signature that blkid_probe_fd() would find. */
int blkid_wipe_fd(int fd, struct err *e);

#endif
