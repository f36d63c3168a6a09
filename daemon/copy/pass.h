/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of a plan, on the thread that may hang in it. */
#ifndef BVOL_COPY_PASS_H
#define BVOL_COPY_PASS_H

#include "copy/extent.h"
#include "copy/gate.h"

struct pass_plan {
	const struct copy_plan *plan;
	const struct extents *extents;
	struct copy_limit *own;
	struct gate *gate;
};

/* All passes from plan->from on; fills in what gate->result tells of the device. Errors of copy_run(). */
int passes_run(const struct pass_plan *plan, struct err *e);

#endif
