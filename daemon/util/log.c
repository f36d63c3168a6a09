// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/log.h"
#include "util/str.h"

int log_max = 6;

void log_line(int priority, const char *format, ...)
{
	char text[1024], line[4 * sizeof(text) + 8];
	size_t n = 0;
	va_list args;

	if (priority > log_max)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (getenv("JOURNAL_STREAM"))
		n = (size_t)snprintf(line, sizeof(line), "<%d>", priority);
	n += str_escape(text, line + n, sizeof(line) - n - 1);
	line[n++] = '\n';
	/* One write for each line, so that lines of threads don't mix. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}
