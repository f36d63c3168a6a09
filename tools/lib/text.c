// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* Bytes of the well-formed character at s, 0 when there is none; its code point in *code. */
static size_t character(const uint8_t *s, size_t len, uint32_t *code)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;

	if (!len)
		return 0;
	if (s[0] < 0x80) {
		*code = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc0 || s[0] > 0xf4 || n > len)
		return 0;
	*code = s[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < lowest[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

bool text_utf8(const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;
	uint32_t code;
	size_t n;

	for (; len; s += n, len -= n) {
		n = character(s, len, &code);
		if (!n)
			return false;
	}
	return true;
}

static bool harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

size_t text_escape(const char *text, char *buf, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t left = strlen(text), used = 0, n, i, need;
	uint32_t code;
	bool escape;

	for (; left; s += n, left -= n) {
		n = character(s, left, &code);
		escape = !n || harmful(code);
		if (!n)
			n = 1;
		need = escape ? 4 * n : n;
		if (used + need >= len)
			break;
		for (i = 0; escape && i < n; i++)
			snprintf(buf + used + 4 * i, 5, "\\x%02x", s[i]);
		if (!escape)
			memcpy(buf + used, s, n);
		used += need;
	}
	buf[used] = '\0';
	return used;
}

size_t text_columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}
