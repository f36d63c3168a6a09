// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "copy/repo/fetch.h"
#include "copy/repo/gc.h"
#include "copy/repo/object.h"

/* A pack of which less than one in so many bytes lives is copied and goes. */
#define REPACK_SHARE	2
#define FENCE_NS	(UINT64_C(30) * 86400 * 1000000000)
#define TMP_NS		(UINT64_C(86400) * 1000000000)
/* Packs in one index object, so that reading it takes little memory. */
#define MERGE_PACKS	1024
/* Indexes that are merged although nothing was deleted. */
#define MERGE_OBJECTS	32

struct gc_pack {
	uint8_t id[REPO_ID];
	uint64_t bytes, live;
};

/* Each of these is ours: an abandoned gc goes on needing it. */
struct gc {
	struct run run;
	struct repo *repo;
	struct gc_result result;
	struct session *session;
	uint64_t dead_ns;
	/* What the last look has found. */
	struct index *index;
	struct gc_pack *packs;
	size_t n, allocated;
};

/* Marking */

struct marker {
	struct run *run;
	const struct repo *repo;
	struct index *index;
	struct fetcher *fetcher;
	uint8_t (*ids)[CHUNK_ID];
};

static int mark_one(const struct marker *k, const struct manifest *m, const uint8_t id[CHUNK_ID],
		    struct err *e)
{
	char chunk[2 * CHUNK_ID + 1], backup[2 * REPO_ID + 1];

	if (is_zero_id(id) || index_mark(k->index, id) >= 0)
		return 0;
	return err_set(e, -EBADMSG, "the backup %s lacks the chunk %s; nothing is deleted before "
		       "repo scrub has named the damage and such backups are deleted or the chunk is "
		       "stored again", repo_hex(m->id, REPO_ID, backup), repo_hex(id, CHUNK_ID, chunk));
}

static int mark_backup(void *data, struct manifest *m, struct err *e)
{
	const struct marker *k = data;
	int r = m->chunk_size == k->repo->chunk_size ? 0 :
		object_damaged(k->repo, REPO_BACKUP, m->id, "its chunks have another size", e);

	for (uint32_t p = 0; p < m->n_pages && !r; p++) {
		uint32_t n = chunks_of_page(m, p);

		r = mark_one(k, m, m->pages[p], e);
		if (r || is_zero_id(m->pages[p]))
			continue;
		r = run_take(k->run, 0, e);
		if (!r)
			r = fetch_page(k->fetcher, m->pages[p], k->ids, n, e);
		for (uint32_t i = 0; i < n && !r; i++)
			r = mark_one(k, m, k->ids[i], e);
	}
	manifest_free(m);
	return r;
}

/* Patches that are needed need their bases. */
static int mark_bases(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		      struct err *e)
{
	struct index *index = data;

	for (uint32_t i = 0; i < n; i++)
		if (entries[i].kind == RECORD_PATCH && index_marked(index, entries[i].id))
			index_mark(index, entries[i].base);
	return 0;
}

/* Everything that these backups need gets its mark in the index. */
static int mark_all(struct gc *gc, const struct id_list *backups, struct err *e)
{
	const struct repo *repo = gc->repo;
	struct index *index = gc->index;
	struct marker k = { .run = &gc->run, .repo = repo, .index = index };
	struct index_load load = { .run = &gc->run, .each = mark_bases, .data = index };
	int r;

	k.ids = calloc(page_chunks(repo->chunk_size), CHUNK_ID);
	if (!k.ids)
		return err_set(e, -ENOMEM, "out of memory");
	r = fetcher_new(repo, index, &k.fetcher, e);
	if (!r)
		r = manifest_each(repo, backups, mark_backup, NULL, &k, e);
	fetcher_free(k.fetcher);
	free(k.ids);
	return r ? r : index_load(repo, NULL, &load, e);
}

/* Looking */

static bool lives(struct gc *gc, const uint8_t pack[REPO_ID], const struct entry *entry)
{
	struct place place;

	return index_marked(gc->index, entry->id) && index_find(gc->index, entry->id, &place) &&
	       place.offset == entry->offset && !memcmp(place.pack, pack, REPO_ID);
}

static int weigh_pack(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		      struct err *e)
{
	struct gc *gc = data;
	struct gc_pack *p;

	if (gc->n == gc->allocated) {
		size_t more = gc->allocated ? 2 * gc->allocated : 64;
		void *packs = realloc(gc->packs, more * sizeof(*gc->packs));

		if (!packs)
			return err_set(e, -ENOMEM, "out of memory");
		gc->packs = packs;
		gc->allocated = more;
	}
	p = &gc->packs[gc->n++];
	*p = (struct gc_pack) { .bytes = HEAD_SIZE + REPO_TAG + TRAILER_SIZE };
	memcpy(p->id, pack, REPO_ID);
	for (uint32_t i = 0; i < n; i++) {
		p->bytes += record_size(entries[i].stored) + ENTRY_SIZE;
		p->live += lives(gc, pack, &entries[i]) ? record_size(entries[i].stored) : 0;
	}
	return 0;
}

