// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lists of objects, and the marks that say which chunks are not to be used. */
#include <errno.h>
#include <stdlib.h>

#include "copy/repo/index.h"
#include "copy/repo/object.h"

struct damage {
	uint8_t pack[REPO_ID];
	uint32_t offset;
};

struct marks {
	const struct repo *repo;
	struct id_list all[MARK_DAMAGED + 1];	/* by type */
	struct id_list condemned;
	struct damage *damages;
	size_t n_damages;
};

int id_list_add(struct id_list *list, const uint8_t id[REPO_ID], struct err *e)
{
	if (list->n == list->allocated) {
		size_t n = list->allocated ? 2 * list->allocated : 64;
		void *more = realloc(list->ids, n * REPO_ID);

		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		list->ids = more;
		list->allocated = n;
	}
	memcpy(list->ids[list->n++], id, REPO_ID);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, REPO_ID);
}

void id_list_sort(struct id_list *list)
{
	if (list->n)
		qsort(list->ids, list->n, REPO_ID, compare_ids);
}

bool id_list_has(const struct id_list *list, const uint8_t id[REPO_ID])
{
	return list->n && bsearch(id, list->ids, list->n, REPO_ID, compare_ids);
}

void id_list_deinit(struct id_list *list)
{
	free(list->ids);
	*list = (struct id_list) { 0 };
}

static int add_object(void *data, const struct driver_object *object, struct err *e)
{
	return id_list_add(data, object->id, e);
}

int id_list_of(const struct repo *repo, enum repo_kind kind, struct id_list *list, struct err *e)
{
	int r = repo->ops->list(repo->driver, kind, add_object, list, e);

	id_list_sort(list);
	return r;
}

/* Marks */

static int compare_damages(const void *a, const void *b)
{
	const struct damage *x = a, *y = b;
	int order = memcmp(x->pack, y->pack, REPO_ID);

	return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static int add_damage(struct marks *marks, const uint8_t *entry, struct err *e)
{
	void *more = realloc(marks->damages, (marks->n_damages + 1) * sizeof(*marks->damages));

	if (!more)
		return err_set(e, -ENOMEM, "out of memory");
	marks->damages = more;
	memcpy(marks->damages[marks->n_damages].pack, entry, REPO_ID);
	marks->damages[marks->n_damages++].offset = get32(entry + REPO_ID);
	return 0;
}

static int parse_mark(struct marks *marks, const uint8_t id[REPO_ID], const struct object *o, struct err *e)
{
	uint32_t type = o->length >= 8 ? get32(o->body) : 0, n = type ? get32(o->body + 4) : 0;
	int r = 0;

	if ((type != MARK_CONDEMNED && type != MARK_DAMAGED) ||
	    o->length != 8 + (uint64_t)n * MARK_ENTRY)
		return object_damaged(marks->repo, REPO_MARK, id, "what it says makes no sense", e);
	for (uint32_t i = 0; i < n && !r; i++) {
		const uint8_t *entry = o->body + 8 + i * MARK_ENTRY;

		r = type == MARK_CONDEMNED ? id_list_add(&marks->condemned, entry, e) :
					     add_damage(marks, entry, e);
	}
	return r ? r : id_list_add(&marks->all[type], id, e);
}

static int add_mark(void *data, const struct driver_object *object, struct err *e)
{
	struct marks *marks = data;
	struct object o;
	int r = object_get(marks->repo, REPO_MARK, object->id, &o, e);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = parse_mark(marks, object->id, &o, e);
	object_deinit(&o);
	return r;
}

int marks_load(const struct repo *repo, struct marks **ret, struct err *e)
{
	struct marks *marks = calloc(1, sizeof(*marks));
	int r;

	if (!marks)
		return err_set(e, -ENOMEM, "out of memory");
	marks->repo = repo;
	r = repo->ops->list(repo->driver, REPO_MARK, add_mark, marks, e);
	if (r) {
		marks_free(marks);
		return r;
	}
	id_list_sort(&marks->condemned);
	if (marks->n_damages)
		qsort(marks->damages, marks->n_damages, sizeof(*marks->damages), compare_damages);
	*ret = marks;
	return 0;
}

struct marks *marks_free(struct marks *marks)
{
	if (marks) {
		id_list_deinit(&marks->all[MARK_CONDEMNED]);
		id_list_deinit(&marks->all[MARK_DAMAGED]);
		id_list_deinit(&marks->condemned);
		free(marks->damages);
	}
	free(marks);
	return NULL;
}

const struct id_list *marks_of(const struct marks *marks, enum mark_type type)
{
	return &marks->all[type];
}

bool marks_condemned(const struct marks *marks, const uint8_t pack[REPO_ID])
{
	return marks && id_list_has(&marks->condemned, pack);
}

bool marks_damaged(const struct marks *marks, const uint8_t pack[REPO_ID], uint32_t offset)
{
	struct damage key = { .offset = offset };

	if (!marks || !marks->n_damages)
		return false;
	memcpy(key.pack, pack, REPO_ID);
	return bsearch(&key, marks->damages, marks->n_damages, sizeof(key), compare_damages);
}

const struct id_list *marks_packs(const struct marks *marks)
{
	return &marks->condemned;
}

int marks_put(const struct repo *repo, enum mark_type type, const uint8_t *entries, uint32_t n,
	      uint8_t id[REPO_ID], struct err *e)
{
	size_t length = 8 + (size_t)n * MARK_ENTRY;
	_cleanup_free_ uint8_t *body = malloc(length);
	int r = body ? crypto_uuid(id, e) : err_set(e, -ENOMEM, "out of memory");

	if (r)
		return r;
	put32(body, type);
	put32(body + 4, n);
	memcpy(body + 8, entries, length - 8);
	return object_put(repo, REPO_MARK, id, body, length, false, e);
}
