// SPDX-License-Identifier: LGPL-2.1-or-later
/* The records of what was wiped. */
#include <errno.h>

#include "job/proof.h"
#include "service/service.h"

/* Records that one call looks at. */
#define CHECK_MAX 500

/* The record with this UUID, or that of the volume or snapshot which had it. */
static int find_proof(struct call *call, struct bvol_proof **ret)
{
	struct store *store = call->service->store;
	const char *ref = call->request->ref;
	struct bvol_uuid id;
	struct store_match match[] = { { .attr = BVOL_A_PROOF_OBJECT_ID, .id = &id }, { 0 } };
	int r;

	if (bvol_uuid_parse(ref, &id))
		return err_set(&call->err, -ENOENT,
			       "there is no record \"%s\"; name it by its UUID, or that of what was deleted",
			       ref);
	r = store_get(store, &bvol_type_proof, &id, (void **)ret, &call->err);
	if (r == -ENOENT)
		r = store_first(store, &bvol_type_proof, match, (void **)ret, &call->err);
	return r == -ENOENT ? err_set(&call->err, r, "there is no record %s; see: bvolctl wipe list",
				      ref) : r;
}

int verb_wipe_list(struct call *call)
{
	static const struct listing proofs = { &bvol_type_proof, BVOL_A_RESPONSE_PROOF, NULL };
	const struct bvol_request *rq = call->request;
	struct store_match match[] = {
		{ .attr = rq->project ? BVOL_A_PROOF_PROJECT : 0, .text = rq->project }, { 0 },
	};
	struct bvol_proof *proof;
	int r;

	if (!rq->ref)
		return call_list(call, &proofs, match);
	r = find_proof(call, &proof);
	if (r < 0)
		return r;
	r = call_add(call, BVOL_A_RESPONSE_PROOF, &bvol_type_proof, proof);
	bvol_free(&bvol_type_proof, proof);
	return r;
}

/* A hash that was noted elsewhere is one of a record that still is there. */
static int find_head(struct call *call)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_PROOF_HASH, .text = call->request->head }, { 0 },
	};
	uint64_t n;
	int r = store_count(call->service->store, &bvol_type_proof, match, &n, &call->err);

	return r < 0 || n ? r : err_set(&call->err, -EBADMSG,
					"no record has the hash %s: what was written up to it is not there any more as it was",
					call->request->head);
}

int verb_wipe_check(struct call *call)
{
	const struct bvol_request *rq = call->request;
	const struct bvol_uuid *after = bvol_has(rq, BVOL_A_REQUEST_AFTER) ? &rq->after : NULL;
	struct bvol_chain *chain = codec_new(&bvol_type_chain);
	struct bvol_uuid last;
	bool more;
	int r = chain ? 0 : -ENOMEM;

	if (!r && rq->head)
		r = find_head(call);
	if (!r)
		r = proof_check(call->service->store, after, CHECK_MAX, chain, &more, &last, &call->err);
	if (r < 0) {
		bvol_free(&bvol_type_chain, chain);
		return r;
	}
	if (more)
		codec_set(call->response, BVOL_A_RESPONSE_MORE, more, last);
	return codec_append_nest(&bvol_type_response, call->response, BVOL_A_RESPONSE_CHAIN, chain);
}
