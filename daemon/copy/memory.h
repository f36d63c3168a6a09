/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory for I/O: in huge pages where the kernel has some, because a request
 * that is one piece of memory costs a fraction of one that is 256.
 */
#ifndef BVOL_COPY_MEMORY_H
#define BVOL_COPY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_UNIT	((size_t)2 << 20)

struct memory {
	uint8_t *bytes;		/* zeroed, aligned to MEMORY_UNIT */
	size_t size;		/* a multiple of it */
	void *map;
	size_t map_size;
};

/* -ENOMEM. */
int memory_init(struct memory *memory, size_t size);
void memory_deinit(struct memory *memory);

#endif
