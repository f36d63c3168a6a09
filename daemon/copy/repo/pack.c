// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "copy/repo/object.h"
#include "copy/repo/pack.h"

/* Written at a time, and read ahead where records follow each other: what a processor's own cache holds. */
#define WRITE_SIZE	(512u << 10)
#define AHEAD_SIZE	(256u << 10)

struct pack_writer {
	const struct repo *repo;
	struct blob *blob;
	struct sealer *sealer;
	uint8_t head[HEAD_SIZE];
	uint8_t *buffer;
	size_t room, used;
	uint64_t size;		/* that has left the buffer */
	struct entry *entries;
	uint32_t n, allocated;
};

struct pack_reader {
	const struct repo *repo;
	struct blob *blob;	/* of this pack */
	struct sealer *sealer;
	uint8_t pack[REPO_ID];
	uint64_t size;
	struct compressor *compressor;
	uint8_t *window, *plain, *content;
	uint8_t *into;		/* NULL: content */
	size_t into_room;
	size_t window_max, window_used;
	uint64_t window_at, next;	/* next: where the record after the last one begins */
};

size_t content_max(const struct repo *repo)
{
	/* A patch is less than its chunk, a page of a map may be more. */
	return repo->chunk_size > MAP_PAGE_MAX ? repo->chunk_size : MAP_PAGE_MAX;
}

void entry_write(const struct entry *entry, uint8_t at[ENTRY_SIZE])
{
	memset(at, 0, ENTRY_SIZE);
	memcpy(at, entry->id, CHUNK_ID);
	put32(at + 24, entry->offset);
	put32(at + 28, entry->stored);
	put32(at + 32, entry->raw);
	at[36] = entry->kind;
	at[37] = entry->compression;
	memcpy(at + 40, entry->base, CHUNK_ID);
}

bool entry_read(const struct repo *repo, const uint8_t at[ENTRY_SIZE], struct entry *entry)
{
	memcpy(entry->id, at, CHUNK_ID);
	entry->offset = get32(at + 24);
	entry->stored = get32(at + 28);
	entry->raw = get32(at + 32);
	entry->kind = at[36];
	entry->compression = at[37];
	memcpy(entry->base, at + 40, CHUNK_ID);
	return !get16(at + 38) && entry->offset >= HEAD_SIZE && entry->offset < PACK_MAX &&
	       entry->stored && entry->raw && entry->stored <= entry->raw &&
	       entry->kind >= RECORD_DATA && entry->kind <= RECORD_PATCH &&
	       entry->compression <= COMPRESS_LZ4 &&
	       entry->raw <= (entry->kind == RECORD_MAP ? MAP_PAGE_MAX : repo->chunk_size);
}

static struct seal record_seal(const struct repo *repo, const uint8_t *head)
{
	struct seal seal = {
		.aad = { head }, .aad_length = { RECORD_HEAD }, .encrypted = repo->encrypted,
	};

	memcpy(seal.nonce, head + 4, 4);
	return seal;
}

static struct seal footer_seal(const struct repo *repo, const uint8_t *head, const uint8_t *trailer)
{
	struct seal seal = {
		.aad = { head, trailer }, .aad_length = { HEAD_SIZE, TRAILER_SIZE },
		.encrypted = repo->encrypted,
	};

	memset(seal.nonce, 0xff, sizeof(seal.nonce));
	return seal;
}

/* Writing */

int pack_writer_new(const struct repo *repo, const uint8_t id[REPO_ID], struct pack_writer **ret,
		    struct err *e)
{
	struct pack_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	w->repo = repo;
	w->room = WRITE_SIZE + record_size((uint32_t)content_max(repo));
	w->buffer = malloc(w->room);
	r = w->buffer ? head_make(repo, REPO_PACK, id, 0, w->head, e) :
			err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = head_sealer(repo, w->head, &w->sealer, e);
	if (!r)
		r = repo->ops->put(repo->driver, REPO_PACK, id, &w->blob, e);
	if (r) {
		pack_writer_free(w);
		return r;
	}
	memcpy(w->buffer, w->head, HEAD_SIZE);
	w->used = HEAD_SIZE;
	*ret = w;
	return 0;
}

