// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "copy/repo/object.h"
#include "copy/repo/session.h"

/* Packs between two indexes. */
#define INDEX_PACKS	64
#define LEASE_BODY	(8 + REPO_ID + 8)

const uint8_t gc_lease[REPO_ID] = {
	255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

struct session {
	const struct repo *repo;
	struct run *run;
	struct lease lease;
	struct marks *marks;
	struct index *index;
	pthread_mutex_t lock;		/* of what is below */
	struct index_body body;
	uint64_t packs;			/* that have a name */
	uint64_t renewed_at, adopted;
	bool committed;
	bool lost;			/* the lease was taken away */
};

struct chunk_store {
	struct session *session;
	struct compressor *compressor;
	struct pack_writer *pack;
	uint8_t pack_id[REPO_ID];
};

/* Leases */

static int lease_put(const struct repo *repo, const struct lease *lease, bool replace, struct err *e)
{
	size_t length = LEASE_BODY + lease->seen.n * REPO_ID;
	_cleanup_free_ uint8_t *body = malloc(length);

	if (!body)
		return err_set(e, -ENOMEM, "out of memory");
	put64(body, lease->began_at);
	memcpy(body + 8, lease->session, REPO_ID);
	put32(body + 24, (uint32_t)lease->seen.n);
	put32(body + 28, 0);
	if (lease->seen.n)
		memcpy(body + LEASE_BODY, lease->seen.ids, lease->seen.n * REPO_ID);
	return object_put(repo, REPO_LEASE, lease->id, body, length, replace, e);
}

static int parse_lease(const struct repo *repo, const struct object *o, struct lease *lease, struct err *e)
{
	uint32_t n = o->length >= LEASE_BODY ? get32(o->body + 24) : 0;
	int r = 0;

	if (o->length != LEASE_BODY + (uint64_t)n * REPO_ID)
		return object_damaged(repo, REPO_LEASE, lease->id, "what it says makes no sense", e);
	lease->began_at = get64(o->body);
	memcpy(lease->session, o->body + 8, REPO_ID);
	for (uint32_t i = 0; i < n && !r; i++)
		r = id_list_add(&lease->seen, o->body + LEASE_BODY + i * REPO_ID, e);
	id_list_sort(&lease->seen);
	return r;
}

struct lister {
	const struct repo *repo;
	struct lease_list *list;
};

/* One that is damaged is a lease too, of which nothing but its age is known: it has seen nothing. */
static int add_lease(void *data, const struct driver_object *object, struct err *e)
{
	struct lister *l = data;
	struct lease *more = realloc(l->list->leases, (l->list->n + 1) * sizeof(*more));
	struct lease *lease;
	struct err why = { 0 };
	struct object o;
	int r;

	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	l->list->leases = more;
	lease = &more[l->list->n];
	*lease = (struct lease) { .renewed_at = object->time };
	memcpy(lease->id, object->id, REPO_ID);
	memcpy(lease->session, object->id, REPO_ID);
	r = object_get(l->repo, REPO_LEASE, object->id, &o, &why);
	if (r == -ENOENT)
		return 0;
	l->list->n++;
	if (!r) {
		r = parse_lease(l->repo, &o, lease, &why);
		object_deinit(&o);
	}
	return r && r != -EBADMSG ? err_set(e, r, "%s", why.text) : 0;
}

int lease_list(const struct repo *repo, struct lease_list *list, struct err *e)
{
	struct lister l = { repo, list };

	*list = (struct lease_list) { 0 };
	return repo->ops->list(repo->driver, REPO_LEASE, add_lease, &l, e);
}

void lease_list_deinit(struct lease_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		id_list_deinit(&list->leases[i].seen);
	free(list->leases);
	*list = (struct lease_list) { 0 };
}

bool lease_owns(const struct lease_list *list, const uint8_t pack[REPO_ID])
{
	for (size_t i = 0; i < list->n; i++)
		if (!memcmp(list->leases[i].session, pack, REPO_ID / 2))
			return true;
	return false;
}

/* Sessions */

static int see_marks(struct session *s, struct err *e)
{
	static const enum mark_type types[] = { MARK_CONDEMNED, MARK_DAMAGED };
	int r = marks_load(s->repo, &s->marks, e);

	for (size_t t = 0; t < 2 && !r; t++) {
		const struct id_list *ids = marks_of(s->marks, types[t]);

		for (size_t i = 0; i < ids->n && !r; i++)
			r = id_list_add(&s->lease.seen, ids->ids[i], e);
	}
	return r ? r : lease_put(s->repo, &s->lease, true, e);
}

/*
 * Packs that no index has, of writers that are gone: what they stored is used
 * again. One whose footer is damaged is left for scrub.
 */
static int adopt(struct session *s, const struct index_load *load, const struct id_list *packs,
		 struct err *e)
{
	struct lease_list leases;
	int r = lease_list(s->repo, &leases, e);

	for (size_t i = 0; i < packs->n && !(r = r ?: run_take(s->run, 0, e)); i++) {
		_cleanup_free_ struct entry *entries = NULL;
		const uint8_t *pack = packs->ids[i];
		struct err why = { 0 };
		uint32_t n;

		if (id_list_has(load->seen, pack) || lease_owns(&leases, pack) ||
		    marks_condemned(s->marks, pack))
			continue;
		r = pack_entries(s->repo, pack, &entries, &n, &why);
		if (r == -ENOENT || r == -EBADMSG) {
			r = 0;
			continue;
		}
		if (r)
			err_set(e, r, "%s", why.text);
		if (!r)
			r = index_add_pack(s->index, load, pack, entries, n, e);
		if (!r)
			r = index_body_add(&s->body, pack, entries, n, e);
		s->adopted += !r;
	}
	lease_list_deinit(&leases);
	return r;
}

/*
 * A writer that ends while we look may have indexed a pack that we take for
 * one without index: then two indexes have it, which is no harm. One that goes
 * on has its lease, because packs are listed before leases.
 */
static int load_index(struct session *s, uint64_t limit, struct err *e)
{
	struct id_list packs = { 0 }, seen = { 0 };
	struct index_load load = {
		.run = s->run, .marks = s->marks, .packs = &packs, .list_packs = true, .limit = limit, .seen = &seen,
	};
	int r = index_load(s->repo, s->index, &load, e);

	if (!r)
		r = adopt(s, &load, &packs, e);
	id_list_deinit(&packs);
	id_list_deinit(&seen);
	return r;
}

static int keep_lease(void *data, struct err *e)
{
	return session_renew(data, false, e);
}

int session_begin(const struct repo *repo, const uint8_t lease[REPO_ID], uint64_t limit, struct run *run,
		  struct session **ret, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->repo = repo;
	pthread_mutex_init(&s->lock, NULL);
	memcpy(s->lease.id, lease, REPO_ID);
	s->lease.began_at = s->renewed_at = repo_now();
	r = crypto_uuid(s->lease.session, e);
	if (!r)
		r = lease_put(repo, &s->lease, false, e);
	if (r) {
		s->committed = true;	/* somebody else's lease stays */
		session_end(s);
		return r;
	}
	s->run = run;
	if (run) {
		run->keep_data = s;
		run->keep = keep_lease;
	}
	r = see_marks(s, e);
	if (!r)
		r = index_new(&s->index, e);
	if (!r)
		r = load_index(s, limit, e);
	if (r) {
		session_end(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct session *session_end(struct session *s)
{
	struct err ignored = { 0 };

	if (!s)
		return NULL;
	if (s->run)
		s->run->keep = NULL;
	if (!s->committed) {
		session_flush(s, &ignored);
		/* One of that name may be another gc's by now. */
		if (!s->lost)
			s->repo->ops->remove(s->repo->driver, REPO_LEASE, s->lease.id, &ignored);
	}
	pthread_mutex_destroy(&s->lock);
	free(s->body.bytes);
	id_list_deinit(&s->lease.seen);
	marks_free(s->marks);
	index_free(s->index);
	free(s);
	return NULL;
}

struct index *session_index(struct session *session)
{
	return session->index;
}

void session_drop_index(struct session *session)
{
	session->index = index_free(session->index);
}

uint64_t session_adopted(const struct session *session)
{
	return session->adopted;
}

const struct marks *session_marks(const struct session *session)
{
	return session->marks;
}

/* Also one of the same name is another's: gc's, after ours was taken away. */
static int lease_there(const struct session *s, struct err *e)
{
	struct lease there = { 0 };
	struct err why = { 0 };
	struct object o;
	int r = object_get(s->repo, REPO_LEASE, s->lease.id, &o, &why);

	if (!r) {
		memcpy(there.id, s->lease.id, REPO_ID);
		r = parse_lease(s->repo, &o, &there, &why);
		object_deinit(&o);
		if (!r && memcmp(there.session, s->lease.session, REPO_ID))
			r = -ENOENT;
		id_list_deinit(&there.seen);
	}
	if (r == -ENOENT)
		return err_set(e, -ESTALE, "the repository's gc took this writer for dead, which was silent "
			       "for an hour; nothing was committed: start again");
	/* One that is damaged is written anew. */
	return r && r != -EBADMSG ? err_set(e, r, "%s", why.text) : 0;
}

int session_renew(struct session *s, bool now, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (now || repo_now() - s->renewed_at >= LEASE_RENEW_NS) {
		r = lease_there(s, e);
		if (!r)
			r = lease_put(s->repo, &s->lease, true, e);
		s->lost |= r == -ESTALE;
		s->renewed_at = repo_now();
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int session_flush(struct session *s, struct err *e)
{
	uint8_t id[REPO_ID];
	int r;

	pthread_mutex_lock(&s->lock);
	r = index_body_put(s->repo, &s->body, id, e);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int session_commit(struct session *s, const struct manifest *m, struct err *e)
{
	int r = session_flush(s, e);

	if (!r)
		r = session_renew(s, true, e);
	if (!r)
		r = manifest_put(s->repo, m, e);
	if (r == -EEXIST)
		return err_set(e, -ESTALE, "the repository's gc took this backup for dead, which was silent "
			       "for an hour; it was not committed: start again");
	if (r)
		return r;
	s->committed = true;
	/* The backup exists; what a failure leaves here is cleared by gc. */
	s->repo->ops->remove(s->repo->driver, REPO_LEASE, s->lease.id, NULL);
	return 0;
}

/* Storing */

int chunk_store_new(struct session *session, struct chunk_store **ret, struct err *e)
{
	const struct repo *repo = session->repo;
	struct chunk_store *store = calloc(1, sizeof(*store));
	int r = store ? compressor_new(repo->compression, repo->level, &store->compressor, e) :
			err_set(e, -ENOMEM, "out of memory");

	if (r) {
		free(store);
		return r;
	}
	store->session = session;
	*ret = store;
	return 0;
}

struct chunk_store *chunk_store_free(struct chunk_store *store)
{
	if (store) {
		pack_writer_free(store->pack);
		compressor_free(store->compressor);
	}
	free(store);
	return NULL;
}

/* A pack's name: half of the session's, and its number there. */
static int open_pack(struct chunk_store *store, struct err *e)
{
	struct session *s = store->session;
	uint64_t number;

	pthread_mutex_lock(&s->lock);
	number = htobe64(s->packs++);
	pthread_mutex_unlock(&s->lock);
	memcpy(store->pack_id, s->lease.session, REPO_ID / 2);
	memcpy(store->pack_id + REPO_ID / 2, &number, sizeof(number));
	return pack_writer_new(s->repo, store->pack_id, &store->pack, e);
}

int chunk_store_add(struct chunk_store *store, enum record_kind kind, const uint8_t id[CHUNK_ID],
		 const uint8_t base[CHUNK_ID], const void *content, size_t length, uint64_t *added,
		 struct err *e)
{
	struct entry entry = { .kind = (uint8_t)kind };
	int r = store->pack ? 0 : open_pack(store, e);

	memcpy(entry.id, id, CHUNK_ID);
	if (base)
		memcpy(entry.base, base, CHUNK_ID);
	if (!r)
		r = pack_add(store->pack, store->compressor, &entry, content, length, e);
	if (r)
		return r;
	*added += record_size(entry.stored) + 2 * ENTRY_SIZE;
	return pack_size(store->pack) >= PACK_TARGET ? chunk_store_flush(store, e) : 0;
}

int chunk_store_flush(struct chunk_store *store, struct err *e)
{
	struct session *s = store->session;
	const struct entry *entries;
	uint32_t n;
	int r;

	if (!store->pack)
		return 0;
	r = pack_finish(store->pack, &entries, &n, e);
	pthread_mutex_lock(&s->lock);
	if (!r)
		r = index_body_add(&s->body, store->pack_id, entries, n, e);
	if (!r && s->body.packs >= INDEX_PACKS) {
		uint8_t id[REPO_ID];

		r = index_body_put(s->repo, &s->body, id, e);
	}
	pthread_mutex_unlock(&s->lock);
	store->pack = pack_writer_free(store->pack);
	return r;
}
