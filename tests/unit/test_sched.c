// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"
#include "sched/sched.h"
#include "util/str.h"

#define GIB (UINT64_C(1) << 30)

static struct bvol_pool new_pool(uint8_t n, const char *name, uint64_t total, uint64_t used,
				 uint64_t provisioned, uint32_t over_subscription, uint32_t reserve)
{
	return (struct bvol_pool) {
		.has = BVOL_BIT(BVOL_A_POOL_DATA_TOTAL) | BVOL_BIT(BVOL_A_POOL_DATA_USED),
		.id = { { n } }, .name = (char *)name, .status = BVOL_POOL_STATUS_AVAILABLE,
		.data_total = total, .data_used = used, .metadata_total = 16 << 20, .provisioned = provisioned,
		.over_subscription = over_subscription, .reserve = reserve,
	};
}

static struct err err;

static int pick(const struct sched_candidate *c, size_t n, uint64_t size, size_t *picked)
{
	struct sched_request r = { .size = size };

	err_clear(&err);
	return sched_pick(c, n, &r, picked, &err);
}

/* total, used and provisioned in GiB, and the largest volume that is taken, in bytes. */
static const struct {
	uint64_t total, used, provisioned;
	bool thin;
	uint32_t over_subscription, reserve;
	uint64_t largest;
	const char *why;
} capacity[] = {
	{ 100, 0, 0, true, 2000, 0, 100 * GIB, "never more than there is in all" },
	{ 100, 0, 1990, true, 2000, 0, 10 * GIB, "what may still be promised" },
	{ 100, 0, 2000, true, 2000, 0, 0, "everything is promised" },
	{ 100, 0, 3000, true, 2000, 0, 0, "more is promised than may be" },
	{ 100, 0, 1700, true, 2000, 10, 100 * GIB, "90 GiB 20 times, less 1700" },
	{ 100, 0, 1795, true, 2000, 10, 5 * GIB, "90 GiB 20 times, less 1795" },
	{ 100, 99, 0, true, 2000, 0, 20 * GIB, "the last GiB 20 times" },
	{ 100, 100, 100, true, 2000, 0, 0, "full to the brim" },
	{ 100, 95, 0, true, 2000, 5, 0, "what is free is reserved" },
	{ 100, 98, 0, true, 2000, 5, 0, "less is free than reserved" },
	{ 100, 0, 0, true, 150, 15, 100 * GIB, "85 GiB 1.5 times" },
	{ 100, 50, 0, true, 100, 0, 50 * GIB, "no over-subscription" },
	{ 100, 0, 0, true, 50, 0, 50 * GIB, "under-subscription" },
	{ 100, 50, 50, false, 2000, 10, 40 * GIB, "thick: over-subscription does not count" },
	{ 100, 0, 0, true, 2000, 100, 0, "all is reserved" },
	{ 0, 0, 0, true, 2000, 0, 0, "no room at all" },
};

static void largest_volume(void **state)
{
	for (size_t i = 0; i < N_OF(capacity); i++) {
		struct bvol_pool p = new_pool(1, "p", capacity[i].total * GIB, capacity[i].used * GIB,
					      capacity[i].provisioned * GIB,
					      capacity[i].over_subscription, capacity[i].reserve);
		struct sched_candidate c = { &p, capacity[i].thin };
		size_t picked = 7;

		if (capacity[i].largest && (pick(&c, 1, capacity[i].largest, &picked) || picked))
			fail_msg("%s: %s", capacity[i].why, err.text);
		if (pick(&c, 1, capacity[i].largest + 1, &picked) != -ENOSPC)
			fail_msg("%s: one byte more was taken", capacity[i].why);
	}
}

/* Of a snapshot, which promises nothing. */
static void nothing_asked(void **state)
{
	struct bvol_pool p = new_pool(1, "p", 100 * GIB, 90 * GIB, 1000 * GIB, 1000, 10);
	struct sched_candidate c = { &p, true };
	size_t picked = 7;

	assert_int_equal(pick(&c, 1, 0, &picked), 0);
	p.data_used++;
	assert_int_equal(pick(&c, 1, 0, &picked), -ENOSPC);
	assert_string_equal(err.text,
			    "the pool can take nothing: p has no more free data space than its reserve of 10%");
	p.data_used = p.data_total;
	assert_int_equal(pick(&c, 1, 0, &picked), -ENOSPC);
	assert_string_equal(err.text, "the pool can take nothing: p is full");
}