struct pack_writer *pack_writer_free(struct pack_writer *writer)
{
	if (writer) {
		blob_close(writer->blob);
		sealer_free(writer->sealer);
		free(writer->buffer);
		free(writer->entries);
	}
	free(writer);
	return NULL;
}

uint64_t pack_size(const struct pack_writer *writer)
{
	return writer->size + writer->used;
}

static int flush(struct pack_writer *w, struct err *e)
{
	int r = w->used ? w->repo->ops->append(w->blob, w->buffer, w->used, e) : 0;

	w->size += w->used;
	w->used = 0;
	return r;
}

static int remember(struct pack_writer *w, const struct entry *entry, struct err *e)
{
	if (w->n == w->allocated) {
		uint32_t n = w->allocated ? 2 * w->allocated : 256;
		void *more = realloc(w->entries, n * sizeof(*w->entries));

		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		w->entries = more;
		w->allocated = n;
	}
	w->entries[w->n++] = *entry;
	return 0;
}

int pack_add(struct pack_writer *w, struct compressor *compressor, struct entry *entry,
	     const void *content, size_t content_length, struct err *e)
{
	uint8_t *head = w->buffer + w->used, *bytes = head + RECORD_HEAD;
	size_t packed = compressor_pack(compressor, content, content_length, bytes);
	const void *from = packed ? bytes : content;
	struct seal seal;
	int r;

	entry->compression = (uint8_t)(packed ? w->repo->compression : COMPRESS_NONE);
	entry->stored = (uint32_t)(packed ?: content_length);
	entry->offset = (uint32_t)pack_size(w);
	memset(head, 0, RECORD_HEAD);
	put32(head, RECORD_MAGIC);
	put32(head + 4, w->n);
	put32(head + 8, entry->stored);
	put32(head + 12, (uint32_t)content_length);
	head[16] = entry->kind;
	head[17] = entry->compression;
	memcpy(head + 24, entry->id, CHUNK_ID);
	seal = record_seal(w->repo, head);
	r = seal_close(w->sealer, &seal, from, entry->stored, bytes, bytes + entry->stored, e);
	entry->raw = (uint32_t)content_length;
	if (!r)
		r = remember(w, entry, e);
	w->used += record_size(entry->stored);
	return !r && w->used >= WRITE_SIZE ? flush(w, e) : r;
}

int pack_finish(struct pack_writer *w, const struct entry **entries, uint32_t *n, struct err *e)
{
	size_t length = (size_t)w->n * ENTRY_SIZE;
	_cleanup_free_ uint8_t *footer = malloc(length + REPO_TAG + TRAILER_SIZE);
	uint8_t *trailer = footer + length + REPO_TAG;
	struct seal seal;
	int r;

	if (!footer)
		return err_set(e, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < w->n; i++)
		entry_write(&w->entries[i], footer + i * ENTRY_SIZE);
	memset(trailer, 0, TRAILER_SIZE);
	memcpy(trailer, TRAILER_MAGIC, 8);
	put64(trailer + 8, pack_size(w));
	put32(trailer + 16, w->n);
	seal = footer_seal(w->repo, w->head, trailer);
	r = seal_close(w->sealer, &seal, footer, length, footer, footer + length, e);
	if (!r)
		r = flush(w, e);
	if (!r)
		r = w->repo->ops->append(w->blob, footer, length + REPO_TAG + TRAILER_SIZE, e);
	if (!r)
		r = w->repo->ops->publish(w->blob, false, e);
	*entries = w->entries;
	*n = w->n;
	return r;
}

/* Reading */

