// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "job/ids.h"

int ids_add(struct ids *ids, const struct bvol_uuid *id)
{
	struct bvol_uuid *more = ids->id;

	/* By doubling. */
	if (!(ids->n & (ids->n - 1)))
		more = reallocarray(more, ids->n ? 2 * ids->n : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	ids->id = more;
	ids->id[ids->n++] = *id;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bvol_uuid));
}

void ids_sort(struct ids *ids)
{
	if (ids->n)
		qsort(ids->id, ids->n, sizeof(*ids->id), compare);
}

ssize_t ids_find(const struct ids *ids, const struct bvol_uuid *id)
{
	const struct bvol_uuid *at = ids->n ? bsearch(id, ids->id, ids->n, sizeof(*id), compare) : NULL;

	return at ? at - ids->id : -1;
}

void ids_clear(struct ids *ids)
{
	free(ids->id);
	*ids = (struct ids) { 0 };
}
