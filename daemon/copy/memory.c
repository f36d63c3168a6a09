// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "copy/memory.h"

int memory_init(struct memory *m, size_t size)
{
	*m = (struct memory) { .size = (size + MEMORY_UNIT - 1) & ~(MEMORY_UNIT - 1) };
	m->map_size = m->size + MEMORY_UNIT;
	m->map = mmap(NULL, m->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->map == MAP_FAILED) {
		*m = (struct memory) { 0 };
		return -ENOMEM;
	}
	m->bytes = (uint8_t *)m->map + (-(uintptr_t)m->map & (MEMORY_UNIT - 1));
	/* A kernel without huge pages says no; small ones work as well. */
	madvise(m->bytes, m->size, MADV_HUGEPAGE);
	/* Pages that were only read would all be the kernel's one page of zeroes. */
	memset(m->bytes, 0, m->size);
	return 0;
}

void memory_deinit(struct memory *m)
{
	if (m->map)
		munmap(m->map, m->map_size);
	*m = (struct memory) { 0 };
}
