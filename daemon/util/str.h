/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_STR_H
#define BVOL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates)? */
bool str_utf8(const char *s);
/*
 * Copy s with control characters and bytes that are not UTF-8 as \xNN; always
 * NUL-terminated. Returns the length written.
 */
size_t str_escape(const char *s, char *buf, size_t len);
/*
 * May s be an object's name: 1 to BVOL_NAME_MAX bytes of UTF-8, no '/', no
 * control character, no blank at either end, not the form of a UUID? what is
 * the word for the sentence ("volume", "pool", "project"). -EINVAL,
 * -ENAMETOOLONG, -EILSEQ.
 */
int str_check_name(const char *what, const char *s, struct err *e);
/* n bytes as people read them, "1.5 GiB", rounded down; returns buf. */
char *str_size(uint64_t n, char buf[16]);
/*
 * "4096", "64K", "10G": bytes, or a multiple of 1024, 1024^2, ... by one
 * letter of BKMGTPE, also in lower case. -EINVAL, -ERANGE for 2^64 and above.
 */
int str_parse_size(const char *s, uint64_t *ret);

#endif
