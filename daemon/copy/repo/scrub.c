// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "copy/repo/fetch.h"
#include "copy/repo/object.h"
#include "copy/repo/scrub.h"

#define THREADS_MAX 16

/* Each of these is ours, but for whom report() tells: an abandoned scrub goes on needing it. */
struct scrub {
	struct run run;
	struct repo *repo;
	struct scrub_plan plan;
	struct scrub_result result;
	struct session *session;
	struct id_list packs;
	struct index *index;		/* of what is not damaged, in the end */
	_Atomic size_t next;
	atomic_bool stop;
	pthread_mutex_t lock;		/* of what is below, and the result */
	uint8_t *marks;			/* MARK_ENTRY each: what was found now */
	uint32_t n_marks;
	int code;
	struct err err;
};

static void tell(struct scrub *s, uint64_t *count, const char *sentence)
{
	pthread_mutex_lock(&s->lock);
	++*count;
	if (s->plan.report && run_enter(&s->run)) {
		s->plan.report(s->plan.data, sentence);
		run_leave(&s->run);
	}
	pthread_mutex_unlock(&s->lock);
}

static void report(struct scrub *s, const char *sentence)
{
	tell(s, &s->result.damaged, sentence);
}

static void report_chunk(struct scrub *s, const uint8_t id[CHUNK_ID], const uint8_t pack[REPO_ID],
			 const char *why)
{
	char chunk[2 * CHUNK_ID + 1], name[DRIVER_NAME_MAX], sentence[256];

	snprintf(sentence, sizeof(sentence), "chunk %s in %s is damaged: %s",
		 repo_hex(id, CHUNK_ID, chunk), driver_name(REPO_PACK, pack, name), why);
	report(s, sentence);
}

static int add_mark(struct scrub *s, const uint8_t pack[REPO_ID], uint32_t offset)
{
	uint8_t *more, *at;

	if (marks_damaged(session_marks(s->session), pack, offset))
		return 0;
	pthread_mutex_lock(&s->lock);
	more = realloc(s->marks, (s->n_marks + 1) * (size_t)MARK_ENTRY);
	if (more) {
		s->marks = more;
		at = more + s->n_marks++ * (size_t)MARK_ENTRY;
		memset(at, 0, MARK_ENTRY);
		memcpy(at, pack, REPO_ID);
		put32(at + REPO_ID, offset);
	}
	pthread_mutex_unlock(&s->lock);
	return more ? 0 : -ENOMEM;
}

/* Indexes: what is damaged goes, and is made again from the packs when the session begins. */

static int check_entry(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		       struct err *e)
{
	return 0;
}

static int check_indexes(struct scrub *s, struct err *e)
{
	struct id_list list = { 0 };
	int r = id_list_of(s->repo, REPO_INDEX, &list, e);

	for (size_t i = 0; i < list.n && !r; i++) {
		struct err why = { 0 };
		struct object o;

		r = run_take(&s->run, 0, e);
		if (r)
			break;
		r = object_get(s->repo, REPO_INDEX, list.ids[i], &o, &why);
		if (!r) {
			r = index_parse(s->repo, o.body, o.length, check_entry, NULL, &why);
			object_deinit(&o);
			if (r == -EBADMSG)
				object_damaged(s->repo, REPO_INDEX, list.ids[i], "what it says makes no sense",
					&why);
		}
		if (r == -EBADMSG) {
			report(s, why.text);
			r = s->repo->ops->remove(s->repo->driver, REPO_INDEX, list.ids[i], e);
		} else if (r && r != -ENOENT) {
			err_set(e, r, "%s", why.text);
		}
		r = r == -ENOENT ? 0 : r;
	}
	id_list_deinit(&list);
	return r;
}

/* Marks and keys that are damaged are told; a mark's loss costs nothing but a second scrub or gc. */
static int check_marks(struct scrub *s, struct err *e)
{
	struct id_list list = { 0 };
	int r = id_list_of(s->repo, REPO_MARK, &list, e);

	for (size_t i = 0; i < list.n && !r; i++) {
		struct err why = { 0 };
		struct object o;

		r = object_get(s->repo, REPO_MARK, list.ids[i], &o, &why);
		object_deinit(&o);
		if (r == -EBADMSG) {
			report(s, why.text);
			r = s->repo->ops->remove(s->repo->driver, REPO_MARK, list.ids[i], e);
		} else if (r && r != -ENOENT) {
			err_set(e, r, "%s", why.text);
		}
		r = r == -ENOENT ? 0 : r;
	}
	id_list_deinit(&list);
	return r;
}

