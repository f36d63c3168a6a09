// SPDX-License-Identifier: GPL-2.0
/*
 * The event log: a ring of fixed records with increasing numbers.
 *
 * Everything that happens gets a number and its place in the ring first, and
 * is multicast by a worker afterwards, in order. A listener that misses a
 * message sees the gap in the numbers and reads the ring. After a crash or a
 * reload another log begins, under another log-id.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "event.h"
#include "netlink.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define LOG_SIZE_MIN	64
#define LOG_SIZE_MAX	65536

static unsigned int log_size = 4096;

static int set_log_size(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, LOG_SIZE_MIN, LOG_SIZE_MAX);
}

static const struct kernel_param_ops log_size_ops = {
	.set = set_log_size,
	.get = param_get_uint,
};
module_param_cb(log_size, &log_size_ops, &log_size, 0444);
MODULE_PARM_DESC(log_size, "events that the log holds, 64 to 65536 (4096)");

static DEFINE_MUTEX(log_lock);
static struct bvol_event *ring;
static u64 log_id;
static u64 last_seq;
static u64 sent_seq;	/* last one given to listeners, or that none wanted */
static bool is_open;

static void multicast(struct work_struct *work);
static DECLARE_DELAYED_WORK(multicast_work, multicast);

static u64 first_seq(void)
{
	lockdep_assert_held(&log_lock);
	return last_seq < log_size ? 1 : last_seq - log_size + 1;
}

struct bvol_event *bvol_event_begin(u32 kind)
{
	struct bvol_event *ev;

	mutex_lock(&log_lock);
	ev = &ring[(last_seq + 1) % log_size];
	ev->has = 0;
	ev->used = 0;
	bvol_event_number(ev, BVOL_A_EVENT_KIND, kind);
	return ev;
}

void bvol_event_number(struct bvol_event *ev, unsigned int attr, u64 value)
{
	ev->value[attr] = value;
	ev->has |= BIT(attr);
}

void bvol_event_uuid(struct bvol_event *ev, unsigned int attr, const u8 *id)
{
	if (WARN_ON_ONCE(ev->used + BVOL_UUID_LEN > sizeof(ev->data)))
		return;
	memcpy(ev->data + ev->used, id, BVOL_UUID_LEN);
	bvol_event_number(ev, attr, ev->used);
	ev->used += BVOL_UUID_LEN;
}

/* An empty text is an absent one. */
void bvol_event_text(struct bvol_event *ev, unsigned int attr, const char *text)
{
	size_t room = sizeof(ev->data) - ev->used;
	size_t len = strlen(text);

	if (!len || room < 2)
		return;
	len = min(len, room - 1);
	memcpy(ev->data + ev->used, text, len);
	ev->data[ev->used + len] = '\0';
	bvol_event_number(ev, attr, ev->used);
	ev->used += len + 1;
}

void bvol_event_commit(struct bvol_event *ev)
{
	lockdep_assert_held(&log_lock);
	last_seq++;
	bvol_event_number(ev, BVOL_A_EVENT_SEQ, last_seq);
	bvol_event_number(ev, BVOL_A_EVENT_LOG_ID, log_id);
	bvol_event_number(ev, BVOL_A_EVENT_TIME, ktime_get_real_ns());
	bvol_event_number(ev, BVOL_A_EVENT_BOOTTIME, ktime_get_boottime_ns());
	trace_bvol_event(ev);
	if (is_open)
		mod_delayed_work(system_wq, &multicast_work, 0);
	mutex_unlock(&log_lock);
}

void bvol_event_lock(void)
{
	mutex_lock(&log_lock);
}

void bvol_event_unlock(void)
{
	mutex_unlock(&log_lock);
}

const struct bvol_event *bvol_event_get(u64 seq)
{
	lockdep_assert_held(&log_lock);
	if (seq < first_seq() || seq > last_seq)
		return NULL;
	return &ring[seq % log_size];
}

void bvol_event_log_state(struct bvol_event_log *state)
{
	mutex_lock(&log_lock);
	state->id = log_id;
	state->first = first_seq();
	state->last = last_seq;
	state->size = log_size;
	mutex_unlock(&log_lock);
}

/*
 * The next event as a message, NULL when there is none or nobody listens.
 * Those that nobody waited for are not sent later.
 */
static struct sk_buff *next_message(void)
{
	struct sk_buff *skb = NULL;

	mutex_lock(&log_lock);
	if (!is_open || !bvol_nl_listeners())
		sent_seq = last_seq;
	sent_seq = max(sent_seq, first_seq() - 1);
	if (sent_seq < last_seq) {
		skb = bvol_nl_event_message(&ring[(sent_seq + 1) % log_size]);
		if (!IS_ERR(skb))
			sent_seq++;
	}
	mutex_unlock(&log_lock);
	return skb;
}

static void multicast(struct work_struct *work)
{
	struct sk_buff *skb;

	while ((skb = next_message())) {
		if (IS_ERR(skb)) {
			/* No memory: the event keeps its turn. */
			mod_delayed_work(system_wq, &multicast_work, HZ / 10);
			return;
		}
		bvol_nl_multicast(skb);
		cond_resched();
	}
}

int bvol_event_init(void)
{
	ring = vcalloc(log_size, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	log_id = get_random_u64() >> 1;	/* JSON's numbers have a sign */
	return 0;
}

void bvol_event_open(void)
{
	mutex_lock(&log_lock);
	is_open = true;
	mutex_unlock(&log_lock);
}

void bvol_event_close(void)
{
	flush_delayed_work(&multicast_work);
	mutex_lock(&log_lock);
	is_open = false;
	mutex_unlock(&log_lock);
	cancel_delayed_work_sync(&multicast_work);
}

void bvol_event_exit(void)
{
	vfree(ring);
}
