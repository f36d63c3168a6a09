// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The way back of a pool's copy into the database. Two walks over it: the first finds out
 * what snapshots keep alive, the second writes. What lies on the pool decides; the copy
 * says how it is called.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "job/change.h"
#include "job/ids.h"
#include "job/rowset.h"
#include "util/cleanup.h"
#include "util/str.h"

/* A type of the copy, and what it is here. */
struct type_map {
	struct bvol_uuid from, to;
};

struct insert {
	struct store *store;
	const struct bvol_pool *pool;
	const char *project;
	struct ids devices;		/* of the pool */
	struct provider_device *device;	/* in the same order */
	bool *used;
	struct ids parents;		/* volumes of snapshots that have a device */
	struct ids moments;		/* group snapshots that have such a snapshot */
	struct ids volumes;		/* that were put in */
	bool sorted;			/* that is, all of them were */
	struct ids groups, group_snapshots;	/* that were put in, not sorted: there are few */
	struct type_map *types;
	size_t n_types;
	struct rowset_report *report;
	struct err *e;
};

void rowset_report_clear(struct rowset_report *report)
{
	for (size_t i = 0; i < report->n_told; i++)
		free(report->told[i]);
	free(report->told);
	*report = (struct rowset_report) { 0 };
}

__attribute__((format(printf, 2, 3)))
static int tell(struct insert *in, const char *format, ...)
{
	struct rowset_report *r = in->report;
	char **more = reallocarray(r->told, r->n_told + 2, sizeof(*more));
	struct err text = { 0 };
	char sentence[BVOL_SENTENCE_MAX + 1];
	va_list args;

	if (!more)
		return -ENOMEM;
	r->told = more;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	/* Names were a user's: cut and escaped as any sentence. */
	err_set(&text, -EIO, "%s", sentence);
	r->told[r->n_told] = strdup(text.text);
	if (!r->told[r->n_told])
		return -ENOMEM;
	r->told[++r->n_told] = NULL;
	return 0;
}

/* A disk that comes from elsewhere may tell of names that nothing here could have. */
static int check_name(struct insert *in, const struct bvol_type *type, void *obj, uint16_t attr,
		      const char *name)
{
	const struct bvol_uuid *id = (const void *)((char *)obj + type->fields[0].offset);
	char uuid[BVOL_UUID_TEXT], fresh[32];
	int r;

	if (name && !str_check_name(type->name, name, NULL))
		return 0;
	snprintf(fresh, sizeof(fresh), "imported-%.8s", bvol_uuid_text(id, uuid));
	r = codec_set_string(type, obj, attr, fresh);
	return r ? r : tell(in, "a %s had a name that it can't have here, and has the name %s now",
			    type->name, fresh);
}

static int check_project(struct insert *in, const struct bvol_type *type, void *obj, uint16_t attr,
			 const char *project)
{
	return project && !str_check_name("project", project, NULL) ? 0 :
	       codec_set_string(type, obj, attr, in->project);
}

static bool among(const struct ids *ids, const struct bvol_uuid *id)
{
	for (size_t i = ids->n; i-- > 0;)
		if (!memcmp(&ids->id[i], id, sizeof(*id)))
			return true;
	return false;
}

/* The devices, sorted by ids. */

