/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The numbered log of events, and their way to the listeners.
 *
 * A writer calls bvol_event_begin(), sets attributes and calls
 * bvol_event_commit(); in between it holds log_lock. Nothing is allocated and
 * nothing fails: a text that is too long is cut.
 */
#ifndef _BVOL_EVENT_H
#define _BVOL_EVENT_H

#include <linux/bits.h>
#include <linux/types.h>
#include <uapi/linux/bvol.h>

/* Five ids, and either two names with a remark or a status with a sentence. */
#define BVOL_EVENT_DATA		(5 * BVOL_UUID_LEN + 32 + BVOL_SENTENCE_MAX + 1)

struct bvol_event {
	u32 has;	/* bit BVOL_A_EVENT_x: attribute x is present */
	u32 used;	/* bytes of data */
	u64 value[BVOL_A_EVENT_MAX + 1];	/* a number, or a place in data */
	char data[BVOL_EVENT_DATA];
};

struct bvol_event *bvol_event_begin(u32 kind);
void bvol_event_number(struct bvol_event *ev, unsigned int attr, u64 value);
void bvol_event_uuid(struct bvol_event *ev, unsigned int attr, const u8 *id);
void bvol_event_text(struct bvol_event *ev, unsigned int attr, const char *text);
void bvol_event_commit(struct bvol_event *ev);

static inline bool bvol_event_has(const struct bvol_event *ev, unsigned int attr)
{
	return ev->has & BIT(attr);
}

/* An id or a text; an empty text when it is absent. */
static inline const char *bvol_event_data(const struct bvol_event *ev,
					  unsigned int attr)
{
	return bvol_event_has(ev, attr) ? ev->data + ev->value[attr] : "";
}

struct bvol_event_log {
	u64 id;
	u64 first;	/* lowest number held; last + 1 when empty */
	u64 last;
	u32 size;
};

void bvol_event_log_state(struct bvol_event_log *state);

/*
 * Readers: lock, get events by number, unlock. An event with a number outside
 * [first, last] is NULL; the pointer is good until the lock is released.
 */
void bvol_event_lock(void);
void bvol_event_unlock(void);
const struct bvol_event *bvol_event_get(u64 seq);

int bvol_event_init(void);
/* From now on events are sent to listeners: the family is registered. */
void bvol_event_open(void);
/* Send what is left; what is logged later is not sent. */
void bvol_event_close(void);
void bvol_event_exit(void);

#endif