/* Nothing new is begun in a pool whose metadata get scarce. */
static void scarce_metadata(void **state)
{
	struct bvol_pool p = new_pool(1, "p", 100 * GIB, 0, 0, 1000, 0);
	struct sched_candidate c = { &p, true };
	size_t picked = 7;

	p.metadata_used = 12 << 20;
	assert_int_equal(pick(&c, 1, 0, &picked), 0);
	assert_int_equal(pick(&c, 1, GIB, &picked), 0);
	p.metadata_used++;
	assert_int_equal(pick(&c, 1, 0, &picked), -ENOSPC);
	assert_int_equal(pick(&c, 1, GIB, &picked), -ENOSPC);
	assert_string_equal(err.text,
			    "no pool can take 1.0 GiB: p has less than a quarter of its metadata space left");
}

/* Cinder's own figures for virtual free capacity, which the weigher goes by. */
static void virtual_free(void **state)
{
	static const struct {
		uint64_t total, used, provisioned;
		bool thin;
		uint32_t over_subscription, reserve;
		uint64_t virtual_mib;
	} cases[] = {
		{ 100, 0, 0, true, 2000, 0, 2000 * 1024 },
		{ 100, 100, 100, true, 2000, 10, 1700 * 1024 },
		{ 100, 50, 50, false, 2000, 10, 40 * 1024 },
		{ 100, 0, 0, true, 150, 15, 127 * 1024 + 512 },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct bvol_pool p = new_pool(1, "p", cases[i].total * GIB, cases[i].used * GIB,
					      cases[i].provisioned * GIB, cases[i].over_subscription,
					      cases[i].reserve);
		struct sched_candidate c = { &p, cases[i].thin };

		assert_int_equal(weigher_capacity.weigh(&c, NULL) >> 20, cases[i].virtual_mib);
	}
}

static void overflow(void **state)
{
	static const uint64_t sizes[] = { 1, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX };
	struct bvol_pool p = new_pool(1, "p", UINT64_MAX, 0, 0, UINT32_MAX, 0);
	struct sched_candidate c = { &p, true };
	size_t picked;

	for (size_t i = 0; i < N_OF(sizes); i++)
		assert_int_equal(pick(&c, 1, sizes[i], &picked), 0);
	p.provisioned = UINT64_MAX;
	assert_int_equal(pick(&c, 1, 1, &picked), -ENOSPC);
	p.provisioned = 0;
	p.data_used = UINT64_MAX;
	assert_int_equal(pick(&c, 1, 1, &picked), -ENOSPC);
	p = new_pool(1, "p", GIB, UINT64_MAX, UINT64_MAX, UINT32_MAX, 100);
	assert_int_equal(pick(&c, 1, UINT64_MAX, &picked), -ENOSPC);
	p = new_pool(1, "p", GIB, 0, 0, 0, 0);
	assert_int_equal(pick(&c, 1, 1, &picked), -ENOSPC);
}

static void best_pool(void **state)
{
	struct bvol_pool pools[] = {
		new_pool(1, "small", 10 * GIB, 0, 0, 2000, 0),
		new_pool(2, "promised", 100 * GIB, 0, 1950 * GIB, 2000, 0),
		new_pool(3, "best", 50 * GIB, 0, 0, 2000, 0),
		new_pool(4, "equal", 50 * GIB, 0, 0, 2000, 0),
		new_pool(5, "read-only", 900 * GIB, 0, 0, 2000, 0),
	};
	struct sched_candidate c[N_OF(pools)];
	size_t picked = 7;

	for (size_t i = 0; i < N_OF(pools); i++)
		c[i] = (struct sched_candidate) { &pools[i], true };
	pools[4].status = BVOL_POOL_STATUS_READ_ONLY;
	assert_int_equal(pick(c, N_OF(c), GIB, &picked), 0);
	assert_int_equal(picked, 2);
	/* Only the one with less to promise is large enough. */
	pools[1].provisioned = 1930 * GIB;
	assert_int_equal(pick(c, N_OF(c), 60 * GIB, &picked), 0);
	assert_int_equal(picked, 1);
}

static void backend_of_a_type(void **state)
{
	struct bvol_pool pools[] = {
		new_pool(1, "fast", 10 * GIB, 0, 0, 2000, 0),
		new_pool(2, "slow", 100 * GIB, 0, 0, 2000, 0),
	};
	struct sched_candidate c[] = { { &pools[0], true }, { &pools[1], true } };
	struct sched_request r = { .size = GIB, .backend = "fast" };
	size_t picked = 7;

	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), 0);
	assert_int_equal(picked, 0);
	r.pool_id = &pools[1].id;
	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), -ENOSPC);
	assert_string_equal(err.text, "no pool can take 1.0 GiB: slow is not the pool of its type");
	err_clear(&err);
	r = (struct sched_request) { .size = GIB, .backend = "none" };
	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), -ENOSPC);
	err_clear(&err);
}

