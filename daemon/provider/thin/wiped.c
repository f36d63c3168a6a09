// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec.h"
#include "provider/thin/wiped.h"
#include "util/cleanup.h"

#define NS		UINT64_C(1000000000)
#define WINDOW_FIRST	(UINT64_C(16) << 20)
/* The database hears of it after so long. */
#define KEEP_NS		(5 * NS)
#define PARTS_MAX	4096
/* Of one number and the blank behind it. */
#define COUNT_TEXT	21

static const enum wipe_policy policies[] = {
	[BVOL_WIPE_DEFAULT] = WIPE_NONE, [BVOL_WIPE_NONE] = WIPE_NONE,
	[BVOL_WIPE_DISCARD] = WIPE_DISCARD, [BVOL_WIPE_ZERO] = WIPE_ZERO,
	[BVOL_WIPE_RANDOM] = WIPE_RANDOM,
};

static struct wiped *list;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t time_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static struct wiped **find(const struct bvol_uuid *id)
{
	struct wiped **link = &list;

	while (*link && memcmp(&(*link)->id, id, sizeof(*id)))
		link = &(*link)->next;
	return link;
}

struct wiped *wiped_get(const struct bvol_uuid *id)
{
	struct wiped *w;

	pthread_mutex_lock(&list_lock);
	w = *find(id);
	pthread_mutex_unlock(&list_lock);
	return w;
}

static void wiped_free(struct wiped *w)
{
	bits_free(&w->todo);
	bits_free(&w->done);
	copy_limit_unref(w->limit);
	bvol_free(&thin_type_wipe, w->before);
	orders_deinit(&w->orders);
	free(w);
}

void wiped_forget(const struct bvol_uuid *id)
{
	struct wiped **link, *w;

	pthread_mutex_lock(&list_lock);
	link = find(id);
	w = *link;
	if (w)
		*link = w->next;
	pthread_mutex_unlock(&list_lock);
	if (w)
		wiped_free(w);
}

/* Only this very job's: between two jobs the device may have been written to. */
static int find_before(struct wiped *w, struct store *store, struct err *e)
{
	struct thin_wipe *row;
	int code = store_get(store, &thin_type_wipe, &w->id, (void **)&row, e);

	if (code)
		return code == -ENOENT ? 0 : code;
	if (memcmp(&row->job_id, &w->job_id, sizeof(w->job_id)) || row->policy != w->result.policy ||
	    row->verify != w->how.verify || !row->part) {
		bvol_free(&thin_type_wipe, row);
		return 0;
	}
	w->before = row;
	w->result.started_at = row->started_at;
	return 0;
}

int wiped_new(struct store *store, const struct bvol_pool *pool, const struct thin_dev *dev,
	      const struct provider_wipe *how, struct wiped **ret, struct err *e)
{
	struct wiped *w = thin_alloc(sizeof(*w), e);
	int code;

	if (!w)
		return -ENOMEM;
	orders_init(&w->orders);
	w->id = dev->id;
	w->job_id = how->job_id;
	w->pool = thin_ref(pool);
	w->dev_id = dev->dev_id;
	w->chunk_size = pool->chunk_size;
	w->how = (struct wipe) { .policy = policies[how->policy], .verify = how->verify };
	w->limit = how->limit ? copy_limit_ref(how->limit) : NULL;
	w->window = WINDOW_FIRST;
	w->result.policy = how->policy;
	w->result.started_at = time_of(CLOCK_REALTIME);
	w->kept_at = time_of(CLOCK_MONOTONIC);
	code = find_before(w, store, e);
	if (code) {
		wiped_free(w);
		return code;
	}
	/* What an earlier attempt has wiped may have been written anew since. */
	wiped_forget(&dev->id);
	pthread_mutex_lock(&list_lock);
	w->next = list;
	list = w;
	pthread_mutex_unlock(&list_lock);
	*ret = w;
	return 0;
}

/* What was done */

static uint64_t count(const struct bits *b, uint64_t begin, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t i = begin; i < end && i < b->n;) {
		if (i % 64 == 0 && i + 64 <= end && i + 64 <= b->n) {
			n += (uint64_t)__builtin_popcountll(b->words[i / 64]);
			i += 64;
		} else {
			n += bits_test(b, i++);
		}
	}
	return n;
}

static void trust(struct wiped *w, uint64_t begin, uint64_t end)
{
	for (uint64_t i = begin; i < end && i < w->todo.n; i++) {
		if (!bits_test(&w->todo, i))
			continue;
		w->todo.words[i / 64] &= ~(UINT64_C(1) << (i % 64));
		bits_set(&w->done, i);
		w->left--;
		w->chunks++;
	}
}

