// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "copy/repo/manifest.h"
#include "copy/repo/object.h"
#include "util/str.h"

const uint8_t zero_id[CHUNK_ID];

/* Runs of identifiers: 1 identifier, or 0 and how many zeroes. */

#define RUN_ID	 (1 + CHUNK_ID)
#define RUN_ZERO 5

static size_t runs_write(const uint8_t (*ids)[CHUNK_ID], uint32_t n, uint8_t *bytes)
{
	uint8_t *at = bytes;

	for (uint32_t i = 0, run; i < n; i += run) {
		for (run = 0; i + run < n && is_zero_id(ids[i + run]);)
			run++;
		*at++ = !run;
		if (run) {
			put32(at, run);
			at += 4;
		} else {
			memcpy(at, ids[i], CHUNK_ID);
			at += CHUNK_ID;
			run = 1;
		}
	}
	return (size_t)(at - bytes);
}

static int runs_read(const uint8_t *bytes, size_t length, uint8_t (*ids)[CHUNK_ID], uint32_t n)
{
	const uint8_t *end = bytes + length;
	uint32_t i = 0, run;

	while (bytes < end) {
		uint8_t tag = *bytes++;

		if (tag > 1 || end - bytes < (tag ? CHUNK_ID : 4))
			return -EBADMSG;
		run = tag ? 1 : get32(bytes);
		if (!run || run > n - i)
			return -EBADMSG;
		if (tag)
			memcpy(ids[i], bytes, CHUNK_ID);
		else
			memset(ids[i], 0, (size_t)run * CHUNK_ID);
		bytes += tag ? CHUNK_ID : 4;
		i += run;
	}
	return i == n ? 0 : -EBADMSG;
}

uint32_t page_write(const uint8_t (*ids)[CHUNK_ID], uint32_t n, uint8_t *bytes)
{
	size_t length = runs_write(ids, n, bytes);

	return length == RUN_ZERO && !*bytes ? 0 : (uint32_t)length;
}

int page_read(const uint8_t *bytes, size_t length, uint8_t (*ids)[CHUNK_ID], uint32_t n)
{
	return runs_read(bytes, length, ids, n);
}

