// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which volumes are in use: those with a session, as the kernel module has
 * them. Without the module nobody tells when a session comes or goes, so an
 * exported volume counts as in use. The set is read anew after every event
 * that can change it, which needs no count to stay right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"
#include "util/log.h"

struct set {
	struct bvol_uuid *ids;
	size_t n, room;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bvol_uuid));
}

static int set_add(struct set *set, const struct bvol_uuid *id)
{
	if (set->n == set->room) {
		size_t room = set->room ? 2 * set->room : 64;
		void *more = reallocarray(set->ids, room, sizeof(*id));

		if (!more)
			return -ENOMEM;
		set->ids = more;
		set->room = room;
	}
	set->ids[set->n++] = *id;
	return 0;
}

static int add_session(const void *obj, void *data)
{
	return set_add(data, &((const struct bvol_session *)obj)->volume_id);
}

static int add_export(void *obj, void *data)
{
	return set_add(data, &((struct bvol_export *)obj)->volume_id);
}

static bool has(const struct service *service, const struct bvol_uuid *id)
{
	return service->n_attached &&
	       bsearch(id, service->attached, service->n_attached, sizeof(*id), compare);
}

bool service_attached(const struct bvol_uuid *volume_id, void *data)
{
	return has(data, volume_id);
}

static int let_go(void *obj, void *data)
{
	struct bvol_volume *volume = obj;
	struct service *service = data;

	if (has(service, &volume->id))
		return 0;
	return change_volume(&service->change, volume, BVOL_VOLUME_STATUS_AVAILABLE, NULL, NULL);
}

/* In a transaction: statuses that don't fit the set. */
static int reconcile(struct service *service, struct err *e)
{
	struct store_match in_use[] = {
		{ .attr = BVOL_A_VOLUME_STATUS, .number = BVOL_VOLUME_STATUS_IN_USE }, { 0 },
	};
	size_t i;
	int r;

	r = store_select(service->store, &bvol_type_volume, in_use, NULL, 0, let_go, service, e);
	for (i = 0; !r && i < service->n_attached; i++) {
		_cleanup_volume_ volume = NULL;

		r = store_get(service->store, &bvol_type_volume, &service->attached[i],
			      (void **)&volume, e);
		if (r == -ENOENT)
			r = 0;
		else if (!r && volume->status == BVOL_VOLUME_STATUS_AVAILABLE)
			r = change_volume(&service->change, volume, BVOL_VOLUME_STATUS_IN_USE, NULL, e);
	}
	return r;
}

void service_attach(struct service *service)
{
	struct store_match available[] = {
		{ .attr = BVOL_A_EXPORT_STATUS, .number = BVOL_EXPORT_STATUS_AVAILABLE }, { 0 },
	};
	struct set set = { 0 };
	struct err e = { 0 };
	int r;

	r = service->wire.sessions(add_session, &set, service->wire.wire);
	if (r == -ENODEV)
		r = store_select(service->store, &bvol_type_export, available, NULL, 0, add_export,
				 &set, &e);
	if (!r) {
		if (set.n)
			qsort(set.ids, set.n, sizeof(*set.ids), compare);
		free(service->attached);
		service->attached = set.ids;
		service->n_attached = set.n;
		set.ids = NULL;
		r = change_begin(&service->change, &e);
	}
	if (!r)
		r = reconcile(service, &e);
	if (!r)
		r = change_commit(&service->change, &e);
	if (r < 0) {
		change_rollback(&service->change);
		log_warn("can't tell which volumes are in use: %s", e.code ? e.text : strerror(-r));
	}
	free(set.ids);
}

static int on_attach(struct source *source, uint32_t events, void *data)
{
	struct service *service = data;

	service->attach_timer = source_free(service->attach_timer);
	service_attach(service);
	return 0;
}

/* Many logins at once are looked at once: after everything else that waits. */
void service_event(struct service *service, const struct bvol_event *event)
{
	if (event->kind != BVOL_EVENT_KIND_SESSION_LOGIN &&
	    event->kind != BVOL_EVENT_KIND_SESSION_LOGOUT &&
	    event->kind != BVOL_EVENT_KIND_EXPORT_CHANGED)
		return;
	if (!service->attach_timer &&
	    loop_timer(service->loop, 0, on_attach, service, &service->attach_timer) < 0)
		service_attach(service);
}
