// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "codec.h"
#include "job/change.h"
#include "model/state.h"
#include "util/log.h"

uint64_t change_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t last_tick;

void change_ids_after(const struct bvol_uuid *id)
{
	uint64_t tick = 0;

	for (int i = 0; i < 6; i++)
		tick = tick << 8 | id->b[i];
	tick = tick << 12 | (uint64_t)(id->b[6] & 0x0f) << 8 | id->b[7];
	if (tick > last_tick)
		last_tick = tick;
}

int change_new_id(struct bvol_uuid *ret)
{
	uint64_t now = change_now(), ms = now / 1000000;
	/* In 1/4096 ms, as RFC 9562 6.2 method 3 has it. */
	uint64_t tick = ms << 12 | (now % 1000000 * 4096 / 1000000);
	int i;

	if (getrandom(ret->b, sizeof(ret->b), 0) != sizeof(ret->b))
		return -EIO;
	/* Ids of one process stay in order even when the clock does not. */
	if (tick <= last_tick)
		tick = last_tick + 1;
	last_tick = tick;
	for (i = 0; i < 6; i++)
		ret->b[i] = (uint8_t)((tick >> 12) >> (8 * (5 - i)));
	ret->b[6] = (uint8_t)(0x70 | ((tick >> 8) & 0x0f));
	ret->b[7] = (uint8_t)tick;
	ret->b[8] = (uint8_t)(0x80 | (ret->b[8] & 0x3f));
	return 0;
}

static void forget_events(struct change *c)
{
	size_t i;

	for (i = 0; i < c->n_pending; i++)
		bvol_free(&bvol_type_event, c->pending[i]);
	free(c->pending);
	c->pending = NULL;
	c->n_pending = 0;
}

int change_begin(struct change *c, struct err *e)
{
	return store_begin(c->store, e);
}

int change_commit(struct change *c, struct err *e)
{
	struct bvol_event **events = c->pending;
	size_t i, n = c->n_pending;
	int r = store_commit(c->store, e);

	if (r < 0) {
		forget_events(c);
		return r;
	}
	/* Sending may lead to another change: that one starts with an empty list. */
	c->pending = NULL;
	c->n_pending = 0;
	if (c->committed)
		c->committed(c->data);
	for (i = 0; i < n; i++) {
		c->emit(events[i], c->data);
		bvol_free(&bvol_type_event, events[i]);
	}
	free(events);
	return 0;
}

void change_rollback(struct change *c)
{
	store_rollback(c->store);
	forget_events(c);
}

static struct bvol_event *event_new(struct change *c, uint32_t kind)
{
	struct bvol_event **more = reallocarray(c->pending, c->n_pending + 1, sizeof(*more));
	struct bvol_event *event;

	if (!more)
		return NULL;
	c->pending = more;
	event = codec_new(&bvol_type_event);
	if (!event)
		return NULL;
	codec_set(event, BVOL_A_EVENT_KIND, kind, kind);
	c->pending[c->n_pending++] = event;
	return event;
}

/* What the functions below have in common: check the move, write the row, note the event. */
struct subject {
	const struct bvol_type *type;
	const struct state_machine *machine;
	const struct bvol_enum *names;
	uint32_t deleted;	/* status that means the row goes, UINT32_MAX: none */
	uint32_t kind;		/* of event */
	uint16_t error_attr;
};

static int change_row(struct change *c, const struct subject *s, void *o, uint32_t from,
		      uint32_t to, const char *error, struct err *e)
{
	int r;

	if (from != to && !state_may(s->machine, from, to)) {
		log_err("bug: %s may not go from %s to %s", s->type->name,
			bvol_enum_name(s->names, from), bvol_enum_name(s->names, to));
		return err_set(e, -EPROTO, "%s may not go from %s to %s", s->type->name,
			       bvol_enum_name(s->names, from), bvol_enum_name(s->names, to));
	}
	r = codec_set_string(s->type, o, s->error_attr, error);
	if (r < 0)
		return err_set(e, r, "out of memory");
	return to == s->deleted ?
	       store_delete(c->store, s->type, (char *)o + s->type->fields[0].offset, e) :
	       store_update(c->store, s->type, o, e);
}

