/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_POLICY_H
#define BVOL_POLICY_H

#include "job/flow.h"

/*
 * How the bytes of this device go: as was asked for, else as the type of its
 * volume says, else as the pool does. What is to be verified by one of them is.
 */
int policy_of(struct job *job, const struct bvol_uuid *id, const struct bvol_pool *pool,
	      struct provider_wipe *ret, struct err *e);

#endif
