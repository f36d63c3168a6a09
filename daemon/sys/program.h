/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Foreign programs: program.c is the one file that starts any. They are those of
 * a list, by their absolute paths, without a shell, with no environment and none
 * of our descriptors. None outlives the daemon.
 */
#ifndef BVOL_PROGRAM_H
#define BVOL_PROGRAM_H

#include <stdatomic.h>

#include "util/err.h"

enum program { PROGRAM_THIN_REPAIR };

/*
 * Run it with these arguments, NULL at the end, and wait for its end; blocks, for
 * a worker thread. *cancel, unless cancel is NULL, may be set from any thread and
 * kills it. -ENOENT: it is not installed, -ECANCELED, -EIO with what it has said
 * last when it did not succeed.
 */
int program_run(enum program program, const char *const *args, const atomic_bool *cancel,
		struct err *e);

#endif
