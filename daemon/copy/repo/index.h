/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where chunks lie: a table in memory, filled from the repository's indexes
 * or with what somebody wants to know. Any thread.
 */
#ifndef BVOL_REPO_INDEX_H
#define BVOL_REPO_INDEX_H

#include "copy/repo/pack.h"
#include "copy/repo/run.h"

/* Bytes that a chunk takes at most. */
#define INDEX_PER_CHUNK	48

struct index;

struct place {
	uint8_t pack[REPO_ID];
	uint32_t offset, stored;
	bool patch;
	bool fresh;	/* of this session: not yet to be read */
	bool bad;	/* in a pack that is condemned, or damaged */
};

int index_new(struct index **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct index *index_free(struct index *index);
uint64_t index_count(struct index *index);

bool index_find(struct index *index, const uint8_t id[CHUNK_ID], struct place *place);
/*
 * Claim a chunk that this session is to store: 1, it is new; 0, somebody has
 * it. Of what is bad it is 1 too.
 */
int index_claim(struct index *index, const uint8_t id[CHUNK_ID], struct err *e);
/* Ask for it: index_load() then fills in this one. 1: it was not asked for before; 0. */
int index_want(struct index *index, const uint8_t id[CHUNK_ID], struct err *e);
/* Is it there, or asked for? */
bool index_has(struct index *index, const uint8_t id[CHUNK_ID]);
/* Set the mark of what a manifest needs: 1, it was not set before; 0; -ENOENT. */
int index_mark(struct index *index, const uint8_t id[CHUNK_ID]);
bool index_marked(struct index *index, const uint8_t id[CHUNK_ID]);

/* A list of identifiers of objects. */
struct id_list {
	uint8_t (*ids)[REPO_ID];
	size_t n, allocated;
};

int id_list_add(struct id_list *list, const uint8_t id[REPO_ID], struct err *e);
/* Sort it, for id_list_has(). */
void id_list_sort(struct id_list *list);
bool id_list_has(const struct id_list *list, const uint8_t id[REPO_ID]);
void id_list_deinit(struct id_list *list);
/* All objects of a kind, sorted. */
int id_list_of(const struct repo *repo, enum repo_kind kind, struct id_list *list, struct err *e);

/* Marks of the repository: what must not be used. */
struct marks;
int marks_load(const struct repo *repo, struct marks **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct marks *marks_free(struct marks *marks);
/* The marks of a type; all packs that are condemned. */
const struct id_list *marks_of(const struct marks *marks, enum mark_type type);
const struct id_list *marks_packs(const struct marks *marks);
bool marks_condemned(const struct marks *marks, const uint8_t pack[REPO_ID]);
bool marks_damaged(const struct marks *marks, const uint8_t pack[REPO_ID], uint32_t offset);
/* Publish one; at most MARK_ENTRIES_MAX entries of MARK_ENTRY bytes each. id is filled in. */
#define MARK_ENTRIES_MAX ((OBJECT_MAX - 256) / MARK_ENTRY)
int marks_put(const struct repo *repo, enum mark_type type, const uint8_t *entries, uint32_t n,
	      uint8_t id[REPO_ID], struct err *e);

/* One pack's entries out of an index object. */
typedef int (*index_each)(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
			  struct err *e);

struct index_load {
	struct run *run;		/* that it belongs to, or NULL */
	const struct marks *marks;
	/*
	 * Packs that are there, what is said of others is left out; NULL: not asked.
	 * list_packs: listed here, once the indexes have been: a pack is there before its index.
	 */
	struct id_list *packs;
	bool list_packs;
	uint64_t limit;			/* chunks in the table, 0: no limit */
	bool wanted;			/* only what index_want() asked for */
	struct id_list *seen;		/* filled with packs that are indexed, or NULL */
	struct id_list *objects;	/* filled with the indexes that were read, or NULL */
	index_each each;		/* for every pack that is there, or NULL */
	void *data;
};

/*
 * Read all indexes, the newest first. A damaged one is an error, with a
 * sentence, but for its chunks nothing is lost: see repair.
 */
int index_load(const struct repo *repo, struct index *index, const struct index_load *load, struct err *e);
/* A pack that no index has; its entries are as its footer says. */
int index_add_pack(struct index *index, const struct index_load *load, const uint8_t pack[REPO_ID],
		   const struct entry *entries, uint32_t n, struct err *e);
/* Entries of one index object's body. -EBADMSG without a sentence. */
int index_parse(const struct repo *repo, const uint8_t *body, size_t length, index_each each, void *data,
		struct err *e);

/* An index object that is being made; one thread. */
struct index_body {
	uint8_t *bytes;
	size_t length, allocated;
	uint32_t packs;
};

int index_body_add(struct index_body *body, const uint8_t pack[REPO_ID], const struct entry *entries,
		   uint32_t n, struct err *e);
/* Publish it, if there is anything in it, and empty it. */
int index_body_put(const struct repo *repo, struct index_body *body, uint8_t id[REPO_ID], struct err *e);

#endif
