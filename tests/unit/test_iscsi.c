// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the iSCSI fabric makes of users' texts; what the kernel makes of that is tested in a VM. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "codec.h"
#include "fabric/configfs.h"
#include "fabric/fabric.h"
#include "fabric/names.h"

#define NINES	"9999999999"
#define LONG	NINES NINES NINES NINES NINES NINES NINES NINES NINES NINES	/* 100 */

struct name_case {
	const char *text, *wanted;	/* NULL: refused */
};

static void test_initiators(void **state)
{
	static const struct name_case cases[] = {
		{ "iqn.1993-08.org.debian:01:node1", "iqn.1993-08.org.debian:01:node1" },
		{ "IQN.1993-08.ORG.Debian:01:Node1", "iqn.1993-08.org.debian:01:node1" },
		{ "iqn.1991-05.com.microsoft:host.example.com",
		  "iqn.1991-05.com.microsoft:host.example.com" },
		{ "iqn.2001-04.com", "iqn.2001-04.com" },
		{ "iqn.2001-12.c", "iqn.2001-12.c" },
		{ "eui.02004567A425678D", "eui.02004567a425678d" },
		{ "naa.52004567BA64678D", "naa.52004567ba64678d" },
		{ "naa.62004567BA64678D0123456789ABCDEF", "naa.62004567ba64678d0123456789abcdef" },
		{ "iqn.2001-04.com.a:" LONG LONG "12345", "iqn.2001-04.com.a:" LONG LONG "12345" },
		{ "iqn.2001-04.com.a:" LONG LONG "123456", NULL },
		{ "", NULL },
		{ "iqn.", NULL },
		{ "host1", NULL },
		{ "iqn.2001-00.com", NULL },
		{ "iqn.2001-13.com", NULL },
		{ "iqn.2001-1.com", NULL },
		{ "iqn.01-01.com", NULL },
		{ "iqn.2001-04", NULL },
		{ "iqn.2001-04.", NULL },
		{ "iqn.2001-04.:x", NULL },
		{ "iqn.2001-04..com", NULL },
		{ "iqn.2001-04.com.", NULL },
		{ "iqn.2001-04.com:", NULL },
		{ "iqn.2001-04.com:a/b", NULL },
		{ "iqn.2001-04.com:../../x", NULL },
		{ "iqn.2001-04.com:a b", NULL },
		{ "iqn.2001-04.com:a\n", NULL },
		{ "iqn.2001-04.com:a_b", NULL },
		{ "iqn.2001-04.com:{secret}", NULL },
		{ "iqn.2001-04.com:\xc3\xa4", NULL },
		{ "iqn.2001-04.com:\xff", NULL },
		{ " iqn.2001-04.com", NULL },
		{ "eui.02004567A425678", NULL },
		{ "eui.02004567A425678DE", NULL },
		{ "eui.02004567A425678G", NULL },
		{ "naa.52004567BA64678D0", NULL },
	};
	size_t i;

	for (i = 0; i < N_OF(cases); i++) {
		char name[BVOL_WWN_MAX + 1];
		struct err e = { };
		int r = names_initiator(cases[i].text, name, &e);

		if ((r == 0) != !!cases[i].wanted)
			fail_msg("\"%s\": %d %s", cases[i].text, r, e.text);
		if (!r)
			assert_string_equal(name, cases[i].wanted);
		else
			assert_true(e.code == -EINVAL && !strchr(e.text, '\n'));
	}
}

static void test_prefixes(void **state)
{
	struct err e = { };

	assert_int_equal(names_prefix("iqn.2026-01.net.bvol", NULL), 0);
	assert_int_equal(names_prefix("iqn.2026-01.net.bvol:node-1", NULL), 0);
	assert_int_equal(names_prefix("iqn.2026-01.net.Bvol", NULL), -EINVAL);
	assert_int_equal(names_prefix("eui.02004567a425678d", NULL), -EINVAL);
	assert_int_equal(names_prefix("iqn.2026-01.net.b/vol", &e), -EINVAL);
	assert_non_null(strstr(e.text, "iqn.2026-01.net.b/vol"));
	assert_int_equal(names_prefix("iqn.2026-01.net:" LONG NINES NINES NINES NINES NINES NINES
				      NINES "\x39", NULL), -EINVAL);
}