static int add_device(const struct provider_device *device, void *data)
{
	struct insert *in = data;
	struct provider_device *more = in->device;

	if (!(in->devices.n & (in->devices.n - 1)))
		more = reallocarray(more, in->devices.n ? 2 * in->devices.n : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	in->device = more;
	in->device[in->devices.n] = *device;
	return ids_add(&in->devices, &device->id);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(&((const struct provider_device *)a)->id, &((const struct provider_device *)b)->id,
		      sizeof(struct bvol_uuid));
}

static int read_devices(struct insert *in, const struct provider_ops *provider)
{
	int r = provider->pool_devices(in->store, &in->pool->id, add_device, in, in->e);

	if (r < 0)
		return r;
	ids_sort(&in->devices);
	if (in->devices.n)
		qsort(in->device, in->devices.n, sizeof(*in->device), by_id);
	in->used = calloc(in->devices.n + 1, sizeof(*in->used));
	return in->used ? 0 : -ENOMEM;
}

/* Has it a device? Then that is somebody's from now on. */
static bool use_device(struct insert *in, const struct bvol_uuid *id)
{
	ssize_t at = ids_find(&in->devices, id);

	if (at >= 0)
		in->used[at] = true;
	return at >= 0;
}

/* The first walk */

static int note_snapshot(enum record_tag tag, void *obj, void *data)
{
	const struct bvol_snapshot *snapshot = obj;
	struct insert *in = data;
	int r;

	if (ids_find(&in->devices, &snapshot->id) < 0)
		return 0;
	r = ids_add(&in->parents, &snapshot->volume_id);
	if (!r && bvol_has(snapshot, BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID))
		r = ids_add(&in->moments, &snapshot->group_snapshot_id);
	return r;
}

/* The second walk */

static int map_type(struct insert *in, const struct bvol_uuid *from, const struct bvol_uuid *to)
{
	struct type_map *more = reallocarray(in->types, in->n_types + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	in->types = more;
	in->types[in->n_types++] = (struct type_map) { *from, *to };
	return 0;
}

static int find_type(struct insert *in, const char *name, struct bvol_volume_type **ret)
{
	struct store_match match[] = { { .attr = BVOL_A_VOLUME_TYPE_NAME, .text = name }, { 0 } };

	return store_first(in->store, &bvol_type_volume_type, match, (void **)ret, in->e);
}

static size_t list_length(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static bool same_specs(const struct bvol_volume_type *a, const struct bvol_volume_type *b)
{
	size_t n = list_length(a->extra_specs), found = 0;

	for (size_t i = 0; i < n; i++)
		for (char **spec = b->extra_specs; spec && *spec; spec++)
			found += !strcmp(a->extra_specs[i], *spec);
	return found == n && n == list_length(b->extra_specs);
}

/* A name that no type has. */
static int rename_type(struct insert *in, struct bvol_volume_type *type)
{
	struct bvol_volume_type *other;
	char name[BVOL_NAME_MAX + 1];
	int r = 0;

	for (unsigned int i = 1; !r; i++) {
		snprintf(name, sizeof(name), "%.200s-imported-%u", type->name, i);
		r = find_type(in, name, &other);
		if (!r)
			bvol_free(&bvol_type_volume_type, other);
	}
	if (r != -ENOENT)
		return r;
	r = tell(in, "type %s is another one here; its volumes have type %s", type->name, name);
	return r ? r : codec_set_string(&bvol_type_volume_type, type, BVOL_A_VOLUME_TYPE_NAME, name);
}

static int put_type(struct insert *in, struct bvol_volume_type *type)
{
	struct bvol_volume_type *other;
	bool same;
	int r = store_get(in->store, &bvol_type_volume_type, &type->id, (void **)&other, in->e);

	if (!r) {
		bvol_free(&bvol_type_volume_type, other);
		return map_type(in, &type->id, &type->id);
	}
	if (r != -ENOENT)
		return r;
	r = check_name(in, &bvol_type_volume_type, type, BVOL_A_VOLUME_TYPE_NAME, type->name);
	if (r < 0)
		return r;
	r = find_type(in, type->name, &other);
	if (!r) {
		same = same_specs(type, other);
		if (same)
			r = map_type(in, &type->id, &other->id);
		bvol_free(&bvol_type_volume_type, other);
		if (r || same)
			return r;
		r = rename_type(in, type);
	}
	if (r && r != -ENOENT)
		return r;
	r = store_insert(in->store, &bvol_type_volume_type, type, in->e);
	return r ? r : map_type(in, &type->id, &type->id);
}

/* It may be here with members in other pools. */
static int put_group(struct insert *in, struct bvol_group *group)
{
	void *other;
	int r = store_get(in->store, &bvol_type_group, &group->id, &other, in->e);

	if (!r)
		bvol_free(&bvol_type_group, other);
	else if (r == -ENOENT && !(r = check_name(in, &bvol_type_group, group, BVOL_A_GROUP_NAME,
						  group->name)) &&
		 !(r = check_project(in, &bvol_type_group, group, BVOL_A_GROUP_PROJECT,
				     group->project)))
		r = store_insert(in->store, &bvol_type_group, group, in->e);
	return r ? r : ids_add(&in->groups, &group->id);
}

/* Of what was being made and has all that belongs to it, of what was being deleted, of the rest. */
static uint32_t settled(uint32_t status)
{
	return status == BVOL_SNAPSHOT_STATUS_CREATING || status == BVOL_SNAPSHOT_STATUS_BACKING_UP ?
		       BVOL_SNAPSHOT_STATUS_AVAILABLE :
	       status == BVOL_SNAPSHOT_STATUS_DELETING ? BVOL_SNAPSHOT_STATUS_ERROR_DELETING : status;
}

static const char cut_off[] = "its delete had not ended when the pool was moved; delete it again";

static int put_group_snapshot(struct insert *in, struct bvol_group_snapshot *gs)
{
	int r = 0;

	if (ids_find(&in->moments, &gs->id) < 0 || !among(&in->groups, &gs->group_id))
		return 0;
	gs->pool_id = in->pool->id;
	r = check_name(in, &bvol_type_group_snapshot, gs, BVOL_A_GROUP_SNAPSHOT_NAME, gs->name);
	if (!r)
		r = check_project(in, &bvol_type_group_snapshot, gs, BVOL_A_GROUP_SNAPSHOT_PROJECT, gs->project);
	if (!r && gs->status == BVOL_SNAPSHOT_STATUS_DELETING)
		r = codec_set_string(&bvol_type_group_snapshot, gs, BVOL_A_GROUP_SNAPSHOT_ERROR, cut_off);
	gs->status = settled(gs->status);
	if (!r)
		r = store_insert(in->store, &bvol_type_group_snapshot, gs, in->e);
	return r ? r : ids_add(&in->group_snapshots, &gs->id);
}

/* What it was on its way to has no job here. */
static int settle_volume(struct bvol_volume *volume)
{
	switch (volume->status) {
	case BVOL_VOLUME_STATUS_CREATING:
	case BVOL_VOLUME_STATUS_IN_USE:
	case BVOL_VOLUME_STATUS_EXTENDING:
	case BVOL_VOLUME_STATUS_REVERTING:
	case BVOL_VOLUME_STATUS_BACKING_UP:
		volume->status = BVOL_VOLUME_STATUS_AVAILABLE;
		return 0;
	case BVOL_VOLUME_STATUS_RESTORING_BACKUP:
		volume->status = BVOL_VOLUME_STATUS_ERROR_RESTORING;
		return codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_ERROR,
					"its restore had not ended when the pool was moved; restore it again");
	case BVOL_VOLUME_STATUS_DELETING:
		volume->status = BVOL_VOLUME_STATUS_ERROR_DELETING;
		return codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_ERROR, cut_off);
	}
	return 0;
}

static void set_references(struct insert *in, struct bvol_volume *volume)
{
	size_t i = 0;

	codec_set(volume, BVOL_A_VOLUME_POOL_ID, pool_id, in->pool->id);
	if (!among(&in->groups, &volume->group_id))
		volume->has &= ~BVOL_BIT(BVOL_A_VOLUME_GROUP_ID);
	if (!bvol_has(volume, BVOL_A_VOLUME_VOLUME_TYPE_ID))
		return;
	while (i < in->n_types && memcmp(&in->types[i].from, &volume->volume_type_id, sizeof(struct bvol_uuid)))
		i++;
	if (i < in->n_types)
		volume->volume_type_id = in->types[i].to;
	else
		volume->has &= ~BVOL_BIT(BVOL_A_VOLUME_VOLUME_TYPE_ID);
}

static int put_volume(struct insert *in, struct bvol_volume *volume)
{
	bool there = use_device(in, &volume->id), parent = ids_find(&in->parents, &volume->id) >= 0;
	int r = check_name(in, &bvol_type_volume, volume, BVOL_A_VOLUME_NAME, volume->name);

	if (!r)
		r = check_project(in, &bvol_type_volume, volume, BVOL_A_VOLUME_PROJECT, volume->project);
	if (!r)
		r = settle_volume(volume);
	if (!r && !there && !parent && volume->status != BVOL_VOLUME_STATUS_ERROR) {
		in->report->lost++;
		return tell(in, "volume %s is not in the pool any more and was left out", volume->name);
	}
	if (!r && !there && parent) {
		in->report->lost++;
		volume->status = BVOL_VOLUME_STATUS_ERROR;
		r = codec_set_string(&bvol_type_volume, volume, BVOL_A_VOLUME_ERROR,
				     "it is not in the pool any more; it is kept for its snapshots");
		if (!r)
			r = tell(in, "volume %s is not in the pool any more, but snapshots of it are",
				 volume->name);
	}
	set_references(in, volume);
	if (!r)
		r = store_insert(in->store, &bvol_type_volume, volume, in->e);
	in->report->volumes++;
	in->sorted = false;
	return r ? r : ids_add(&in->volumes, &volume->id);
}

static int put_snapshot(struct insert *in, struct bvol_snapshot *snapshot)
{
	int r = 0;

	if (!in->sorted)
		ids_sort(&in->volumes);
	in->sorted = true;
	/* Without its volume it comes back as one. */
	if (ids_find(&in->volumes, &snapshot->volume_id) < 0)
		return 0;
	r = check_name(in, &bvol_type_snapshot, snapshot, BVOL_A_SNAPSHOT_NAME, snapshot->name);
	if (!r)
		r = check_project(in, &bvol_type_snapshot, snapshot, BVOL_A_SNAPSHOT_PROJECT, snapshot->project);
	if (r < 0)
		return r;
	if (!use_device(in, &snapshot->id)) {
		if (snapshot->status != BVOL_SNAPSHOT_STATUS_ERROR) {
			in->report->lost++;
			return tell(in, "snapshot %s is not in the pool any more and was left out",
				    snapshot->name);
		}
	}
	codec_set(snapshot, BVOL_A_SNAPSHOT_POOL_ID, pool_id, in->pool->id);
	if (!among(&in->group_snapshots, &snapshot->group_snapshot_id))
		snapshot->has &= ~BVOL_BIT(BVOL_A_SNAPSHOT_GROUP_SNAPSHOT_ID);
	if (snapshot->status == BVOL_SNAPSHOT_STATUS_DELETING)
		r = codec_set_string(&bvol_type_snapshot, snapshot, BVOL_A_SNAPSHOT_ERROR, cut_off);
	snapshot->status = settled(snapshot->status);
	in->report->snapshots++;
	return r ? r : store_insert(in->store, &bvol_type_snapshot, snapshot, in->e);
}

static int put(enum record_tag tag, void *obj, void *data)
{
	switch (tag) {
	case RECORD_VOLUME_TYPE:
		return put_type(data, obj);
	case RECORD_GROUP:
		return put_group(data, obj);
	case RECORD_GROUP_SNAPSHOT:
		return put_group_snapshot(data, obj);
	case RECORD_VOLUME:
		return put_volume(data, obj);
	case RECORD_SNAPSHOT:
		return put_snapshot(data, obj);
	default:
		return 0;
	}
}

/* A device of which the copy knows nothing. */
static int recover(struct insert *in, const struct provider_device *device)
{
	const struct bvol_type *type = &bvol_type_volume;
	struct bvol_volume *volume = codec_new(type);
	char name[32];
	int r = volume ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "recovered-%u", device->number);
	codec_set(volume, BVOL_A_VOLUME_ID, id, device->id);
	codec_set(volume, BVOL_A_VOLUME_STATUS, status, BVOL_VOLUME_STATUS_AVAILABLE);
	codec_set(volume, BVOL_A_VOLUME_SIZE, size, device->size);
	codec_set(volume, BVOL_A_VOLUME_POOL_ID, pool_id, in->pool->id);
	codec_set(volume, BVOL_A_VOLUME_CREATED_AT, created_at, change_now());
	r = codec_set_string(type, volume, BVOL_A_VOLUME_NAME, name);
	if (!r)
		r = codec_set_string(type, volume, BVOL_A_VOLUME_PROJECT, in->project);
	if (!r)
		r = store_insert(in->store, type, volume, in->e);
	if (!r)
		r = tell(in, "a device of which the copy of the rows knows nothing came back as volume %s",
			 name);
	bvol_free(type, volume);
	in->report->volumes++;
	in->report->recovered++;
	return r;
}

