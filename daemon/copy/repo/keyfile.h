/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_REPO_KEYFILE_H
#define BVOL_REPO_KEYFILE_H

#include "copy/repo/repo.h"

/*
 * The secret in a key file: 32 to 4096 bytes in a file that its owner alone can
 * read, who is root or this process's user. -EACCES: others can; -EINVAL.
 */
int key_file_read(const char *path, struct repo_secret *ret, struct err *e);
/* Nothing of it is left in memory. Takes an empty one. */
void repo_secret_deinit(struct repo_secret *secret);

#endif
