// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "copy/backup.h"
#include "copy/memory.h"
#include "copy/repo/fetch.h"
#include "copy/repo/session.h"
#include "copy/ring.h"

#define READ_SIZE	(1u << 20)
#define SLOTS		4	/* of one chunk or READ_SIZE, whichever is more */
#define THREADS_MAX	64
#define PIECES_MAX	(CHUNK_MAX / READ_SIZE)

/* Each of these is ours: an abandoned backup goes on needing it. */
struct backup {
	struct run run;
	struct repo *repo;
	struct source *source;
	struct manifest *parent, *m;
	struct session *session;
	uint64_t index_limit;
	unsigned int threads;
	_Atomic uint32_t next;		/* page that nobody has begun */
	atomic_bool stop;
	pthread_mutex_t lock;		/* of what is below */
	int code;
	struct err err;
};

struct slot {
	uint8_t *bytes;
	uint32_t first, n;		/* chunks of the page */
	struct uring_request requests[PIECES_MAX];
	unsigned int waiting;
};

struct worker {
	struct backup *b;
	pthread_t thread;
	struct memory memory;
	struct uring *ring;
	struct fetcher *fetcher;
	struct chunk_store *store;
	uint8_t *base, *patch;
	struct slot slots[SLOTS];
	/* The page that is at work. */
	uint32_t page, n;
	uint8_t (*ids)[CHUNK_ID], (*parents)[CHUNK_ID];
	uint8_t *states;		/* enum source_state of each chunk, and one more for none */
	/* Sums. */
	uint64_t data, zero, same, stored, patches, added;
};

#define STATE_NONE 0xff

static bool all_zero(const uint8_t *bytes, size_t length)
{
	return !*bytes && !memcmp(bytes, bytes + 1, length - 1);
}

static uint32_t length_of(const struct worker *w, uint32_t i)
{
	return chunk_length(w->b->m, (uint64_t)w->page * page_chunks(w->b->m->chunk_size) + i);
}

static uint64_t offset_of(const struct worker *w, uint32_t i)
{
	return (uint64_t)w->page * MAP_SPAN + (uint64_t)i * w->b->m->chunk_size;
}

/*
 * The parent's chunk, or the base that it is a patch of, is read and what
 * differs is kept. Length of the patch; 0: store the whole.
 */
static int make_patch(struct worker *w, uint32_t i, const uint8_t *bytes, uint32_t length,
		      uint8_t base[CHUNK_ID], struct err *e)
{
	struct err ignored = { 0 };
	struct place place;

	if (is_zero_id(w->parents[i]) || length <= 2 * PATCH_PAGE ||
	    fetch_base(w->fetcher, w->parents[i], base, &ignored) < 0)
		return 0;
	/* Only on what the next gc leaves; and a parent that is damaged is no reason to fail. */
	if (!index_find(session_index(w->b->session), base, &place) || place.bad || place.fresh ||
	    place.patch || fetch_chunk(w->fetcher, base, w->base, length, &ignored))
		return 0;
	return (int)patch_make(base, w->base, bytes, length, w->patch);
}

static int store_chunk(struct worker *w, uint32_t i, const uint8_t *bytes, uint32_t length, struct err *e)
{
	uint8_t base[CHUNK_ID];
	int n = make_patch(w, i, bytes, length, base, e);

	w->stored++;
	w->patches += n > 0;
	if (n > 0)
		return chunk_store_add(w->store, RECORD_PATCH, w->ids[i], base, w->patch, (size_t)n,
				       &w->added, e);
	return chunk_store_add(w->store, RECORD_DATA, w->ids[i], NULL, bytes, length, &w->added, e);
}

static int take_chunk(struct worker *w, uint32_t i, const uint8_t *bytes, struct err *e)
{
	uint32_t length = length_of(w, i);
	bool same;
	int r;

	if (all_zero(bytes, length)) {
		w->zero++;
		return 0;
	}
	w->data++;
	r = hasher_id(fetcher_hasher(w->fetcher), RECORD_DATA, bytes, length, w->ids[i], e);
	if (r)
		return r;
	same = !memcmp(w->ids[i], w->parents[i], CHUNK_ID);
	r = index_claim(session_index(w->b->session), w->ids[i], e);
	w->same += same && !r;
	return r > 0 ? store_chunk(w, i, bytes, length, e) : r;
}