static int compare_packs(const void *a, const void *b)
{
	return memcmp(a, b, REPO_ID);
}

/* Which packs there are and what of them lives, each once. objects: filled with the indexes, or NULL. */
static int look(struct gc *gc, const struct marks *marks, struct id_list *objects, struct err *e)
{
	struct id_list packs = { 0 }, backups = { 0 };
	struct index_load load = { .run = &gc->run, .marks = marks, .packs = &packs, .list_packs = true };
	size_t kept = 0;
	/* First: a backup is there after its chunks and their indexes. */
	int r = id_list_of(gc->repo, REPO_BACKUP, &backups, e);

	gc->n = 0;
	if (!r)
		r = index_new(&gc->index, e);
	if (!r)
		r = index_load(gc->repo, gc->index, &load, e);
	if (!r)
		r = mark_all(gc, &backups, e);
	load = (struct index_load) {
		.run = &gc->run, .packs = &packs, .each = weigh_pack, .data = gc, .objects = objects,
	};
	if (!r)
		r = index_load(gc->repo, NULL, &load, e);
	id_list_deinit(&packs);
	id_list_deinit(&backups);
	if (gc->n)
		qsort(gc->packs, gc->n, sizeof(*gc->packs), compare_packs);
	for (size_t i = 0; i < gc->n; i++)
		if (!i || compare_packs(&gc->packs[i - 1], &gc->packs[i]))
			gc->packs[kept++] = gc->packs[i];
	gc->n = kept;
	return r;
}

/* Condemning */

/* Its living chunks into new packs. 1: it has damaged ones and stays as it is. */
static int copy_pack(struct gc *gc, struct pack_reader *reader, struct chunk_store *store,
		     const struct gc_pack *p, struct err *e)
{
	_cleanup_free_ struct entry *entries = NULL;
	struct err why = { 0 };
	uint32_t n;
	int r = pack_entries(gc->repo, p->id, &entries, &n, &why);

	if (r)
		return r == -EBADMSG || r == -ENOENT ? 1 : err_set(e, r, "%s", why.text);
	for (uint32_t i = 0; i < n && !r; i++) {
		struct record record;

		if (!lives(gc, p->id, &entries[i]))
			continue;
		r = run_take(&gc->run, record_size(entries[i].stored), e);
		if (r)
			return r;
		r = pack_read(reader, p->id, entries[i].offset, entries[i].stored, &record, e);
		if (r)
			return r == -EBADMSG ? 1 : r;
		r = chunk_store_add(store, record.entry.kind, entries[i].id,
				    record.entry.kind == RECORD_PATCH ? record.entry.base : NULL,
				    record.content, record.length, &gc->result.copied, e);
	}
	return r ? r : session_renew(gc->session, false, e);
}

static int copy_packs(struct gc *gc, uint8_t *entries, uint32_t *n, struct err *e)
{
	struct pack_reader *reader = NULL;
	struct chunk_store *store = NULL;
	int r = pack_reader_new(gc->repo, &reader, e);

	if (!r)
		r = chunk_store_new(gc->session, &store, e);
	for (size_t i = 0; i < gc->n && !r; i++) {
		struct gc_pack *p = &gc->packs[i];

		gc->run.gate.done += p->bytes;
		if (marks_condemned(session_marks(gc->session), p->id) || p->live > p->bytes / REPACK_SHARE)
			continue;
		if (p->live) {
			r = copy_pack(gc, reader, store, p, e);
			if (r > 0) {
				r = 0;
				continue;
			}
		}
		memset(entries + *n * MARK_ENTRY, 0, MARK_ENTRY);
		memcpy(entries + (*n)++ * MARK_ENTRY, p->id, REPO_ID);
	}
	/* What was copied is there and indexed before the first pack is condemned. */
	if (!r)
		r = chunk_store_flush(store, e);
	if (!r)
		r = session_flush(gc->session, e);
	chunk_store_free(store);
	pack_reader_free(reader);
	return r;
}

static int condemn(struct gc *gc, struct err *e)
{
	_cleanup_free_ uint8_t *entries = NULL;
	uint32_t n = 0, at = 0;
	uint8_t id[REPO_ID];
	int r = look(gc, session_marks(gc->session), NULL, e);

	if (r)
		return r;
	gc->result.packs = gc->n;
	for (size_t i = 0; i < gc->n; i++)
		gc->result.bytes += gc->packs[i].bytes;
	gc->run.total = gc->result.bytes;
	entries = malloc(gc->n * MARK_ENTRY + 1);
	if (!entries)
		return err_set(e, -ENOMEM, "out of memory");
	r = copy_packs(gc, entries, &n, e);
	for (; at < n && !r; at += MARK_ENTRIES_MAX)
		r = marks_put(gc->repo, MARK_CONDEMNED, entries + at * MARK_ENTRY,
			      n - at < MARK_ENTRIES_MAX ? n - at : MARK_ENTRIES_MAX, id, e);
	gc->index = index_free(gc->index);
	return r;
}

