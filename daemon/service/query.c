// SPDX-License-Identifier: LGPL-2.1-or-later
/* The daemon itself. */
#include <errno.h>
#include <string.h>

#include "service/service.h"

static int count_rows(struct call *call, const struct bvol_type *type, uint32_t *ret)
{
	uint64_t n;
	int r = store_count(call->service->store, type, NULL, &n, &call->err);

	*ret = (uint32_t)n;
	return r;
}

int verb_info(struct call *call)
{
	struct service *service = call->service;
	struct bvol_info *info = codec_new(&bvol_type_info);
	_cleanup_free_ char *store = NULL;
	int r;

	if (!info || asprintf(&store, "sqlite:%s/bvol.db", service->config->state_dir) < 0) {
		bvol_free(&bvol_type_info, info);
		return -ENOMEM;
	}
	codec_set(info, BVOL_A_INFO_DAEMON_PID, daemon_pid, (uint32_t)getpid());
	service->wire.describe(info, service->wire.wire);
	codec_set(info, BVOL_A_INFO_SCHEMA, schema, store_schema(service->store));
	codec_set(info, BVOL_A_INFO_JOBS, jobs, service->engine.running);
	r = count_rows(call, &bvol_type_pool, &info->pools);
	if (!r)
		r = count_rows(call, &bvol_type_volume, &info->volumes);
	if (!r)
		r = count_rows(call, &bvol_type_snapshot, &info->snapshots);
	info->has |= BVOL_BIT(BVOL_A_INFO_POOLS) | BVOL_BIT(BVOL_A_INFO_VOLUMES) |
		     BVOL_BIT(BVOL_A_INFO_SNAPSHOTS);
	if (!r)
		r = codec_set_string(&bvol_type_info, info, BVOL_A_INFO_DAEMON_VERSION, BVOL_VERSION);
	if (!r)
		r = codec_set_string(&bvol_type_info, info, BVOL_A_INFO_STORE, store);
	if (r < 0) {
		bvol_free(&bvol_type_info, info);
		return r;
	}
	return codec_append_nest(&bvol_type_response, call->response, BVOL_A_RESPONSE_INFO, info);
}
