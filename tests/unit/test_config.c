// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "util/config.h"

static char path[] = "/tmp/bvol-config-XXXXXX";
static struct err err;

static int make_file(void **state)
{
	int fd = mkstemp(path);

	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	return unlink(path);
}

static int load_bytes(const char *text, size_t len, struct config **ret)
{
	FILE *f = fopen(path, "w");

	fwrite(text, 1, len, f);
	fclose(f);
	err_clear(&err);
	return config_load(path, true, ret, &err);
}

static int load(const char *text, struct config **ret)
{
	return load_bytes(text, strlen(text), ret);
}

static void assert_defaults(const struct config *c)
{
	assert_string_equal(c->state_dir, "/var/lib/bvol");
	assert_string_equal(c->run_dir, "/run/bvol");
	assert_string_equal(c->group, "bvol");
	assert_string_equal(c->project, "default");
	assert_int_equal(c->log_level, 6);
	assert_string_equal(c->iqn_prefix, "iqn.2026-01.net.bvol");
	assert_string_equal(c->portals[0], "127.0.0.1:3260");
	assert_null(c->portals[1]);
	assert_int_equal(c->chunk_size, 65536);
	assert_int_equal(c->reserve, 0);
	assert_int_equal(c->over_subscription, 2000);
	assert_int_equal(c->quota.volumes, -1);
	assert_int_equal(c->quota.snapshots, -1);
	assert_int_equal(c->quota.gigabytes, -1);
	assert_int_equal(c->use_module, 1);
}

static void defaults(void **state)
{
	static const char *const files[] = {
		"", "\n\n", "# nothing\n; either\n", "[iscsi]\n[thin]\n", "\xef\xbb\xbf# BOM\n",
	};
	struct config *c;

	for (size_t i = 0; i < N_OF(files); i++) {
		assert_int_equal(load(files[i], &c), 0);
		assert_defaults(c);
		config_free(c);
	}
	assert_int_equal(config_load("/nonexistent/bvold.conf", false, &c, &err), 0);
	assert_defaults(c);
	assert_null(c->file);
	config_free(c);
	assert_null(config_free(NULL));
}

static void every_key(void **state)
{
	struct config *c;

	assert_int_equal(load("state-dir = /srv/bvol\n"
			      "run-dir=/tmp/run\n"
			      "group\t=\tdisk   ; who may ask\n"
			      "project = r\xc3\xa9" "d team\n"
			      "log-level = debug\n"
			      "[iscsi]\n"
			      "  iqn-prefix = iqn.2001-04.com.example\n"
			      "  portals = 10.0.0.1:3260, [fd00::1]:3261 10.0.0.2:3260\n"
			      "[thin]\n"
			      "chunk-size = 1M\n"
			      "reserve = 10\n"
			      "over-subscription = 150\n"
			      "[quota]\n"
			      "volumes = 0\n"
			      "snapshots = 20\n"
			      "gigabytes = 8589934591\n"
			      "[module]\n"
			      "use = no", &c), 0);
	assert_string_equal(c->state_dir, "/srv/bvol");
	assert_string_equal(c->run_dir, "/tmp/run");
	assert_string_equal(c->group, "disk");
	assert_string_equal(c->project, "r\xc3\xa9" "d team");
	assert_int_equal(c->log_level, 7);
	assert_string_equal(c->iqn_prefix, "iqn.2001-04.com.example");
	assert_string_equal(c->portals[0], "10.0.0.1:3260");
	assert_string_equal(c->portals[1], "[fd00::1]:3261");
	assert_string_equal(c->portals[2], "10.0.0.2:3260");
	assert_null(c->portals[3]);
	assert_int_equal(c->chunk_size, 1 << 20);
	assert_int_equal(c->reserve, 10);
	assert_int_equal(c->over_subscription, 150);
	assert_int_equal(c->quota.volumes, 0);
	assert_int_equal(c->quota.snapshots, 20);
	assert_int_equal(c->quota.gigabytes, 8589934591);
	assert_int_equal(c->use_module, 0);
	assert_int_equal(config_set_state(c, "/a"), 0);
	assert_int_equal(config_set_run(c, "/b"), 0);
	assert_string_equal(c->state_dir, "/a");
	assert_string_equal(c->run_dir, "/b");
	config_free(c);
}