static void test_portals(void **state)
{
	static const struct name_case cases[] = {
		{ "127.0.0.1:3260", "127.0.0.1:3260" },
		{ "127.0.0.1:1", "127.0.0.1:1" },
		{ "127.0.0.1:65535", "127.0.0.1:65535" },
		{ "0.0.0.0:3260", "0.0.0.0:3260" },
		{ "127.0.0.1", NULL },
		{ "127.0.0.1:", NULL },
		{ "127.0.0.1:0", NULL },
		{ "127.0.0.1:03260", NULL },
		{ "127.0.0.1:65536", NULL },
		{ "127.0.0.1:99999999999999999999", NULL },
		{ "127.0.0.1:-1", NULL },
		{ "127.0.0.1:32a", NULL },
		{ "127.0.0.1:3260 ", NULL },
		{ " 127.0.0.1:3260", NULL },
		{ "127.1:3260", NULL },
		{ "256.0.0.1:3260", NULL },
		{ "localhost:3260", NULL },
		{ "224.0.0.1:3260", NULL },
		{ "192.0.2.1:3260", NULL },	/* nobody has it */
		{ ":3260", NULL },
		{ "::1:3260", NULL },
		{ "[::1]", NULL },
		{ "[]:3260", NULL },
		{ "[:3260", NULL },
		{ "[127.0.0.1]:3260", NULL },
		{ "[ff02::1]:3260", NULL },
		{ "[::1%lo]:3260", NULL },
		{ "127.0.0.1:3260/..", NULL },
		{ "", NULL },
	};
	size_t i;

	for (i = 0; i < N_OF(cases); i++) {
		char portal[NAMES_PORTAL];
		struct err e = { };
		int r = names_portal(cases[i].text, portal, &e);

		if ((r == 0) != !!cases[i].wanted)
			fail_msg("\"%s\": %d %s", cases[i].text, r, e.text);
		if (!r)
			assert_string_equal(portal, cases[i].wanted);
	}
}

/* Only where this machine has IPv6. */
static void test_portals_v6(void **state)
{
	char portal[NAMES_PORTAL];

	if (access("/proc/net/if_inet6", F_OK) < 0 ||
	    names_portal("[::1]:3260", portal, NULL) == -EADDRNOTAVAIL)
		skip();
	assert_string_equal(portal, "[::1]:3260");
	assert_int_equal(names_portal("[0:0::0001]:3260", portal, NULL), 0);
	assert_string_equal(portal, "[::1]:3260");
	assert_int_equal(names_portal("[::]:3260", portal, NULL), 0);
}

static void test_random(void **state)
{
	char text[1001], seen[256] = { 0 };
	size_t i, kinds = 0;

	assert_int_equal(names_random(text, 1000, NULL), 0);
	assert_int_equal(strlen(text), 1000);
	for (i = 0; i < 1000; i++)
		kinds += !seen[(unsigned char)text[i]]++;
	assert_int_equal(kinds, 56);
	for (i = 0; i < 6; i++)
		assert_false(seen[(unsigned char)"0O1IlU"[i]]);
}

/* Exports as a request brings them. */

static struct bvol_export *request(const char *const *initiators, const char *const *portals)
{
	struct bvol_export *export = codec_new(&bvol_type_export);
	const struct bvol_uuid id = { .b = { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 } };