void wiped_go_on(struct wiped *w)
{
	const struct thin_wipe *before = w->before;
	char *next = before ? before->counts : NULL, *end;
	uint64_t begin = 0, n;

	if (!before)
		return;
	pthread_mutex_lock(&w->orders.lock);
	for (; *next && begin < w->todo.n; next = end, begin += before->part) {
		n = strtoull(next, &end, 10);
		if (end == next)
			break;
		if (n && count(&w->todo, begin, begin + before->part) == n)
			trust(w, begin, begin + before->part);
	}
	w->kept = w->chunks;
	if (before->discarded)
		w->result.discarded = w->chunks * w->chunk_size;
	pthread_mutex_unlock(&w->orders.lock);
	bvol_free(&thin_type_wipe, w->before);
	w->before = NULL;
}

void wiped_add(struct wiped *w, uint64_t chunk, uint64_t length)
{
	pthread_mutex_lock(&w->orders.lock);
	bits_set_run(&w->done, chunk, length);
	w->chunks += length;
	w->orders.progress.total = 0;
	pthread_mutex_unlock(&w->orders.lock);
}

/* bytes, policy and what was discarded are set. */
static void tell(struct provider_wiped *result, const struct wipe *how)
{
	struct wipe_result done = { .discarded = result->discarded };

	result->verified = done.verified = how->verify && result->bytes;
	if (how->policy != WIPE_DISCARD)
		result->overwritten = done.overwritten = result->bytes;
	if (result->bytes)
		wipe_text(how, &done, result->text);
	else
		snprintf(result->text, sizeof(result->text),
			 "nothing had to be wiped: it had no bytes that nobody else has");
}

void wiped_sum_up(struct wiped *w)
{
	uint64_t at = 0, length;

	w->result.extents = 0;
	while (bits_next_run(&w->done, at, &at, &length)) {
		w->result.extents++;
		at += length;
	}
	w->result.bytes = w->chunks * w->chunk_size;
	tell(&w->result, &w->how);
}

int wiped_remember(struct store *store, const struct bvol_pool *pool, const struct bvol_uuid *id,
		   struct provider_wiped *ret, struct err *e)
{
	struct wipe how = { 0 };
	struct thin_wipe *row;
	char *next, *end;
	int code = store_get(store, &thin_type_wipe, id, (void **)&row, e);

	if (code)
		return code == -ENOENT ? 0 : code;
	*ret = (struct provider_wiped) {
		.policy = row->policy, .discarded = row->discarded, .started_at = row->started_at,
	};
	how.policy = policies[row->policy];
	how.verify = row->verify;
	for (next = row->counts; *next; next = end) {
		uint64_t n = strtoull(next, &end, 10);

		if (end == next)
			break;
		ret->bytes += n * pool->chunk_size;
		/* Where its chunks lie is not known any more: one range at least. */
		ret->extents += n > 0;
	}
	tell(ret, &how);
	bvol_free(&thin_type_wipe, row);
	return 1;
}

/* The loop's side */

void wiped_progress(struct wiped *w, struct action_progress *ret)
{
	uint64_t now = time_of(CLOCK_MONOTONIC);

	pthread_mutex_lock(&w->orders.lock);
	ret->done = w->chunks * w->chunk_size + orders_done(&w->orders);
	ret->total = w->total * w->chunk_size;
	ret->keep = w->chunks != w->kept && (w->orders.paused || now - w->kept_at >= KEEP_NS);
	pthread_mutex_unlock(&w->orders.lock);
}

/* The lock is held. */
static char *counts_text(const struct wiped *w, uint64_t part)
{
	size_t size = (size_t)(w->done.n / part + 1) * COUNT_TEXT + 1, at = 0;
	char *text = calloc(1, size);

	for (uint64_t begin = 0; text && begin < w->done.n; begin += part)
		at += (size_t)snprintf(text + at, size - at, "%" PRIu64 " ",
				       count(&w->done, begin, begin + part));
	return text;
}

int wiped_keep(struct wiped *w, struct store *store, struct err *e)
{
	struct thin_wipe row = {
		.id = w->id, .job_id = w->job_id, .policy = w->result.policy,
		.verify = w->how.verify, .part = 1, .started_at = w->result.started_at,
	};
	_cleanup_free_ char *counts = NULL;

	pthread_mutex_lock(&w->orders.lock);
	while (w->done.n / row.part >= PARTS_MAX)
		row.part *= 2;
	counts = row.counts = counts_text(w, row.part);
	row.discarded = w->result.discarded;
	w->kept = w->chunks;
	w->kept_at = time_of(CLOCK_MONOTONIC);
	pthread_mutex_unlock(&w->orders.lock);
	return counts ? thin_row_put(store, &thin_type_wipe, &row, e) :
	       err_set(e, -ENOMEM, "out of memory");
}
