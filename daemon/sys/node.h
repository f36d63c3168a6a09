/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_NODE_H
#define BVOL_NODE_H

#include "bvol.h"

/* Which machine this is. */
struct node {
	/*
	 * Made of machine-id(5), so that it outlives bvol's database; all 0 where a
	 * machine has none, so that such machines can't be told apart. Does not
	 * tell the machine-id.
	 */
	struct bvol_uuid id;
	char name[64];	/* its host name, for people */
};

/* Found out at the first call, and then the same for the life of the process. */
const struct node *node_self(void);

#endif
