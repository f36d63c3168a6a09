// SPDX-License-Identifier: LGPL-2.1-or-later
/* Command lines: what is asked of the daemon, or with which status bvolctl ends. */
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "command.h"

#define WORDS_MAX 16

static struct context ctx;

/* One blank between words; {} is an empty one. */
static int parse(const char *line)
{
	static char copy[512];
	char *argv[WORDS_MAX] = { (char *)"bvolctl" };
	int argc = 1;

	free(ctx.request.devices);
	free(ctx.request.initiators);
	free(ctx.request.portals);
	ctx = (struct context){ .wait = true };
	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "{}") ? word : (char *)"";
	return parse_arguments(&ctx, argc, argv);
}

static void assert_command(const char *noun, const char *verb)
{
	assert_string_equal(ctx.command->noun, noun);
	if (verb)
		assert_string_equal(ctx.command->verb, verb);
	else
		assert_null(ctx.command->verb);
}

static void good_lines(void **state)
{
	const struct bvol_request *rq = &ctx.request;

	assert_int_equal(parse("volume create v1 --size 10G"), 0);
	assert_command("volume", "create");
	assert_string_equal(rq->name, "v1");
	assert_int_equal(rq->size, UINT64_C(10) << 30);
	assert_int_equal(rq->has, BVOL_BIT(BVOL_A_REQUEST_NAME) | BVOL_BIT(BVOL_A_REQUEST_SIZE));
	assert_true(ctx.wait);

	assert_int_equal(parse("--json volume --no-wait create --size=1K --pool p v"), 0);
	assert_true(ctx.json && !ctx.wait);
	assert_string_equal(rq->pool, "p");
	assert_string_equal(rq->name, "v");

	assert_int_equal(parse("volume create v --snapshot s"), 0);
	assert_int_equal(parse("volume create -- --odd --size 1"), EXIT_USAGE);
	assert_int_equal(parse("volume create --size 1 -- --odd"), 0);
	assert_string_equal(rq->name, "--odd");
	assert_int_equal(parse("volume create {} --size 1"), 0);
	assert_string_equal(rq->name, "");

	assert_int_equal(parse("pool create p /dev/a /dev/b --force --chunk-size 64K --reserve 5"), 0);
	assert_string_equal(rq->devices[0], "/dev/a");
	assert_string_equal(rq->devices[1], "/dev/b");
	assert_null(rq->devices[2]);
	assert_int_equal(rq->force, 1);
	assert_int_equal(rq->chunk_size, 65536);
	assert_int_equal(rq->reserve, 5);

	assert_int_equal(parse("export create v --initiator a --initiator b --fabric iscsi"), 0);
	assert_string_equal(rq->initiators[1], "b");
	assert_null(rq->initiators[2]);
	assert_int_equal(rq->fabric, BVOL_FABRIC_ISCSI);

	assert_int_equal(parse("quota set p --volumes -1 --gigabytes 7"), 0);
	assert_int_equal(rq->volumes, -1);
	assert_int_equal(rq->gigabytes, 7);

	assert_int_equal(parse("events --follow --since 9 --transport unix --timeout 3"), 0);
	assert_command("events", NULL);
	assert_true(ctx.follow && ctx.since == 9 && ctx.transport == BVOL_UNIX);
	assert_int_equal(ctx.timeout_ms, 3000);
	assert_int_equal(parse("diff --socket /tmp/x"), 0);
	assert_int_equal(ctx.transport, BVOL_UNIX);
	assert_int_equal(parse("quota show"), 0);
}

static void help(void **state)
{
	assert_int_equal(parse("--help"), 0);
	assert_true(ctx.help && !ctx.command);
	assert_int_equal(parse("volume -h"), 0);
	assert_true(ctx.help && !ctx.command);
	assert_int_equal(parse("volume create --help"), 0);
	assert_true(ctx.help && ctx.command);
	assert_int_equal(parse("--version"), 0);
	assert_true(ctx.version);
}

static const char *const usage_errors[] = {
	"", "volume", "nothing", "volume nothing", "--json", "volume create", "volume create v",
	"volume create --size 1G", "volume create v w --size 1G", "volume create v --size",
	"volume create v --size 1 --size 2", "volume create v --size 1 --nothing",
	"volume list --json=1", "volume list --size 1", "volume list v", "volume show",
	"volume revert v", "volume extend v", "pool create p", "snapshot create v",
	"export create v", "export create --initiator a", "quota set p", "info x", "diff x",
	"volume list -x", "volume list --transport", "pool create p /dev/a --force=1",
};

static const char *const failures[] = {
	"volume create v --size 0", "volume create v --size -1G", "volume create v --size 1.5G",
	"volume create v --size 9223372036854775808", "volume create v --size x",
	"volume create v --size=", "pool create p d --chunk-size 8G", "pool create p d --reserve x",
	"pool create p d --reserve -1", "quota set p --volumes -2", "quota set p --volumes x",
	"events --since x", "events --since -1", "volume list --transport tcp",
	"volume list --timeout 0", "export create v --initiator i --fabric ftp",
};

static void bad_lines(void **state)
{
	for (size_t i = 0; i < N_OF(usage_errors); i++)
		if (parse(usage_errors[i]) != EXIT_USAGE)
			fail_msg("'%s' is no usage error", usage_errors[i]);
	for (size_t i = 0; i < N_OF(failures); i++)
		if (parse(failures[i]) != EXIT_FAILED)
			fail_msg("'%s' did not fail", failures[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(help),
		cmocka_unit_test(bad_lines),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	parse("info");
	return r;
}