static int change(struct change *c, const struct subject *s, void *o, uint32_t from, uint32_t to,
		  const char *error, struct bvol_event **event, struct err *e)
{
	int r = change_row(c, s, o, from, to, error, e);

	if (r < 0)
		return r;
	*event = event_new(c, s->kind);
	if (!*event)
		return err_set(e, -ENOMEM, "out of memory");
	r = codec_set_string(&bvol_type_event, *event, BVOL_A_EVENT_STATUS,
			     bvol_enum_name(s->names, to));
	if (!r && error)
		r = codec_set_string(&bvol_type_event, *event, BVOL_A_EVENT_MESSAGE, error);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

int change_pool(struct change *c, struct bvol_pool *o, uint32_t status, const char *error,
		struct err *e)
{
	static const struct subject subject = {
		&bvol_type_pool, &state_pool, &bvol_enum_pool_status, BVOL_POOL_STATUS_DELETED,
		BVOL_EVENT_KIND_POOL_CHANGED, BVOL_A_POOL_ERROR,
	};
	uint32_t from = o->status;
	struct bvol_event *event;
	int r;

	codec_set(o, BVOL_A_POOL_STATUS, status, status);
	r = change(c, &subject, o, from, status, error, &event, e);
	if (!r)
		codec_set(event, BVOL_A_EVENT_POOL_ID, pool_id, o->id);
	return r;
}

int change_pool_tell(struct change *c, const struct bvol_pool *o, const struct change_tale *tale,
		     struct err *e)
{
	const struct bvol_type *type = &bvol_type_event;
	struct bvol_event *event = event_new(c, tale->kind);

	if (!event || codec_set_string(type, event, BVOL_A_EVENT_STATUS, tale->status) ||
	    codec_set_string(type, event, BVOL_A_EVENT_MESSAGE, tale->message))
		return err_set(e, -ENOMEM, "out of memory");
	codec_set(event, BVOL_A_EVENT_POOL_ID, pool_id, o->id);
	if (tale->kind == BVOL_EVENT_KIND_POOL_THRESHOLD) {
		codec_set(event, BVOL_A_EVENT_SIZE, size, tale->size);
		codec_set(event, BVOL_A_EVENT_PROGRESS, progress, tale->progress);
	}
	log_notice("%s", tale->message);
	return 0;
}

int change_volume(struct change *c, struct bvol_volume *o, uint32_t status, const char *error,
		  struct err *e)
{
	static const struct subject subject = {
		&bvol_type_volume, &state_volume, &bvol_enum_volume_status,
		BVOL_VOLUME_STATUS_DELETED, BVOL_EVENT_KIND_VOLUME_CHANGED, BVOL_A_VOLUME_ERROR,
	};
	uint32_t from = o->status;
	struct bvol_event *event;
	int r;

	codec_set(o, BVOL_A_VOLUME_STATUS, status, status);
	codec_set(o, BVOL_A_VOLUME_UPDATED_AT, updated_at, change_now());
	r = change(c, &subject, o, from, status, error, &event, e);
	if (r < 0)
		return r;
	codec_set(event, BVOL_A_EVENT_VOLUME_ID, volume_id, o->id);
	codec_set(event, BVOL_A_EVENT_SIZE, size, o->size);
	return 0;
}

int change_snapshot(struct change *c, struct bvol_snapshot *o, uint32_t status, const char *error,
		    struct err *e)
{
	static const struct subject subject = {
		&bvol_type_snapshot, &state_snapshot, &bvol_enum_snapshot_status,
		BVOL_SNAPSHOT_STATUS_DELETED, BVOL_EVENT_KIND_SNAPSHOT_CHANGED,
		BVOL_A_SNAPSHOT_ERROR,
	};
	uint32_t from = o->status;
	struct bvol_event *event;
	int r;

	codec_set(o, BVOL_A_SNAPSHOT_STATUS, status, status);
	r = change(c, &subject, o, from, status, error, &event, e);
	if (r < 0)
		return r;
	codec_set(event, BVOL_A_EVENT_SNAPSHOT_ID, snapshot_id, o->id);
	codec_set(event, BVOL_A_EVENT_VOLUME_ID, volume_id, o->volume_id);
	return 0;
}

int change_group_snapshot(struct change *c, struct bvol_group_snapshot *o, uint32_t status,
			  const char *error, struct err *e)
{
	static const struct subject subject = {
		&bvol_type_group_snapshot, &state_snapshot, &bvol_enum_snapshot_status,
		BVOL_SNAPSHOT_STATUS_DELETED, BVOL_EVENT_KIND_NONE, BVOL_A_GROUP_SNAPSHOT_ERROR,
	};
	uint32_t from = o->status;

	codec_set(o, BVOL_A_GROUP_SNAPSHOT_STATUS, status, status);
	return change_row(c, &subject, o, from, status, error, e);
}

int change_backup(struct change *c, struct bvol_backup *o, uint32_t status, const char *error,
		  struct err *e)
{
	static const struct subject subject = {
		&bvol_type_backup, &state_backup, &bvol_enum_backup_status,
		BVOL_BACKUP_STATUS_DELETED, BVOL_EVENT_KIND_NONE, BVOL_A_BACKUP_ERROR,
	};
	uint32_t from = o->status;

	codec_set(o, BVOL_A_BACKUP_STATUS, status, status);
	codec_set(o, BVOL_A_BACKUP_UPDATED_AT, updated_at, change_now());
	return change_row(c, &subject, o, from, status, error, e);
}

int change_say(struct change *c, const char *text)
{
	struct bvol_event *event = c->n_pending ? c->pending[c->n_pending - 1] : NULL;

	return !event || event->message ? 0 :
	       codec_set_string(&bvol_type_event, event, BVOL_A_EVENT_MESSAGE, text);
}

int change_export(struct change *c, struct bvol_export *o, uint32_t status, const char *error,
		  struct err *e)
{
	static const struct subject subject = {
		&bvol_type_export, &state_export, &bvol_enum_export_status,
		BVOL_EXPORT_STATUS_DELETED, BVOL_EVENT_KIND_EXPORT_CHANGED, BVOL_A_EXPORT_ERROR,
	};
	uint32_t from = o->status;
	struct bvol_event *event;
	int r;

	codec_set(o, BVOL_A_EXPORT_STATUS, status, status);
	r = change(c, &subject, o, from, status, error, &event, e);
	if (r < 0)
		return r;
	codec_set(event, BVOL_A_EVENT_EXPORT_ID, export_id, o->id);
	codec_set(event, BVOL_A_EVENT_VOLUME_ID, volume_id, o->volume_id);
	return 0;
}

static void describe_job(struct bvol_event *event, const struct bvol_job *o)
{
	codec_set(event, BVOL_A_EVENT_JOB_ID, job_id, o->id);
	codec_set(event, BVOL_A_EVENT_PROGRESS, progress, o->progress);
	if (bvol_has(o, BVOL_A_JOB_VOLUME_ID))
		codec_set(event, BVOL_A_EVENT_VOLUME_ID, volume_id, o->volume_id);
	if (bvol_has(o, BVOL_A_JOB_SNAPSHOT_ID))
		codec_set(event, BVOL_A_EVENT_SNAPSHOT_ID, snapshot_id, o->snapshot_id);
	if (bvol_has(o, BVOL_A_JOB_EXPORT_ID))
		codec_set(event, BVOL_A_EVENT_EXPORT_ID, export_id, o->export_id);
	if (bvol_has(o, BVOL_A_JOB_POOL_ID))
		codec_set(event, BVOL_A_EVENT_POOL_ID, pool_id, o->pool_id);
}

int change_job(struct change *c, struct bvol_job *o, uint32_t status, const char *error,
	       struct err *e)
{
	static const struct subject subject = {
		&bvol_type_job, &state_job, &bvol_enum_job_status, UINT32_MAX,
		BVOL_EVENT_KIND_JOB_CHANGED, BVOL_A_JOB_ERROR,
	};
	uint32_t from = o->status;
	struct bvol_event *event;
	int r;

	codec_set(o, BVOL_A_JOB_STATUS, status, status);
	codec_set(o, BVOL_A_JOB_UPDATED_AT, updated_at, change_now());
	r = change(c, &subject, o, from, status, error, &event, e);
	if (r < 0)
		return r;
	describe_job(event, o);
	return 0;
}

void change_progress(struct change *c, const struct bvol_job *o, const char *message)
{
	struct bvol_event *event = codec_new(&bvol_type_event);

	if (!event)
		return;
	codec_set(event, BVOL_A_EVENT_KIND, kind, BVOL_EVENT_KIND_JOB_CHANGED);
	describe_job(event, o);
	if (!codec_set_string(&bvol_type_event, event, BVOL_A_EVENT_STATUS,
			      bvol_enum_name(&bvol_enum_job_status, o->status)) &&
	    !codec_set_string(&bvol_type_event, event, BVOL_A_EVENT_MESSAGE, message))
		c->emit(event, c->data);
	bvol_free(&bvol_type_event, event);
}
