// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "codec.h"
#include "job/change.h"
#include "job/ids.h"
#include "job/rowset.h"

/* Writing down */

struct collect {
	struct store *store;
	struct records *rows;
	enum record_tag tag;
	const struct bvol_type *type;
	struct ids types, groups;
	struct err *e;
};

static int collect_one(void *obj, void *data)
{
	struct collect *c = data;

	return records_add(c->rows, c->tag, c->type, obj, c->e);
}

static int collect_all(struct collect *c, enum record_tag tag, const struct bvol_type *type,
		       uint16_t attr, const struct bvol_uuid *pool_id)
{
	struct store_match match[] = { { .attr = attr, .id = pool_id }, { 0 } };

	c->tag = tag;
	c->type = type;
	return store_select(c->store, type, match, NULL, 0, collect_one, c, c->e);
}

static int note_ids(void *obj, void *data)
{
	const struct bvol_volume *volume = obj;
	struct collect *c = data;
	int r = 0;

	if (bvol_has(volume, BVOL_A_VOLUME_VOLUME_TYPE_ID))
		r = ids_add(&c->types, &volume->volume_type_id);
	if (!r && bvol_has(volume, BVOL_A_VOLUME_GROUP_ID))
		r = ids_add(&c->groups, &volume->group_id);
	return r;
}

/* What volumes refer to, each once. */
static int collect_named(struct collect *c, enum record_tag tag, const struct bvol_type *type,
			 struct ids *ids)
{
	void *obj;
	int r = 0;

	ids_sort(ids);
	for (size_t i = 0; !r && i < ids->n; i++) {
		if (i && !memcmp(&ids->id[i], &ids->id[i - 1], sizeof(*ids->id)))
			continue;
		r = store_get(c->store, type, &ids->id[i], &obj, c->e);
		if (r < 0)
			return r;
		r = records_add(c->rows, tag, type, obj, c->e);
		bvol_free(type, obj);
	}
	return r;
}

int rowset_collect(struct store *store, const struct bvol_pool *pool,
		   const struct provider_ops *provider, struct records *rows, struct err *e)
{
	struct store_match match[] = { { .attr = BVOL_A_VOLUME_POOL_ID, .id = &pool->id }, { 0 } };
	struct collect c = { .store = store, .rows = rows, .e = e };
	int r = records_add(rows, RECORD_POOL, &bvol_type_pool, pool, e);

	if (!r)
		r = provider->pool_rows(store, &pool->id, rows, e);
	if (!r)
		r = store_select(store, &bvol_type_volume, match, NULL, 0, note_ids, &c, e);
	if (!r)
		r = collect_named(&c, RECORD_VOLUME_TYPE, &bvol_type_volume_type, &c.types);
	if (!r)
		r = collect_named(&c, RECORD_GROUP, &bvol_type_group, &c.groups);
	if (!r)
		r = collect_all(&c, RECORD_GROUP_SNAPSHOT, &bvol_type_group_snapshot,
				BVOL_A_GROUP_SNAPSHOT_POOL_ID, &pool->id);
	if (!r)
		r = collect_all(&c, RECORD_VOLUME, &bvol_type_volume, BVOL_A_VOLUME_POOL_ID, &pool->id);
	if (!r)
		r = collect_all(&c, RECORD_SNAPSHOT, &bvol_type_snapshot, BVOL_A_SNAPSHOT_POOL_ID,
				&pool->id);
	ids_clear(&c.types);
	ids_clear(&c.groups);
	return r == -ENOMEM ? err_set(e, r, "out of memory") : r;
}

static int copy_pool(enum record_tag tag, void *obj, void *data)
{
	struct bvol_pool **ret = data;

	if (*ret)
		return -EBADMSG;
	*ret = codec_copy(&bvol_type_pool, obj);
	return *ret ? 0 : -ENOMEM;
}

int rowset_pool(const struct records *rows, struct bvol_pool **ret, struct err *e)
{
	static const records_types types = { [RECORD_POOL] = &bvol_type_pool };
	struct bvol_pool *pool = NULL;
	int r = records_walk(rows->data, rows->n, types, copy_pool, &pool, e);

	if (!r && pool && pool->name && pool->provider && pool->chunk_size) {
		*ret = pool;
		return 0;
	}
	bvol_free(&bvol_type_pool, pool);
	return err_set(e, r ? r : -ENOENT, "the copy of the pool's rows does not tell of the pool");
}

/* Out of the database */

struct drop {
	struct store *store;
	const struct bvol_type *type;
	struct ids groups;
	struct err *e;
};

static int drop_one(void *obj, void *data)
{
	struct drop *d = data;

	return store_delete(d->store, d->type, (char *)obj + d->type->fields[0].offset, d->e);
}

static int drop_all(struct drop *d, const struct bvol_type *type, uint16_t attr,
		    const struct bvol_uuid *pool_id)
{
	struct store_match match[] = { { .attr = attr, .id = pool_id }, { 0 } };

	d->type = type;
	return store_select(d->store, type, match, NULL, 0, drop_one, d, d->e);
}

static int note_group(void *obj, void *data)
{
	const struct bvol_volume *volume = obj;
	struct drop *d = data;

	return bvol_has(volume, BVOL_A_VOLUME_GROUP_ID) ? ids_add(&d->groups, &volume->group_id) : 0;
}

/* A group that had members, and has none any more, has moved with them. */
static int drop_groups(struct drop *d)
{
	int r = 0;

	ids_sort(&d->groups);
	for (size_t i = 0; !r && i < d->groups.n; i++) {
		struct store_match match[] = {
			{ .attr = BVOL_A_VOLUME_GROUP_ID, .id = &d->groups.id[i] }, { 0 },
		};
		uint64_t n;

		if (i && !memcmp(&d->groups.id[i], &d->groups.id[i - 1], sizeof(*d->groups.id)))
			continue;
		r = store_count(d->store, &bvol_type_volume, match, &n, d->e);
		if (!r && !n)
			r = store_delete(d->store, &bvol_type_group, &d->groups.id[i], d->e);
	}
	return r;
}

int rowset_drop(struct store *store, const struct bvol_uuid *pool_id,
		const struct provider_ops *provider, struct err *e)
{
	struct store_match match[] = { { .attr = BVOL_A_VOLUME_POOL_ID, .id = pool_id }, { 0 } };
	struct drop d = { .store = store, .e = e };
	int r = store_select(store, &bvol_type_volume, match, NULL, 0, note_group, &d, e);

	if (!r)
		r = drop_all(&d, &bvol_type_snapshot, BVOL_A_SNAPSHOT_POOL_ID, pool_id);
	if (!r)
		r = drop_all(&d, &bvol_type_group_snapshot, BVOL_A_GROUP_SNAPSHOT_POOL_ID, pool_id);
	if (!r)
		r = drop_all(&d, &bvol_type_volume, BVOL_A_VOLUME_POOL_ID, pool_id);
	if (!r)
		r = drop_groups(&d);
	if (!r)
		r = provider->pool_drop(store, pool_id, e);
	ids_clear(&d.groups);
	return r == -ENOMEM ? err_set(e, r, "out of memory") : r;
}
