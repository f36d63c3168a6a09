// SPDX-License-Identifier: LGPL-2.1-or-later
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "model/type.h"
#include "text.h"

#define PART_MAX 255

static bool is_wipe(const char *value)
{
	uint32_t policy;

	return !bvol_enum_parse(&bvol_enum_wipe, value, &policy) && policy != BVOL_WIPE_DEFAULT;
}

static bool is_bool(const char *value)
{
	return !strcmp(value, "true") || !strcmp(value, "false");
}

static bool is_any(const char *value)
{
	return *value;
}

static const struct {
	const char *key;
	bool (*fits)(const char *value);
	const char *values;	/* for a sentence */
} known[] = {
	{ "volume_backend_name", is_any, "the name of a pool" },
	{ "bvol:wipe", is_wipe, "none, discard, zero or random" },
	{ "bvol:verify", is_bool, "true or false" },
};

static size_t key_len(const char *spec)
{
	return strcspn(spec, "=");
}

bool type_same_key(const char *a, const char *b)
{
	return key_len(a) == key_len(b) && !strncmp(a, b, key_len(a));
}

/* Cinder's rule. */
static bool is_key(const char *spec)
{
	size_t n = key_len(spec);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)spec[i]) && !strchr("-_:. /", spec[i]))
			return false;
	return n && n <= PART_MAX;
}

static bool is_value(const char *value)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)value[i]))
			return false;
	return n <= PART_MAX && text_utf8(value, n);
}

static int check_known(const char *spec, struct err *e)
{
	const char *value = strchr(spec, '=') + 1;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!type_same_key(spec, known[i].key))
			continue;
		return known[i].fits(value) ? 0 :
		       err_set(e, -EINVAL, "the value of %s is %s, not \"%s\"", known[i].key,
			       known[i].values, value);
	}
	return strncmp(spec, "bvol:", 5) ? 0 :
	       err_set(e, -EINVAL, "there is no extra spec %.*s; those of bvol are bvol:wipe and bvol:verify",
		       (int)key_len(spec), spec);
}

int type_check_spec(const char *spec, struct err *e)
{
	const char *equals = strchr(spec, '=');

	if (!equals)
		return err_set(e, -EINVAL, "an extra spec is KEY=VALUE, not \"%s\"", spec);
	if (!is_key(spec))
		return err_set(e, -EINVAL,
			       "the key of an extra spec has 1 to %d letters, digits and characters of \"-_:. /\", unlike \"%s\"",
			       PART_MAX, spec);
	if (!is_value(equals + 1))
		return err_set(e, -EILSEQ,
			       "the value of an extra spec has at most %d bytes of UTF-8 without control characters",
			       PART_MAX);
	return check_known(spec, e);
}

int type_check_description(const char *text, struct err *e)
{
	return is_value(text) ? 0 :
	       err_set(e, -EILSEQ,
		       "a description has at most %d bytes of UTF-8 without control characters",
		       PART_MAX);
}

const char *type_spec(const struct bvol_volume_type *type, const char *key)
{
	for (char **spec = type ? type->extra_specs : NULL; spec && *spec; spec++)
		if (type_same_key(*spec, key))
			return strchr(*spec, '=') + 1;
	return NULL;
}

enum bvol_wipe type_wipe(const struct bvol_volume_type *type)
{
	const char *value = type_spec(type, "bvol:wipe");
	uint32_t policy = BVOL_WIPE_DEFAULT;

	if (value)
		bvol_enum_parse(&bvol_enum_wipe, value, &policy);
	return policy;
}

bool type_verify(const struct bvol_volume_type *type)
{
	const char *value = type_spec(type, "bvol:verify");

	return value && !strcmp(value, "true");
}