	codec_set(export, BVOL_A_EXPORT_ID, id, id);
	for (; initiators && *initiators; initiators++)
		codec_append_list(&bvol_type_export, export, BVOL_A_EXPORT_INITIATORS,
				  *initiators);
	for (; portals && *portals; portals++)
		codec_append_list(&bvol_type_export, export, BVOL_A_EXPORT_PORTALS, *portals);
	return export;
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct fabric_config config = {
	.iqn_prefix = "iqn.2026-01.net.bvol",
	.portals = (const char *const[]){ "127.0.0.1:3260", NULL },
};

static void test_prepare(void **state)
{
	struct bvol_export *export = request(LIST("IQN.2001-04.com:B", "iqn.2001-04.com:a",
						  "iqn.2001-04.com:b"), NULL);
	struct bvol_export *other = request(LIST("iqn.2001-04.com:a"),
					    LIST("127.0.0.2:3260", "127.0.0.1:99", "127.0.0.2:3260"));
	struct err e = { };

	assert_int_equal(fabric_iscsi.prepare(&config, export, &e), 0);
	assert_string_equal(export->initiators[0], "iqn.2001-04.com:b");
	assert_string_equal(export->initiators[1], "iqn.2001-04.com:a");
	assert_null(export->initiators[2]);
	assert_string_equal(export->portals[0], "127.0.0.1:3260");
	assert_null(export->portals[1]);
	assert_string_equal(export->target,
			    "iqn.2026-01.net.bvol:01020304-0506-7008-8000-000000000000");
	assert_true(bvol_has(export, BVOL_A_EXPORT_TPGT) && export->tpgt == 1);
	assert_true(bvol_has(export, BVOL_A_EXPORT_LUN) && export->lun == 0);
	assert_int_equal(export->fabric, BVOL_FABRIC_ISCSI);
	assert_string_equal(export->auth->method, "CHAP");
	assert_int_equal(strlen(export->auth->user), 13);
	assert_int_equal(strlen(export->auth->secret), 16);

	assert_int_equal(fabric_iscsi.prepare(&config, other, &e), 0);
	assert_string_equal(other->portals[0], "127.0.0.2:3260");
	assert_string_equal(other->portals[1], "127.0.0.1:99");
	assert_null(other->portals[2]);
	assert_string_not_equal(other->auth->user, export->auth->user);
	assert_string_not_equal(other->auth->secret, export->auth->secret);
	bvol_free(&bvol_type_export, export);
	bvol_free(&bvol_type_export, other);
}

static void refuse(const struct fabric_config *with, const char *const *initiators,
		   const char *const *portals, const char *sentence)
{
	struct bvol_export *export = request(initiators, portals);
	struct err e = { };

	assert_true(fabric_iscsi.prepare(with, export, &e) < 0);
	assert_non_null(strstr(e.text, sentence));
	bvol_free(&bvol_type_export, export);
}

static void test_prepare_refuses(void **state)
{
	const struct fabric_config bare = { .iqn_prefix = "iqn.2026-01.net.bvol" };
	const struct fabric_config bad = { .iqn_prefix = "bvol", .portals = config.portals };

	refuse(&config, NULL, NULL, "needs an initiator");
	refuse(&config, LIST("iqn.2001-04.com:a", "a/b"), NULL, "\"a/b\" is not an initiator name");
	refuse(&config, LIST("iqn.2001-04.com:a"), LIST("127.0.0.1:3260", "x"),
	       "\"x\" is not a portal");
	refuse(&bare, LIST("iqn.2001-04.com:a"), NULL, "no portal is configured");
	refuse(&bad, LIST("iqn.2001-04.com:a"), NULL, "prefix of target names");
}

static void test_add_refuses(void **state)
{
	struct bvol_export *export = request(LIST("iqn.2001-04.com:a"), NULL);
	struct action *action = NULL;
	struct err e = { };

	assert_int_equal(fabric_iscsi.add(export, "/dev/dm-1", &action, &e), -EINVAL);
	assert_int_equal(fabric_iscsi.prepare(&config, export, NULL), 0);
	assert_int_equal(fabric_iscsi.add(export, "/dev/dm-1,readonly=1", &action, &e), -EINVAL);
	assert_int_equal(fabric_iscsi.add(export, "dm-1", &action, &e), -EINVAL);
	assert_null(action);
	assert_int_equal(fabric_iscsi.add(export, "/dev/dm-1", &action, NULL), 0);
	action = action_free(action);
	bvol_free(&bvol_type_export, export);
}

static void test_find(void **state)
{
	assert_ptr_equal(fabric_find(BVOL_FABRIC_ISCSI), &fabric_iscsi);
	assert_null(fabric_find(BVOL_FABRIC_NONE));
	assert_null(fabric_find(BVOL_FABRIC_NVMET));
}

/* Templates */

static void test_expand(void **state)
{
	static const struct configfs_var vars[] = {
		{ "a", "alpha" }, { "ab", "beta" }, { "slash", "x/y" }, { "up", ".." },
		{ "empty", "" }, { "null", NULL }, { "line", "x\ny" }, { "braces", "{a}" },
		{ NULL, NULL }
	};
	static const struct {
		const char *template;
		bool path;
		int r;
		const char *wanted;
	} cases[] = {
		{ "core/{a}/b", true, 0, "core/alpha/b" },
		{ "{ab}{a}", true, 0, "betaalpha" },
		{ "none", true, 0, "none" },
		{ "", false, 0, "" },
		{ "dev={slash}", false, 0, "dev=x/y" },
		{ "{braces}", true, 0, "{a}" },
		{ "{empty}", false, 0, "" },
		{ "{slash}", true, -EINVAL, NULL },
		{ "x/{up}", true, -EINVAL, NULL },
		{ "{empty}", true, -EINVAL, NULL },
		{ "{line}", false, -EINVAL, NULL },
		{ "{other}", false, -EINVAL, NULL },
		{ "{a", false, 0, "alpha" },
		{ "{null}", false, -ENODATA, NULL },
		{ "0123456789{a}", false, 0, "0123456789alpha" },
		{ "01234567890{a}", false, -ENAMETOOLONG, NULL },
		{ "0123456789012345", false, -ENAMETOOLONG, NULL },
	};
	char buf[16];
	size_t i;

	for (i = 0; i < N_OF(cases); i++) {
		int r = configfs_expand(cases[i].template, vars, cases[i].path, buf, sizeof(buf));

		if (r != cases[i].r)
			fail_msg("%s: %d", cases[i].template, r);
		if (!r)
			assert_string_equal(buf, cases[i].wanted);
	}
}

/* A directory tree is made, compared and removed here as there; values need the kernel. */

static const struct configfs_row tree[] = {
	{ .kind = CONFIGFS_DIR, .object = "target", .path = "{name}" },
	{ .kind = CONFIGFS_DIR, .object = "lun", .path = "{name}/lun" },
	{ .kind = CONFIGFS_LINK, .object = "link", .path = "{name}/link", .value = "{name}/lun" },
	{ .kind = CONFIGFS_VALUE, .object = "value", .path = "value", .value = "{name}",
	  .flags = CONFIGFS_SECRET },
};

static int count(const struct configfs_row *row, enum configfs_state how, const char *path,
		 const char *wanted, const char *found, void *data)
{
	assert_null(wanted);
	assert_null(found);
	++*(int *)data;
	return 0;
}

static int differences(struct configfs *c, const struct configfs_var *vars)
{
	int n = 0;

	assert_int_equal(configfs_compare(c, tree, N_OF(tree), vars, count, &n, NULL), 0);
	return n;
}

static void test_tree(void **state)
{
	static const struct configfs_var vars[] = { { "name", "one" }, { NULL, NULL } };
	char root[] = "/tmp/bvol-unit.XXXXXX", **names = NULL, value[16];
	struct configfs *c = NULL;
	struct err e = { };

	assert_non_null(mkdtemp(root));
	assert_int_equal(configfs_open(root, NULL, &c, &e), 0);
	assert_int_equal(differences(c, vars), 4);
	assert_int_equal(configfs_apply(c, tree, 3, vars, &e), 0);
	assert_int_equal(configfs_apply(c, tree, 3, vars, &e), 0);
	assert_int_equal(differences(c, vars), 1);
	assert_int_equal(configfs_read(c, "value", value, sizeof(value), &e), -ENOENT);
	assert_int_equal(configfs_apply(c, tree, 4, vars, &e), -ENOENT);
	assert_non_null(strstr(e.text, "refused the value (No such file or directory)"));
	assert_int_equal(configfs_list(c, "one", &names, NULL), 0);
	assert_string_equal(names[0], "link");
	assert_string_equal(names[1], "lun");
	assert_null(names[2]);
	names = configfs_list_free(names);
	assert_int_equal(configfs_remove(c, "one", NULL), 0);
	assert_int_equal(configfs_remove(c, "one", NULL), 0);
	assert_int_equal(configfs_list(c, "one", &names, NULL), 0);
	assert_null(names[0]);
	configfs_list_free(names);
	configfs_close(c);
	assert_int_equal(rmdir(root), 0);
	err_clear(&e);
	assert_int_equal(configfs_open(root, NULL, &c, &e), -ENOENT);
	assert_non_null(strstr(e.text, "target_core_mod"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initiators),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_portals),
		cmocka_unit_test(test_portals_v6),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_prepare),
		cmocka_unit_test(test_prepare_refuses),
		cmocka_unit_test(test_add_refuses),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
