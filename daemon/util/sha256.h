/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_SHA256_H
#define BVOL_SHA256_H

#include <stddef.h>

/* With the final NUL. */
#define SHA256_TEXT 65

/* The hash of n bytes, in hexadecimal digits. -EIO. */
int sha256_text(const void *data, size_t n, char text[SHA256_TEXT]);

#endif
