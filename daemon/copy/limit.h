/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bucket of bytes that fills at a rate. Whoever finds something in it takes
 * all he wants, into debt if need be, and the next one waits until the debt is
 * paid: requests larger than the bucket need no rule of their own, and over
 * time the rate is exact. Any thread.
 */
#ifndef BVOL_COPY_LIMIT_H
#define BVOL_COPY_LIMIT_H

#include "copy/copy.h"

/* 0: taken. Otherwise nanoseconds to wait before it is worth asking again. now is monotonic. */
uint64_t limit_take(struct copy_limit *limit, uint64_t bytes, uint64_t now);
/* Give back what was taken and not used. */
void limit_return(struct copy_limit *limit, uint64_t bytes);

#endif
