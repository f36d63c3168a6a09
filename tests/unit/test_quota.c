// SPDX-License-Identifier: LGPL-2.1-or-later
#include "store_fixture.h"
#include "sched/quota.h"

#define GIB (UINT64_C(1) << 30)

static const struct quota_limits none = { -1, -1, -1 };

static void put(struct store *store, const struct bvol_type *type, void *obj)
{
	must(store_begin(store, &err));
	must(store_insert(store, type, obj, &err));
	must(store_commit(store, &err));
	bvol_free(type, obj);
}

static void put_volume(struct store *store, unsigned int n, const char *project, uint64_t size)
{
	struct bvol_volume *v = new_volume(n, "v", project);

	v->size = size;
	put(store, &bvol_type_volume, v);
}

static void put_pool(struct store *store)
{
	static const char *const devices[] = { "/dev/vda" };
	struct bvol_pool *p = codec_new(&bvol_type_pool);

	codec_set(p, BVOL_A_POOL_ID, id, uuid(1));
	codec_set(p, BVOL_A_POOL_STATUS, status, BVOL_POOL_STATUS_AVAILABLE);
	codec_set(p, BVOL_A_POOL_CHUNK_SIZE, chunk_size, 65536);
	codec_set(p, BVOL_A_POOL_OVER_SUBSCRIPTION, over_subscription, 2000);
	codec_set(p, BVOL_A_POOL_WIPE, wipe, BVOL_WIPE_ZERO);
	codec_set(p, BVOL_A_POOL_VERIFY, verify, 0);
	codec_set(p, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_UNSCRUBBED);
	codec_set(p, BVOL_A_POOL_WIPE_RATE, wipe_rate, 0);
	codec_set(p, BVOL_A_POOL_RESERVE, reserve, 0);
	codec_set(p, BVOL_A_POOL_CREATED_AT, created_at, 1);
	codec_set_string(&bvol_type_pool, p, BVOL_A_POOL_NAME, "fast");
	codec_set_string(&bvol_type_pool, p, BVOL_A_POOL_PROVIDER, "thin");
	codec_set_list(&bvol_type_pool, p, BVOL_A_POOL_DEVICES, devices, 1);
	put(store, &bvol_type_pool, p);
}

static void put_snapshot(struct store *store, unsigned int n, const char *project, uint64_t size)
{
	struct bvol_snapshot *s = codec_new(&bvol_type_snapshot);

	codec_set(s, BVOL_A_SNAPSHOT_ID, id, uuid(n));
	codec_set(s, BVOL_A_SNAPSHOT_STATUS, status, BVOL_SNAPSHOT_STATUS_AVAILABLE);
	codec_set(s, BVOL_A_SNAPSHOT_SIZE, size, size);
	codec_set(s, BVOL_A_SNAPSHOT_VOLUME_ID, volume_id, uuid(1));
	codec_set(s, BVOL_A_SNAPSHOT_POOL_ID, pool_id, uuid(1));
	codec_set(s, BVOL_A_SNAPSHOT_CREATED_AT, created_at, n);
	codec_set_string(&bvol_type_snapshot, s, BVOL_A_SNAPSHOT_NAME, "s");
	codec_set_string(&bvol_type_snapshot, s, BVOL_A_SNAPSHOT_PROJECT, project);
	put(store, &bvol_type_snapshot, s);
}

/* Project red: 2 volumes and 1 snapshot of 3.5 GiB and 1 byte; blue: 1 volume. */
static void fill(struct store *store)
{
	put_pool(store);
	put_volume(store, 1, "red", GIB + 1);
	put_volume(store, 2, "red", GIB / 2);
	put_volume(store, 3, "blue", 100 * GIB);
	put_snapshot(store, 4, "red", 2 * GIB);
}

