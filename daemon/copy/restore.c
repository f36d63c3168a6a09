// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "copy/repo/fetch.h"
#include "copy/restore.h"

/* Of the index, for the chunks that are restored between two readings of the repository's indexes. */
#define WINDOW_MEMORY	(UINT64_C(256) << 20)
#define MEMORY		(UINT64_C(60) << 20)

/* Finding */

/* What is wanted and stored as a patch wants its base too. */
struct wanting {
	struct index *index;
	bool more;
};

static int want_bases(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		      struct err *e)
{
	struct wanting *w = data;
	int r = 0;

	for (uint32_t i = 0; i < n && r >= 0; i++)
		if (entries[i].kind == RECORD_PATCH && index_has(w->index, entries[i].id)) {
			r = index_want(w->index, entries[i].base, e);
			w->more |= r > 0;
		}
	return r < 0 ? r : 0;
}

static int find_wanted(const struct repo *repo, struct index *index, struct run *run, struct err *e)
{
	struct wanting w = { .index = index };
	struct index_load load = { .run = run, .wanted = true, .each = want_bases, .data = &w };
	struct marks *marks = NULL;
	int r = marks_load(repo, &marks, e);

	load.marks = marks;
	do {
		w.more = false;
		if (!r)
			r = index_load(repo, index, &load, e);
	} while (!r && w.more);
	marks_free(marks);
	return r;
}

/* An index of pages first to end, and, if chunks is set, of what they name. */
static int index_pages(const struct repo *repo, const struct manifest *m, uint32_t first, uint32_t end,
		       bool chunks, struct run *run, struct index **ret, struct err *e)
{
	_cleanup_free_ uint8_t (*ids)[CHUNK_ID] = calloc(page_chunks(m->chunk_size), CHUNK_ID);
	struct fetcher *fetcher = NULL;
	struct index *index = NULL;
	int r = ids ? index_new(&index, e) : err_set(e, -ENOMEM, "out of memory");

	for (uint32_t i = first; i < end && r >= 0; i++)
		if (!is_zero_id(m->pages[i]))
			r = index_want(index, m->pages[i], e);
	if (r >= 0)
		r = find_wanted(repo, index, run, e);
	if (!r && chunks)
		r = fetcher_new(repo, index, &fetcher, e);
	for (uint32_t i = first; i < end && !r && chunks; i++) {
		uint32_t n = chunks_of_page(m, i);

		r = run_take(run, 0, e);
		if (!r)
			r = fetch_page(fetcher, m->pages[i], ids, n, e);
		for (uint32_t j = 0; j < n && r >= 0; j++)
			if (!is_zero_id(ids[j]))
				r = index_want(index, ids[j], e);
		r = r < 0 ? r : 0;
	}
	fetcher_free(fetcher);
	if (!r && chunks)
		r = find_wanted(repo, index, run, e);
	if (r)
		index_free(index);
	else
		*ret = index;
	return r;
}

/* Writing */

/* Each of these is ours: an abandoned restore goes on needing it. */
struct restore {
	struct run run;
	struct repo *repo;
	struct manifest *m;
	char *to;
	bool diff, blank;
	unsigned int threads;
	struct restore_result result;
	struct index *index;
	int fd;
	bool device;
	_Atomic uint32_t next;
	uint32_t end;
	atomic_bool stop;
	pthread_mutex_t lock;		/* of what is below */
	int code;
	struct err err;
};

struct worker {
	struct restore *r;
	pthread_t thread;
	struct fetcher *fetcher;
	uint8_t *bytes, *there;
	uint8_t (*ids)[CHUNK_ID];
};

static int target_failed(const struct restore *r, const char *verb, uint64_t offset, int code, struct err *e)
{
	return err_set(e, code, "cannot %s %s at byte %llu: %s", verb, r->to,
		       (unsigned long long)offset, strerror(-code));
}

static int write_all(struct restore *r, uint64_t offset, const uint8_t *bytes, size_t length, struct err *e)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = pwrite(r->fd, bytes + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return target_failed(r, "write", offset + done, n ? -errno : -ENOSPC, e);
		done += (size_t)n;
	}
	r->result.written += length;
	return 0;
}

