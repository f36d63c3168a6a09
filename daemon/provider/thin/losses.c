// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/losses.h"

/* So many are named. */
#define NAMED_MAX 3

static int by_dev_id(const void *a, const void *b)
{
	uint32_t left = ((const struct loss *)a)->dev.dev_id, right = ((const struct loss *)b)->dev.dev_id;

	return left < right ? -1 : left > right;
}

/* One on its way to or from existence may be there or not. */
static int add_dev(void *obj, void *data)
{
	const struct thin_dev *dev = obj;
	struct losses *l = data;
	struct loss *more = l->list;

	if (dev->state != THIN_LIVE && dev->state != THIN_WIPING)
		return 0;
	/* Room doubles at each power of two. */
	if (!(l->n & (l->n - 1)))
		more = reallocarray(more, l->n ? 2 * l->n : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	l->list = more;
	l->list[l->n++] = (struct loss) { .dev = *dev };
	return 0;
}

/* What its user calls it; what a job has made for a while has no name. */
static int name_it(struct store *store, struct loss *loss, struct err *e)
{
	char text[BVOL_UUID_TEXT];
	void *obj = NULL;
	int n, code = store_get(store, &bvol_type_volume, &loss->dev.id, &obj, NULL);

	if (!code) {
		n = asprintf(&loss->name, "volume \"%s\"", ((struct bvol_volume *)obj)->name);
		bvol_free(&bvol_type_volume, obj);
	} else if (!(code = store_get(store, &bvol_type_snapshot, &loss->dev.id, &obj, NULL))) {
		n = asprintf(&loss->name, "snapshot \"%s\"", ((struct bvol_snapshot *)obj)->name);
		bvol_free(&bvol_type_snapshot, obj);
	} else {
		n = asprintf(&loss->name, "device %s", bvol_uuid_text(&loss->dev.id, text));
	}
	if (n >= 0)
		return 0;
	loss->name = NULL;
	return err_set(e, -ENOMEM, "out of memory");
}

int losses_plan(struct store *store, const struct thin_ref *pool, struct losses *ret, struct err *e)
{
	struct store_match match[] = { { .attr = THIN_DEV_POOL_ID, .id = &pool->id }, { 0 } };
	int code = store_select(store, &thin_type_dev, match, NULL, 0, add_dev, ret, e);

	for (size_t i = 0; !code && i < ret->n; i++)
		code = name_it(store, &ret->list[i], e);
	if (!code && ret->n)
		qsort(ret->list, ret->n, sizeof(*ret->list), by_dev_id);
	return code;
}

void losses_free(struct losses *losses)
{
	for (size_t i = 0; i < losses->n; i++)
		free(losses->list[i].name);
	free(losses->list);
}

static struct loss *find(struct losses *losses, uint32_t dev_id)
{
	struct loss key = { .dev.dev_id = dev_id };

	return losses->n ? bsearch(&key, losses->list, losses->n, sizeof(key), by_dev_id) : NULL;
}

static int learn(const struct meta_device *device, void *data)
{
	struct loss *loss = find(data, device->id);

	if (loss) {
		loss->told = true;
		loss->mapped = device->mapped;
	}
	return 0;
}

/* Where their list is damaged it ends; of those behind nothing is known. */
int losses_before(struct losses *losses, struct meta *m, struct err *e)
{
	struct err why = { 0 };
	int code = meta_devices(m, learn, losses, &why);

	return !code || code == -EUCLEAN || code == -EIO ? 0 : err_set(e, code, "%s", why.text);
}

struct after {
	struct losses *losses;
	uint64_t chunk_size;
	struct err *e;
};

static int compare(const struct meta_device *device, void *data)
{
	struct after *x = data;
	struct loss *loss = find(x->losses, device->id);
	uint64_t most;

	if (device->id >= x->losses->next_dev_id)
		x->losses->next_dev_id = device->id + 1;
	if (!loss)
		return 0;
	most = loss->dev.size / x->chunk_size + (loss->dev.size % x->chunk_size != 0);
	if (device->mapped > most)
		return err_set(x->e, -EUCLEAN, "%s has %" PRIu64 " chunks in it, its size is that of %"
			       PRIu64, loss->name, device->mapped, most);
	loss->dev.lost = loss->told && loss->mapped > device->mapped ? loss->mapped - device->mapped : 0;
	return 0;
}

int losses_after(struct losses *losses, struct meta *m, struct err *e)
{
	struct after x = { losses, meta_pool(m)->chunk_size, e };

	losses->next_dev_id = 0;
	for (size_t i = 0; i < losses->n; i++)
		losses->list[i].dev.lost = THIN_LOST_ALL;
	return meta_devices(m, compare, &x, e);
}

size_t losses_tell(const struct losses *losses, char *text, size_t size)
{
	size_t n = 0, at = 0;

	*text = '\0';
	for (size_t i = 0; i < losses->n; i++) {
		const struct loss *loss = &losses->list[i];
		char part[48] = "";

		if (!loss->dev.lost || n++ >= NAMED_MAX)
			continue;
		if (loss->dev.lost != THIN_LOST_ALL)
			snprintf(part, sizeof(part), "%" PRIu64 " chunks of ", loss->dev.lost);
		if (at < size)
			at += (size_t)snprintf(text + at, size - at, "%s%s%.64s", n > 1 ? ", " : "", part,
					       loss->name);
	}
	if (n > NAMED_MAX && at < size)
		snprintf(text + at, size - at, " and %zu more", n - NAMED_MAX);
	return n;
}
