/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_STOP_H
#define BVOL_THIN_STOP_H

#include "provider/thin/kernel.h"

/*
 * Take a running pool down: the block devices of its thin devices, what is held of
 * its metadata, windows, then its own dm devices. In the pool's lane. 0 too when it
 * is down already, or half. The kernel writes what it has in memory of the metadata
 * first.
 *
 * -EBUSY with a sentence: something is open, and the pool runs as before. Nothing is
 * touched before all of it was seen closed, and what somebody opened in between is
 * put back.
 *
 * A crash leaves some of the devices; thin_stop() again, or pool_open() and activate
 * the other way, go on from there. A disk that hangs holds it up for as long.
 */
int thin_stop(const struct thin_ref *pool, struct err *e);

#endif
