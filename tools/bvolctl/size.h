/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOLCTL_SIZE_H
#define BVOLCTL_SIZE_H

#include <stddef.h>
#include <stdint.h>

/*
 * "10G", "512MiB", "4096": 1 to max bytes; units are powers of 1024.
 * -EINVAL, with a sentence in why.
 */
int size_parse(const char *text, uint64_t max, uint64_t *ret, char *why, size_t len);
/* Decimal, min to max. */
int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret, char *why, size_t len);
/* "1.5G"; returns buf. */
#define SIZE_TEXT 24
char *size_text(uint64_t size, char buf[SIZE_TEXT]);

#endif
