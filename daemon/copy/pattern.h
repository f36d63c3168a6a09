/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The random pattern: a key stream that can be made again for any offset. */
#ifndef BVOL_COPY_PATTERN_H
#define BVOL_COPY_PATTERN_H

#include "copy/copy.h"

struct pattern;

int pattern_key(uint8_t key[COPY_KEY_SIZE], struct err *e);
int pattern_new(const uint8_t key[COPY_KEY_SIZE], struct pattern **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct pattern *pattern_free(struct pattern *pattern);
/* The pattern at offset; zeroes has as many bytes of zero as are wanted. */
int pattern_fill(struct pattern *pattern, uint64_t offset, uint8_t *bytes, const uint8_t *zeroes,
		 size_t length, struct err *e);

#endif