/* What the source knows of each chunk; one of which it knows different things has to be read. */
static int ask_source(struct worker *w, struct err *e)
{
	struct source *source = w->b->source;
	uint64_t at = offset_of(w, 0), end = offset_of(w, w->n - 1) + length_of(w, w->n - 1);
	uint32_t size = w->b->m->chunk_size;

	memset(w->states, STATE_NONE, w->n);
	while (at < end) {
		enum source_state state;
		uint64_t length = end - at;
		int r = source->ops->state(source, at, &length, w->b->parent, &state, e);

		if (r)
			return r;
		for (uint64_t i = (at - offset_of(w, 0)) / size;
		     i <= (at + length - 1 - offset_of(w, 0)) / size; i++)
			w->states[i] = w->states[i] == STATE_NONE || w->states[i] == state ?
				       (uint8_t)state : (uint8_t)SOURCE_DATA;
		at += length;
	}
	return 0;
}

/* Chunks that need not be read. True: it is settled. */
static bool settle(struct worker *w, uint32_t i)
{
	struct place place;

	if (w->states[i] == SOURCE_ZERO) {
		w->zero++;
		return true;
	}
	if (w->states[i] != SOURCE_SAME || !w->b->parent)
		return false;
	if (is_zero_id(w->parents[i])) {
		w->zero++;
		return true;
	}
	if (!index_find(session_index(w->b->session), w->parents[i], &place) || place.bad)
		return false;
	memcpy(w->ids[i], w->parents[i], CHUNK_ID);
	w->data++;
	w->same++;
	return true;
}

static void read_slot(struct worker *w, struct slot *slot, uint64_t length)
{
	for (uint64_t at = 0; at < length; at += READ_SIZE) {
		struct uring_request *request = &slot->requests[slot->waiting++];

		*request = (struct uring_request) {
			.bytes = slot->bytes + at, .offset = offset_of(w, slot->first) + at,
			.length = (uint32_t)(length - at < READ_SIZE ? length - at : READ_SIZE),
		};
	}
	for (unsigned int i = 0, n = slot->waiting; i < n; i++)
		uring_submit(w->ring, &slot->requests[i]);
}

/* The next chunks to be read go into the slot: 1; 0: there are none. */
static int fill_slot(struct worker *w, struct slot *slot, uint32_t *next, struct err *e)
{
	uint64_t length = 0, room = w->memory.size / SLOTS;
	int r;

	for (; *next < w->n && settle(w, *next); (*next)++)
		w->b->run.gate.done += length_of(w, *next);
	slot->first = *next;
	for (slot->n = 0; *next < w->n && length + length_of(w, *next) <= room; slot->n++, (*next)++) {
		if (slot->n && w->states[*next] != SOURCE_DATA)
			break;
		length += length_of(w, *next);
	}
	slot->waiting = 0;
	if (!slot->n)
		return 0;
	r = run_take(&w->b->run, length, e);
	if (!r)
		read_slot(w, slot, length);
	return r ? r : 1;
}

static struct slot *slot_of(struct worker *w, const struct uring_request *request)
{
	for (int i = 0; i < SLOTS; i++)
		if (request >= w->slots[i].requests && request < w->slots[i].requests + PIECES_MAX)
			return &w->slots[i];
	return NULL;
}

static int read_failed(const struct worker *w, const struct uring_request *request, struct err *e)
{
	return err_set(e, request->result == -ENODATA ? -EIO : request->result,
		       "cannot read %s at byte %llu: %s", w->b->source->name,
		       (unsigned long long)(request->offset + request->done),
		       request->result == -ENODATA ? "it has become shorter" : strerror(-request->result));
}

static int take_slot(struct worker *w, struct slot *slot, struct err *e)
{
	const uint8_t *bytes = slot->bytes;
	int r = 0;

	for (uint32_t i = slot->first; i < slot->first + slot->n && !r; i++) {
		r = take_chunk(w, i, bytes, e);
		bytes += w->b->m->chunk_size;
		w->b->run.gate.done += length_of(w, i);
		if (!r && (w->b->run.gate.cancelled || w->b->stop))
			r = -ECANCELED;
	}
	return r;
}

/* Whatever happens, all requests have come back at the end. */
static int read_page(struct worker *w, struct err *e)
{
	uint32_t next = 0;
	unsigned int busy = 0;
	int r = 1;

	for (int i = 0; i < SLOTS && r > 0; i++) {
		r = fill_slot(w, &w->slots[i], &next, e);
		busy += r > 0;
	}
	r = r < 0 ? r : 0;
	while (busy) {
		struct uring_request *request = uring_wait(w->ring, -1);
		struct slot *slot = slot_of(w, request);

		if (request->result && !r)
			r = read_failed(w, request, e);
		if (--slot->waiting)
			continue;
		busy--;
		if (!r)
			r = take_slot(w, slot, e);
		if (!r) {
			r = fill_slot(w, slot, &next, e);
			busy += r > 0;
			r = r < 0 ? r : 0;
		}
	}
	return r;
}

