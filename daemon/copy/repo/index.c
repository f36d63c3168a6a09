// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "copy/repo/index.h"
#include "copy/repo/object.h"

/* Each shard grows alone, so that growing needs little beside the table itself. */
#define SHARDS		256
#define FIRST_SLOTS	16
/* Slots in use of a hundred: it grows above the one, by a seventh, and is never below 3/4 then. */
#define FULL		88

/* The highest bits of a slot's length. */
#define IS_PATCH	(1u << 31)
#define IS_BAD		(1u << 30)
#define IS_MARKED	(1u << 29)
#define IS_FRESH	(1u << 28)
#define IS_WANTED	(1u << 27)
#define LENGTH(flags)	((flags) & (IS_WANTED - 1))

/* 36 bytes; flags 0: free. */
struct slot {
	uint8_t id[CHUNK_ID];
	uint32_t pack, offset, flags;
};

struct shard {
	pthread_mutex_t lock;
	struct slot *slots;
	uint32_t n, used;
};

struct index {
	struct shard shards[SHARDS];
	pthread_mutex_t lock;		/* of what is below */
	struct id_list packs;		/* by number */
	_Atomic uint64_t count;
};

int index_new(struct index **ret, struct err *e)
{
	struct index *index = calloc(1, sizeof(*index));

	if (!index)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&index->shards[i].lock, NULL);
	pthread_mutex_init(&index->lock, NULL);
	*ret = index;
	return 0;
}

struct index *index_free(struct index *index)
{
	for (int i = 0; index && i < SHARDS; i++) {
		pthread_mutex_destroy(&index->shards[i].lock);
		free(index->shards[i].slots);
	}
	if (index) {
		pthread_mutex_destroy(&index->lock);
		id_list_deinit(&index->packs);
	}
	free(index);
	return NULL;
}

uint64_t index_count(struct index *index)
{
	return index->count;
}

/* The slot of this id, or the free one where it belongs. The table is never full. */
static struct slot *probe(const struct shard *shard, const uint8_t id[CHUNK_ID])
{
	uint32_t i = (uint32_t)((uint64_t)get32(id + 4) * shard->n >> 32);

	while (shard->slots[i].flags && memcmp(shard->slots[i].id, id, CHUNK_ID))
		i = i + 1 == shard->n ? 0 : i + 1;
	return &shard->slots[i];
}

static int grow(struct shard *shard, struct err *e)
{
	struct shard larger = { .n = shard->n ? shard->n + shard->n / 7 + 1 : FIRST_SLOTS };

	larger.slots = calloc(larger.n, sizeof(*larger.slots));
	if (!larger.slots)
		return err_set(e, -ENOMEM, "out of memory: the index has no room");
	for (uint32_t i = 0; i < shard->n; i++)
		if (shard->slots[i].flags)
			*probe(&larger, shard->slots[i].id) = shard->slots[i];
	free(shard->slots);
	shard->slots = larger.slots;
	shard->n = larger.n;
	return 0;
}

static struct shard *lock_shard(struct index *index, const uint8_t id[CHUNK_ID])
{
	struct shard *shard = &index->shards[id[0]];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

/* Locked. NULL: it is not there. */
static struct slot *find(const struct shard *shard, const uint8_t id[CHUNK_ID])
{
	struct slot *slot = shard->n ? probe(shard, id) : NULL;

	return slot && slot->flags ? slot : NULL;
}

/* Locked. The slot of this id, maybe a new one with flags 0; NULL: no memory. */
static struct slot *take(struct index *index, struct shard *shard, const uint8_t id[CHUNK_ID],
			 struct err *e)
{
	struct slot *slot = find(shard, id);

	if (slot)
		return slot;
	if ((uint64_t)(shard->used + 1) * 100 > (uint64_t)shard->n * FULL && grow(shard, e))
		return NULL;
	slot = probe(shard, id);
	memcpy(slot->id, id, CHUNK_ID);
	shard->used++;
	index->count++;
	return slot;
}

bool index_find(struct index *index, const uint8_t id[CHUNK_ID], struct place *place)
{
	struct shard *shard = lock_shard(index, id);
	struct slot *slot = find(shard, id);
	bool found = slot && !(slot->flags & IS_WANTED);

	if (found) {
		*place = (struct place) {
			.offset = slot->offset, .stored = LENGTH(slot->flags),
			.patch = slot->flags & IS_PATCH, .fresh = slot->flags & IS_FRESH,
			.bad = slot->flags & IS_BAD,
		};
		if (!place->fresh) {
			pthread_mutex_lock(&index->lock);
			memcpy(place->pack, index->packs.ids[slot->pack], REPO_ID);
			pthread_mutex_unlock(&index->lock);
		}
	}
	pthread_mutex_unlock(&shard->lock);
	return found;
}

/* A slot gets these flags unless it is as good as it is. */
static int put_flags(struct index *index, const uint8_t id[CHUNK_ID], uint32_t flags, uint32_t unless_not,
		     struct err *e)
{
	struct shard *shard = lock_shard(index, id);
	struct slot *slot = take(index, shard, id, e);
	int r = !slot ? -ENOMEM : !slot->flags || (slot->flags & unless_not);