/* 1: the target has these bytes (NULL: zeroes) already. */
static int is_equal(struct worker *w, uint64_t offset, const uint8_t *id, uint32_t length, struct err *e)
{
	uint8_t real[CHUNK_ID];
	int code;

	for (uint32_t done = 0; done < length;) {
		ssize_t n = pread(w->r->fd, w->there + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return target_failed(w->r, "read", offset + done, -errno, e);
		if (!n)
			return 0;
		done += (uint32_t)n;
	}
	if (!id)
		return !*w->there && !memcmp(w->there, w->there + 1, length - 1);
	code = hasher_id(fetcher_hasher(w->fetcher), RECORD_DATA, w->there, length, real, e);
	return code ? code : !memcmp(real, id, CHUNK_ID);
}

/* Zeroes by what the target does best, in the end by writing them. */
static int make_zero(struct worker *w, uint64_t offset, uint32_t length, struct err *e)
{
	uint64_t range[2] = { offset, length };
	struct restore *r = w->r;

	r->result.zeroed += length;
	if (r->device ? !ioctl(r->fd, BLKZEROOUT, range) :
			!fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, length))
		return 0;
	memset(w->bytes, 0, length);
	return write_all(r, offset, w->bytes, length, e);
}

static int put_chunk(struct worker *w, uint64_t offset, const uint8_t *id, uint32_t length, struct err *e)
{
	struct restore *r = w->r;
	bool zero = is_zero_id(id);
	int code = 0;

	if (zero && (r->blank || r->fd < 0))
		return 0;
	code = run_take(&r->run, length, e);
	if (code)
		return code;
	if (r->diff && !r->blank)
		code = is_equal(w, offset, zero ? NULL : id, length, e);
	if (code > 0)
		r->result.equal += length;
	if (code)
		return code < 0 ? code : 0;
	if (zero)
		return make_zero(w, offset, length, e);
	code = fetch_chunk(w->fetcher, id, w->bytes, length, e);
	return code || r->fd < 0 ? code : write_all(r, offset, w->bytes, length, e);
}

static int do_page(struct worker *w, uint32_t page, struct err *e)
{
	const struct manifest *m = w->r->m;
	uint32_t n = chunks_of_page(m, page);
	int code = fetch_page(w->fetcher, m->pages[page], w->ids, n, e);

	for (uint32_t i = 0; i < n && !code; i++) {
		uint64_t chunk = (uint64_t)page * page_chunks(m->chunk_size) + i;
		uint32_t length = chunk_length(m, chunk);

		code = put_chunk(w, chunk * m->chunk_size, w->ids[i], length, e);
		w->r->run.gate.done += length;
		if (!code && (w->r->run.gate.cancelled || w->r->stop))
			code = -ECANCELED;
	}
	return code;
}

