/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_MODULE_H
#define BVOL_MODULE_H

#include "util/err.h"

/*
 * Load a kernel module and what it needs; 0 too when it is loaded or built in.
 * -ENOENT: this kernel has none of that name. Blocks; module.c is the one file
 * that knows libkmod.
 */
int module_load(const char *name, struct err *e);

#endif
