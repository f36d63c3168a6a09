// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/hold.h"
#include "provider/thin/turn.h"

/* Within this process we are the one holder, so what is held already is a crash's. */
static int reserve(const struct thin_ref *pool, struct err *e)
{
	struct err inner = { 0 };
	int code = thin_reserve(pool, &inner);

	if (code == -EBUSY && !(code = thin_release(pool, e)))
		return thin_reserve(pool, e);
	return code ? err_set(e, code, "%s", inner.text) : 0;
}

static int open_held(const struct thin_ref *pool, const atomic_bool *cancel, struct meta **ret,
		     struct err *e)
{
	char name[THIN_NAME_MAX], path[THIN_NAME_MAX + sizeof("/dev/mapper/")];
	struct thin_status status;
	int code = thin_status(pool, &status, e);

	if (code || (code = thin_check_mode(pool, &status, e)))
		return code;
	if (!status.snapshot)
		return err_set(e, -EIO, "pool %s does not hold its metadata for a reader", pool->name);
	snprintf(path, sizeof(path), "/dev/mapper/%s", thin_name(&pool->id, THIN_META, name));
	return meta_open(path, status.snapshot, cancel, ret, e);
}

int thin_hold_until(const struct thin_ref *pool, const atomic_bool *cancel, struct meta **ret,
		    struct err *e)
{
	int code = turn_take(TURN_METADATA, &pool->id, e);

	if (code)
		return code;
	code = reserve(pool, e);
	if (!code) {
		code = open_held(pool, cancel, ret, e);
		if (code)
			thin_release(pool, NULL);
	}
	if (code)
		turn_end(TURN_METADATA, &pool->id);
	return code;
}

int thin_hold(const struct thin_ref *pool, struct meta **ret, struct err *e)
{
	return thin_hold_until(pool, NULL, ret, e);
}

int thin_let_go(const struct thin_ref *pool, struct meta *meta, struct err *e)
{
	int code;

	meta_close(meta);
	code = thin_release(pool, e);
	turn_end(TURN_METADATA, &pool->id);
	return code;
}

int thin_hold_off(const struct thin_ref *pool, struct err *e)
{
	return turn_take(TURN_METADATA, &pool->id, e);
}

void thin_hold_on(const struct thin_ref *pool)
{
	turn_end(TURN_METADATA, &pool->id);
}