static int insert(struct insert *in, const struct provider_ops *provider, const struct records *rows)
{
	static const records_types snapshots = { [RECORD_SNAPSHOT] = &bvol_type_snapshot };
	static const records_types all = {
		[RECORD_VOLUME_TYPE] = &bvol_type_volume_type,
		[RECORD_GROUP] = &bvol_type_group,
		[RECORD_GROUP_SNAPSHOT] = &bvol_type_group_snapshot,
		[RECORD_VOLUME] = &bvol_type_volume,
		[RECORD_SNAPSHOT] = &bvol_type_snapshot,
	};
	int r = read_devices(in, provider);

	if (!r)
		r = records_walk(rows->data, rows->n, snapshots, note_snapshot, in, in->e);
	ids_sort(&in->parents);
	ids_sort(&in->moments);
	if (!r)
		r = records_walk(rows->data, rows->n, all, put, in, in->e);
	for (size_t i = 0; !r && i < in->devices.n; i++)
		if (!in->used[i])
			r = recover(in, &in->device[i]);
	return r;
}

int rowset_insert(struct store *store, const struct bvol_pool *pool,
		  const struct provider_ops *provider, const struct records *rows,
		  const char *project, struct rowset_report *report, struct err *e)
{
	struct insert in = {
		.store = store, .pool = pool, .project = project, .report = report, .e = e,
	};
	int r = insert(&in, provider, rows);

	ids_clear(&in.devices);
	ids_clear(&in.parents);
	ids_clear(&in.moments);
	ids_clear(&in.volumes);
	ids_clear(&in.groups);
	ids_clear(&in.group_snapshots);
	free(in.device);
	free(in.used);
	free(in.types);
	return r == -ENOMEM ? err_set(e, r, "out of memory") : r;
}
