// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * In a full pool that has spares writes wait for space, a minute at most, and who
 * takes a volume's export away would wait with them: the kernel ends no session and
 * unlinks no LUN that has I/O under way. So the writes of this one volume get an
 * error. Its block device gets a table that fails everything; when the table is put
 * in, without a flush, the kernel takes back from the pool what waits there. No other
 * volume notices, and no byte of this one changes: what is written meanwhile comes
 * to its end with an error, what was written before has its place.
 */
#include <errno.h>
#include <stdlib.h>

#include "provider/thin/thin.h"
#include "sys/dm.h"
#include "util/cleanup.h"

struct drain_action {
	struct provider_drain drain;
	struct thin_ref pool;
	struct bvol_uuid id;
};

/* One that a snapshot or a wipe holds still is left alone: what it holds back comes later. */
static int may_wait(const struct drain_action *a, const struct dm_info_plain *info, bool *ret,
		    struct err *e)
{
	struct thin_status status;
	int code = info->suspended ? 0 : thin_status(&a->pool, &status, e);

	*ret = !code && !info->suspended && status.mode == THIN_NO_SPACE && status.queue;
	return code;
}

/* The table of an error target has no words. */
static int fails_all(const char *name, bool *ret, uint64_t *sectors, struct err *e)
{
	_cleanup_free_ char *params = NULL;
	int code = dm_table(name, &params, sectors, e);

	if (!code)
		*ret = !*params;
	return code;
}

/*
 * A crash leaves the volume with its own table, and maybe the other one beside it,
 * which pool_open() drops, or with the one that fails everything: that is found by
 * the next act, and by the next activate, as after every start, which ends it.
 */
static int drain_act(struct action *action, struct err *e)
{
	struct drain_action *a = (struct drain_action *)action;
	struct dm_target nothing = { .type = "error", .params = "" };
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	bool waits;
	int code = dm_info(thin_name(&a->id, THIN_VOLUME, name), &info, e);

	if (code || !info.live_table ||
	    (code = fails_all(name, &a->drain.drained, &nothing.length, e)) || a->drain.drained ||
	    (code = may_wait(a, &info, &waits, e)) || !waits ||
	    (code = dm_reload(name, &nothing, 1, true, e)))
		return code;
	code = fails_all(name, &a->drain.drained, &nothing.length, e);
	return code || a->drain.drained ? code :
	       err_set(e, -EIO, "the kernel gave %s another table than it was told", name);
}

static void drain_free(struct action *action)
{
	free(action);
}

/*
 * Whether the pool is full is known from its last reading, which the kernel asks for
 * when it comes to that: of another one no question is asked, whose answer might have
 * to wait for a disk that hangs.
 */
int thin_plan_drain(const struct bvol_pool *pool, const struct bvol_uuid *id,
		    struct provider_drain **ret, struct err *e)
{
	struct drain_action *a;

	*ret = NULL;
	if (pool->data_warned < 100)
		return 0;
	a = thin_alloc(sizeof(*a), e);
	if (!a)
		return -ENOMEM;
	a->drain.action = (struct action) { .act = drain_act, .free = drain_free };
	a->pool = thin_ref(pool);
	a->id = *id;
	*ret = &a->drain;
	return 0;
}
