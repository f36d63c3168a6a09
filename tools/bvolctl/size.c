// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "size.h"

static const char units[] = "KMGTP";

/* Digits at the start of text: how many, and their value; -ERANGE beyond 64 bits. */
static int digits(const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	int n;

	for (n = 0; text[n] >= '0' && text[n] <= '9'; n++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, text[n] - '0', &value))
			return -ERANGE;
	*ret = value;
	return n;
}

/* Powers of 1024 that a unit stands for, -EINVAL when it is none. */
static int unit_power(const char *text)
{
	const char *unit;

	if (!*text || !strcasecmp(text, "b"))
		return 0;
	unit = strchr(units, *text & ~0x20);
	if (!unit || (text[1] && strcasecmp(text + 1, "b") && strcasecmp(text + 1, "ib")))
		return -EINVAL;
	return unit - units + 1;
}

int size_parse(const char *text, uint64_t max, uint64_t *ret, char *why, size_t len)
{
	uint64_t value;
	int n = digits(text, &value);
	int power = n > 0 ? unit_power(text + n) : -EINVAL;
	const char *wrong = NULL;
	char most[SIZE_TEXT];

	if (n < 0 || (power >= 0 && value > max >> (10 * power))) {
		snprintf(why, len, "it is less than %s here, not %s", size_text(max, most), text);
		return -EINVAL;
	}
	if (*text == '-')
		wrong = "a size cannot be negative";
	else if (text[n] == '.' || text[n] == ',')
		wrong = "a size has no fraction, write it in a smaller unit";
	else if (power < 0)
		wrong = "a size is a number of bytes, or one with K, M, G, T or P like 10G";
	else if (!value)
		wrong = "a size is at least 1 byte";
	if (wrong) {
		snprintf(why, len, "%s, not %s", wrong, text);
		return -EINVAL;
	}
	*ret = value << (10 * power);
	return 0;
}

int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret, char *why, size_t len)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end || errno || value < min || value > max ||
	    strchr(" \t\n\v\f\r", *text)) {
		snprintf(why, len, "it takes a whole number from %lld to %lld, not %s",
			 (long long)min, (long long)max, text);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

char *size_text(uint64_t size, char buf[SIZE_TEXT])
{
	uint64_t tenths;
	int power = 0;

	while (power < (int)strlen(units) && size >> (10 * power) >= 1024)
		power++;
	if (!power) {
		snprintf(buf, SIZE_TEXT, "%uB", (unsigned int)size);
		return buf;
	}
	/* Rounded; in two steps, so that ten times a large size does not overflow. */
	tenths = (size >> (10 * (power - 1))) * 10;
	tenths = (tenths + 512) / 1024;
	if (tenths >= 10240 && units[power]) {
		tenths = 10;
		power++;
	}
	snprintf(buf, SIZE_TEXT, "%llu.%u%c", (unsigned long long)(tenths / 10),
		 (unsigned int)(tenths % 10), units[power - 1]);
	return buf;
}
