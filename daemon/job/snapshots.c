// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "job/snapshots.h"

void snapshots_clear(struct snapshots *s)
{
	for (size_t i = 0; i < s->n; i++)
		bvol_free(&bvol_type_snapshot, s->list[i]);
	free(s->list);
	*s = (struct snapshots) { 0 };
}

static int add(void *obj, void *data)
{
	struct snapshots *s = data;
	void *more = reallocarray(s->list, s->n + 1, sizeof(*s->list));

	if (!more)
		return -ENOMEM;
	s->list = more;
	s->list[s->n] = codec_copy(&bvol_type_snapshot, obj);
	return s->list[s->n] ? (s->n++, 0) : -ENOMEM;
}

int snapshots_of(struct store *store, const struct bvol_uuid *group_snapshot_id,
		 struct snapshots *ret, struct err *e)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID, .id = group_snapshot_id }, { 0 },
	};

	return store_select(store, &bvol_type_snapshot, match, NULL, 0, add, ret, e);
}

int snapshots_take(struct job *job, const struct snapshots *s, struct action **ret, struct err *e)
{
	_cleanup_free_ struct provider_copy *copies = calloc(s->n, sizeof(*copies));
	struct provider_copies *planned = NULL;
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = flow_pool(job, &pool, &provider, e);

	if (r < 0)
		return r;
	if (!copies)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		copies[i] = (struct provider_copy) {
			.id = s->list[i]->id, .size = s->list[i]->size,
			.origin = s->list[i]->volume_id,
		};
	r = provider->copy(flow_store(job), pool, copies, s->n, &planned, e);
	*ret = planned ? &planned->action : NULL;
	return r;
}

/* As the job's action has it, which a crash may have cost us: then 0. */
static uint64_t pause_of(const struct job *job, const struct bvol_snapshot *snapshot)
{
	const struct provider_copies *done = (const struct provider_copies *)job->action;

	for (size_t i = 0; done && i < done->n; i++)
		if (!memcmp(&done->copy[i].id, &snapshot->id, sizeof(snapshot->id)))
			return done->copy[i].pause;
	return 0;
}

int snapshots_taken(struct job *job, const struct snapshots *s, struct err *e)
{
	char text[96];
	int r = 0;

	for (size_t i = 0; !r && i < s->n; i++) {
		uint64_t pause = pause_of(job, s->list[i]);

		if (pause)
			codec_set(s->list[i], BVOL_A_SNAPSHOT_PAUSE, pause, pause);
		r = change_snapshot(flow_change(job), s->list[i], BVOL_SNAPSHOT_STATUS_AVAILABLE, NULL,
				    e);
		if (r < 0 || !pause)
			continue;
		snprintf(text, sizeof(text), "the volume's I/O stood still for %" PRIu64 " ns", pause);
		r = change_say(flow_change(job), text);
	}
	return r;
}

int snapshots_gone(struct job *job, struct bvol_snapshot *snapshot, struct err *e)
{
	static const uint32_t way[] = {
		BVOL_SNAPSHOT_STATUS_DELETING, BVOL_SNAPSHOT_STATUS_DELETED,
	};
	struct store_match match[] = {
		{ .attr = BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID, .id = &snapshot->group_snapshot_id }, { 0 },
	};
	_cleanup_group_snapshot_ gs = NULL;
	uint64_t left;
	int r = flow_record(job, &snapshot->id, &(struct recorded) {
		BVOL_WIPED_SNAPSHOT, &snapshot->id, snapshot->name, snapshot->project }, e);

	if (!r)
		r = change_snapshot(flow_change(job), snapshot, BVOL_SNAPSHOT_STATUS_DELETED, NULL, e);
	if (r < 0 || !bvol_has(snapshot, BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID) ||
	    (r = store_count(flow_store(job), &bvol_type_snapshot, match, &left, e)) || left)
		return r;
	r = store_get(flow_store(job), &bvol_type_group_snapshot, &snapshot->group_snapshot_id,
		      (void **)&gs, e);
	for (size_t i = 0; !r && i < sizeof(way) / sizeof(*way); i++)
		r = change_group_snapshot(flow_change(job), gs, way[i], NULL, e);
	return r;
}