	if (r > 0)
		slot->flags = flags;
	pthread_mutex_unlock(&shard->lock);
	return r;
}

int index_claim(struct index *index, const uint8_t id[CHUNK_ID], struct err *e)
{
	return put_flags(index, id, IS_FRESH, IS_BAD, e);
}

int index_want(struct index *index, const uint8_t id[CHUNK_ID], struct err *e)
{
	return put_flags(index, id, IS_WANTED, 0, e);
}

bool index_has(struct index *index, const uint8_t id[CHUNK_ID])
{
	struct shard *shard = lock_shard(index, id);
	bool has = find(shard, id);

	pthread_mutex_unlock(&shard->lock);
	return has;
}

int index_mark(struct index *index, const uint8_t id[CHUNK_ID])
{
	struct shard *shard = lock_shard(index, id);
	struct slot *slot = find(shard, id);
	int r = slot ? !(slot->flags & IS_MARKED) : -ENOENT;

	if (slot)
		slot->flags |= IS_MARKED;
	pthread_mutex_unlock(&shard->lock);
	return r;
}

bool index_marked(struct index *index, const uint8_t id[CHUNK_ID])
{
	struct shard *shard = lock_shard(index, id);
	struct slot *slot = find(shard, id);
	bool marked = slot && (slot->flags & IS_MARKED);

	pthread_mutex_unlock(&shard->lock);
	return marked;
}

/* From a pack's entries */

static int64_t add_pack(struct index *index, const uint8_t pack[REPO_ID], struct err *e)
{
	int64_t number;

	pthread_mutex_lock(&index->lock);
	number = (int64_t)index->packs.n;
	if (id_list_add(&index->packs, pack, e))
		number = -ENOMEM;
	pthread_mutex_unlock(&index->lock);
	return number;
}

/* One that can be used takes the place of one that can't; otherwise the first stays. */
static int add_entry(struct index *index, const struct index_load *load, uint32_t pack,
		     const struct entry *entry, uint32_t flags, struct err *e)
{
	struct shard *shard = lock_shard(index, entry->id);
	struct slot *slot;
	int r = 0;

	if (load->wanted || (load->limit && index->count >= load->limit)) {
		slot = find(shard, entry->id);
	} else {
		slot = take(index, shard, entry->id, e);
		r = slot ? 0 : -ENOMEM;
	}
	if (slot && (!slot->flags || (slot->flags & IS_WANTED) ||
		     ((slot->flags & IS_BAD) && !(flags & IS_BAD)))) {
		slot->pack = pack;
		slot->offset = entry->offset;
		slot->flags = (slot->flags & IS_MARKED) | flags | entry->stored |
			      (entry->kind == RECORD_PATCH ? IS_PATCH : 0);
	}
	pthread_mutex_unlock(&shard->lock);
	return r;
}

int index_add_pack(struct index *index, const struct index_load *load, const uint8_t pack[REPO_ID],
		   const struct entry *entries, uint32_t n, struct err *e)
{
	uint32_t bad = marks_condemned(load->marks, pack) ? IS_BAD : 0;
	int64_t number = index ? add_pack(index, pack, e) : 0;
	int r = number < 0 ? (int)number : 0;

	for (uint32_t i = 0; index && i < n && !r; i++) {
		bool spoilt = marks_damaged(load->marks, pack, entries[i].offset);

		r = add_entry(index, load, (uint32_t)number, &entries[i], bad | (spoilt ? IS_BAD : 0), e);
	}
	return r;
}

/* Index objects */

int index_parse(const struct repo *repo, const uint8_t *body, size_t length, index_each each, void *data,
		struct err *e)
{
	const uint8_t *end = body + length;
	uint32_t packs = length >= 8 ? get32(body) : 0;
	int r = 0;

