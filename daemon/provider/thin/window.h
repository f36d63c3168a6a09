/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_WINDOW_H
#define BVOL_THIN_WINDOW_H

#include "provider/thin/kernel.h"

/* Chunks in a row on the pool's data device. */
struct window_run {
	uint64_t chunk, length;
};

#define WINDOW_RUNS 256
#define WINDOW_PATH (THIN_NAME_MAX + 16)

/*
 * A block device that shows these chunks of the pool, one after the other, and
 * nothing else: whoever writes through it can't hit a chunk that is not listed.
 * id names it, the device that the chunks belong to; one window for each. An
 * older one is replaced. A crash leaves the window, and pool_open() takes it
 * away. At most WINDOW_RUNS runs; chunk_size in bytes.
 */
int window_open(const struct thin_ref *pool, const struct bvol_uuid *id, uint32_t chunk_size,
		const struct window_run *runs, size_t n, char path[WINDOW_PATH], struct err *e);
/* -EBUSY: a run that was abandoned has it open. 0 too when there is none. */
int window_close(const struct bvol_uuid *id, struct err *e);

#endif
