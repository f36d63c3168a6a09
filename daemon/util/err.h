/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_ERR_H
#define BVOL_ERR_H

#include <linux/bvol.h>

/*
 * Why something failed, in the sentence that the user will read. code is a
 * negative errno, 0 while nothing is wrong.
 */
struct err {
	int code;
	char text[BVOL_SENTENCE_MAX + 1];
};

/*
 * Fill in the sentence and return code. e may be NULL. A sentence that is
 * there already stays: the first one is nearest to the cause. It is always
 * UTF-8 without control characters, cut where it would be too long.
 */
int err_set(struct err *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Forget the sentence. */
void err_clear(struct err *e);

#endif
