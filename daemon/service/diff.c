// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is not as the database wants it: every pool and the fabric are looked
 * through by workers of their own, the module's table on the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/fabric.h"
#include "service/service.h"


struct diff {
	struct call *call;
	struct bvol_export **exports;
	char **nodes;
	size_t n_exports;
	uint8_t *registered;	/* by export: the module has it */
	unsigned int outstanding;
	int result;
};

/* One check that runs in a worker. */
struct check {
	struct diff *diff;
	struct action *action;
	struct bvol_difference ***differences;
};

static void diff_free(struct diff *diff)
{
	size_t i;

	for (i = 0; i < diff->n_exports; i++) {
		bvol_free(&bvol_type_export, diff->exports[i]);
		free(diff->nodes[i]);
	}
	free(diff->exports);
	free(diff->nodes);
	free(diff->registered);
	free(diff);
}

static int diff_add(struct diff *diff, const struct bvol_difference *d)
{
	return call_add_next(diff->call, BVOL_A_RESPONSE_DIFFERENCE, &bvol_type_difference, d);
}

static int diff_module(struct diff *diff, const char *status, const struct bvol_uuid *id,
		       char *target, char *message)
{
	struct bvol_difference d = {
		.has = BVOL_BIT(BVOL_A_DIFFERENCE_LAYER) | BVOL_BIT(BVOL_A_DIFFERENCE_STATUS) |
		       BVOL_BIT(BVOL_A_DIFFERENCE_OBJECT) | BVOL_BIT(BVOL_A_DIFFERENCE_ID) |
		       BVOL_BIT(BVOL_A_DIFFERENCE_NAME) | BVOL_BIT(BVOL_A_DIFFERENCE_MESSAGE),
		.layer = BVOL_LAYER_MODULE, .status = (char *)status, .object = (char *)"export",
		.id = *id, .name = target, .message = message,
	};

	return diff_add(diff, &d);
}

static int seen_in_module(const void *obj, void *data)
{
	const struct bvol_export *found = obj;
	struct diff *diff = data;
	size_t i;

	for (i = 0; i < diff->n_exports; i++) {
		if (memcmp(&diff->exports[i]->id, &found->id, sizeof(found->id)))
			continue;
		diff->registered[i] = 1;
		if (diff->exports[i]->size == found->size)
			return 0;
		return diff_module(diff, "differs", &found->id, found->target,
				   (char *)"the module has another size");
	}
	return diff_module(diff, "extra", &found->id, found->target,
			   (char *)"registered, but not in the database");
}

static int check_module(struct diff *diff)
{
	struct service_wire *wire = &diff->call->service->wire;
	size_t i;
	int r = wire->exports(seen_in_module, diff, wire->wire);

	if (r == -ENODEV)
		return 0;
	for (i = 0; !r && i < diff->n_exports; i++)
		if (!diff->registered[i])
			r = diff_module(diff, "missing", &diff->exports[i]->id,
					diff->exports[i]->target, (char *)"not registered");
	return r;
}

static void diff_end(struct diff *diff)
{
	struct call *call = diff->call;
	int r = diff->result;

	if (!r)
		r = check_module(diff);
	diff_free(diff);
	call_end(call, r);
}

static int check_work(void *data, struct err *e)
{
	struct check *check = data;

	return check->action->act(check->action, e);
}

static void check_done(void *data, int result, const struct err *why)
{
	struct check *check = data;
	struct diff *diff = check->diff;
	struct bvol_difference **d = *check->differences;

	if (result < 0 && !diff->result) {
		diff->call->err = *why;
		diff->result = result;
	}
	for (; !result && d && *d; d++)
		diff_add(diff, *d);
	action_free(check->action);
	free(check);
	if (--diff->outstanding == 0)
		diff_end(diff);
}

static int check_start(struct diff *diff, struct action *action,
		       struct bvol_difference ***differences)
{
	struct check *check = calloc(1, sizeof(*check));
	int r = check ? 0 : -ENOMEM;

	if (!r) {
		*check = (struct check) { diff, action, differences };
		r = workers_run(diff->call->service->workers, check_work, check_done, check);
	}
	if (r < 0) {
		free(check);
		action_free(action);
		return r;
	}
	diff->outstanding++;
	return 0;
}

static int check_pool(void *obj, void *data)
{
	struct bvol_pool *pool = obj;
	struct diff *diff = data;
	const struct provider_ops *provider = provider_find(pool->provider);
	struct provider_check *check;
	int r;

	if (!provider || pool->status == BVOL_POOL_STATUS_CREATING ||
	    pool->status == BVOL_POOL_STATUS_DELETING)
		return 0;
	r = provider->check(diff->call->service->store, pool, &check, &diff->call->err);
	return r < 0 ? r : check_start(diff, &check->action, &check->differences);
}

static int collect(void *obj, void *data)
{
	const struct bvol_export *export = obj;
	struct diff *diff = data;
	struct bvol_export **exports;
	char node[32] = "", **nodes;
	bool found;

	if (export->status != BVOL_EXPORT_STATUS_AVAILABLE)
		return 0;
	exports = reallocarray(diff->exports, diff->n_exports + 2, sizeof(*exports));
	if (exports)
		diff->exports = exports;
	nodes = reallocarray(diff->nodes, diff->n_exports + 2, sizeof(*nodes));
	if (nodes)
		diff->nodes = nodes;
	if (!exports || !nodes)
		return -ENOMEM;
	provider_thin.device(&export->volume_id, node, &found);
	exports[diff->n_exports] = codec_copy(&bvol_type_export, export);
	nodes[diff->n_exports] = strdup(node);
	diff->n_exports++;
	exports[diff->n_exports] = NULL;
	nodes[diff->n_exports] = NULL;
	return exports[diff->n_exports - 1] && nodes[diff->n_exports - 1] ? 0 : -ENOMEM;
}

static int check_fabric(struct diff *diff)
{
	struct service *service = diff->call->service;
	struct bvol_export *none[] = { NULL };
	const char *no_nodes[] = { NULL };
	struct fabric_check *check;
	int r;

	r = fabric_iscsi.check(service->fabric_config, diff->exports ? diff->exports : none,
			       diff->nodes ? (const char *const *)diff->nodes : no_nodes, &check,
			       &diff->call->err);
	return r < 0 ? r : check_start(diff, &check->action, &check->differences);
}

int verb_diff(struct call *call)
{
	struct store *store = call->service->store;
	struct diff *diff = calloc(1, sizeof(*diff));
	int r;

	if (!diff)
		return -ENOMEM;
	diff->call = call;
	r = store_select(store, &bvol_type_export, NULL, NULL, 0, collect, diff, &call->err);
	if (!r) {
		diff->registered = calloc(diff->n_exports + 1, 1);
		r = diff->registered ? 0 : -ENOMEM;
	}
	/* This one first: as long as it is counted, no check that ends can end the diff. */
	diff->outstanding = 1;
	if (!r)
		r = check_fabric(diff);
	if (!r)
		r = store_select(store, &bvol_type_pool, NULL, NULL, 0, check_pool, diff, &call->err);
	if (r < 0 && !diff->result)
		diff->result = r;
	if (--diff->outstanding == 0)
		diff_end(diff);
	return 1;
}
