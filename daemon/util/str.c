// SPDX-License-Identifier: LGPL-2.1-or-later
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bvol.h"
#include "text.h"
#include "util/str.h"

static const char units[] = "BKMGTPE";

bool str_utf8(const char *s)
{
	return text_utf8(s, strlen(s));
}

size_t str_escape(const char *s, char *buf, size_t len)
{
	return text_escape(s, buf, len);
}

int str_check_name(const char *what, const char *s, struct err *e)
{
	char shown[4 * BVOL_NAME_MAX + 1];
	struct bvol_uuid id;
	size_t len = strlen(s);

	if (!len)
		return err_set(e, -EINVAL, "a %s needs a name", what);
	if (len > BVOL_NAME_MAX)
		return err_set(e, -ENAMETOOLONG, "the name of a %s has at most %d bytes, not %zu",
			       what, BVOL_NAME_MAX, len);
	if (!str_utf8(s))
		return err_set(e, -EILSEQ, "the name of a %s has to be UTF-8", what);
	/* What needs no escaping holds no control character. */
	if (str_escape(s, shown, sizeof(shown)) != len)
		return err_set(e, -EINVAL, "the name of a %s has no control characters: %s",
			       what, s);
	if (strchr(s, '/'))
		return err_set(e, -EINVAL, "the name of a %s has no '/': %s", what, s);
	if (s[0] == ' ' || s[len - 1] == ' ')
		return err_set(e, -EINVAL, "the name of a %s has no blank at either end: \"%s\"",
			       what, s);
	if (!bvol_uuid_parse(s, &id))
		return err_set(e, -EINVAL, "the name of a %s may not look like a UUID: %s", what, s);
	return 0;
}

char *str_size(uint64_t n, char buf[16])
{
	uint64_t rest = 0;
	size_t unit;

	for (unit = 0; n >= 1024; unit++) {
		rest = n % 1024;
		n /= 1024;
	}
	if (!unit)
		snprintf(buf, 16, "%" PRIu64 " B", n);
	else
		snprintf(buf, 16, "%" PRIu64 ".%" PRIu64 " %ciB", n, rest * 10 / 1024, units[unit]);
	return buf;
}

int str_parse_size(const char *s, uint64_t *ret)
{
	uint64_t n = 0;
	const char *unit;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return -ERANGE;
	if (*s) {
		unit = strchr(units, toupper((unsigned char)*s));
		if (!unit || s[1])
			return -EINVAL;
		if (__builtin_mul_overflow(n, UINT64_C(1) << (10 * (unit - units)), &n))
			return -ERANGE;
	}
	*ret = n;
	return 0;
}