/* Waiting for writers */

static int fence(struct gc *gc, const struct lease *lease, struct err *e)
{
	struct manifest *m;
	int r = manifest_new(0, gc->repo->chunk_size, &m, e);

	if (r)
		return r;
	m->type = MANIFEST_FENCE;
	memcpy(m->id, lease->id, REPO_ID);
	r = manifest_put(gc->repo, m, e);
	manifest_free(m);
	gc->result.fenced += !r;
	if (r && r != -EEXIST)
		return r;
	r = gc->repo->ops->remove(gc->repo->driver, REPO_LEASE, lease->id, e);
	return r == -ENOENT ? 0 : r;
}

static bool has_seen(const struct lease *lease, const struct id_list *marks)
{
	for (size_t i = 0; i < marks->n; i++)
		if (!id_list_has(&lease->seen, marks->ids[i]))
			return false;
	return true;
}

/* By the clock of the repository: our own lease was renewed just now. */
static int settle_writers(struct gc *gc, const struct id_list *marks, struct err *e)
{
	struct lease_list list = { 0 };
	uint64_t now = 0;
	int r = session_renew(gc->session, true, e);

	if (!r)
		r = lease_list(gc->repo, &list, e);
	for (size_t i = 0; i < list.n; i++)
		if (!memcmp(list.leases[i].id, gc_lease, REPO_ID))
			now = list.leases[i].renewed_at;
	for (size_t i = 0; i < list.n && !r; i++) {
		const struct lease *lease = &list.leases[i];

		if (!memcmp(lease->id, gc_lease, REPO_ID))
			continue;
		if (now > lease->renewed_at && now - lease->renewed_at >= gc->dead_ns)
			r = fence(gc, lease, e);
		else
			gc->result.waiting += !has_seen(lease, marks);
	}
	lease_list_deinit(&list);
	return r;
}

/* Sweeping */

struct merge {
	struct gc *gc;
	const struct id_list *gone;
	struct index_body body;
};

static int merge_pack(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		      struct err *e)
{
	struct merge *m = data;
	uint8_t id[REPO_ID];
	int r;

	if (id_list_has(m->gone, pack))
		return 0;
	r = index_body_add(&m->body, pack, entries, n, e);
	return !r && m->body.packs >= MERGE_PACKS ? index_body_put(m->gc->repo, &m->body, id, e) : r;
}

/* The new ones are there before the old ones go. */
static int merge_indexes(struct gc *gc, const struct id_list *gone, const struct id_list *objects,
			 struct err *e)
{
	struct merge m = { .gc = gc, .gone = gone };
	uint8_t id[REPO_ID];
	int r = 0;

	for (size_t i = 0; i < objects->n && !r; i++) {
		struct object o;

		r = object_get(gc->repo, REPO_INDEX, objects->ids[i], &o, e);
		if (r)
			break;
		r = index_parse(gc->repo, o.body, o.length, merge_pack, &m, e);
		object_deinit(&o);
	}
	if (!r)
		r = index_body_put(gc->repo, &m.body, id, e);
	for (size_t i = 0; i < objects->n && !r; i++)
		r = gc->repo->ops->remove(gc->repo->driver, REPO_INDEX, objects->ids[i], e);
	free(m.body.bytes);
	return r;
}

static int delete_packs(struct gc *gc, const struct marks *marks, struct id_list *gone, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < gc->n && !r; i++) {
		const struct gc_pack *p = &gc->packs[i];

		if (p->live || !marks_condemned(marks, p->id))
			continue;
		r = run_take(&gc->run, 0, e);
		if (!r)
			r = session_renew(gc->session, false, e);
		if (!r)
			r = gc->repo->ops->remove(gc->repo->driver, REPO_PACK, p->id, e);
		if (!r)
			r = id_list_add(gone, p->id, e);
		gc->result.deleted_packs += !r;
		gc->result.freed += r ? 0 : p->bytes;
	}
	/* Those that an interrupted gc has deleted are in indexes still. */
	for (size_t i = 0; i < marks_packs(marks)->n && !r; i++) {
		const uint8_t *pack = marks_packs(marks)->ids[i];

		if (!bsearch(pack, gc->packs, gc->n, sizeof(*gc->packs), compare_packs))
			r = id_list_add(gone, pack, e);
	}
	id_list_sort(gone);
	return r;
}

