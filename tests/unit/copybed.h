/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the copy engine works on in its tests: files, and loop devices for who may have them. */
#ifndef BVOL_COPYBED_H
#define BVOL_COPYBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bed {
	char path[64];		/* of what is wiped */
	char file[64];		/* that holds the bytes: the same, or what is behind the loop device */
	size_t size;
	int loop;		/* number, -1: none */
};

/* A file in this folder, full of a pattern of its own: see bed_byte(). */
void bed_file(struct bed *bed, const char *folder, size_t size);
/* A loop device with blocks of this size; false: this machine or user has none. */
bool bed_loop(struct bed *bed, const char *folder, size_t size, uint32_t block);
void bed_free(struct bed *bed);

/* What the byte was at first; never 0. */
uint8_t bed_byte(size_t offset);
void bed_refill(const struct bed *bed);
/* All of it, past the caches of who wrote it; to be freed. */
uint8_t *bed_read(const struct bed *bed);
void bed_write(const struct bed *bed, size_t offset, const void *bytes, size_t length);

#endif
