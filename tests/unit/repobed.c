// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "unit.h"
#include "repobed.h"

static uint64_t dice = 1;
struct manifest bed_counts;
void (*bed_place)(char *where, size_t size);

const struct repo_secret bed_secret = {
	.method = KEY_FILE, .bytes = "0123456789abcdef0123456789ABCDEF", .length = 32,
};

void bed_seed(uint64_t seed)
{
	dice = seed * 2 + 1;
}

uint32_t bed_random(uint32_t below)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((dice >> 33) % below);
}

void bed_init(struct bed *bed, bool encrypted, uint32_t chunk_size, enum compression compression)
{
	struct repo_choice choice = {
		.encrypted = encrypted, .chunk_size = chunk_size, .compression = compression, .level = 1,
	};

	memset(bed, 0, sizeof(*bed));
	snprintf(bed->dir, sizeof(bed->dir), "%s/bvol-repo-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(bed->dir));
	snprintf(bed->repo_path, sizeof(bed->repo_path), "%s/repo", bed->dir);
	strcpy(bed->where, bed->repo_path);
	if (bed_place)
		bed_place(bed->where, sizeof(bed->where));
	snprintf(bed->file, sizeof(bed->file), "%s/file", bed->dir);
	snprintf(bed->out, sizeof(bed->out), "%s/out", bed->dir);
	if (repo_create(bed->where, &choice, encrypted ? &bed_secret : NULL, &bed->repo, &bed->err))
		fail_msg("%s", bed->err.text);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

void bed_deinit(struct bed *bed)
{
	bed->repo = repo_close(bed->repo);
	nftw(bed->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Volumes */

void volume_init(struct volume *v, uint32_t n, uint32_t tail)
{
	*v = (struct volume) { .n = n, .tail = tail, .pages = calloc(n + 1, sizeof(uint32_t)) };
	assert_non_null(v->pages);
}

void volume_copy(struct volume *to, const struct volume *from)
{
	volume_init(to, from->n, from->tail);
	memcpy(to->pages, from->pages, from->n * sizeof(uint32_t));
}

void volume_deinit(struct volume *v)
{
	free(v->pages);
	v->pages = NULL;
}

static void fill_page(uint32_t seed, uint8_t *bytes)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (uint32_t i = 0; i < PAGE; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (seed % 3)
			memcpy(bytes + i, &x, 8);
		else
			memset(bytes + i, (int)(seed + i / 512), 8);
	}
	/* No page but number 0 is all zeroes. */
	bytes[0] |= 1;
}

static uint32_t page_bytes(const struct volume *v, uint32_t i)
{
	return i + 1 == v->n ? v->tail : PAGE;
}

void volume_save(const struct volume *v, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint8_t bytes[PAGE];

	assert_true(fd >= 0);
	for (uint32_t i = 0; i < v->n; i++) {
		if (!v->pages[i])
			continue;
		fill_page(v->pages[i], bytes);
		assert_int_equal(pwrite(fd, bytes, page_bytes(v, i), (off_t)i * PAGE), page_bytes(v, i));
	}
	assert_int_equal(ftruncate(fd, v->n ? (off_t)(v->n - 1) * PAGE + v->tail : 0), 0);
	close(fd);
}

bool volume_is(const struct volume *v, const char *path)
{
	uint8_t bytes[PAGE], real[PAGE + 1];
	int fd = open(path, O_RDONLY);
	bool same = fd >= 0;
	struct stat st;

	for (uint32_t i = 0; i < v->n && same; i++) {
		memset(bytes, 0, sizeof(bytes));
		if (v->pages[i])
			fill_page(v->pages[i], bytes);
		same = pread(fd, real, page_bytes(v, i), (off_t)i * PAGE) == page_bytes(v, i) &&
		       !memcmp(bytes, real, page_bytes(v, i));
	}
	same = same && !fstat(fd, &st) && st.st_size == (v->n ? (off_t)(v->n - 1) * PAGE + v->tail : 0);
	if (fd >= 0)
		close(fd);
	return same;
}

/* Runs */

int bed_backup(struct bed *bed, const char *name, const uint8_t *parent_id, uint8_t id[REPO_ID])
{
	struct manifest_text text = { (char *)"name", (char *)name };
	struct backup_plan plan = { .texts = &text, .n_texts = 1, .threads = 2 };
	struct manifest *parent = NULL, *m = NULL;
	struct repo_run run = { 0 };
	int r = source_file(bed->file, &plan.source, &bed->err);

	err_clear(&bed->err);
	if (!r && parent_id)
		r = manifest_load(bed->repo, parent_id, &parent, &bed->err);
	plan.parent = parent;
	if (!r)
		r = backup_run(bed->repo, &plan, &run, &m, &bed->err);
	if (!r) {
		memcpy(id, m->id, REPO_ID);
		bed_counts = *m;
	}
	manifest_free(m);
	manifest_free(parent);
	backup_source_free(plan.source);
	return r;
}

int bed_restore(struct bed *bed, const uint8_t id[REPO_ID], bool diff)
{
	struct restore_plan plan = { .to = bed->out, .diff = diff, .threads = 2 };
	struct restore_result result = { 0 };
	struct manifest *m = NULL;
	struct repo_run run = { 0 };
	int r;

	err_clear(&bed->err);
	r = manifest_load(bed->repo, id, &m, &bed->err);
	plan.m = m;
	if (!r)
		r = restore_run(bed->repo, &plan, &run, &result, &bed->err);
	manifest_free(m);
	return r;
}

int bed_gc(struct bed *bed, uint64_t dead_ns, struct gc_result *result)
{
	struct gc_result ignored;
	struct repo_run run = { 0 };

	err_clear(&bed->err);
	return gc_run(bed->repo, dead_ns, &run, result ?: &ignored, &bed->err);
}

struct words {
	char *text;
	size_t size;
};

static void add_words(void *data, const char *sentence)
{
	struct words *words = data;
	size_t used = words->text ? strlen(words->text) : 0;

	if (words->text)
		snprintf(words->text + used, words->size - used, "%s\n", sentence);
	else
		fprintf(stderr, "scrub: %s\n", sentence);
}

int bed_scrub(struct bed *bed, struct scrub_result *result, char *words, size_t size)
{
	struct words w = { words, size };
	struct scrub_plan plan = { .threads = 2, .report = add_words, .data = &w };
	struct repo_run run = { 0 };

	if (words)
		*words = '\0';
	err_clear(&bed->err);
	return scrub_run(bed->repo, &plan, &run, result, &bed->err);
}

size_t bed_list(struct bed *bed, enum repo_kind kind, uint8_t (**ids)[REPO_ID])
{
	struct id_list list = { 0 };

	assert_int_equal(id_list_of(bed->repo, kind, &list, &bed->err), 0);
	*ids = list.ids;
	return list.n;
}

char *bed_path(const struct bed *bed, enum repo_kind kind, const uint8_t id[REPO_ID], char path[192])
{
	char name[DRIVER_NAME_MAX];

	snprintf(path, 192, "%s/%s", bed->repo_path, driver_name(kind, id, name));
	return path;
}
