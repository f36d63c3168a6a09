/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which status may follow which. Pure: change.c is the one place that asks and
 * then writes. The names of a machine's states are the spec's.
 */
#ifndef BVOL_STATE_H
#define BVOL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bvol.h"

struct state_machine {
	const struct bvol_enum *names;
	const uint32_t *moves;		/* for each state, bits of those that may follow */
	uint32_t n;
	uint32_t transitional;		/* bits of those that a job ends, whatever happens */
};

extern const struct state_machine state_pool, state_volume, state_snapshot, state_backup,
	state_export, state_job;

/* May to follow from? A state does not follow itself. */
bool state_may(const struct state_machine *m, uint32_t from, uint32_t to);
/* Is a job at work while an object is in this state? */
bool state_transitional(const struct state_machine *m, uint32_t state);

#endif
