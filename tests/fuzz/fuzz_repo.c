// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What lies in a repository that somebody else may have written: the first
 * byte says which parser gets the rest. Tags would stop everything that the
 * fuzzer invents, so it gives what is behind them: bodies of manifests, of
 * indexes, pages of maps, patches, and compressed content.
 */
#include <stdio.h>
#include <stdlib.h>

#include "copy/repo/compress.h"
#include "copy/repo/fetch.h"
#include "copy/repo/manifest.h"

static const struct repo repo = { .chunk_size = CHUNK_MIN, .where = (char *)"" };

static void expect(int truth)
{
	if (!truth)
		abort();
}

/* What was read says the same when it is used. */
static void take_manifest(const uint8_t *bytes, size_t n)
{
	struct manifest *m;

	if (manifest_parse(bytes, n, &m, NULL))
		return;
	expect(m->size <= VOLUME_MAX);
	expect(m->n_pages == volume_pages(m->size));
	for (uint32_t i = 0; i < m->n_texts; i++)
		expect(strlen(m->texts[i].key) <= TEXT_MAX && strlen(m->texts[i].value) <= TEXT_MAX);
	if (m->n_pages)
		expect(chunks_of_page(m, m->n_pages - 1) >= 1 &&
		       chunks_of_page(m, 0) <= page_chunks(m->chunk_size));
	manifest_free(m);
}

static int take_entries(void *data, const uint8_t pack[REPO_ID], const struct entry *entries, uint32_t n,
			struct err *e)
{
	uint8_t again[ENTRY_SIZE];
	struct entry entry;

	for (uint32_t i = 0; i < n; i++) {
		expect(entries[i].raw && entries[i].stored <= entries[i].raw && entries[i].raw <= CHUNK_MIN);
		entry_write(&entries[i], again);
		expect(entry_read(&repo, again, &entry) && !memcmp(entry.id, entries[i].id, CHUNK_ID));
	}
	return 0;
}

static void take_page(const uint8_t *bytes, size_t n)
{
	static uint8_t ids[1024][CHUNK_ID], again[1024][CHUNK_ID], out[MAP_PAGE_MAX];
	uint32_t count = n ? 1 + bytes[0] * 4u : 0, length;

	if (!count || page_read(bytes + 1, n - 1, ids, count))
		return;
	length = page_write((const uint8_t (*)[CHUNK_ID])ids, count, out);
	expect(length <= MAP_PAGE_MAX);
	if (!length)
		return;
	expect(!page_read(out, length, again, count));
	expect(!memcmp(ids, again, (size_t)count * CHUNK_ID));
}

static void take_patch(const uint8_t *bytes, size_t n)
{
	static uint8_t chunk[CHUNK_MIN];
	uint32_t length = n > 2 ? 1 + (get16(bytes) % CHUNK_MIN) : 0;

	if (length)
		patch_apply(bytes + 2, n - 2, chunk, length);
}

static void take_compressed(const uint8_t *bytes, size_t n)
{
	static struct compressor *compressor;
	static uint8_t out[CHUNK_MIN];

	if (!compressor)
		expect(!compressor_new(COMPRESS_NONE, 0, &compressor, NULL));
	if (n > 3)
		compressor_unpack(compressor, bytes[0] % 4, bytes + 3, n - 3, out,
				  1 + get16(bytes + 1) % CHUNK_MIN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (*data % 5) {
	case 0:
		take_manifest(data + 1, size - 1);
		break;
	case 1:
		index_parse(&repo, data + 1, size - 1, take_entries, NULL, NULL);
		break;
	case 2:
		take_page(data + 1, size - 1);
		break;
	case 3:
		take_patch(data + 1, size - 1);
		break;
	default:
		take_compressed(data + 1, size - 1);
	}
	return 0;
}