static int store_page(struct worker *w, struct err *e)
{
	uint8_t bytes[MAP_PAGE_MAX], *id = w->b->m->pages[w->page];
	uint32_t length = page_write((const uint8_t (*)[CHUNK_ID])w->ids, w->n, bytes);
	int r;

	if (!length)
		return 0;
	r = hasher_id(fetcher_hasher(w->fetcher), RECORD_MAP, bytes, length, id, e);
	if (!r)
		r = index_claim(session_index(w->b->session), id, e);
	return r > 0 ? chunk_store_add(w->store, RECORD_MAP, id, NULL, bytes, length, &w->added, e) : r;
}

/* 1: the source knows that all of the page is zeroes, as most of a sparse volume is. */
static int is_hole(struct worker *w, struct err *e)
{
	uint64_t size = offset_of(w, w->n - 1) + length_of(w, w->n - 1) - offset_of(w, 0), length = size;
	struct source *source = w->b->source;
	enum source_state state;
	int r = source->ops->state(source, offset_of(w, 0), &length, false, &state, e);

	if (r || state != SOURCE_ZERO || length != size)
		return r;
	w->zero += w->n;
	w->b->run.gate.done += size;
	return 1;
}

static int do_page(struct worker *w, struct err *e)
{
	const struct manifest *m = w->b->m, *parent = w->b->parent;
	int r;

	w->n = chunks_of_page(m, w->page);
	r = is_hole(w, e);
	if (r)
		return r < 0 ? r : session_renew(w->b->session, false, e);
	memset(w->ids, 0, (size_t)w->n * CHUNK_ID);
	memset(w->parents, 0, (size_t)page_chunks(m->chunk_size) * CHUNK_ID);
	if (parent && w->page < parent->n_pages) {
		r = fetch_page(w->fetcher, parent->pages[w->page], w->parents,
			       chunks_of_page(parent, w->page), e);
		if (r)
			return r;
	}
	r = ask_source(w, e);
	if (!r)
		r = read_page(w, e);
	if (!r)
		r = store_page(w, e);
	if (!r)
		r = session_renew(w->b->session, false, e);
	return r;
}

static void fail(struct backup *b, int code, const struct err *e)
{
	pthread_mutex_lock(&b->lock);
	if (!b->code || b->code == -ECANCELED) {
		b->code = code;
		b->err = *e;
	}
	pthread_mutex_unlock(&b->lock);
	b->stop = true;
}

static void *work(void *data)
{
	struct worker *w = data;
	struct backup *b = w->b;
	struct err e = { 0 };
	int r = 0;

	while (!r && !b->stop) {
		w->page = b->next++;
		if (w->page >= b->m->n_pages)
			break;
		r = run_take(&b->run, 0, &e);
		if (!r)
			r = do_page(w, &e);
	}
	/* Also of a run that ends early: the next one need not store it again. */
	if (chunk_store_flush(w->store, r ? NULL : &e) && !r)
		r = e.code;
	if (r)
		fail(b, r, &e);
	return NULL;
}

static void worker_deinit(struct worker *w)
{
	uring_free(w->ring);
	memory_deinit(&w->memory);
	fetcher_free(w->fetcher);
	chunk_store_free(w->store);
	free(w->base);
	free(w->patch);
	free(w->ids);
	free(w->parents);
	free(w->states);
}

static size_t slot_size(uint32_t chunk_size)
{
	return chunk_size > READ_SIZE ? chunk_size : READ_SIZE;
}

static int worker_init(struct worker *w, struct backup *b, struct err *e)
{
	uint32_t size = b->repo->chunk_size, n = page_chunks(size);
	int r = memory_init(&w->memory, SLOTS * slot_size(size));

	w->b = b;
	w->base = malloc(size);
	w->patch = malloc(size);
	w->ids = calloc(n, CHUNK_ID);
	w->parents = calloc(n, CHUNK_ID);
	w->states = malloc(n);
	if (r || !w->base || !w->patch || !w->ids || !w->parents || !w->states)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i < SLOTS; i++)
		w->slots[i].bytes = w->memory.bytes + i * (w->memory.size / SLOTS);
	r = fetcher_new(b->repo, session_index(b->session), &w->fetcher, e);
	return r ? r : chunk_store_new(b->session, &w->store, e);
}

/* The ring belongs to the thread that made it. */
static void *start(void *data)
{
	struct worker *w = data;
	struct err e = { 0 };
	struct uring_setup setup = {
		.fd = w->b->source->fd, .depth = SLOTS * PIECES_MAX,
		.memory = w->memory.bytes, .memory_size = w->memory.size,
	};

	driver_cancel_by(&w->b->run.gate.cancelled);
	if (uring_new(&setup, &w->ring)) {
		err_set(&e, -ENOMEM, "out of memory");
		fail(w->b, -ENOMEM, &e);
		return NULL;
	}
	return work(w);
}

