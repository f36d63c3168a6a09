// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>

#include "codec.h"
#include "sched/quota.h"
#include "util/str.h"

#define GIB (UINT64_C(1) << 30)

static int used(struct store *store, const char *project, struct quota_ask *ret, struct err *e)
{
	const struct store_match volumes[] = {
		{ .attr = BVOL_A_VOLUME_PROJECT, .text = project }, {},
	};
	const struct store_match snapshots[] = {
		{ .attr = BVOL_A_SNAPSHOT_PROJECT, .text = project }, {},
	};
	uint64_t volume_bytes, snapshot_bytes;
	int r;

	r = store_count(store, &bvol_type_volume, volumes, &ret->volumes, e);
	if (!r)
		r = store_count(store, &bvol_type_snapshot, snapshots, &ret->snapshots, e);
	if (!r)
		r = store_sum(store, &bvol_type_volume, BVOL_A_VOLUME_SIZE, volumes, &volume_bytes,
			      e);
	if (!r)
		r = store_sum(store, &bvol_type_snapshot, BVOL_A_SNAPSHOT_SIZE, snapshots,
			      &snapshot_bytes, e);
	if (!r && __builtin_add_overflow(volume_bytes, snapshot_bytes, &ret->bytes))
		r = err_set(e, -EOVERFLOW, "project %s has more than can be counted", project);
	return r;
}

static int limits(struct store *store, const char *project, const struct quota_limits *defaults,
		  struct quota_limits *ret, struct err *e)
{
	struct bvol_quota *row;
	void *obj;
	int r = store_get(store, &bvol_type_quota, project, &obj, e);

	*ret = *defaults;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	row = obj;
	if (bvol_has(row, BVOL_A_QUOTA_VOLUMES))
		ret->volumes = row->volumes;
	if (bvol_has(row, BVOL_A_QUOTA_SNAPSHOTS))
		ret->snapshots = row->snapshots;
	if (bvol_has(row, BVOL_A_QUOTA_GIGABYTES))
		ret->gigabytes = row->gigabytes;
	bvol_free(&bvol_type_quota, row);
	return 0;
}

static int check_number(const char *project, const char *what, int64_t limit, uint64_t have,
			uint64_t ask, struct err *e)
{
	uint64_t sum;

	if (!ask || limit < 0)
		return 0;
	if (!__builtin_add_overflow(have, ask, &sum) && sum <= (uint64_t)limit)
		return 0;
	return err_set(e, -EDQUOT, "project %s has %" PRIu64 " of %" PRId64 " %s; delete some or "
		       "raise the limit with: bvolctl quota set", project, have, limit, what);
}

static int check_bytes(const char *project, int64_t limit, uint64_t have, uint64_t ask,
		       struct err *e)
{
	char had[16], asked[16];
	uint64_t sum, most;

	if (!ask || limit < 0 || __builtin_mul_overflow((uint64_t)limit, GIB, &most))
		return 0;
	if (!__builtin_add_overflow(have, ask, &sum) && sum <= most)
		return 0;
	return err_set(e, -EDQUOT, "project %s has %s of %" PRId64 " GiB, %s more are asked for; "
		       "delete some or raise the limit with: bvolctl quota set", project,
		       str_size(have, had), limit, str_size(ask, asked));
}

int quota_check(struct store *store, const char *project, const struct quota_limits *defaults,
		const struct quota_ask *ask, struct err *e)
{
	struct quota_limits limit;
	struct quota_ask have;
	int r;

	r = limits(store, project, defaults, &limit, e);
	if (r < 0 || (limit.volumes < 0 && limit.snapshots < 0 && limit.gigabytes < 0))
		return r;
	r = used(store, project, &have, e);
	if (!r)
		r = check_number(project, "volumes", limit.volumes, have.volumes, ask->volumes, e);
	if (!r)
		r = check_number(project, "snapshots", limit.snapshots, have.snapshots,
				 ask->snapshots, e);
	if (!r)
		r = check_bytes(project, limit.gigabytes, have.bytes, ask->bytes, e);
	return r;
}

int quota_get(struct store *store, const char *project, const struct quota_limits *defaults,
	      struct bvol_quota **ret, struct err *e)
{
	struct bvol_quota *quota;
	struct quota_limits limit;
	struct quota_ask have;
	int r;

	r = limits(store, project, defaults, &limit, e);
	if (!r)
		r = used(store, project, &have, e);
	if (r < 0)
		return r;
	quota = codec_new(&bvol_type_quota);
	r = quota ? codec_set_string(&bvol_type_quota, quota, BVOL_A_QUOTA_PROJECT, project)
		  : -ENOMEM;
	if (r < 0) {
		bvol_free(&bvol_type_quota, quota);
		return err_set(e, r, "out of memory");
	}
	codec_set(quota, BVOL_A_QUOTA_VOLUMES, volumes, limit.volumes);
	codec_set(quota, BVOL_A_QUOTA_SNAPSHOTS, snapshots, limit.snapshots);
	codec_set(quota, BVOL_A_QUOTA_GIGABYTES, gigabytes, limit.gigabytes);
	codec_set(quota, BVOL_A_QUOTA_VOLUMES_USED, volumes_used, (int64_t)have.volumes);
	codec_set(quota, BVOL_A_QUOTA_SNAPSHOTS_USED, snapshots_used, (int64_t)have.snapshots);
	codec_set(quota, BVOL_A_QUOTA_GIGABYTES_USED, gigabytes_used,
		  (int64_t)(have.bytes / GIB + !!(have.bytes % GIB)));
	*ret = quota;
	return 0;
}