	if (length < 8 || get32(body + 4))
		return -EBADMSG;
	body += 8;
	for (; packs && !r; packs--) {
		const uint8_t *pack = body;
		_cleanup_free_ struct entry *entries = NULL;
		uint32_t n = end - body >= 24 ? get32(body + REPO_ID) : 0;

		if (end - body < 24 || get32(body + 20) || (uint64_t)n * ENTRY_SIZE > (size_t)(end - body - 24))
			return -EBADMSG;
		entries = calloc((size_t)n + 1, sizeof(*entries));
		if (!entries)
			return err_set(e, -ENOMEM, "out of memory");
		body += 24;
		for (uint32_t i = 0; i < n; i++, body += ENTRY_SIZE)
			if (!entry_read(repo, body, &entries[i]))
				return -EBADMSG;
		r = each(data, pack, entries, n, e);
	}
	return !r && body != end ? -EBADMSG : r;
}

struct loader {
	const struct repo *repo;
	struct index *index;
	const struct index_load *load;
	struct driver_object *objects;
	size_t n;
};

static int add_object(void *data, const struct driver_object *object, struct err *e)
{
	struct loader *l = data;
	void *more = realloc(l->objects, (l->n + 1) * sizeof(*l->objects));

	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	l->objects = more;
	l->objects[l->n++] = *object;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct driver_object *x = a, *y = b;

	return (x->time < y->time) - (x->time > y->time);
}

static int load_pack(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
		     struct err *e)
{
	struct loader *l = data;
	const struct index_load *load = l->load;
	int r;

	if (load->packs && !id_list_has(load->packs, pack))
		return 0;
	r = index_add_pack(l->index, load, pack, entries, n, e);
	if (!r && load->seen)
		r = id_list_add(load->seen, pack, e);
	return !r && load->each ? load->each(load->data, pack, entries, n, e) : r;
}

static int load_one(struct loader *l, const uint8_t id[REPO_ID], struct err *e)
{
	struct object o;
	int r = object_get(l->repo, REPO_INDEX, id, &o, e);

	if (r)
		return r;
	r = index_parse(l->repo, o.body, o.length, load_pack, l, e);
	if (r == -EBADMSG)
		object_damaged(l->repo, REPO_INDEX, id, "what it says makes no sense", e);
	object_deinit(&o);
	return !r && l->load->objects ? id_list_add(l->load->objects, id, e) : r;
}

/* An index that is gone was merged into another one, which is there: list again. */
int index_load(const struct repo *repo, struct index *index, const struct index_load *load, struct err *e)
{
	struct loader l = { .repo = repo, .index = index, .load = load };
	int r, tries = 0;

	do {
		l.n = 0;
		if (load->seen)
			load->seen->n = 0;
		r = repo->ops->list(repo->driver, REPO_INDEX, add_object, &l, e);
		if (!r && load->list_packs) {
			load->packs->n = 0;
			r = id_list_of(repo, REPO_PACK, load->packs, e);
		}
		if (!r && l.n)
			qsort(l.objects, l.n, sizeof(*l.objects), newest_first);
		for (size_t i = 0; i < l.n && !r; i++) {
			r = run_take(load->run, 0, e);
			if (!r)
				r = load_one(&l, l.objects[i].id, e);
		}
	} while (r == -ENOENT && ++tries < 10);
	free(l.objects);
	if (load->seen)
		id_list_sort(load->seen);
	return r == -ENOENT ? err_set(e, -EAGAIN, "the indexes of %s change all the time", repo->where) : r;
}

int index_body_add(struct index_body *body, const uint8_t pack[REPO_ID], const struct entry *entries,
		   uint32_t n, struct err *e)
{
	size_t more = 24 + (size_t)n * ENTRY_SIZE;
	uint8_t *at;

	if (!body->length)
		body->length = 8;
	if (body->length + more > body->allocated) {
		size_t room = 2 * (body->length + more);
		void *bytes = realloc(body->bytes, room);

		if (!bytes)
			return err_set(e, -ENOMEM, "out of memory");
		body->bytes = bytes;
		body->allocated = room;
	}
	at = body->bytes + body->length;
	memcpy(at, pack, REPO_ID);
	put32(at + REPO_ID, n);
	put32(at + 20, 0);
	for (uint32_t i = 0; i < n; i++)
		entry_write(&entries[i], at + 24 + i * ENTRY_SIZE);
	body->length += more;
	body->packs++;
	return 0;
}

int index_body_put(const struct repo *repo, struct index_body *body, uint8_t id[REPO_ID], struct err *e)
{
	int r;

	if (!body->packs)
		return 0;
	put32(body->bytes, body->packs);
	put32(body->bytes + 4, 0);
	r = crypto_uuid(id, e);
	if (!r)
		r = object_put(repo, REPO_INDEX, id, body->bytes, body->length, false, e);
	if (!r) {
		free(body->bytes);
		*body = (struct index_body) { 0 };
	}
	return r;
}
