// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "provider/thin/hold.h"
#include "provider/thin/thin.h"

struct mapped_action {
	struct provider_mapped mapped;
	struct thin_ref pool;
	uint32_t dev_id;
};

static int add_extent(const struct meta_extent *extent, void *data)
{
	*(uint64_t *)data += extent->length;
	return 0;
}

/* By the kernel's time stamps, where they decide: nobody's data depends on it here. */
static int count(struct mapped_action *a, struct meta *meta, struct err *e)
{
	uint64_t chunk_size = meta_pool(meta)->chunk_size, exclusive = 0;
	struct meta_device device;
	int code = meta_device(meta, a->dev_id, &device, e);

	if (!code)
		code = meta_exclusive(meta, a->dev_id, false, add_extent, &exclusive, e);
	if (code)
		return code;
	if (__builtin_mul_overflow(device.mapped, chunk_size, &a->mapped.mapped) ||
	    __builtin_mul_overflow(exclusive, chunk_size, &a->mapped.exclusive))
		return err_set(e, -EUCLEAN, "device %u of pool %s maps too much", a->dev_id,
			       a->pool.name);
	return 0;
}

/* Reads only. A crash leaves the metadata held, which pool_open() and the next hold end. */
static int mapped_act(struct action *action, struct err *e)
{
	struct mapped_action *a = (struct mapped_action *)action;
	struct meta *meta;
	int code = thin_hold_until(&a->pool, &a->mapped.cancel, &meta, e), released;

	if (code)
		return code;
	code = count(a, meta, e);
	released = thin_let_go(&a->pool, meta, e);
	return code ? code : released;
}

static void mapped_free(struct action *action)
{
	free(action);
}

int thin_plan_mapped(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		     struct provider_mapped **ret, struct err *e)
{
	struct mapped_action *a;
	struct thin_dev dev;
	int code = thin_row_get(store, &thin_type_dev, id, &dev, e);

	*ret = NULL;
	if (code)
		return code == -ENOENT ? 0 : code;
	a = thin_alloc(sizeof(*a), e);
	if (!a)
		return -ENOMEM;
	a->mapped.action.act = mapped_act;
	a->mapped.action.free = mapped_free;
	a->pool = thin_ref(pool);
	a->dev_id = dev.dev_id;
	*ret = &a->mapped;
	return 0;
}