static int forget_marks(struct gc *gc, const struct marks *marks, struct err *e)
{
	const struct id_list *list = marks_of(marks, MARK_CONDEMNED);
	int r = 0;

	for (size_t i = 0; i < list->n && !r; i++)
		r = gc->repo->ops->remove(gc->repo->driver, REPO_MARK, list->ids[i], e);
	return r;
}

static int sweep(struct gc *gc, const struct marks *marks, struct err *e)
{
	struct id_list objects = { 0 }, gone = { 0 };
	int r = look(gc, marks, &objects, e);

	if (!r)
		r = delete_packs(gc, marks, &gone, e);
	if (!r && (gone.n || objects.n > MERGE_OBJECTS))
		r = merge_indexes(gc, &gone, &objects, e);
	if (!r)
		r = forget_marks(gc, marks, e);
	id_list_deinit(&objects);
	id_list_deinit(&gone);
	return r;
}

/* Fences that have kept out whoever was to be kept out. */
static int drop_fence(void *data, const struct driver_object *object, struct err *e)
{
	struct gc *gc = data;
	struct manifest *m;
	struct err why = { 0 };

	if (object->size != HEAD_SIZE + 4 + REPO_TAG || repo_now() < object->time + FENCE_NS ||
	    manifest_load(gc->repo, object->id, &m, &why))
		return 0;
	if (m->type == MANIFEST_FENCE)
		gc->repo->ops->remove(gc->repo->driver, REPO_BACKUP, object->id, &why);
	manifest_free(m);
	return 0;
}

static int collect(struct gc *gc, struct err *e)
{
	struct marks *marks = NULL;
	int r = session_flush(gc->session, e);

	session_drop_index(gc->session);
	if (!r)
		r = condemn(gc, e);
	if (!r)
		r = marks_load(gc->repo, &marks, e);
	if (!r)
		r = settle_writers(gc, marks_of(marks, MARK_CONDEMNED), e);
	if (!r && !gc->result.waiting)
		r = sweep(gc, marks, e);
	if (!r)
		r = gc->repo->ops->list(gc->repo->driver, REPO_BACKUP, drop_fence, gc, e);
	if (!r)
		r = gc->repo->ops->tidy(gc->repo->driver, TMP_NS, e);
	marks_free(marks);
	return r;
}

/* The lease of a gc that died, if it is old enough: taken away. 1: taken. */
static int take_over(const struct repo *repo, uint64_t dead_ns, struct err *e)
{
	struct lease_list list;
	uint64_t now = repo_now();
	int r = lease_list(repo, &list, e);

	for (size_t i = 0; i < list.n && !r; i++)
		if (!memcmp(list.leases[i].id, gc_lease, REPO_ID) &&
		    now >= list.leases[i].renewed_at + dead_ns) {
			r = repo->ops->remove(repo->driver, REPO_LEASE, gc_lease, e);
			r = !r || r == -ENOENT ? 1 : r;
		}
	lease_list_deinit(&list);
	return r;
}

static int make_gc(struct run *run, struct err *e)
{
	struct gc *gc = (struct gc *)run;
	int r = session_begin(gc->repo, gc_lease, 0, run, &gc->session, e);

	if (r == -EEXIST && (r = take_over(gc->repo, gc->dead_ns, e)) > 0)
		r = session_begin(gc->repo, gc_lease, 0, run, &gc->session, e);
	else if (!r && !gc->session)
		r = -EEXIST;
	if (r == -EEXIST)
		return err_set(e, -EBUSY, "another gc works on the repository %s, or one was killed: then "
			       "wait until it was silent for an hour", gc->repo->where);
	if (!r)
		r = collect(gc, e);
	session_end(gc->session);
	return r;
}

static void gc_free(struct run *run)
{
	struct gc *gc = (struct gc *)run;

	index_free(gc->index);
	free(gc->packs);
	repo_close(gc->repo);
	run_deinit(run);
	free(gc);
}

int gc_run(const struct repo *repo, uint64_t dead_ns, struct repo_run *run, struct gc_result *ret,
	   struct err *e)
{
	struct gc *gc = calloc(1, sizeof(*gc));
	int r = gc ? run_init(&gc->run, make_gc, gc_free, e) : err_set(e, -ENOMEM, "out of memory");

	*ret = (struct gc_result) { 0 };
	if (!gc)
		return r;
	gc->repo = repo_ref(repo);
	gc->dead_ns = dead_ns ?: LEASE_DEAD_NS;
	if (!r)
		r = run_attend(&gc->run, run, e);
	if (r == -ECANCELED)
		err_set(e, r, "cancelled; the next gc goes on");
	if (r == -ETIMEDOUT)
		err_set(e, r, "cancelled; the repository %s does not answer yet", repo->where);
	else
		*ret = gc->result;
	run_unref(&gc->run);
	return r;
}
