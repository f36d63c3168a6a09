// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which parts of a device hold something, and which are as on another one. With a
 * base only the difference of the two is read: what is in it on neither side is
 * the same, or on neither of them anything.
 */
#include <errno.h>
#include <stdlib.h>

#include "provider/thin/hold.h"
#include "provider/thin/thin.h"

/* Of a list; 4 MiB. */
#define EXTENTS_MAX	(UINT32_C(1) << 18)
/* The unit of whoever compares: a part of one, at the end of the shorter device, is not the same. */
#define UNIT		(UINT64_C(4) << 20)

struct list {
	struct copy_extent *extents;
	size_t n, room;
	uint64_t slack;		/* bytes: gaps that are closed, or extents that are left out, to save room */
};

struct extents_action {
	struct provider_extents extents;
	struct thin_ref pool;
	struct thin_dev dev, base;
	bool has_base;
};

struct walk {
	struct extents_action *a;
	struct list mapped, same;
	uint64_t chunk_size, mapped_to, same_to;	/* bytes: what lies before them is listed */
	struct err *e;
};

/* To half of it or less, by closing gaps (only true of what may say too much). */
static void close_gaps(struct list *list)
{
	while (list->n > EXTENTS_MAX / 2) {
		size_t n = 0;

		list->slack = list->slack ? 2 * list->slack : THIN_SECTOR;
		for (size_t i = 1; i < list->n; i++) {
			struct copy_extent *last = &list->extents[n], *next = &list->extents[i];

			if (next->offset - (last->offset + last->length) <= list->slack)
				last->length = next->offset + next->length - last->offset;
			else
				list->extents[++n] = *next;
		}
		list->n = n + 1;
	}
}

/* To half of it or less, by leaving out what is short. */
static void leave_out(struct list *list)
{
	while (list->n > EXTENTS_MAX / 2) {
		size_t n = 0;

		list->slack = list->slack ? 2 * list->slack : THIN_SECTOR;
		for (size_t i = 0; i < list->n; i++)
			if (list->extents[i].length > list->slack)
				list->extents[n++] = list->extents[i];
		list->n = n;
	}
}

static int list_add(struct list *list, uint64_t begin, uint64_t end, uint64_t limit,
		    void (*shrink)(struct list *), struct err *e)
{
	struct copy_extent *last = list->n ? &list->extents[list->n - 1] : NULL;

	end = end < limit ? end : limit;
	if (begin >= end)
		return 0;
	if (last && last->offset + last->length == begin) {
		last->length += end - begin;
		return 0;
	}
	if (list->n == EXTENTS_MAX)
		shrink(list);
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 256;
		void *more = reallocarray(list->extents, room, sizeof(*list->extents));

		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		list->extents = more;
		list->room = room;
	}
	list->extents[list->n++] = (struct copy_extent) { begin, end - begin };
	return 0;
}

/* Chunks as bytes; no device has more than fit. */
static int to_bytes(const struct walk *w, uint64_t begin, uint64_t length, uint64_t *from, uint64_t *to)
{
	uint64_t end;

	*from = *to = 0;
	if (__builtin_add_overflow(begin, length, &end) || __builtin_mul_overflow(end, w->chunk_size, to))
		return err_set(w->e, -EUCLEAN, "device %u of pool %s maps too much", w->a->dev.dev_id,
			       w->a->pool.name);
	*from = begin * w->chunk_size;
	return 0;
}

static int add_mapped(const struct meta_extent *extent, void *data)
{
	struct walk *w = data;
	uint64_t from, to;
	int code = to_bytes(w, extent->begin, extent->length, &from, &to);

	return code ? code : list_add(&w->mapped, from, to, w->a->dev.size, close_gaps, w->e);
}

/* Where the same ends: of two sizes what lies behind the shorter one is looked at. */
static uint64_t same_limit(const struct extents_action *a)
{
	uint64_t shorter = a->base.size < a->dev.size ? a->base.size : a->dev.size;

	return a->base.size == a->dev.size ? a->dev.size : shorter / UNIT * UNIT;
}

/* From here on there is a difference; up to here there was none. */
static int until(struct walk *w, uint64_t from, uint64_t to, bool gone)
{
	int code = list_add(&w->same, w->same_to, from, same_limit(w->a), leave_out, w->e);

	if (!code)
		code = list_add(&w->mapped, w->mapped_to, gone ? from : to, w->a->dev.size, close_gaps, w->e);
	w->same_to = w->mapped_to = to;
	return code;
}

static int add_change(const struct meta_change *change, void *data)
{
	struct walk *w = data;
	uint64_t from, to;
	int code = to_bytes(w, change->begin, change->length, &from, &to);

	return code ? code : until(w, from, to, change->side == META_RIGHT);
}

static int walk(struct walk *w, struct meta *meta)
{
	struct extents_action *a = w->a;
	int code;

	w->chunk_size = meta_pool(meta)->chunk_size;
	if (!a->has_base)
		return meta_mapped(meta, a->dev.dev_id, add_mapped, w, w->e);
	code = meta_diff(meta, a->dev.dev_id, a->base.dev_id, false, add_change, w, w->e);
	return code ? code : until(w, a->dev.size, a->dev.size, false);
}

/* Reads only. A crash leaves the metadata held, which pool_open() and the next hold end. */
static int extents_act(struct action *action, struct err *e)
{
	struct extents_action *a = (struct extents_action *)action;
	struct walk w = { .a = a, .e = e };
	struct meta *meta;
	int code = thin_hold(&a->pool, &meta, e), released;

	if (code)
		return code;
	code = walk(&w, meta);
	released = thin_let_go(&a->pool, meta, e);
	a->extents.mapped = w.mapped.extents;
	a->extents.n_mapped = w.mapped.n;
	a->extents.same = w.same.extents;
	a->extents.n_same = w.same.n;
	return code ? code : released;
}

static void extents_free(struct action *action)
{
	struct extents_action *a = (struct extents_action *)action;

	free(a->extents.mapped);
	free(a->extents.same);
	free(a);
}

int thin_plan_extents(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		      const struct bvol_uuid *base, struct provider_extents **ret, struct err *e)
{
	struct thin_ref ref = thin_ref(pool);
	struct extents_action *a = thin_alloc(sizeof(*a), e);
	struct err ignored = { 0 };
	int code;

	*ret = NULL;
	if (!a)
		return -ENOMEM;
	a->extents.action = (struct action) { .act = extents_act, .free = extents_free };
	a->pool = ref;
	code = thin_live(store, &ref, id, &a->dev, &ignored);
	if (!code && base) {
		a->has_base = true;
		code = thin_live(store, &ref, base, &a->base, &ignored);
	}
	if (!code) {
		*ret = &a->extents;
		return 0;
	}
	free(a);
	return code == -ENOENT || code == -EBUSY ? 0 : err_set(e, code, "%s", ignored.text);
}
