// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stddef.h>

#include "fabric/fabric.h"

static const struct fabric_ops *const fabrics[] = {
	&fabric_iscsi,
};

const struct fabric_ops *fabric_find(enum bvol_fabric fabric)
{
	size_t i;

	for (i = 0; i < sizeof(fabrics) / sizeof(fabrics[0]); i++)
		if (fabrics[i]->fabric == fabric)
			return fabrics[i];
	return NULL;
}
