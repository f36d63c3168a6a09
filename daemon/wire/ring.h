/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last events, as the clients of the unix socket read them: a copy of the
 * module's log while there is one, else the daemon's own. Each reader keeps
 * the sequence number that it wants next; there are no queues to overflow.
 */
#ifndef BVOL_RING_H
#define BVOL_RING_H

#include "codec.h"

#define RING_SIZE	4096

struct ring {
	uint64_t log_id;
	uint64_t first;		/* lowest sequence number held */
	uint64_t next;		/* one more than the highest */
	struct blob {
		void *bytes;
		uint32_t len;
	} slots[RING_SIZE];
};

/* A log of its own, with a random id. */
int ring_begin(struct ring *ring);
/*
 * Keep an event that the module numbered; one of another log than the last
 * begins the ring anew, one that is held already is left out.
 */
int ring_keep(struct ring *ring, const struct bvol_event *event);
/* Number an event of the daemon's own log and keep it. */
int ring_number(struct ring *ring, struct bvol_event *event);
/* Encoded event; seq must be within first..next-1. */
const struct blob *ring_at(const struct ring *ring, uint64_t seq);
void ring_clear(struct ring *ring);

#endif
