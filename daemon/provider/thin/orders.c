// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "provider/thin/orders.h"
#include "util/str.h"

void orders_init(struct orders *o)
{
	pthread_mutex_init(&o->lock, NULL);
}

void orders_deinit(struct orders *o)
{
	pthread_mutex_destroy(&o->lock);
}

int orders_begin(struct orders *o, struct copy *copy, uint64_t bytes, bool hurry, struct err *e)
{
	pthread_mutex_lock(&o->lock);
	if (!o->cancelled) {
		o->copy = copy;
		o->bytes = bytes;
		o->progress = (struct copy_progress) { 0 };
		if (!hurry) {
			copy_set_rate(copy, o->rate);
			copy_pause(copy, o->paused);
		}
	}
	pthread_mutex_unlock(&o->lock);
	return o->cancelled ? err_set(e, -ECANCELED, "cancelled") : 0;
}

void orders_end(struct orders *o)
{
	pthread_mutex_lock(&o->lock);
	o->copy = NULL;
	pthread_mutex_unlock(&o->lock);
}

void orders_progress(void *data, const struct copy_progress *progress)
{
	struct orders *o = data;

	pthread_mutex_lock(&o->lock);
	o->progress = *progress;
	pthread_mutex_unlock(&o->lock);
}

uint64_t orders_done(const struct orders *o)
{
	const struct copy_progress *p = &o->progress;

	return p->total ? (uint64_t)((unsigned __int128)o->bytes * p->done / p->total) : 0;
}

void orders_give(struct orders *o, enum action_order order, uint64_t value)
{
	pthread_mutex_lock(&o->lock);
	switch (order) {
	case ACTION_CANCEL:
		o->cancelled = true;
		if (o->copy)
			copy_cancel(o->copy);
		break;
	case ACTION_PAUSE:
	case ACTION_RESUME:
		o->paused = order == ACTION_PAUSE;
		if (o->copy)
			copy_pause(o->copy, o->paused);
		break;
	case ACTION_RATE:
		o->rate = value;
		if (o->copy)
			copy_set_rate(o->copy, value);
	}
	pthread_mutex_unlock(&o->lock);
}

int orders_tell(const char *what, const struct action_progress *p, struct err *e)
{
	bool hangs = e->code == -ETIMEDOUT;
	char done[16], total[16];

	err_clear(e);
	return err_set(e, -ECANCELED, "the %s was cancelled after %s of %s%s", what,
		       str_size(p->done, done), str_size(p->total, total), hangs ?
		       "; the disk does not answer, and may still write what it was given" : "");
}
