/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_CRC32C_H
#define BVOL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, reflected) of n bytes, going on from crc. Neither the
 * beginning nor the end is inverted: that is the caller's.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

#endif
