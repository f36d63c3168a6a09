/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does the reader of a pool's metadata say the same as thin_dump and
 * thin_delta? For small pools: chunk numbers on either side below ORACLE_KEYS.
 */
#ifndef BVOL_TEST_ORACLE_H
#define BVOL_TEST_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_KEYS	131072
#define ORACLE_DEVICES	40

/*
 * Compare everything of the pool at path: superblock, devices, mapped and
 * exclusive extents, the difference of up to pairs pairs, and without a
 * metadata snapshot (0) the counts of chunks. What differs is told on standard
 * error. true: nothing does.
 */
bool oracle_agrees(const char *path, uint64_t snapshot, int pairs);

#endif
