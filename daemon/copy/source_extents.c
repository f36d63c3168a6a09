// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "copy/extent.h"
#include "copy/source.h"

struct known {
	struct source source;
	struct extents mapped, same;
};

static void known_free(struct source *source)
{
	struct known *k = (struct known *)source;

	extents_deinit(&k->mapped);
	extents_deinit(&k->same);
	backup_source_close(source);
	free(k);
}

/* Is offset in one of the extents? *end is made less, to where that ceases to be so. */
static bool covers(const struct extents *x, uint64_t offset, uint64_t *end)
{
	size_t low = 0, high = x->n;
	uint64_t turn;
	bool in;

	/* The first one that ends behind offset. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->list[middle].offset + x->list[middle].length > offset)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == x->n)
		return false;
	in = x->list[low].offset <= offset;
	turn = in ? x->list[low].offset + x->list[low].length : x->list[low].offset;
	if (turn < *end)
		*end = turn;
	return in;
}

static int known_state(struct source *source, uint64_t offset, uint64_t *length, bool has_parent,
		       enum source_state *ret, struct err *e)
{
	const struct known *k = (const struct known *)source;
	uint64_t end = offset + *length;

	*ret = SOURCE_ZERO;
	if (covers(&k->mapped, offset, &end))
		*ret = has_parent && covers(&k->same, offset, &end) ? SOURCE_SAME : SOURCE_DATA;
	*length = end - offset;
	return 0;
}

static const struct source_ops known_ops = { .free = known_free, .state = known_state };

/* A list that somebody got out of order is not to be trusted, so it is not sorted. */
static int take_list(struct extents *x, const struct copy_extent *list, size_t n, const struct source *source,
		     struct err *e)
{
	int r;

	for (size_t i = 1; i < n; i++)
		if (list[i].offset < list[i - 1].offset)
			return err_set(e, -EINVAL, "extents of %s are out of order at byte %" PRIu64,
				       source->name, list[i].offset);
	r = extents_init(x, list, n, e);
	if (!r && extents_end(x) > source->size)
		r = err_set(e, -ERANGE, "extents of %s end at byte %" PRIu64 ", behind its %" PRIu64 " bytes",
			    source->name, extents_end(x), source->size);
	return r;
}

int source_extents(const char *path, const struct copy_extent *mapped, size_t n_mapped,
		   const struct copy_extent *same, size_t n_same, struct source **ret, struct err *e)
{
	struct known *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_set(e, -ENOMEM, "out of memory");
	k->source.ops = &known_ops;
	r = backup_source_open(path, &k->source, e);
	if (!r)
		r = take_list(&k->mapped, mapped, n_mapped, &k->source, e);
	if (!r)
		r = take_list(&k->same, same, n_same, &k->source, e);
	if (r)
		backup_source_free(&k->source);
	else
		*ret = &k->source;
	return r;
}
