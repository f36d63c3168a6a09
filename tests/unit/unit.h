/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cmocka's header wants before it. */
#ifndef BVOL_UNIT_H
#define BVOL_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
