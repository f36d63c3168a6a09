/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that others wrote. Inside the tree only. */
#ifndef BVOL_TEXT_H
#define BVOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates)? */
bool text_utf8(const char *text, size_t len);
/*
 * Copy text so that a terminal or a log line takes no harm: control characters
 * and marks that change the direction of writing as \xNN, byte by byte, and so
 * each byte that is not UTF-8. Always NUL-terminated; a character that does
 * not fit whole is left out with all that follows it. Returns the length.
 */
size_t text_escape(const char *text, char *buf, size_t len);
/* Characters, as good a guess of the columns as can be had without a locale. */
size_t text_columns(const char *text);

#endif