static int see_key(void *data, const struct repo_key *key, struct err *e)
{
	return 0;
}

/* Packs */

struct reader {
	struct scrub *s;
	struct pack_reader *pack;
	struct hasher *hasher;
	uint64_t records, bytes;
};

/* Is the content what the identifier says? A patch is told by its tag. */
static int check_content(struct reader *t, const struct entry *entry, const struct record *record,
			 struct err *e)
{
	enum record_kind kind = record->entry.kind;
	uint8_t id[CHUNK_ID];
	int r;

	if (memcmp(record->entry.id, entry->id, CHUNK_ID) || kind != entry->kind ||
	    record->entry.raw != entry->raw || record->entry.compression != entry->compression)
		return -EBADMSG;
	if (kind == RECORD_PATCH)
		return memcmp(record->entry.base, entry->base, CHUNK_ID) ? -EBADMSG : 0;
	r = hasher_id(t->hasher, kind, record->content, (uint32_t)record->length, id, e);
	return r ? r : memcmp(id, entry->id, CHUNK_ID) ? -EBADMSG : 0;
}

static int check_records(struct reader *t, const uint8_t pack[REPO_ID], const struct entry *entries,
			 uint32_t n, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; i < n && !r; i++) {
		struct record record;

		r = run_take(&t->s->run, record_size(entries[i].stored), e);
		if (r)
			return r;
		r = pack_read(t->pack, pack, entries[i].offset, entries[i].stored, &record, e);
		if (!r)
			r = check_content(t, &entries[i], &record, e);
		if (r == -EBADMSG) {
			report_chunk(t->s, entries[i].id, pack, "its tag does not fit");
			r = add_mark(t->s, pack, entries[i].offset);
		}
		t->records++;
		t->bytes += record_size(entries[i].stored);
		t->s->run.gate.done += record_size(entries[i].stored);
		if (!r && t->s->stop)
			r = -ECANCELED;
	}
	return r;
}

/* Entries of a pack whose footer does not say them, by the indexes. */
struct of_pack {
	struct reader *t;
	const uint8_t *pack;
};

static int check_indexed(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
			 struct err *e)
{
	struct of_pack *o = data;

	return memcmp(pack, o->pack, REPO_ID) ? 0 : check_records(o->t, pack, entries, n, e);
}

static int check_pack(struct reader *t, const uint8_t pack[REPO_ID], struct err *e)
{
	_cleanup_free_ struct entry *entries = NULL;
	struct of_pack o = { t, pack };
	struct index_load load = { .each = check_indexed, .data = &o };
	struct err why = { 0 };
	uint32_t n;
	int r = pack_entries(t->s->repo, pack, &entries, &n, &why);

	if (r == -ENOENT)
		return 0;
	if (!r)
		return check_records(t, pack, entries, n, e);
	if (r != -EBADMSG)
		return err_set(e, r, "%s", why.text);
	report(t->s, why.text);
	return index_load(t->s->repo, NULL, &load, e);
}

static void *work(void *data)
{
	struct scrub *s = data;
	struct reader t = { .s = s };
	struct err e = { 0 };
	int r = pack_reader_new(s->repo, &t.pack, &e);

	driver_cancel_by(&s->run.gate.cancelled);
	if (!r)
		r = hasher_new(s->repo->hash_keys, s->repo->secret, &t.hasher, &e);
	while (!r && !s->stop) {
		size_t i = s->next++;

		if (i >= s->packs.n)
			break;
		r = check_pack(&t, s->packs.ids[i], &e);
		if (!r)
			r = session_renew(s->session, false, &e);
	}
	pthread_mutex_lock(&s->lock);
	s->result.records += t.records;
	s->result.bytes += t.bytes;
	if (r && (!s->code || s->code == -ECANCELED)) {
		s->code = r;
		s->err = e;
	}
	pthread_mutex_unlock(&s->lock);
	s->stop = r;
	pack_reader_free(t.pack);
	hasher_free(t.hasher);
	return NULL;
}

/* Some of the packs, by chance. */
static int choose_pack(void *data, const struct driver_object *object, struct err *e)
{
	struct scrub *s = data;
	uint8_t die[2] = { 0 };
	int r = s->plan.percent ? crypto_random(die, sizeof(die), e) : 0;

	if (r || (s->plan.percent && get16(die) % 100 >= s->plan.percent))
		return r;
	s->run.total += object->size;
	return id_list_add(&s->packs, object->id, e);
}

static int choose(struct scrub *s, struct err *e)
{
	int r = s->repo->ops->list(s->repo->driver, REPO_PACK, choose_pack, s, e);

	id_list_sort(&s->packs);
	s->result.packs = s->packs.n;
	return r;
}

