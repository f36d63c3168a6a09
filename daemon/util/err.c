// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdarg.h>
#include <stdio.h>

#include "text.h"
#include "util/err.h"

int err_set(struct err *e, int code, const char *format, ...)
{
	char raw[2 * sizeof(e->text)];
	va_list args;

	if (!e || e->code)
		return code;
	e->code = code;
	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	/* A foreign name in it, or one that was cut, still leaves UTF-8. */
	text_escape(raw, e->text, sizeof(e->text));
	return code;
}

void err_clear(struct err *e)
{
	e->code = 0;
	e->text[0] = '\0';
}
