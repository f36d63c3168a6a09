// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "provider/thin/thin.h"
#include "provider/thin/window.h"
#include "sys/dm.h"
#include "util/cleanup.h"

#define PARAMS_MAX 48

struct window {
	struct dm_target targets[WINDOW_RUNS];
	char params[WINDOW_RUNS][PARAMS_MAX];
};

static int data_device(const struct thin_ref *pool, struct dm_info_plain *ret, struct err *e)
{
	char name[THIN_NAME_MAX];
	int code = dm_info(thin_name(&pool->id, THIN_DATA, name), ret, e);

	if (!code && !ret->live_table)
		return err_set(e, -ENXIO, "pool %s is not active", pool->name);
	return code;
}

int window_open(const struct thin_ref *pool, const struct bvol_uuid *id, uint32_t chunk_size,
		const struct window_run *runs, size_t n, char path[WINDOW_PATH], struct err *e)
{
	_cleanup_free_ struct window *w = thin_alloc(sizeof(*w), e);
	char name[THIN_NAME_MAX], uuid[THIN_NAME_MAX];
	uint64_t chunk = chunk_size / THIN_SECTOR, sectors = 0;
	struct dm_info_plain data;
	int code;

	if (!w)
		return -ENOMEM;
	if ((code = window_close(id, e)) || (code = data_device(pool, &data, e)))
		return code;
	for (size_t i = 0; i < n; i++) {
		snprintf(w->params[i], PARAMS_MAX, "%u:%u %" PRIu64, data.major, data.minor,
			 runs[i].chunk * chunk);
		w->targets[i] = (struct dm_target) { sectors, runs[i].length * chunk, "linear",
						     w->params[i] };
		sectors += w->targets[i].length;
	}
	thin_name(id, THIN_WINDOW, name);
	snprintf(path, WINDOW_PATH, "/dev/mapper/%s", name);
	return dm_create(name, thin_dm_uuid(id, THIN_WINDOW, uuid), w->targets, n, e);
}

int window_close(const struct bvol_uuid *id, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct err why = { 0 };
	int code = dm_remove(thin_name(id, THIN_WINDOW, name), &why);

	if (code == -EBUSY)
		return err_set(e, code, "a wipe that was given up still has writes under way; try again when the disk answers");
	return code ? err_set(e, code, "%s", why.text) : 0;
}
