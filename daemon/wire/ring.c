// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "wire/ring.h"

#define EVENT_MAX	4096

void ring_clear(struct ring *ring)
{
	size_t i;

	for (i = 0; i < RING_SIZE; i++) {
		free(ring->slots[i].bytes);
		ring->slots[i] = (struct blob) { 0 };
	}
	ring->first = 1;
	ring->next = 1;
}

int ring_begin(struct ring *ring)
{
	ring_clear(ring);
	do {
		if (getrandom(&ring->log_id, sizeof(ring->log_id), 0) != sizeof(ring->log_id))
			return -EIO;
		/* Numbers of JSON have a sign. */
		ring->log_id >>= 1;
	} while (!ring->log_id);
	return 0;
}

const struct blob *ring_at(const struct ring *ring, uint64_t seq)
{
	return &ring->slots[seq % RING_SIZE];
}

static int ring_put(struct ring *ring, const struct bvol_event *event)
{
	struct blob *slot = &ring->slots[ring->next % RING_SIZE];
	char buf[EVENT_MAX];
	ssize_t n = codec_encode(&bvol_type_event, event, buf, sizeof(buf));
	void *bytes = n < 0 ? NULL : malloc((size_t)n);

	if (!bytes)
		return n < 0 ? (int)n : -ENOMEM;
	memcpy(bytes, buf, (size_t)n);
	free(slot->bytes);
	*slot = (struct blob) { bytes, (uint32_t)n };
	ring->next++;
	if (ring->next - ring->first > RING_SIZE)
		ring->first++;
	return 0;
}

int ring_keep(struct ring *ring, const struct bvol_event *event)
{
	if (event->log_id != ring->log_id) {
		ring_clear(ring);
		ring->log_id = event->log_id;
		ring->first = ring->next = event->seq;
	}
	if (event->seq < ring->next)
		return 0;
	if (event->seq > ring->next) {
		/* What lies between was lost for good; readers see the gap. */
		ring_clear(ring);
		ring->first = ring->next = event->seq;
	}
	return ring_put(ring, event);
}

int ring_number(struct ring *ring, struct bvol_event *event)
{
	struct timespec now;

	codec_set(event, BVOL_A_EVENT_SEQ, seq, ring->next);
	codec_set(event, BVOL_A_EVENT_LOG_ID, log_id, ring->log_id);
	clock_gettime(CLOCK_REALTIME, &now);
	codec_set(event, BVOL_A_EVENT_TIME, time,
		  (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	clock_gettime(CLOCK_BOOTTIME, &now);
	codec_set(event, BVOL_A_EVENT_BOOTTIME, boottime,
		  (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	return ring_put(ring, event);
}
