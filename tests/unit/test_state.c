// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every pair of states of every machine, against the moves spelled out here by name. */
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "model/state.h"

struct expected {
	const char *from, *to;	/* names with a blank behind each */
	bool transitional;
};

static const struct expected pool[] = {
	{ "creating", "available error deleted ", true },
	{ "available", "read-only error deleting exporting ", false },
	{ "read-only", "available error deleting exporting ", false },
	{ "error", "available read-only deleting exporting ", false },
	{ "deleting", "deleted error ", true },
	{ "deleted", "", false },
	{ "exporting", "available error exported ", true },
	{ "importing", "available error deleted ", true },
	{ "exported", "", false },
	{},
};

static const struct expected volume[] = {
	{ "creating", "available error restoring-backup ", true },
	{ "available", "in-use extending reverting deleting error backing-up restoring-backup ", false },
	{ "in-use", "available extending error backing-up ", false },
	{ "extending", "available in-use error_extending ", true },
	{ "reverting", "available error ", true },
	{ "deleting", "deleted error_deleting available ", true },
	{ "error", "deleting ", false },
	{ "error_extending", "extending deleting error ", false },
	{ "error_deleting", "deleting ", false },
	{ "deleted", "", false },
	{ "backing-up", "available in-use ", true },
	{ "restoring-backup", "available error_restoring ", true },
	{ "error_restoring", "deleting restoring-backup ", false },
	{},
};

static const struct expected snapshot[] = {
	{ "creating", "available error ", true },
	{ "available", "deleting error backing-up ", false },
	{ "deleting", "deleted error_deleting available ", true },
	{ "error", "deleting ", false },
	{ "error_deleting", "deleting ", false },
	{ "deleted", "", false },
	{ "backing-up", "available ", true },
	{},
};

static const struct expected backup[] = {
	{ "creating", "available error ", true },
	{ "available", "deleting restoring error deleted ", false },
	{ "deleting", "deleted error_deleting ", true },
	{ "restoring", "available ", true },
	{ "error", "available deleting deleted ", false },
	{ "error_deleting", "deleting deleted ", false },
	{ "deleted", "", false },
	{},
};

static const struct expected export[] = {
	{ "creating", "available error deleted ", true },
	{ "available", "deleting error ", false },
	{ "deleting", "deleted error_deleting ", true },
	{ "error", "available deleting ", false },
	{ "error_deleting", "deleting ", false },
	{ "deleted", "", false },
	{},
};

static const struct expected job[] = {
	{ "queued", "running undoing done failed ", true },
	{ "running", "undoing done failed ", true },
	{ "undoing", "running failed ", true },
	{ "done", "", false },
	{ "failed", "", false },
	{},
};

static const struct {
	const struct state_machine *machine;
	const struct expected *expected;
} machines[] = {
	{ &state_pool, pool }, { &state_volume, volume }, { &state_snapshot, snapshot },
	{ &state_backup, backup }, { &state_export, export }, { &state_job, job },
};

static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (; *list; list = strchr(list, ' ') + 1)
		if (!strncmp(list, name, len) && list[len] == ' ')
			return true;
	return false;
}

static void every_pair(void **state)
{
	for (size_t i = 0; i < N_OF(machines); i++) {
		const struct state_machine *m = machines[i].machine;
		const struct expected *x = machines[i].expected;
		uint32_t from, seen = 0;

		for (; x->from; x++, seen++) {
			assert_int_equal(bvol_enum_parse(m->names, x->from, &from), 0);
			assert_int_equal(state_transitional(m, from), x->transitional);
			for (uint32_t to = 0; to < m->names->n; to++)
				if (state_may(m, from, to) != listed(x->to, m->names->values[to]))
					fail_msg("%s: %s to %s", m->names->name, x->from,
						 m->names->values[to]);
		}
		assert_int_equal(seen, m->names->n);
		assert_int_equal(m->n, m->names->n);
	}
}

/* What a crash can leave has a job that ends it, and no state is a dead end but the last ones. */
static void ways_out(void **state)
{
	for (size_t i = 0; i < N_OF(machines); i++) {
		const struct state_machine *m = machines[i].machine;

		for (uint32_t s = 0; s < m->names->n; s++) {
			const char *name = m->names->values[s];
			bool last = !strcmp(name, "deleted") || !strcmp(name, "done") ||
				    !strcmp(name, "failed") || !strcmp(name, "exported");

			assert_int_equal(last, !m->moves[s]);
			assert_false(state_may(m, s, s));
			if (last)
				assert_false(state_transitional(m, s));
		}
	}
}

static void unknown_states(void **state)
{
	for (size_t i = 0; i < N_OF(machines); i++) {
		const struct state_machine *m = machines[i].machine;

		assert_false(state_may(m, m->names->n, 0));
		assert_false(state_may(m, 0, m->names->n));
		assert_false(state_may(m, 0, UINT32_MAX));
		assert_false(state_transitional(m, UINT32_MAX));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair),
		cmocka_unit_test(ways_out),
		cmocka_unit_test(unknown_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
