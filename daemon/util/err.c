// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdarg.h>
#include <stdio.h>

#include "util/err.h"

int err_set(struct err *e, int code, const char *format, ...)
{
	va_list args;

	if (!e || e->code)
		return code;
	e->code = code;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return code;
}

void err_clear(struct err *e)
{
	e->code = 0;
	e->text[0] = '\0';
}
