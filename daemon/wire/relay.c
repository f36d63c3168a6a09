// SPDX-License-Identifier: LGPL-2.1-or-later
/* The kernel module's side: bound as the node's daemon as long as the module is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "util/log.h"
#include "wire/wire.h"

static void relay_reply(struct call *call)
{
	struct wire *wire = call->data;
	int r = wire->lost ? -ENODEV : link_reply(wire->link, call->seq, call->response);

	if (r < 0 && r != -ENOENT)
		log_warn("an answer did not reach process %u: %s", call->pid, strerror(-r));
	call_free(call);
}

static void on_call(const struct link_call *from, void *data)
{
	struct wire *wire = data;
	struct call *call = call_new(wire->service);

	if (!call)
		return;
	call->uid = from->uid;
	call->pid = from->pid;
	call->seq = from->cookie;
	call->reply = relay_reply;
	call->data = wire;
	service_call(call, from->verb, from->payload, from->payload_len);
}

static void on_event(const struct bvol_event *event, void *data)
{
	struct wire *wire = data;

	ring_keep(&wire->ring, event);
	service_event(wire->service, event);
	listener_kick(wire);
}

static int take_event(const void *event, void *data)
{
	on_event(event, data);
	return 0;
}

static void on_overrun(void *data)
{
	struct wire *wire = data;

	log_notice("events came faster than they were read; reading the module's log");
	link_events(wire->link, wire->ring.next, take_event, wire);
	service_attach(wire->service);
}

static const struct link_ops link_ops = { on_call, on_event, on_overrun };

static void handled(struct wire *wire, int r)
{
	if (r == -ENODEV)
		relay_lost(wire);
	else if (r < 0)
		log_warn("kernel module: %s", strerror(-r));
}

static int on_calls(struct source *source, uint32_t events, void *data)
{
	struct wire *wire = data;

	handled(wire, link_handle_calls(wire->link, &link_ops, wire));
	return 0;
}

static int on_events(struct source *source, uint32_t events, void *data)
{
	struct wire *wire = data;

	handled(wire, link_handle_events(wire->link, &link_ops, wire));
	return 0;
}

static void relay_close(struct wire *wire)
{
	wire->close_timer = source_free(wire->close_timer);
	wire->call_source = source_free(wire->call_source);
	wire->event_source = source_free(wire->event_source);
	wire->lost = true;
	wire->link = link_close(wire->link);
}

static int on_lost(struct source *source, uint32_t events, void *data)
{
	struct wire *wire = data;

	relay_close(wire);
	service_attach(wire->service);
	return 0;
}

/* Perhaps from inside a callback of the link, which must not vanish under it. */
void relay_lost(struct wire *wire)
{
	if (wire->lost)
		return;
	wire->lost = true;
	log_notice("the kernel module has gone; events are numbered by bvold itself");
	ring_begin(&wire->ring);
	if (!wire->close_timer &&
	    loop_timer(wire->loop, 0, on_lost, wire, &wire->close_timer) < 0)
		log_err("out of memory");
}

struct table {
	struct wire *wire;
	struct bvol_uuid *ids;
	size_t n, room;
};

static int table_add(const void *obj, void *data)
{
	struct table *table = data;

	if (table->n == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		void *more = reallocarray(table->ids, room, sizeof(*table->ids));

		if (!more)
			return -ENOMEM;
		table->ids = more;
		table->room = room;
	}
	table->ids[table->n++] = ((const struct bvol_export *)obj)->id;
	return 0;
}

static int export_announce(void *obj, void *data)
{
	struct wire *wire = data;
	struct bvol_export *export = obj;
	int r = link_export_add(wire->link, export);

	if (r == -EEXIST) {
		link_export_del(wire->link, &export->id);
		r = link_export_add(wire->link, export);
	}
	if (r < 0)
		log_warn("the module refuses export %s: %s", export->target, strerror(-r));
	return r == -ENODEV ? r : 0;
}

/* Smallest edit: the module keeps what is right, and with it the sessions it knows. */
int relay_catchup(struct wire *wire)
{
	struct store *store = wire->service->store;
	struct table table = { .wire = wire };
	struct err e = { 0 };
	size_t i;
	int r;

	if (wire->lost)
		return 0;
	r = link_exports(wire->link, table_add, &table);
	wire->fresh = !table.n;
	for (i = 0; !r && i < table.n; i++) {
		struct bvol_export *export = NULL;

		r = store_get(store, &bvol_type_export, &table.ids[i], (void **)&export, &e);
		if (r == -ENOENT)
			r = link_export_del(wire->link, &table.ids[i]);
		bvol_free(&bvol_type_export, export);
	}
	if (!r)
		r = store_select(store, &bvol_type_export, NULL, NULL, 0, export_announce, wire, &e);
	free(table.ids);
	return r;
}

static int relay_bind(struct wire *wire, struct err *e)
{
	char sentence[BVOL_SENTENCE_MAX + 1] = "";
	int r = link_open(BVOL_VERSION, sentence, &wire->link);

	if (r < 0)
		return err_set(e, r, "%s", sentence);
	wire->lost = false;
	log_info("bound to the kernel module");
	/* The module's log from its beginning, then what it says from now on. */
	link_events(wire->link, 0, take_event, wire);
	r = relay_catchup(wire);
	if (!r)
		r = loop_io(wire->loop, link_event_fd(wire->link), EPOLLIN, on_events, wire,
			    &wire->event_source);
	if (!r && wire->ready)
		r = relay_ready(wire);
	if (!r)
		return 0;
	relay_close(wire);
	return err_set(e, r, "the kernel module does not work with us: %s", strerror(-r));
}

static int on_family(struct source *source, uint32_t events, void *data)
{
	struct wire *wire = data;
	struct err e = { 0 };
	int r = link_watch_handle(wire->watch);

	if (r < 0)
		log_warn("watching for the kernel module: %s", strerror(-r));
	if (r != 1)
		return 0;
	relay_close(wire);
	if (relay_bind(wire, &e) < 0)
		log_err("%s", e.text);
	else
		service_attach(wire->service);
	return 0;
}

int relay_init(struct wire *wire, struct err *e)
{
	int r;

	if (!wire->use_module)
		return 0;
	r = link_watch_open(&wire->watch);
	if (!r)
		r = loop_io(wire->loop, link_watch_fd(wire->watch), EPOLLIN, on_family, wire,
			    &wire->watch_source);
	if (r < 0)
		log_warn("can't watch for the kernel module: %s", strerror(-r));
	r = relay_bind(wire, e);
	if (r == -EBUSY || r == -EPERM)
		return r;
	if (r < 0)
		log_notice("the kernel module is not there; clients use the unix socket");
	err_clear(e);
	return 0;
}

/* Events are followed from the binding on, calls wait in their socket until now. */
int relay_ready(struct wire *wire)
{
	int r;

	if (wire->lost || wire->call_source)
		return 0;
	if (wire->fresh)
		service_recall(wire->service);
	r = loop_io(wire->loop, link_call_fd(wire->link), EPOLLIN, on_calls, wire,
		    &wire->call_source);
	if (!r)
		on_calls(NULL, 0, wire);
	return r;
}

void relay_deinit(struct wire *wire)
{
	wire->close_timer = source_free(wire->close_timer);
	wire->call_source = source_free(wire->call_source);
	wire->event_source = source_free(wire->event_source);
	wire->watch_source = source_free(wire->watch_source);
	wire->watch = link_watch_close(wire->watch);
	wire->link = link_close(wire->link);
}
