/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_MOVE_H
#define BVOL_THIN_MOVE_H

#include "provider/thin/label.h"

/*
 * May this node take the pool? It may if it is the node's own or nobody's, else by
 * force alone: -EBUSY with the sentence.
 */
int thin_may_take(const struct label *label, const char *name, bool force, struct err *e);

#endif