static void wanted_and_tried(void **state)
{
	static const char first[] = "01000000-0000-0000-0000-000000000000";
	static const char second[] = "02000000-0000-0000-0000-000000000000";
	struct bvol_pool pools[] = {
		new_pool(1, "fast", 10 * GIB, 0, 0, 2000, 0),
		new_pool(2, "slow", 100 * GIB, 0, 0, 2000, 0),
	};
	struct sched_candidate c[] = { { &pools[0], true }, { &pools[1], true } };
	const char *tried[] = { second, NULL, NULL };
	struct bvol_uuid other = { { 9 } };
	struct sched_request r = { .size = GIB, .pool_id = &pools[0].id };
	size_t picked = 7;

	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), 0);
	assert_int_equal(picked, 0);
	r.pool_id = NULL;
	r.tried = tried;
	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), 0);
	assert_int_equal(picked, 0);
	tried[1] = first;
	err_clear(&err);
	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), -ENOSPC);
	assert_string_equal(err.text, "no pool can take 1.0 GiB: fast has failed at it, "
				      "slow has failed at it");
	r = (struct sched_request) { .size = 20 * GIB, .pool_id = &pools[0].id };
	err_clear(&err);
	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), -ENOSPC);
	assert_string_equal(err.text, "no pool can take 20.0 GiB: fast offers 10.0 GiB");
	r.pool_id = &other;
	err_clear(&err);
	assert_int_equal(sched_pick(c, 2, &r, &picked, &err), -ENOENT);
	assert_string_equal(err.text, "there is no such pool");
}

static void sentences(void **state)
{
	struct bvol_pool pools[] = {
		new_pool(1, "fast", 80 * GIB, 0, 0, 2000, 0),
		new_pool(2, "slow", 0, 0, 0, 2000, 0),
		new_pool(3, "silent", 0, 0, 0, 2000, 0),
	};
	struct sched_candidate c[] = { { &pools[0], true }, { &pools[1], true }, { &pools[2], true } };
	size_t picked = 7;

	pools[1].status = BVOL_POOL_STATUS_ERROR;
	pools[2].has = 0;
	assert_int_equal(pick(c, 3, UINT64_C(10) << 40, &picked), -ENOSPC);
	assert_string_equal(err.text, "no pool can take 10.0 TiB: fast offers 80.0 GiB, "
				      "slow has status error, silent does not say how full it is");
	assert_int_equal(pick(c, 1, 80 * GIB + 512, &picked), -ENOSPC);
	assert_string_equal(err.text, "no pool can take 80.0 GiB: "
				      "fast offers 85899345920 of 85899346432 bytes");
	assert_int_equal(pick(NULL, 0, GIB, &picked), -ENOENT);
	assert_string_equal(err.text, "there is no pool yet; create one with: "
				      "bvolctl pool create NAME DEVICE");
	assert_int_equal(picked, 7);
}

static void many_pools(void **state)
{
	static char names[40][BVOL_NAME_MAX + 1];
	static struct bvol_pool pools[40];
	struct sched_candidate c[40];
	size_t picked;

	for (size_t i = 0; i < N_OF(c); i++) {
		snprintf(names[i], sizeof(names[i]), "pool\xc3\xa9%zu", i);
		pools[i] = new_pool((uint8_t)i, names[i], GIB, 0, 0, 2000, 0);
		c[i] = (struct sched_candidate) { &pools[i], true };
	}
	assert_int_equal(pick(c, N_OF(c), 2 * GIB, &picked), -ENOSPC);
	assert_non_null(strstr(err.text, "more can't either"));
	assert_true(str_utf8(err.text));
	assert_true(strlen(err.text) < BVOL_SENTENCE_MAX);
	memset(names[0], 'n', BVOL_NAME_MAX);
	memset(names[1], 'n', BVOL_NAME_MAX);
	assert_int_equal(pick(c, 2, 2 * GIB, &picked), -ENOSPC);
	assert_non_null(strstr(err.text, "1 more can't either"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(largest_volume),
		cmocka_unit_test(nothing_asked),
		cmocka_unit_test(scarce_metadata),
		cmocka_unit_test(virtual_free),
		cmocka_unit_test(overflow),
		cmocka_unit_test(best_pool),
		cmocka_unit_test(backend_of_a_type),
		cmocka_unit_test(wanted_and_tried),
		cmocka_unit_test(sentences),
		cmocka_unit_test(many_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
