// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "util/log.h"
#include "wire/wire.h"

static int result(struct wire *wire, int r)
{
	if (r == -ENODEV)
		relay_lost(wire);
	return r;
}

static int sessions(bvol_each each, void *data, void *arg)
{
	struct wire *wire = arg;

	return wire->lost ? -ENODEV : result(wire, link_sessions(wire->link, each, data));
}

static int exports(bvol_each each, void *data, void *arg)
{
	struct wire *wire = arg;

	return wire->lost ? -ENODEV : result(wire, link_exports(wire->link, each, data));
}

static int announce(const struct bvol_export *export, void *arg, struct err *e)
{
	struct wire *wire = arg;
	int r = wire->lost ? 0 : result(wire, link_export_add(wire->link, export));

	if (r == -ENODEV)
		return 0;
	return r < 0 ? err_set(e, r, "the kernel module refuses the export: %s", strerror(-r)) : 0;
}

static int withdraw(const struct bvol_uuid *id, void *arg, struct err *e)
{
	struct wire *wire = arg;
	int r = wire->lost ? 0 : result(wire, link_export_del(wire->link, id));

	if (r == -ENODEV || r == -ENOENT)
		return 0;
	return r < 0 ? err_set(e, r, "the kernel module keeps the export: %s", strerror(-r)) : 0;
}

/* Through the module's log, whose echo comes back to us; by ourselves while there is none. */
static void emit(const struct bvol_event *event, void *arg)
{
	struct wire *wire = arg;
	struct bvol_event *own;
	int r = wire->lost ? -ENODEV : result(wire, link_notify(wire->link, event));

	if (r != -ENODEV) {
		if (r < 0)
			log_warn("the kernel module did not take an event: %s", strerror(-r));
		return;
	}
	own = codec_copy(&bvol_type_event, event);
	if (own && !ring_number(&wire->ring, own)) {
		service_event(wire->service, own);
		listener_kick(wire);
	}
	bvol_free(&bvol_type_event, own);
}

static void describe(struct bvol_info *info, void *arg)
{
	struct wire *wire = arg;

	codec_set(info, BVOL_A_INFO_LOG_ID, log_id, wire->ring.log_id);
	codec_set(info, BVOL_A_INFO_LOG_SIZE, log_size, RING_SIZE);
	codec_set(info, BVOL_A_INFO_LOG_FIRST, log_first, wire->ring.first);
	codec_set(info, BVOL_A_INFO_LOG_LAST, log_last, wire->ring.next - 1);
}

int wire_init(struct wire *wire, struct loop *loop, struct service *service, bool use_module,
	      struct err *e)
{
	int r;

	wire->loop = loop;
	wire->service = service;
	wire->use_module = use_module;
	wire->fd = -1;
	wire->lost = true;
	service->wire = (struct service_wire) {
		sessions, exports, announce, withdraw, emit, describe, wire,
	};
	r = ring_begin(&wire->ring);
	return r < 0 ? err_set(e, r, "no random numbers to be had") : relay_init(wire, e);
}

int wire_ready(struct wire *wire, const char *path, const char *group, struct err *e)
{
	int r;

	wire->ready = true;
	r = listener_open(wire, path, group, e);
	if (r < 0)
		return r;
	r = relay_ready(wire);
	return r < 0 ? err_set(e, r, "can't take calls: %s", strerror(-r)) : 0;
}

void wire_deinit(struct wire *wire)
{
	listener_close(wire);
	relay_deinit(wire);
	ring_clear(&wire->ring);
}