static void *work(void *data)
{
	struct worker *w = data;
	struct restore *r = w->r;
	struct err e = { 0 };
	int code = 0;

	driver_cancel_by(&r->run.gate.cancelled);
	while (!code && !r->stop) {
		uint32_t page = r->next++;

		if (page >= r->end)
			break;
		code = run_take(&r->run, 0, &e);
		if (!code)
			code = do_page(w, page, &e);
	}
	if (!code)
		return NULL;
	r->stop = true;
	pthread_mutex_lock(&r->lock);
	if (!r->code || r->code == -ECANCELED) {
		r->code = code;
		r->err = e;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void worker_deinit(struct worker *w)
{
	fetcher_free(w->fetcher);
	free(w->bytes);
	free(w->there);
	free(w->ids);
}

static int worker_init(struct worker *w, struct restore *r, struct err *e)
{
	w->r = r;
	w->bytes = malloc(r->repo->chunk_size);
	w->there = malloc(r->repo->chunk_size);
	w->ids = calloc(page_chunks(r->repo->chunk_size), CHUNK_ID);
	if (!w->bytes || !w->there || !w->ids)
		return err_set(e, -ENOMEM, "out of memory");
	return fetcher_new(r->repo, r->index, &w->fetcher, e);
}

static unsigned int count_threads(const struct restore *r)
{
	uint64_t each = (2u << 20) + 8 * (uint64_t)r->repo->chunk_size;
	long n = r->threads ? (long)r->threads : sysconf(_SC_NPROCESSORS_ONLN);

	n = n < (long)(MEMORY / each) ? n : (long)(MEMORY / each);
	return n < 1 ? 1 : (unsigned int)n;
}

/* Pages from r->next to r->end. */
static int run_window(struct restore *r, struct err *e)
{
	unsigned int n = count_threads(r), started = 0;
	struct worker *workers = calloc(n, sizeof(*workers));
	int code = workers ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (unsigned int i = 0; i < n && !code; i++)
		code = worker_init(&workers[i], r, e);
	while (started < n && !code) {
		code = -pthread_create(&workers[started].thread, NULL, work, &workers[started]);
		if (code)
			err_set(e, code, "cannot start a thread: %s", strerror(-code));
		else
			started++;
	}
	if (code)
		r->stop = true;
	for (unsigned int i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned int i = 0; i < n && workers; i++)
		worker_deinit(&workers[i]);
	free(workers);
	return code || !r->code ? code : err_set(e, r->code, "%s", r->err.text);
}

/* The target */

static int fit(struct restore *r, struct err *e)
{
	uint64_t size = 0;
	struct stat st;

	if (fstat(r->fd, &st) < 0)
		return target_failed(r, "open", 0, -errno, e);
	r->device = S_ISBLK(st.st_mode);
	if (!r->device && !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s is neither a file nor a block device", r->to);
	if (r->device) {
		if (ioctl(r->fd, BLKGETSIZE64, &size) < 0)
			return target_failed(r, "measure", 0, -errno, e);
		return size >= r->m->size ? 0 :
		       err_set(e, -ENOSPC, "%s has %llu bytes, too few for the backup's %llu", r->to,
			       (unsigned long long)size, (unsigned long long)r->m->size);
	}
	/* What is not to be compared is made anew, and then reads as zeroes. */
	if (!r->diff && st.st_size && ftruncate(r->fd, 0) < 0)
		return target_failed(r, "empty", 0, -errno, e);
	r->blank |= !r->diff || !st.st_size;
	return ftruncate(r->fd, (off_t)r->m->size) < 0 ? target_failed(r, "enlarge", 0, -errno, e) : 0;
}

static int open_target(struct restore *r, struct err *e)
{
	const char *to = r->to;
	struct stat st;
	int exclusive = !stat(to, &st) && S_ISBLK(st.st_mode) ? O_EXCL : O_CREAT;

	/* O_EXCL on a device: nobody has it mounted or otherwise in use. */
	r->fd = open(to, O_RDWR | O_CLOEXEC | O_NONBLOCK | exclusive, 0600);
	if (r->fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", to, strerror(errno));
	return fit(r, e);
}

static int check(const struct repo *repo, const struct manifest *m, struct err *e)
{
	return m->chunk_size == repo->chunk_size ? 0 :
	       err_set(e, -EBADMSG, "this backup's chunks have another size than the repository's");
}

static int do_restore(struct run *run, struct err *e)
{
	struct restore *r = (struct restore *)run;
	uint64_t window = WINDOW_MEMORY / INDEX_PER_CHUNK / page_chunks(r->m->chunk_size);
	uint32_t n = r->m->n_pages, first = 0;
	int code = r->to ? open_target(r, e) : 0;

	for (; first < n && !code; first = r->end) {
		r->next = first;
		r->end = n - first < window ? n : first + (uint32_t)window;
		code = index_pages(r->repo, r->m, first, r->end, true, run, &r->index, e);
		if (!code) {
			code = run_window(r, e);
			r->index = index_free(r->index);
		}
	}
	if (!code && r->fd >= 0 && fsync(r->fd) < 0)
		code = target_failed(r, "write", 0, -errno, e);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	return code;
}

static void restore_free(struct run *run)
{
	struct restore *r = (struct restore *)run;

	pthread_mutex_destroy(&r->lock);
	manifest_free(r->m);
	repo_close(r->repo);
	free(r->to);
	run_deinit(run);
	free(r);
}

static int restore_new(const struct repo *repo, const struct restore_plan *plan, struct restore **ret,
		       struct err *e)
{
	struct restore *r = calloc(1, sizeof(*r));
	int code = r ? run_init(&r->run, do_restore, restore_free, e) : err_set(e, -ENOMEM, "out of memory");

	if (!r)
		return code;
	pthread_mutex_init(&r->lock, NULL);
	r->repo = repo_ref(repo);
	r->m = manifest_ref(plan->m);
	r->to = plan->to ? strdup(plan->to) : NULL;
	r->diff = plan->diff;
	r->blank = plan->blank;
	r->threads = plan->threads;
	r->fd = -1;
	r->run.total = plan->m->size;
	if (!code && plan->to && !r->to)
		code = err_set(e, -ENOMEM, "out of memory");
	if (code)
		run_unref(&r->run);
	else
		*ret = r;
	return code;
}

int restore_run(const struct repo *repo, const struct restore_plan *plan, struct repo_run *run,
		struct restore_result *ret, struct err *e)
{
	struct restore *r = NULL;
	int code = check(repo, plan->m, e);

	if (!code)
		code = restore_new(repo, plan, &r, e);
	if (code)
		return code;
	code = run_attend(&r->run, run, e);
	if (code == -ECANCELED)
		err_set(e, code, "cancelled");
	if (code == -ETIMEDOUT)
		err_set(e, code, "cancelled; %s%sthe repository %s does not answer yet", plan->to ?: "",
			plan->to ? " or " : "", repo->where);
	ret->written = r->result.written;
	ret->equal = r->result.equal;
	ret->zeroed = r->result.zeroed;
	run_unref(&r->run);
	return code;
}

/* Looking inside */

int restore_map(const struct repo *repo, const struct manifest *m,
		int (*each)(void *data, uint32_t page, const uint8_t (*ids)[CHUNK_ID], uint32_t n,
			    struct err *e), void *data, struct err *e)
{
	_cleanup_free_ uint8_t (*ids)[CHUNK_ID] = calloc(page_chunks(m->chunk_size), CHUNK_ID);
	struct fetcher *fetcher = NULL;
	struct index *index = NULL;
	int r = check(repo, m, e);

	if (!ids)
		return err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = index_pages(repo, m, 0, m->n_pages, false, NULL, &index, e);
	if (!r)
		r = fetcher_new(repo, index, &fetcher, e);
	for (uint32_t i = 0; i < m->n_pages && !r; i++) {
		r = fetch_page(fetcher, m->pages[i], ids, chunks_of_page(m, i), e);
		if (!r)
			r = each(data, i, (const uint8_t (*)[CHUNK_ID])ids, chunks_of_page(m, i), e);
	}
	fetcher_free(fetcher);
	index_free(index);
	return r;
}

struct cat {
	struct worker w;
	const struct manifest *m;
	uint64_t at, end;
	int (*sink)(void *data, const void *bytes, size_t n, struct err *e);
	void *data;
};

static int cat_page(struct cat *c, uint32_t page, struct err *e)
{
	const struct manifest *m = c->m;
	uint64_t end = ((uint64_t)page + 1) * MAP_SPAN;
	int r = fetch_page(c->w.fetcher, m->pages[page], c->w.ids, chunks_of_page(m, page), e);

	while (!r && c->at < c->end && c->at < end) {
		uint64_t chunk = c->at / m->chunk_size, in = c->at % m->chunk_size;
		uint64_t n = chunk_length(m, chunk) - in;
		const uint8_t *id = c->w.ids[chunk % page_chunks(m->chunk_size)];

		if (n > c->end - c->at)
			n = c->end - c->at;
		if (is_zero_id(id))
			memset(c->w.bytes, 0, m->chunk_size);
		else
			r = fetch_chunk(c->w.fetcher, id, c->w.bytes, chunk_length(m, chunk), e);
		if (!r)
			r = c->sink(c->data, c->w.bytes + in, n, e);
		c->at += n;
	}
	return r;
}

int restore_cat(const struct repo *repo, const struct manifest *m, uint64_t offset, uint64_t length,
		int (*sink)(void *data, const void *bytes, size_t n, struct err *e), void *data,
		struct err *e)
{
	struct restore r = { .repo = (struct repo *)repo };
	struct cat c = { .m = m, .at = offset, .end = offset + length, .sink = sink, .data = data };
	int code = check(repo, m, e);

	if (offset > m->size || length > m->size - offset)
		return err_set(e, -ERANGE, "the backup has %llu bytes", (unsigned long long)m->size);
	if (!code && length)
		code = index_pages(repo, m, (uint32_t)(offset / MAP_SPAN),
				   (uint32_t)((c.end - 1) / MAP_SPAN) + 1, true, NULL, &r.index, e);
	if (!code && length)
		code = worker_init(&c.w, &r, e);
	while (!code && c.at < c.end)
		code = cat_page(&c, (uint32_t)(c.at / MAP_SPAN), e);
	worker_deinit(&c.w);
	index_free(r.index);
	return code;
}