static int check_packs(struct scrub *s, struct err *e)
{
	long processors = s->plan.threads ? (long)s->plan.threads : sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int n = processors > THREADS_MAX ? THREADS_MAX : (unsigned int)processors, started = 0;
	pthread_t threads[THREADS_MAX];
	int r = choose(s, e);

	while (started < n && !r) {
		r = -pthread_create(&threads[started], NULL, work, s);
		if (r)
			err_set(e, r, "cannot start a thread: %s", strerror(-r));
		else
			started++;
	}
	if (r)
		s->stop = true;
	for (unsigned int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return r || !s->code ? r : err_set(e, s->code, "%s", s->err.text);
}

/* Backups */

/* Sound: in a pack that is there, and not damaged. */
static bool is_sound(struct scrub *s, const struct marks *marks, const uint8_t id[CHUNK_ID])
{
	struct place place;

	return index_find(s->index, id, &place) &&
	       !(place.bad && marks_damaged(marks, place.pack, place.offset));
}

struct hits {
	struct scrub *s;
	const struct marks *marks;
	struct fetcher *fetcher;
	uint8_t (*ids)[CHUNK_ID], *bytes;
};

/* A patch whose base has no sound copy is damaged too, although its tag fits. */
static int mark_patches(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
			struct err *e)
{
	struct hits *h = data;

	for (uint32_t i = 0; i < n; i++) {
		if (entries[i].kind != RECORD_PATCH || is_sound(h->s, h->marks, entries[i].base) ||
		    marks_damaged(h->marks, pack, entries[i].offset))
			continue;
		report_chunk(h->s, entries[i].id, pack, "what it builds on is damaged");
		if (add_mark(h->s, pack, entries[i].offset))
			return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

static void report_hit(struct scrub *s, const uint8_t id[REPO_ID], const char *name, const char *what)
{
	char text[2 * REPO_ID + 1], sentence[768];

	snprintf(sentence, sizeof(sentence), "backup %s%s%s%s can't be restored: %s",
		 repo_hex(id, REPO_ID, text), name ? " (" : "", name ?: "", name ? ")" : "", what);
	tell(s, &s->result.hit, sentence);
}

/* Of a chunk that is marked there may be a sound copy all the same, or it builds on what was healed. */
static bool is_lost(struct hits *h, const struct manifest *m, uint32_t page, uint32_t i)
{
	uint64_t chunk = (uint64_t)page * page_chunks(m->chunk_size) + i;
	struct err why = { 0 };

	return !is_zero_id(h->ids[i]) && !is_sound(h->s, h->marks, h->ids[i]) &&
	       fetch_chunk(h->fetcher, h->ids[i], h->bytes, chunk_length(m, chunk), &why);
}

/* 1: it lacks something, the first of which is in text. */
static int lacks(struct hits *h, const struct manifest *m, char text[128], struct err *e)
{
	char chunk[2 * CHUNK_ID + 1];
	struct err why = { 0 };

	for (uint32_t p = 0; p < m->n_pages; p++) {
		uint32_t n = chunks_of_page(m, p);
		const uint8_t *lost = NULL;
		int r = run_take(&h->s->run, 0, e);

		if (r)
			return r;
		if (is_zero_id(m->pages[p]))
			continue;
		if (fetch_page(h->fetcher, m->pages[p], h->ids, n, &why))
			lost = m->pages[p];
		for (uint32_t i = 0; i < n && !lost; i++)
			if (is_lost(h, m, p, i))
				lost = h->ids[i];
		if (lost) {
			snprintf(text, 128, "it needs chunk %s", repo_hex(lost, CHUNK_ID, chunk));
			return 1;
		}
	}
	return 0;
}

static int check_backup(void *data, struct manifest *m, struct err *e)
{
	struct hits *h = data;
	char text[128];
	int r = 0;

	h->s->result.backups++;
	if (m->chunk_size != h->s->repo->chunk_size)
		report_hit(h->s, m->id, manifest_get(m, "name"), "its chunks have another size");
	else if ((r = lacks(h, m, text, e)) > 0)
		report_hit(h->s, m->id, manifest_get(m, "name"), text);
	manifest_free(m);
	return r < 0 ? r : 0;
}

static int bad_backup(void *data, const uint8_t id[REPO_ID], struct err *e)
{
	struct hits *h = data;

	h->s->result.backups++;
	report(h->s, e->text);
	report_hit(h->s, id, NULL, "its manifest is damaged");
	return 0;
}

static int put_marks(struct scrub *s, struct err *e)
{
	uint8_t id[REPO_ID];
	int r = 0;

	for (uint32_t at = 0; at < s->n_marks && !r; at += MARK_ENTRIES_MAX)
		r = marks_put(s->repo, MARK_DAMAGED, s->marks + (size_t)at * MARK_ENTRY,
			      s->n_marks - at < MARK_ENTRIES_MAX ? s->n_marks - at : MARK_ENTRIES_MAX, id, e);
	s->n_marks = 0;
	return r;
}

/* With all that is damaged marked: what is left of the indexes. */
static int reload(struct scrub *s, struct marks **marks, struct id_list *packs, struct err *e)
{
	struct index_load load = { .run = &s->run, .packs = packs, .list_packs = true };
	int r = put_marks(s, e);

	marks_free(*marks);
	*marks = NULL;
	s->index = index_free(s->index);
	if (!r)
		r = marks_load(s->repo, marks, e);
	load.marks = *marks;
	if (!r)
		r = index_new(&s->index, e);
	return r ? r : index_load(s->repo, s->index, &load, e);
}

static int check_backups(struct scrub *s, struct err *e)
{
	struct hits h = { .s = s };
	struct id_list packs = { 0 }, backups = { 0 };
	struct index_load load = { .run = &s->run, .packs = &packs, .each = mark_patches, .data = &h };
	struct marks *marks = NULL;
	/* First: a backup is there after its chunks and their indexes. */
	int r = id_list_of(s->repo, REPO_BACKUP, &backups, e);

	h.ids = calloc(page_chunks(s->repo->chunk_size), CHUNK_ID);
	h.bytes = malloc(s->repo->chunk_size);
	if (!h.ids || !h.bytes)
		r = err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = reload(s, &marks, &packs, e);
	h.marks = marks;
	if (!r)
		r = index_load(s->repo, NULL, &load, e);
	if (!r && s->n_marks)
		r = reload(s, &marks, &packs, e);
	h.marks = marks;
	if (!r)
		r = fetcher_new(s->repo, s->index, &h.fetcher, e);
	if (!r)
		r = manifest_each(s->repo, &backups, check_backup, bad_backup, &h, e);
	fetcher_free(h.fetcher);
	id_list_deinit(&packs);
	id_list_deinit(&backups);
	marks_free(marks);
	free(h.ids);
	free(h.bytes);
	return r;
}

static int run_session(struct scrub *s, struct err *e)
{
	uint8_t id[REPO_ID];
	int r = crypto_uuid(id, e);

	/* The session makes the indexes again, and its lease keeps gc from deleting what is read. */
	if (!r)
		r = session_begin(s->repo, id, 0, &s->run, &s->session, e);
	if (!r)
		r = session_flush(s->session, e);
	if (!r) {
		s->result.rebuilt = session_adopted(s->session);
		session_drop_index(s->session);
		r = check_packs(s, e);
	}
	if (!r)
		r = check_backups(s, e);
	session_end(s->session);
	return r;
}

static int make_scrub(struct run *run, struct err *e)
{
	struct scrub *s = (struct scrub *)run;
	struct err why = { 0 };
	int r;

	if (repo_keys(s->repo, see_key, NULL, &why) == -EBADMSG)
		report(s, why.text);
	r = check_indexes(s, e);
	if (!r)
		r = check_marks(s, e);
	return r ? r : run_session(s, e);
}

static void scrub_free(struct run *run)
{
	struct scrub *s = (struct scrub *)run;

	pthread_mutex_destroy(&s->lock);
	id_list_deinit(&s->packs);
	index_free(s->index);
	free(s->marks);
	repo_close(s->repo);
	run_deinit(run);
	free(s);
}

int scrub_run(const struct repo *repo, const struct scrub_plan *plan, struct repo_run *run,
	      struct scrub_result *ret, struct err *e)
{
	struct scrub *s = calloc(1, sizeof(*s));
	int r = s ? run_init(&s->run, make_scrub, scrub_free, e) : err_set(e, -ENOMEM, "out of memory");

	*ret = (struct scrub_result) { 0 };
	if (!s)
		return r;
	pthread_mutex_init(&s->lock, NULL);
	s->repo = repo_ref(repo);
	s->plan = *plan;
	if (!r)
		r = run_attend(&s->run, run, e);
	if (r == -ECANCELED)
		err_set(e, r, "cancelled");
	if (r == -ETIMEDOUT)
		err_set(e, r, "cancelled; the repository %s does not answer yet", repo->where);
	else
		*ret = s->result;
	run_unref(&s->run);
	return r;
}
