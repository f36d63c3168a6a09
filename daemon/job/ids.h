/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of ids: filled, then sorted, then asked. */
#ifndef BVOL_IDS_H
#define BVOL_IDS_H

#include <stdbool.h>
#include <stddef.h>

#include "bvol.h"

struct ids {
	struct bvol_uuid *id;
	size_t n;
};

int ids_add(struct ids *ids, const struct bvol_uuid *id);
void ids_sort(struct ids *ids);
/* Its place, or -1. */
ssize_t ids_find(const struct ids *ids, const struct bvol_uuid *id);
void ids_clear(struct ids *ids);

#endif
