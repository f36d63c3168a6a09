// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What volumes and snapshots map of their pools, read by workers for who looks at
 * one. Nobody waits for it for long: a pool that hangs, or is too large to be
 * counted in time, leaves the numbers out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"
#include "util/log.h"

#define WAIT_USEC	(1500 * 1000)
/* Questions to one pool at a time; its metadata have one reader, and who hangs keeps his worker. */
#define ASKING_MAX	4

struct asking {
	struct asking *next;
	struct service *service;
	struct call *call;	/* NULL: was answered without */
	mapped_then then;
	struct bvol_uuid pool_id;
	struct provider_mapped *mapped;
	struct source *timer;
};

/* The loop's. */
static struct asking *asked;

static void answer(struct asking *a, const struct provider_mapped *mapped)
{
	struct call *call = a->call;

	a->timer = source_free(a->timer);
	a->call = NULL;
	if (call)
		call_end(call, a->then(call, mapped));
}

static int on_late(struct source *source, uint32_t events, void *data)
{
	struct asking *a = data;

	atomic_store(&a->mapped->cancel, true);
	answer(a, NULL);
	return 0;
}

static int work(void *data, struct err *e)
{
	struct asking *a = data;

	return a->mapped->action.act(&a->mapped->action, e);
}

static void done(void *data, int result, const struct err *e)
{
	struct asking *a = data, **link = &asked;

	if (result < 0 && result != -ECANCELED)
		log_warn("what a device maps: %s", e->text);
	answer(a, result < 0 ? NULL : a->mapped);
	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	action_free(&a->mapped->action);
	free(a);
}

/* Is it worth asking this pool? */
static bool answers(struct service *service, const struct bvol_uuid *pool_id)
{
	unsigned int n = 0;

	for (const struct asking *a = asked; a; a = a->next) {
		if (memcmp(&a->pool_id, pool_id, sizeof(*pool_id)))
			continue;
		if (!a->call || ++n == ASKING_MAX)
			return false;
	}
	return !engine_is_closed(&service->engine, pool_id);
}

static int plan(struct service *service, const struct bvol_uuid *pool_id,
		const struct bvol_uuid *id, struct provider_mapped **ret, struct err *e)
{
	const struct provider_ops *provider;
	_cleanup_pool_ pool = NULL;
	int r = store_get(service->store, &bvol_type_pool, pool_id, (void **)&pool, e);

	*ret = NULL;
	if (r < 0 || (pool->status != BVOL_POOL_STATUS_AVAILABLE &&
		      pool->status != BVOL_POOL_STATUS_READ_ONLY))
		return r;
	provider = provider_find(pool->provider);
	return provider && provider->mapped ? provider->mapped(service->store, pool, id, ret, e) : 0;
}

int mapped_ask(struct call *call, const struct bvol_uuid *pool_id, const struct bvol_uuid *id,
	       mapped_then then)
{
	struct service *service = call->service;
	struct provider_mapped *mapped = NULL;
	struct asking *a;
	int r = answers(service, pool_id) ? plan(service, pool_id, id, &mapped, &call->err) : 0;

	if (r < 0)
		return r;
	if (!mapped)
		return then(call, NULL);
	a = calloc(1, sizeof(*a));
	if (!a) {
		action_free(&mapped->action);
		return -ENOMEM;
	}
	*a = (struct asking) { .next = asked, .service = service, .call = call, .then = then,
			       .pool_id = *pool_id, .mapped = mapped };
	r = loop_timer(service->loop, WAIT_USEC, on_late, a, &a->timer);
	if (!r)
		r = workers_run(service->workers, work, done, a);
	if (r < 0) {
		source_free(a->timer);
		action_free(&mapped->action);
		free(a);
		return r;
	}
	asked = a;
	return 1;
}
