/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_CLEANUP_H
#define BVOL_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

/* name##p(), to be named in _cleanup_(), calls name() on what the variable holds. */
#define DEFINE_CLEANUP(type, name)				\
	static inline void name##p(type *p)			\
	{							\
		name(*p);					\
	}

#endif