int manifest_new(uint64_t size, uint32_t chunk_size, struct manifest **ret, struct err *e)
{
	struct manifest *m;

	if (size > VOLUME_MAX)
		return err_set(e, -ERANGE, "a volume may have 2^60 bytes at most");
	m = calloc(1, sizeof(*m));
	if (m) {
		m->type = MANIFEST_BACKUP;
		m->size = size;
		m->chunk_size = chunk_size;
		m->n_pages = volume_pages(size);
		m->pages = calloc((size_t)m->n_pages + 1, CHUNK_ID);
		m->texts = calloc(TEXTS_MAX, sizeof(*m->texts));
	}
	if (!m || !m->pages || !m->texts) {
		manifest_free(m);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*ret = m;
	return 0;
}

struct manifest *manifest_ref(const struct manifest *m)
{
	struct manifest *ours = (struct manifest *)m;

	if (ours)
		ours->refs++;
	return ours;
}

struct manifest *manifest_free(struct manifest *m)
{
	if (m && m->refs--)
		return NULL;
	for (uint32_t i = 0; m && m->texts && i < m->n_texts; i++) {
		free(m->texts[i].key);
		free(m->texts[i].value);
	}
	if (m) {
		free(m->texts);
		free(m->pages);
	}
	free(m);
	return NULL;
}

int manifest_text(struct manifest *m, const char *key, const char *value, struct err *e)
{
	struct manifest_text *text = &m->texts[m->n_texts];

	if (m->n_texts == TEXTS_MAX || strlen(key) > TEXT_MAX || strlen(value) > TEXT_MAX)
		return err_set(e, -E2BIG, "a backup keeps at most %u texts of %u bytes", TEXTS_MAX, TEXT_MAX);
	text->key = strdup(key);
	text->value = strdup(value);
	m->n_texts++;
	return text->key && text->value ? 0 : err_set(e, -ENOMEM, "out of memory");
}

const char *manifest_get(const struct manifest *m, const char *key)
{
	for (uint32_t i = 0; i < m->n_texts; i++)
		if (!strcmp(m->texts[i].key, key))
			return m->texts[i].value;
	return NULL;
}

/* The numbers before the texts, in their order. */
#define FIXED		(4 + 4 + 8 + 8 + REPO_ID + 6 * 8 + 8 + 4)
#define HAS_PARENT	1u

static uint8_t *write_fixed(const struct manifest *m, uint8_t *at)
{
	const uint64_t counts[] = { m->data, m->zero, m->same, m->stored, m->patches, m->added, m->done_at };

	put32(at, m->type);
	put32(at + 4, m->chunk_size);
	put64(at + 8, m->size);
	put64(at + 16, m->read_at);
	memcpy(at + 24, m->parent, REPO_ID);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		put64(at + 40 + 8 * i, counts[i]);
	put32(at + 96, m->has_parent ? HAS_PARENT : 0);
	return at + FIXED;
}

static void read_fixed(struct manifest *m, const uint8_t *at)
{
	uint64_t *const counts[] = {
		&m->data, &m->zero, &m->same, &m->stored, &m->patches, &m->added, &m->done_at,
	};

	m->read_at = get64(at + 16);
	memcpy(m->parent, at + 24, REPO_ID);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		*counts[i] = get64(at + 40 + 8 * i);
	m->has_parent = get32(at + 96) & HAS_PARENT;
}

static uint8_t *write_text(const char *text, uint8_t *at)
{
	size_t n = strlen(text);

	put32(at, (uint32_t)n);
	memcpy(at + 4, text, n);
	return at + 4 + n;
}

int manifest_put(const struct repo *repo, const struct manifest *m, struct err *e)
{
	size_t room = FIXED + 8 + (size_t)m->n_pages * RUN_ID;
	_cleanup_free_ uint8_t *body = NULL;
	uint8_t *at;

	for (uint32_t i = 0; i < m->n_texts; i++)
		room += 8 + strlen(m->texts[i].key) + strlen(m->texts[i].value);
	if (room > BIG_OBJECT_MAX - HEAD_SIZE - REPO_TAG)
		return err_set(e, -E2BIG, "the volume is too large for a manifest");
	body = malloc(room);
	if (!body)
		return err_set(e, -ENOMEM, "out of memory");
	at = write_fixed(m, body);
	if (m->type == MANIFEST_BACKUP) {
		put32(at, m->n_texts);
		at += 4;
		for (uint32_t i = 0; i < m->n_texts; i++)
			at = write_text(m->texts[i].value, write_text(m->texts[i].key, at));
		put32(at, m->n_pages);
		at += 4;
		at += runs_write((const uint8_t (*)[CHUNK_ID])m->pages, m->n_pages, at);
	} else {
		at = body + 4;
	}
	return object_put(repo, REPO_BACKUP, m->id, body, (size_t)(at - body), false, e);
}

/* For free(); NULL: there is no text of sound length that ends in time. */
static char *read_text(const uint8_t **at, const uint8_t *end)
{
	uint32_t n = end - *at >= 4 ? get32(*at) : UINT32_MAX;
	char *text;

	if (n > TEXT_MAX || n > end - *at - 4)
		return NULL;
	text = strndup((const char *)*at + 4, n);
	*at += 4 + n;
	if (text && (strlen(text) != n || !str_utf8(text))) {
		free(text);
		return NULL;
	}
	return text;
}

static int read_texts(struct manifest *m, const uint8_t **at, const uint8_t *end)
{
	uint32_t n = end - *at >= 4 ? get32(*at) : UINT32_MAX;

	if (n > TEXTS_MAX)
		return -EBADMSG;
	*at += 4;
	while (m->n_texts < n) {
		struct manifest_text *text = &m->texts[m->n_texts++];

		text->key = read_text(at, end);
		text->value = text->key ? read_text(at, end) : NULL;
		if (!text->value)
			return -EBADMSG;
	}
	return 0;
}

static bool sound(uint32_t chunk_size, uint64_t size)
{
	return chunk_size >= CHUNK_MIN && chunk_size <= CHUNK_MAX && !(chunk_size & (chunk_size - 1)) &&
	       size <= VOLUME_MAX;
}

int manifest_parse(const uint8_t *body, size_t length, struct manifest **ret, struct err *e)
{
	const uint8_t *at = body + FIXED, *end = body + length;
	struct manifest *m;
	int r;

	if (length == 4 && get32(body) == MANIFEST_FENCE) {
		r = manifest_new(0, CHUNK_MIN, ret, e);
		if (!r)
			(*ret)->type = MANIFEST_FENCE;
		return r;
	}
	if (length < FIXED || get32(body) != MANIFEST_BACKUP || !sound(get32(body + 4), get64(body + 8)))
		return -EBADMSG;
	/* A volume of 2^60 bytes in a short manifest: the list of pages is as long as it says. */
	if (volume_pages(get64(body + 8)) > BIG_OBJECT_MAX / CHUNK_ID)
		return -EBADMSG;
	r = manifest_new(get64(body + 8), get32(body + 4), &m, e);
	if (r)
		return r;
	read_fixed(m, body);
	r = read_texts(m, &at, end);
	if (!r && (end - at < 4 || get32(at) != m->n_pages))
		r = -EBADMSG;
	if (!r)
		r = runs_read(at + 4, (size_t)(end - at - 4), m->pages, m->n_pages);
	if (r)
		manifest_free(m);
	else
		*ret = m;
	return r;
}

int manifest_load(const struct repo *repo, const uint8_t id[REPO_ID], struct manifest **ret, struct err *e)
{
	struct object o;
	int r = object_get(repo, REPO_BACKUP, id, &o, e);

	if (r)
		return r;
	r = manifest_parse(o.body, o.length, ret, e);
	object_deinit(&o);
	if (r == -EBADMSG)
		return object_damaged(repo, REPO_BACKUP, id, "what it says makes no sense", e);
	if (!r)
		memcpy((*ret)->id, id, REPO_ID);
	return r;
}

int manifest_each(const struct repo *repo, const struct id_list *list,
		  int (*each)(void *data, struct manifest *m, struct err *e),
		  int (*bad)(void *data, const uint8_t id[REPO_ID], struct err *e), void *data,
		  struct err *e)
{
	struct id_list now = { 0 };
	int r = list ? 0 : id_list_of(repo, REPO_BACKUP, &now, e);

	list = list ?: &now;
	for (size_t i = 0; i < list->n && !r; i++) {
		struct err why = { 0 };
		struct manifest *m;

		r = manifest_load(repo, list->ids[i], &m, &why);
		if (r == -ENOENT) {
			r = 0;
		} else if (r == -EBADMSG && bad) {
			r = bad(data, list->ids[i], &why);
		} else if (r) {
			err_set(e, r, "%s", why.text);
		} else if (m->type == MANIFEST_FENCE) {
			manifest_free(m);
		} else {
			r = each(data, m, e);
		}
	}
	id_list_deinit(&now);
	return r;
}