static const struct {
	const char *text, *sentence;	/* behind "FILE:" */
} refused[] = {
	{ "colour = red\n", "1: there is no key colour at the top" },
	{ "\n[thin]\ngroup = x\n", "3: there is no key group in section thin" },
	{ "# a\n[nfs]\n", "2: there is no such section" },
	{ "[nfs]\nshare = x\n", "1: there is no such section" },
	{ "[thin\nreserve = 1\n", "1: a line is" },
	{ "group bvol\n", "1: a line is \"key = value\", \"[section]\" or a comment" },
	{ "group = a\n\ngroup = b\n", "3: group is set in line 1 already" },
	{ "group =\n", "1: group needs a value" },
	{ "[iscsi]\nportals = , ,\n", "2: portals needs a value" },
	{ "state-dir = bvol\n", "1: state-dir begins with a /, not as \"bvol\"" },
	{ "log-level = loud\n", "1: log-level is one of emerg, alert, crit, err, warning, notice, "
				"info, debug, not \"loud\"" },
	{ "log-level = 6\n", "1: log-level is one of" },
	{ "[thin]\nreserve = 101\n", "2: reserve is a number from 0 to 100, not \"101\"" },
	{ "[thin]\nreserve = ten\n", "2: reserve is a number" },
	{ "[thin]\nreserve = 1.5\n", "2: reserve is a number" },
	{ "[thin]\nreserve = 99999999999999999999\n", "2: reserve is a number" },
	{ "[thin]\nover-subscription = 0\n", "2: over-subscription is a number" },
	{ "[thin]\nchunk-size = 0\n", "2: chunk-size is a multiple of 64.0 KiB up to 1.0 GiB" },
	{ "[thin]\nchunk-size = 65K\n", "2: chunk-size is a multiple" },
	{ "[thin]\nchunk-size = 2G\n", "2: chunk-size is a multiple" },
	{ "[thin]\nchunk-size = -64K\n", "2: chunk-size is a multiple" },
	{ "[quota]\nvolumes = -2\n", "2: volumes is a number from -1 to 8589934591, not \"-2\"" },
	{ "[module]\nuse = yes\n", "2: use is one of no, auto, not \"yes\"" },
	{ "group = \xff\n", "1: this is not UTF-8 text" },
};

static void bad_files(void **state)
{
	struct config *c = NULL;
	char want[256];

	for (size_t i = 0; i < N_OF(refused); i++) {
		snprintf(want, sizeof(want), "%s:%s", path, refused[i].sentence);
		assert_int_equal(load(refused[i].text, &c), -EINVAL);
		assert_null(c);
		if (strncmp(err.text, want, strlen(want)))
			fail_msg("%s, not %s", err.text, want);
	}
}

static void odd_files(void **state)
{
	struct config *c = NULL;
	char longest[5000];

	assert_int_equal(load_bytes("group = a\0b\n", 12, &c), -EINVAL);
	assert_non_null(strstr(err.text, ":1: this is not UTF-8 text"));
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "group = ", 8);
	assert_int_equal(load_bytes(longest, sizeof(longest), &c), -EINVAL);
	assert_non_null(strstr(err.text, ":1: this line is too long"));
	longest[100] = '\0';
	assert_int_equal(load(longest, &c), -EINVAL);
	assert_non_null(strstr(err.text, ":1: group has at most 32 bytes"));

	err_clear(&err);
	assert_int_equal(config_load("/nonexistent/bvold.conf", true, &c, &err), -ENOENT);
	assert_string_equal(err.text,
			    "can't read /nonexistent/bvold.conf: No such file or directory");
	err_clear(&err);
	assert_int_equal(config_load("/", true, &c, &err), -EIO);
	assert_null(c);
}

static int no_two(const char *text, struct err *e)
{
	return strcmp(text, "two") ? 0 : err_set(e, -EDOM, "no %s here", text);
}

static int nothing(const char *text, struct err *e)
{
	return err_set(e, -EDOM, "no %s", text);
}

static void judged_by_others(void **state)
{
	struct config *c;
	char want[64];

	assert_int_equal(load("\n[iscsi]\nportals = one, two\n", &c), 0);
	assert_int_equal(config_check(c, "iscsi", "iqn-prefix", no_two, &err), 0);
	assert_int_equal(config_check(c, "iscsi", "portals", no_two, &err), -EDOM);
	snprintf(want, sizeof(want), "%s:3: no two here", path);
	assert_string_equal(err.text, want);
	err_clear(&err);
	/* A default has no place in the file. */
	assert_int_equal(config_check(c, "iscsi", "iqn-prefix", nothing, &err), -EDOM);
	assert_string_equal(err.text, "no iqn.2026-01.net.bvol");
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(odd_files),
		cmocka_unit_test(judged_by_others),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
