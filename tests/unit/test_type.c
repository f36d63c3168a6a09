// SPDX-License-Identifier: LGPL-2.1-or-later
/* Extra specs of volume types: what they may be, and what they say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "model/type.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static char long_key[300];

static void checked(void **state)
{
	static const struct {
		const char *spec;
		int code;
		const char *words;
	} cases[] = {
		{ "volume_backend_name=fast", 0, NULL },
		{ "bvol:wipe=random", 0, NULL },
		{ "bvol:wipe=none", 0, NULL },
		{ "bvol:verify=true", 0, NULL },
		{ "thin_provisioning_support=<is> True", 0, NULL },
		{ "a b/c.d-e_f:g=", 0, NULL },
		{ "equals=a=b", 0, NULL },
		{ "bvol:wipe=default", -EINVAL, "none, discard, zero or random, not \"default\"" },
		{ "bvol:wipe=shred", -EINVAL, "not \"shred\"" },
		{ "bvol:wipe=", -EINVAL, "not \"\"" },
		{ "bvol:verify=yes", -EINVAL, "true or false" },
		{ "bvol:wpie=zero", -EINVAL, "no extra spec bvol:wpie" },
		{ "volume_backend_name=", -EINVAL, "name of a pool" },
		{ "key", -EINVAL, "KEY=VALUE" },
		{ "=value", -EINVAL, "the key" },
		{ "k\xc3\xb6y=value", -EINVAL, "the key" },
		{ "key=a\nb", -EILSEQ, "without control" },
		{ "key=\xff", -EILSEQ, "UTF-8" },
		{ long_key, -EINVAL, "the key" },
	};

	memset(long_key, 'k', 256);
	long_key[256] = '=';
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct err e = { 0 };

		if (type_check_spec(cases[i].spec, &e) != cases[i].code)
			fail_msg("\"%s\" is %d: %s", cases[i].spec, e.code, e.text);
		if (cases[i].words)
			assert_non_null(strstr(e.text, cases[i].words));
	}
}

static void described(void **state)
{
	struct err e = { 0 };

	assert_int_equal(type_check_description("Größe / 漢字", &e), 0);
	assert_int_equal(type_check_description("two\nlines", &e), -EILSEQ);
	err_clear(&e);
	long_key[256] = 'k';
	assert_int_equal(type_check_description(long_key, &e), -EILSEQ);
}

static void read_back(void **state)
{
	char *specs[] = { "a=1", "bvol:wipe=random", "bvol:verify=true", "b=x=y", NULL };
	struct bvol_volume_type type = { .extra_specs = specs };

	assert_string_equal(type_spec(&type, "a"), "1");
	assert_string_equal(type_spec(&type, "b"), "x=y");
	assert_null(type_spec(&type, "bvol"));
	assert_null(type_spec(NULL, "a"));
	assert_int_equal(type_wipe(&type), BVOL_WIPE_RANDOM);
	assert_true(type_verify(&type));
	specs[1] = NULL;
	assert_int_equal(type_wipe(&type), BVOL_WIPE_DEFAULT);
	assert_false(type_verify(&type));
	assert_int_equal(type_wipe(NULL), BVOL_WIPE_DEFAULT);
	assert_false(type_verify(NULL));
}

static void keys(void **state)
{
	assert_true(type_same_key("a=1", "a=2"));
	assert_true(type_same_key("a=1", "a"));
	assert_false(type_same_key("a=1", "ab=1"));
	assert_false(type_same_key("ab", "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checked),
		cmocka_unit_test(described),
		cmocka_unit_test(read_back),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
