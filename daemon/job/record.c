// SPDX-License-Identifier: LGPL-2.1-or-later
/* Writing down what became of the bytes of what a job takes away; see proof.h. */
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "job/flow.h"
#include "job/proof.h"

static int describe(struct bvol_proof *proof, const struct bvol_pool *pool,
		    const struct provider_wiped *wiped)
{
	const struct bvol_type *type = &bvol_type_proof;
	size_t n = 0;
	int r;

	while (pool->devices && pool->devices[n])
		n++;
	codec_set(proof, BVOL_A_PROOF_POOL_ID, pool_id, pool->id);
	codec_set(proof, BVOL_A_PROOF_POLICY, policy, wiped->policy);
	codec_set(proof, BVOL_A_PROOF_VERIFIED, verified, wiped->verified);
	codec_set(proof, BVOL_A_PROOF_EXTENTS, extents, wiped->extents);
	codec_set(proof, BVOL_A_PROOF_BYTES, bytes, wiped->bytes);
	codec_set(proof, BVOL_A_PROOF_BYTES_OVERWRITTEN, bytes_overwritten, wiped->overwritten);
	codec_set(proof, BVOL_A_PROOF_BYTES_DISCARDED, bytes_discarded, wiped->discarded);
	codec_set(proof, BVOL_A_PROOF_STARTED_AT, started_at, wiped->started_at);
	codec_set(proof, BVOL_A_PROOF_FINISHED_AT, finished_at, change_now());
	r = codec_set_string(type, proof, BVOL_A_PROOF_POOL, pool->name);
	if (!r)
		r = codec_set_list(type, proof, BVOL_A_PROOF_DEVICES,
				   (const char *const *)pool->devices, n);
	return r ?: codec_set_string(type, proof, BVOL_A_PROOF_DONE, wiped->text);
}

static struct bvol_proof *proof_new(struct job *job, const struct recorded *of)
{
	struct bvol_proof *proof = codec_new(&bvol_type_proof);

	if (!proof || codec_set_string(&bvol_type_proof, proof, BVOL_A_PROOF_NAME, of->name) < 0 ||
	    codec_set_string(&bvol_type_proof, proof, BVOL_A_PROOF_PROJECT, of->project) < 0) {
		bvol_free(&bvol_type_proof, proof);
		return NULL;
	}
	codec_set(proof, BVOL_A_PROOF_WHAT, what, of->what);
	codec_set(proof, BVOL_A_PROOF_OBJECT_ID, object_id, *of->id);
	codec_set(proof, BVOL_A_PROOF_JOB_ID, job_id, job->row->id);
	if (bvol_has(job->row, BVOL_A_JOB_UID))
		codec_set(proof, BVOL_A_PROOF_UID, uid, job->row->uid);
	return proof;
}

/* What there is to say where no wipe was at work. */
static struct provider_wiped untouched(struct job *job)
{
	bool none = job->wipe == BVOL_WIPE_NONE;
	struct provider_wiped wiped = { .policy = job->wipe, .started_at = change_now() };

	strcpy(wiped.text, none ? "not wiped, as was asked for: its bytes stay on the disks until others take their place" :
				  "nothing had to be wiped: it had no place on the disks");
	return wiped;
}

static int record(struct job *job, const struct bvol_pool *pool,
		  const struct provider_wiped *wiped, const struct recorded *of, struct err *e)
{
	struct bvol_proof *proof = proof_new(job, of);
	int r = proof ? describe(proof, pool, wiped) : -ENOMEM;

	r = r < 0 ? err_set(e, r, "out of memory") : proof_add(flow_store(job), proof, e);
	bvol_free(&bvol_type_proof, proof);
	return r;
}

int flow_record_scrub(struct job *job, const struct bvol_pool *pool,
		      const struct provider_wiped *wiped, struct err *e)
{
	return record(job, pool, wiped, &(struct recorded) {
		BVOL_WIPED_SCRUBBED, &pool->id, pool->name, "" }, e);
}

int flow_record(struct job *job, const struct bvol_uuid *device, const struct recorded *of,
		struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	struct provider_wiped wiped;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0)
		return r;
	r = provider->wiped(flow_store(job), pool, device, &wiped, e);
	if (r < 0)
		return r;
	/* An earlier delete that was cancelled may have wiped some of it. */
	if (!r || job->wipe == BVOL_WIPE_NONE)
		wiped = untouched(job);
	return record(job, pool, &wiped, of, e);
}

int flow_record_volume(struct job *job, enum bvol_wiped what, const struct bvol_uuid *device,
		       struct err *e)
{
	_cleanup_volume_ volume = NULL;
	int r = flow_volume(job, &volume, e);

	return r < 0 ? r : flow_record(job, device, &(struct recorded) {
		what, &volume->id, volume->name, volume->project }, e);
}