static void assert_quota(struct store *store, const char *project,
			 const struct quota_limits *limits, int64_t volumes, int64_t snapshots,
			 int64_t gigabytes, int64_t limit)
{
	struct bvol_quota *q;

	must(quota_get(store, project, limits, &q, &err));
	assert_string_equal(q->project, project);
	assert_int_equal(q->volumes_used, volumes);
	assert_int_equal(q->snapshots_used, snapshots);
	assert_int_equal(q->gigabytes_used, gigabytes);
	assert_int_equal(q->volumes, limit);
	bvol_free(&bvol_type_quota, q);
}

static void use(void **state)
{
	const struct quota_limits ten = { 10, 10, 10 };

	assert_quota(*state, "red", &none, 0, 0, 0, -1);
	fill(*state);
	assert_quota(*state, "red", &none, 2, 1, 4, -1);
	assert_quota(*state, "blue", &ten, 1, 0, 100, 10);
	assert_quota(*state, "green", &ten, 0, 0, 0, 10);
	assert_quota(*state, "", &ten, 0, 0, 0, 10);
}

static const struct {
	struct quota_limits limits;
	struct quota_ask ask;
	const char *refused;
} cases[] = {
	{ { -1, -1, -1 }, { 1000, 1000, UINT64_MAX }, NULL },
	{ { 3, -1, -1 }, { 1, 0, GIB }, NULL },
	{ { 2, -1, -1 }, { 1, 0, GIB }, "project red has 2 of 2 volumes; delete some or raise the "
					"limit with: bvolctl quota set" },
	{ { 0, -1, -1 }, { 1, 0, 0 }, "2 of 0 volumes" },
	{ { 2, -1, -1 }, { UINT64_MAX, 0, 0 }, "2 of 2 volumes" },
	{ { -1, 1, -1 }, { 0, 1, 0 }, "1 of 1 snapshots" },
	{ { -1, 2, -1 }, { 0, 1, GIB }, NULL },
	/* To the byte: 3.5 GiB and 1 byte are there. */
	{ { -1, -1, 4 }, { 1, 0, GIB / 2 - 1 }, NULL },
	{ { -1, -1, 4 }, { 1, 0, GIB / 2 }, "project red has 3.5 GiB of 4 GiB, 512.0 MiB more are "
					    "asked for; delete some" },
	{ { -1, -1, 4 }, { 0, 0, UINT64_MAX }, "15.9 EiB more" },
	/* Over its limit already: what asks for nothing of a kind is not refused for it. */
	{ { 1, 0, 100 }, { 0, 0, GIB }, NULL },
	{ { -1, -1, 1 }, { 1, 1, 0 }, NULL },
	{ { -1, -1, INT64_MAX }, { 1, 0, UINT64_C(1) << 40 }, NULL },
};

static void limits(void **state)
{
	fill(*state);
	for (size_t i = 0; i < N_OF(cases); i++) {
		int r;

		err_clear(&err);
		r = quota_check(*state, "red", &cases[i].limits, &cases[i].ask, &err);
		if (!cases[i].refused)
			must(r);
		else if (r != -EDQUOT || !strstr(err.text, cases[i].refused))
			fail_msg("case %zu: %d %s", i, r, err.text);
	}
}

static void own_limits(void **state)
{
	const struct quota_limits five = { 5, 5, 5 };
	const struct quota_ask volume = { .volumes = 1 }, snapshot = { .snapshots = 5 };
	struct bvol_quota *row = codec_new(&bvol_type_quota);

	fill(*state);
	codec_set(row, BVOL_A_QUOTA_VOLUMES, volumes, 2);
	codec_set(row, BVOL_A_QUOTA_GIGABYTES, gigabytes, -1);
	codec_set_string(&bvol_type_quota, row, BVOL_A_QUOTA_PROJECT, "red");
	put(*state, &bvol_type_quota, row);
	assert_quota(*state, "red", &five, 2, 1, 4, 2);
	assert_int_equal(quota_check(*state, "red", &none, &volume, NULL), -EDQUOT);
	assert_int_equal(quota_check(*state, "red", &five, &snapshot, NULL), -EDQUOT);
	must(quota_check(*state, "red", &none, &snapshot, &err));
	must(quota_check(*state, "blue", &five, &volume, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(use),
		STORE_TEST(limits),
		STORE_TEST(own_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