int pack_reader_new(const struct repo *repo, struct pack_reader **ret, struct err *e)
{
	struct pack_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	r->repo = repo;
	r->window_max = AHEAD_SIZE + record_size((uint32_t)content_max(repo));
	r->window = malloc(r->window_max);
	r->plain = malloc(content_max(repo));
	r->content = malloc(content_max(repo));
	if (!r->window || !r->plain || !r->content || compressor_new(COMPRESS_NONE, 0, &r->compressor, e)) {
		pack_reader_free(r);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*ret = r;
	return 0;
}

static void leave_pack(struct pack_reader *r)
{
	r->blob = blob_close(r->blob);
	r->sealer = sealer_free(r->sealer);
	r->window_used = 0;
}

struct pack_reader *pack_reader_free(struct pack_reader *r)
{
	if (r) {
		leave_pack(r);
		compressor_free(r->compressor);
		free(r->window);
		free(r->plain);
		free(r->content);
	}
	free(r);
	return NULL;
}

static int enter_pack(struct pack_reader *r, const uint8_t pack[REPO_ID], struct err *e)
{
	uint8_t head[HEAD_SIZE];
	struct err why = { 0 };
	int code;

	if (r->sealer && !memcmp(r->pack, pack, REPO_ID))
		return 0;
	leave_pack(r);
	memcpy(r->pack, pack, REPO_ID);
	code = r->repo->ops->get(r->repo->driver, REPO_PACK, pack, &r->blob, &r->size, e);
	if (!code)
		code = r->repo->ops->read(r->blob, 0, head, sizeof(head), e);
	if (!code)
		code = head_check(r->repo, REPO_PACK, pack, head, &why);
	return code ? code : head_sealer(r->repo, head, &r->sealer, e);
}

/* The bytes of a record: of the window, which goes further where records are read in their order. */
static int fetch(struct pack_reader *r, uint64_t offset, uint64_t length, uint8_t **ret, struct err *e)
{
	uint64_t want = length;
	int code;

	if (offset > r->size || length > r->size - offset || length > r->window_max)
		return -EBADMSG;
	if (offset < r->window_at || offset + length > r->window_at + r->window_used) {
		if (offset == r->next && want < AHEAD_SIZE)
			want = AHEAD_SIZE;
		if (want > r->size - offset)
			want = r->size - offset;
		r->window_used = 0;
		code = r->repo->ops->read(r->blob, offset, r->window, want, e);
		if (code)
			return code;
		r->window_at = offset;
		r->window_used = want;
	}
	*ret = r->window + (offset - r->window_at);
	r->next = offset + length;
	return 0;
}

static bool head_read(const struct repo *repo, const uint8_t *head, uint32_t offset, uint32_t stored,
		      struct entry *entry)
{
	*entry = (struct entry) {
		.offset = offset, .stored = get32(head + 8), .raw = get32(head + 12),
		.kind = head[16], .compression = head[17],
	};
	memcpy(entry->id, head + 24, CHUNK_ID);
	return get32(head) == RECORD_MAGIC && entry->stored == stored && entry->raw &&
	       entry->stored <= entry->raw && entry->kind >= RECORD_DATA && entry->kind <= RECORD_PATCH &&
	       entry->compression <= COMPRESS_LZ4 && entry->raw <= content_max(repo);
}

int pack_read(struct pack_reader *r, const uint8_t pack[REPO_ID], uint32_t offset, uint32_t stored,
	      struct record *ret, struct err *e)
{
	struct entry *entry = &ret->entry;
	uint8_t *into = r->into;
	struct seal seal;
	uint8_t *head;
	int code = enter_pack(r, pack, e);

	r->into = NULL;

	if (!code)
		code = fetch(r, offset, record_size(stored), &head, e);
	if (!code && !head_read(r->repo, head, offset, stored, entry))
		code = -EBADMSG;
	if (code)
		return code;
	if (!into || entry->raw > r->into_room)
		into = r->content;
	seal = record_seal(r->repo, head);
	if (entry->compression == COMPRESS_NONE) {
		if (stored != entry->raw)
			return -EBADMSG;
		code = seal_open(r->sealer, &seal, head + RECORD_HEAD, stored, into,
				 head + RECORD_HEAD + stored, e);
	} else {
		code = seal_open(r->sealer, &seal, head + RECORD_HEAD, stored, r->plain,
				 head + RECORD_HEAD + stored, e);
		if (!code)
			code = compressor_unpack(r->compressor, entry->compression, r->plain, stored, into,
						 entry->raw);
	}
	if (!code && entry->kind == RECORD_PATCH) {
		if (entry->raw <= CHUNK_ID)
			return -EBADMSG;
		memcpy(entry->base, into, CHUNK_ID);
	}
	ret->content = into;
	ret->length = entry->raw;
	return code;
}

void pack_read_into(struct pack_reader *reader, uint8_t *bytes, size_t room)
{
	reader->into = bytes;
	reader->into_room = room;
}

static int parse_footer(const struct repo *repo, const uint8_t pack[REPO_ID], const uint8_t *footer,
			uint32_t n, uint64_t end, struct entry **ret, struct err *e)
{
	struct entry *entries = calloc(n + 1, sizeof(*entries));
	uint64_t at = HEAD_SIZE;
	int r = entries ? 0 : err_set(e, -ENOMEM, "out of memory");

	for (uint32_t i = 0; i < n && !r; i++) {
		if (!entry_read(repo, footer + i * ENTRY_SIZE, &entries[i]) || entries[i].offset != at)
			r = object_damaged(repo, REPO_PACK, pack, "its footer makes no sense", e);
		at += record_size(entries[i].stored);
	}
	if (!r && at != end)
		r = object_damaged(repo, REPO_PACK, pack, "its footer makes no sense", e);
	if (r)
		free(entries);
	else
		*ret = entries;
	return r;
}

static int read_footer(const struct repo *repo, const uint8_t pack[REPO_ID], struct blob *blob,
		       uint64_t size, struct entry **ret, uint32_t *n, struct err *e)
{
	uint8_t head[HEAD_SIZE], trailer[TRAILER_SIZE];
	_cleanup_free_ uint8_t *footer = NULL;
	struct sealer *sealer = NULL;
	uint64_t at, length;
	struct seal seal;
	int r = repo->ops->read(blob, 0, head, sizeof(head), e);

	if (!r)
		r = head_check(repo, REPO_PACK, pack, head, e);
	if (!r)
		r = repo->ops->read(blob, size - TRAILER_SIZE, trailer, sizeof(trailer), e);
	if (r)
		return r;
	at = get64(trailer + 8);
	*n = get32(trailer + 16);
	length = (uint64_t)*n * ENTRY_SIZE + REPO_TAG;
	if (memcmp(trailer, TRAILER_MAGIC, 8) || at < HEAD_SIZE || at > size ||
	    size - at != length + TRAILER_SIZE)
		return object_damaged(repo, REPO_PACK, pack, "it does not end as packs do", e);
	footer = malloc(length);
	if (!footer)
		return err_set(e, -ENOMEM, "out of memory");
	r = repo->ops->read(blob, at, footer, length, e);
	if (!r)
		r = head_sealer(repo, head, &sealer, e);
	seal = footer_seal(repo, head, trailer);
	if (!r)
		r = seal_open(sealer, &seal, footer, length - REPO_TAG, footer, footer + length - REPO_TAG, e);
	sealer_free(sealer);
	return r ? r : parse_footer(repo, pack, footer, *n, at, ret, e);
}

int pack_entries(const struct repo *repo, const uint8_t pack[REPO_ID], struct entry **ret, uint32_t *n,
		 struct err *e)
{
	_cleanup_(blob_closep) struct blob *blob = NULL;
	uint64_t size;
	int r = repo->ops->get(repo->driver, REPO_PACK, pack, &blob, &size, e);

	if (r)
		return r;
	if (size < HEAD_SIZE + REPO_TAG + TRAILER_SIZE || size > PACK_MAX)
		return object_damaged(repo, REPO_PACK, pack, "it is too short or too long", e);
	r = read_footer(repo, pack, blob, size, ret, n, e);
	return r == -EBADMSG ? object_damaged(repo, REPO_PACK, pack, "its footer's tag does not fit", e) : r;
}
