/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a device leaves on the disk when it goes. Its bytes are overwritten
 * where they lie on the pool's data device, not through the device itself:
 * dm-thin takes every mapping that is older than the device's last snapshot for
 * a shared one, also when that snapshot has gone long ago, and a write through
 * the device would leave the old chunk as it is.
 *
 * Only chunks that the device alone maps are overwritten. The others belong to
 * somebody else too, whose delete overwrites them. A writer to such a chunk gets
 * a copy, and leaves the chunk to us alone: so the wipe goes over the device
 * again and again until nothing is new, and the last time, right before the
 * device is deleted, those that share with it hold still.
 */
#ifndef BVOL_THIN_WIPE_H
#define BVOL_THIN_WIPE_H

#include "provider/thin/kernel.h"

/* Block devices that hold still. */
struct quiet {
	char (*names)[THIN_NAME_MAX];
	size_t n;
	uint64_t seen;	/* a sum of all that are active in the pool, to notice new ones */
};

/* Is the device one that was wiped, and is destroyed after it? Does not block. */
bool thin_wiped(const struct bvol_uuid *id);
/*
 * For destroy, before the message: wipe what has become the device's own since
 * thin_plan_wipe()'s action, and keep the others from letting go of more. 0 too
 * for a device that was not wiped. Whatever it returns, quiet_end() follows.
 */
int thin_wipe_last(const struct bvol_uuid *id, struct quiet *quiet, struct err *e);
/* I/O goes on. */
int quiet_end(struct quiet *quiet, struct err *e);
/* The device is gone: forget what is known of its wipe. */
void thin_wipe_forget(const struct bvol_uuid *id);

#endif
