// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copy/extent.h"

static int by_offset(const void *a, const void *b)
{
	const struct copy_extent *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int check(const struct copy_extent *extent, struct err *e)
{
	uint64_t end;

	if (__builtin_add_overflow(extent->offset, extent->length, &end) || end > INT64_MAX)
		return err_set(e, -EINVAL, "extent %" PRIu64 "+%" PRIu64 " ends behind 2^63 bytes",
			       extent->offset, extent->length);
	return 0;
}

/* The list is sorted: take the next extent to those before. */
static int append(struct extents *x, const struct copy_extent *next, struct err *e)
{
	struct copy_extent *last = x->n ? &x->list[x->n - 1] : NULL;

	if (!next->length)
		return 0;
	if (last && last->offset + last->length > next->offset)
		return err_set(e, -EINVAL,
			       "extents %" PRIu64 "+%" PRIu64 " and %" PRIu64 "+%" PRIu64 " overlap",
			       last->offset, last->length, next->offset, next->length);
	if (last && last->offset + last->length == next->offset)
		last->length += next->length;
	else
		x->list[x->n++] = *next;
	x->bytes += next->length;
	return 0;
}

int extents_init(struct extents *x, const struct copy_extent *list, size_t n, struct err *e)
{
	int code = 0;

	*x = (struct extents) { .list = reallocarray(NULL, n + !n, sizeof(*list)) };
	if (!x->list)
		return err_set(e, -ENOMEM, "no memory for %zu extents", n);
	if (n)
		memcpy(x->list, list, n * sizeof(*list));
	qsort(x->list, n, sizeof(*list), by_offset);
	for (size_t i = 0; !code && i < n; i++) {
		struct copy_extent extent = x->list[i];

		code = check(&extent, e);
		if (!code)
			code = append(x, &extent, e);
	}
	if (code)
		extents_deinit(x);
	return code;
}

void extents_deinit(struct extents *x)
{
	free(x->list);
	*x = (struct extents) { 0 };
}

uint64_t extents_end(const struct extents *x)
{
	return x->n ? x->list[x->n - 1].offset + x->list[x->n - 1].length : 0;
}

void walk_begin(struct walk *walk, const struct extents *x, uint64_t done)
{
	*walk = (struct walk) { .x = x, .done = done };
	for (; walk->i < x->n && done >= x->list[walk->i].length; walk->i++)
		done -= x->list[walk->i].length;
	walk->in = done;
}

enum walk_step walk_next(struct walk *walk, uint64_t align, uint64_t size, struct copy_extent *piece)
{
	const struct copy_extent *extent = &walk->x->list[walk->i];
	enum walk_step step = WALK_EDGE;
	uint64_t at, end, to;

	if (walk->i == walk->x->n)
		return WALK_END;
	at = extent->offset + walk->in;
	end = extent->offset + extent->length;
	if (at % align) {
		to = (at | (align - 1)) + 1;
	} else if (end - at < align) {
		to = end;
	} else {
		step = WALK_BODY;
		to = (at | (size - 1)) + 1;
		if (to > end)
			to = end & ~(align - 1);
	}
	if (to > end)
		to = end;
	*piece = (struct copy_extent) { .offset = at, .length = to - at };
	walk->in += piece->length;
	walk->done += piece->length;
	if (walk->in == extent->length) {
		walk->i++;
		walk->in = 0;
	}
	return step;
}
