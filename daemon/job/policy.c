// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "job/policy.h"
#include "model/type.h"

static void type_freep(struct bvol_volume_type **o)
{
	bvol_free(&bvol_type_volume_type, *o);
}

/* Most jobs name the volume; those of several snapshots don't. */
static int volume_of(struct job *job, const struct bvol_uuid *id, struct bvol_volume **ret,
		     struct err *e)
{
	_cleanup_snapshot_ snapshot = NULL;
	int r;

	if (bvol_has(job->row, BVOL_A_JOB_VOLUME_ID))
		return flow_volume(job, ret, e);
	r = store_get(flow_store(job), &bvol_type_snapshot, id, (void **)&snapshot, e);
	return r < 0 ? r : store_get(flow_store(job), &bvol_type_volume, &snapshot->volume_id,
				     (void **)ret, e);
}

int policy_of(struct job *job, const struct bvol_uuid *id, const struct bvol_pool *pool,
	      struct provider_wipe *ret, struct err *e)
{
	_cleanup_(type_freep) struct bvol_volume_type *type = NULL;
	_cleanup_volume_ volume = NULL;
	int r = volume_of(job, id, &volume, e);

	if (!r && bvol_has(volume, BVOL_A_VOLUME_VOLUME_TYPE_ID))
		r = store_get(flow_store(job), &bvol_type_volume_type, &volume->volume_type_id,
			      (void **)&type, e);
	if (r < 0)
		return r == -ENOENT ? err_set(e, r, "the volume of this job is not in the database") : r;
	*ret = flow_wipe_policy(job, pool);
	if (!job->row->wipe && type_wipe(type))
		ret->policy = type_wipe(type);
	ret->verify |= type_verify(type);
	return 0;
}