static unsigned int count_threads(const struct backup *b)
{
	/* Reads, the pack, read-ahead of the parent, and scratch of zstd; what the driver keeps. */
	uint64_t each = SLOTS * slot_size(b->m->chunk_size) + (3u << 20) + 8 * (uint64_t)b->m->chunk_size +
			b->repo->ops->put_memory;
	long processors = b->threads ? (long)b->threads : sysconf(_SC_NPROCESSORS_ONLN);
	long room = (long)(BACKUP_MEMORY / each), n = processors < room ? processors : room;

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned int)n;
}

static int run_workers(struct backup *b, struct err *e)
{
	unsigned int n = count_threads(b), started = 0;
	struct worker *workers = calloc(n, sizeof(*workers));
	int r = workers ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (unsigned int i = 0; i < n && !r; i++)
		r = worker_init(&workers[i], b, e);
	while (started < n && !r) {
		r = -pthread_create(&workers[started].thread, NULL, start, &workers[started]);
		if (r)
			err_set(e, r, "cannot start a thread: %s", strerror(-r));
		else
			started++;
	}
	if (r)
		b->stop = true;
	for (unsigned int i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < n && workers; i++) {
		struct worker *w = &workers[i];

		b->m->data += w->data;
		b->m->zero += w->zero;
		b->m->same += w->same;
		b->m->stored += w->stored;
		b->m->patches += w->patches;
		b->m->added += w->added;
		worker_deinit(w);
	}
	free(workers);
	return r || !b->code ? r : err_set(e, b->code, "%s", b->err.text);
}

static int make_backup(struct run *run, struct err *e)
{
	struct backup *b = (struct backup *)run;
	int r = session_begin(b->repo, b->m->id, b->index_limit, run, &b->session, e);

	if (!r)
		r = run_workers(b, e);
	if (!r)
		r = run_take(run, 0, e);
	if (!r) {
		b->m->done_at = repo_now();
		r = session_commit(b->session, b->m, e);
	}
	session_end(b->session);
	return r;
}

static void backup_free(struct run *run)
{
	struct backup *b = (struct backup *)run;

	pthread_mutex_destroy(&b->lock);
	manifest_free(b->m);
	manifest_free(b->parent);
	backup_source_free(b->source);
	repo_close(b->repo);
	run_deinit(run);
	free(b);
}

static int describe(struct backup *b, const struct backup_plan *plan, struct err *e)
{
	int r;

	if (plan->parent && plan->parent->chunk_size != b->repo->chunk_size)
		return err_set(e, -EINVAL, "the parent's chunks have another size than the repository's");
	r = manifest_new(plan->source->size, b->repo->chunk_size, &b->m, e);
	if (r)
		return r;
	memcpy(b->m->id, plan->id, REPO_ID);
	if (!memcmp(plan->id, zero_id, REPO_ID))
		r = crypto_uuid(b->m->id, e);
	b->m->read_at = repo_now();
	if (plan->parent) {
		b->m->has_parent = true;
		memcpy(b->m->parent, plan->parent->id, REPO_ID);
	}
	for (uint32_t i = 0; i < plan->n_texts && !r; i++)
		r = manifest_text(b->m, plan->texts[i].key, plan->texts[i].value, e);
	b->run.total = b->m->size;
	return r;
}

static int backup_new(const struct repo *repo, const struct backup_plan *plan, struct backup **ret,
		      struct err *e)
{
	struct backup *b = calloc(1, sizeof(*b));
	int r = b ? run_init(&b->run, make_backup, backup_free, e) : err_set(e, -ENOMEM, "out of memory");

	if (!b)
		return r;
	pthread_mutex_init(&b->lock, NULL);
	b->repo = repo_ref(repo);
	b->source = backup_source_ref(plan->source);
	b->parent = manifest_ref(plan->parent);
	b->index_limit = (plan->index_memory ?: INDEX_MEMORY) / INDEX_PER_CHUNK;
	b->threads = plan->threads;
	if (!r)
		r = describe(b, plan, e);
	if (r)
		run_unref(&b->run);
	else
		*ret = b;
	return r;
}

int backup_run(const struct repo *repo, const struct backup_plan *plan, struct repo_run *run,
	       struct manifest **ret, struct err *e)
{
	struct backup *b = NULL;
	int r = backup_new(repo, plan, &b, e);

	if (r)
		return r;
	r = run_attend(&b->run, run, e);
	if (r == -ECANCELED)
		err_set(e, r, "cancelled; no backup was made");
	if (r == -ETIMEDOUT)
		err_set(e, r, "cancelled; %s or the repository %s does not answer yet", plan->source->name,
			repo->where);
	if (!r)
		*ret = manifest_ref(b->m);
	run_unref(&b->run);
	return r;
}
