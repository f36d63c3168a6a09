// SPDX-License-Identifier: LGPL-2.1-or-later
/* The reader of a thin pool's metadata, against metadata made here: whole, shared, damaged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit.h"
#include "image.h"
#include "provider/thin/meta/meta.h"

#define CHUNKS	20000
#define KEYS	6000	/* of a device */
#define NONE	UINT64_MAX

static char path[32];
static int memory = -1;

static int set_up(void **state)
{
	memory = memfd_create("meta", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	return memory < 0;
}

static int tear_down(void **state)
{
	return close(memory);
}

static struct meta *open_image(struct image *image, uint64_t snapshot)
{
	struct err e = { 0 };
	struct meta *m;

	image_write(image, memory);
	if (meta_open(path, snapshot, NULL, &m, &e))
		fail_msg("%s", e.text);
	return m;
}

/* What a device maps, written down beside the image. */
struct model {
	uint32_t id;
	uint64_t chunk[KEYS];	/* or NONE */
};

static uint64_t next_chunk;

static void model_create(struct image *image, struct model *model, uint32_t id, unsigned int density)
{
	uint64_t keys[KEYS], chunks[KEYS];
	size_t n = 0;

	model->id = id;
	for (uint64_t key = 0; key < KEYS; key++) {
		model->chunk[key] = NONE;
		if ((unsigned int)rand() % 100 >= density)
			continue;
		/* Mostly in a row, as the kernel allocates. */
		next_chunk += rand() % 8 ? 0 : 1;
		keys[n] = key;
		model->chunk[key] = chunks[n++] = next_chunk++ % CHUNKS;
	}
	image_create(image, id, n, keys, chunks);
}

static void model_overwrite(struct image *image, struct model *model, int times)
{
	while (times--) {
		uint64_t key = (uint64_t)rand() % KEYS;

		if (model->chunk[key] == NONE)
			continue;
		model->chunk[key] = next_chunk++ % CHUNKS;
		image_map(image, model->id, key, model->chunk[key]);
	}
}

static void model_snap(struct image *image, struct model *model, const struct model *origin, uint32_t id)
{
	*model = *origin;
	model->id = id;
	image_snap(image, id, origin->id);
}

/* Marks what it is given in seen, and finds fault with what the model doesn't have. */
struct expected {
	const struct model *left, *right;
	struct meta_extent last;
	uint64_t seen[KEYS];
	int calls, stop_at;
	enum meta_side last_side;
};

static int see_extent(const struct meta_extent *x, void *data)
{
	struct expected *want = data;

	assert_true(x->length > 0 && x->begin + x->length <= KEYS);
	if (want->calls++) {
		assert_true(x->begin >= want->last.begin + want->last.length);
		assert_false(x->begin == want->last.begin + want->last.length &&
			     x->data == want->last.data + want->last.length);
	}
	want->last = *x;
	for (uint64_t i = 0; i < x->length; i++) {
		assert_int_equal(want->left->chunk[x->begin + i], x->data + i);
		want->seen[x->begin + i]++;
	}
	return want->calls == want->stop_at ? 7 : 0;
}

static void check_mapped(struct meta *m, const struct model *model)
{
	struct expected want = { .left = model };
	struct err e = { 0 };

	if (meta_mapped(m, model->id, see_extent, &want, &e))
		fail_msg("%s", e.text);
	for (int key = 0; key < KEYS; key++)
		assert_int_equal(want.seen[key], model->chunk[key] != NONE);
}

static bool maps(const struct model *model, uint64_t chunk)
{
	for (int key = 0; key < KEYS; key++)
		if (model->chunk[key] == chunk)
			return true;
	return false;
}

static void check_exclusive(struct meta *m, const struct model *models, size_t n, size_t mine, bool walk)
{
	const struct model *model = &models[mine];
	struct expected want = { .left = model };
	struct err e = { 0 };

	if (meta_exclusive(m, model->id, walk, see_extent, &want, &e))
		fail_msg("%s", e.text);
	for (int key = 0; key < KEYS; key++) {
		bool shared = false;

		if (model->chunk[key] == NONE)
			continue;
		for (size_t i = 0; i < n && !shared; i++)
			shared = i != mine && maps(&models[i], model->chunk[key]);
		if (want.seen[key] == shared)
			fail_msg("device %u, %s: %d is %sshared", model->id, walk ? "walk" : "time", key,
				 shared ? "" : "not ");
	}
}

static int see_unmapped(const struct meta_extent *x, void *data)
{
	assert_int_equal(x->begin, x->data);
	for (uint64_t i = 0; i < x->length; i++)
		((uint8_t *)data)[x->begin + i]++;
	return 0;
}

static void check_unmapped(struct meta *m, const struct model *models, size_t n)
{
	static uint8_t wanted[CHUNKS], seen[CHUNKS];
	struct err e = { 0 };

	memset(wanted, 1, sizeof(wanted));
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < n; i++)
		for (int key = 0; key < KEYS; key++)
			if (models[i].chunk[key] != NONE)
				wanted[models[i].chunk[key]] = 0;
	if (meta_unmapped(m, see_unmapped, seen, &e))
		fail_msg("%s", e.text);
	assert_memory_equal(seen, wanted, sizeof(wanted));
}

static uint64_t wanted_side(const struct expected *want, uint64_t key)
{
	uint64_t l = want->left->chunk[key], r = want->right->chunk[key];

	if (l == r)
		return META_SAME;
	return l == NONE ? META_RIGHT : r == NONE ? META_LEFT : META_CHANGED;
}

static int see_change(const struct meta_change *c, void *data)
{
	struct expected *want = data;
	const struct meta_extent *last = &want->last;

	assert_true(c->length > 0 && c->begin + c->length <= KEYS);
	assert_true(!want->calls || c->begin >= last->begin + last->length);
	want->calls++;
	want->last = (struct meta_extent){ c->begin, 0, c->length };
	for (uint64_t i = 0; i < c->length; i++) {
		uint64_t key = c->begin + i;

		assert_int_equal(c->side, wanted_side(want, key));
		assert_int_equal(c->side == META_RIGHT ? NONE : c->left + i, want->left->chunk[key]);
		assert_int_equal(c->side == META_LEFT ? NONE : c->right + i, want->right->chunk[key]);
		want->seen[key]++;
	}
	return 0;
}

static void check_diff(struct meta *m, const struct model *left, const struct model *right, bool same)
{
	struct expected want = { .left = left, .right = right };
	struct err e = { 0 };

	if (meta_diff(m, left->id, right->id, same, see_change, &want, &e))
		fail_msg("%s", e.text);
	for (int key = 0; key < KEYS; key++)
		assert_int_equal(want.seen[key], left->chunk[key] != right->chunk[key] ||
						 (same && left->chunk[key] != NONE));
}

static int see_count(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	for (uint64_t i = begin; i < begin + length; i++)
		((uint32_t *)data)[i] = count;
	return 0;
}

static void check_counts(struct meta *m, const struct image *image)
{
	uint32_t *counts = calloc(image->chunks + image->blocks, sizeof(*counts));
	struct err e = { 0 };

	if (meta_chunk_counts(m, see_count, counts, &e))
		fail_msg("%s", e.text);
	assert_memory_equal(counts, image->chunk_refs, image->chunks * sizeof(*counts));
	memset(counts, 0, image->chunks * sizeof(*counts));
	if (meta_block_counts(m, see_count, counts, &e))
		fail_msg("%s", e.text);
	assert_memory_equal(counts, image->block_refs, image->blocks * sizeof(*counts));
	free(counts);
}

#define DEVICES 6

static struct image *random_image(struct model *models, uint64_t fill)
{
	struct image *image = image_new(30000, CHUNKS);

	next_chunk = 0;
	image->fill = fill;
	model_create(image, &models[0], 1, 80);
	model_snap(image, &models[1], &models[0], 2);
	model_overwrite(image, &models[0], 50);
	model_snap(image, &models[2], &models[0], 5);
	model_overwrite(image, &models[0], 3);
	model_overwrite(image, &models[1], 200);
	image->fill = 200;
	model_create(image, &models[3], 9, 20);
	model_snap(image, &models[4], &models[1], 77);
	model_create(image, &models[5], META_DEVICES - 1, 0);
	model_overwrite(image, &models[3], 20);
	return image;
}

/* Trees of one to five levels. */
static void whole(void **state)
{
	static const uint64_t fills[] = { 252, 126, 30, 9, 6 };
	static struct model models[DEVICES];

	for (size_t turn = 0; turn < 2 * N_OF(fills); turn++) {
		struct image *image;
		struct meta *m;

		srand((unsigned int)turn);
		image = random_image(models, fills[turn / 2]);
		image_finish(image, turn % 2);
		m = open_image(image, image->snapshot);
		check_unmapped(m, models, DEVICES);
		for (size_t i = 0; i < DEVICES; i++) {
			check_mapped(m, &models[i]);
			check_exclusive(m, models, DEVICES, i, false);
			check_exclusive(m, models, DEVICES, i, true);
			for (size_t j = 0; j < DEVICES; j++) {
				check_diff(m, &models[i], &models[j], false);
				check_diff(m, &models[i], &models[j], true);
			}
		}
		if (!image->snapshot)
			check_counts(m, image);
		meta_close(m);
		image_free(image);
	}
}

static int see_device(const struct meta_device *d, void *data)
{
	const struct image_device **next = data, *want = (*next)++;

	assert_int_equal(d->id, want->id);
	assert_int_equal(d->mapped, want->mapped);
	assert_int_equal(d->created, want->created);
	assert_int_equal(d->snapshotted, want->snapshotted);
	return 0;
}

static int unseen(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	fail();
	return 0;
}

static void superblock(void **state)
{
	static struct model models[DEVICES];
	struct image *image = random_image(models, 252);
	const struct image_device *next = image->devices;
	struct meta_device device;
	struct err e = { 0 };
	struct meta *m;

	image_finish(image, true);
	m = open_image(image, META_COMMITTED);
	assert_int_equal(meta_pool(m)->chunk_size, 65536);
	assert_int_equal(meta_pool(m)->chunks, CHUNKS);
	assert_int_equal(meta_pool(m)->blocks, 30000);
	assert_int_equal(meta_pool(m)->blocks_used, image->next);
	assert_int_equal(meta_pool(m)->time, 3);
	assert_int_equal(meta_pool(m)->snapshot, image->snapshot);
	assert_false(meta_pool(m)->needs_check);
	assert_int_equal(meta_devices(m, see_device, &next, &e), 0);
	assert_ptr_equal(next, image->devices + DEVICES);
	assert_int_equal(meta_device(m, 77, &device, &e), 0);
	assert_int_equal(device.mapped, image->devices[4].mapped);
	assert_int_equal(meta_device(m, 78, &device, &e), -ENOENT);
	assert_string_equal(e.text, "the pool has no thin device 78");
	meta_close(m);

	((struct disk_super *)image_block(image, 0))->head.flags = htole32(SUPER_NEEDS_CHECK);
	image_seal(image, 0);
	m = open_image(image, META_COMMITTED);
	assert_true(meta_pool(m)->needs_check);
	meta_close(m);

	err_clear(&e);
	assert_int_equal(meta_open(path, 5, NULL, &m, &e), -ESTALE);
	err_clear(&e);
	m = open_image(image, image->snapshot);
	assert_int_equal(meta_chunk_counts(m, unseen, NULL, &e), -ENODATA);
	meta_close(m);
	image_free(image);
}

/* Where the trees share, the cost of a difference is that of its leaves. */
static void cost(void **state)
{
	static struct model models[2];
	struct image *image = image_new(30000, CHUNKS);
	struct expected want = { .left = &models[0], .right = &models[1] };
	struct err e = { 0 };
	struct meta *m;
	uint64_t before;

	next_chunk = 0;
	image->fill = 16;
	model_create(image, &models[0], 1, 100);
	model_snap(image, &models[1], &models[0], 2);
	/* Two leaves of 375. */
	for (int key = 1600; key < 1632; key++)
		image_map(image, 2, key, models[1].chunk[key] = 15000 + key % 7);
	image_finish(image, false);
	m = open_image(image, META_COMMITTED);
	before = meta_blocks_read(m);
	assert_int_equal(meta_diff(m, 1, 2, false, see_change, &want, &e), 0);
	/* Device trees, four levels with a root each, and two leaves each. */
	assert_in_range(meta_blocks_read(m) - before, 1, 4 + 2 * (3 + 2));
	before = meta_blocks_read(m);
	assert_int_equal(meta_diff(m, 1, 1, false, see_change, &want, &e), 0);
	assert_in_range(meta_blocks_read(m) - before, 1, 4);
	meta_close(m);
	image_free(image);
}

/* A split root: the same leaves lie one level deeper on the right, and under other keys. */
static void heights(void **state)
{
	static struct model models[2];
	struct image *image = image_new(1000, CHUNKS);
	uint64_t keys[252], children[252], tops[2], top_keys[2];
	struct disk_node *root;
	struct meta *m;
	uint32_t n;

	next_chunk = 0;
	image->fill = 100;
	model_create(image, &models[0], 1, 90);
	model_snap(image, &models[1], &models[0], 2);
	root = image_node(image, image->devices[0].root);
	n = le32toh(root->entries);
	assert_in_range(n, 40, 60);
	for (uint32_t i = 0; i < n; i++) {
		const struct disk_node *last = image_node(image, le64toh(image_values(root)[i ? i - 1 : 0]));

		keys[i] = i ? le64toh(last->keys[le32toh(last->entries) - 1]) + 1 : 0;
		children[i] = image_values(root)[i];
	}
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t from = i * 20, to = i ? n : 20;

		tops[i] = htole64(image_add_node(image, NODE_INNER, 8, to - from, keys + from, children + from));
		top_keys[i] = keys[from];
	}
	image->devices[1].root = image_add_node(image, NODE_INNER, 8, 2, top_keys, tops);
	for (uint32_t i = 0; i < n; i++)
		image->block_refs[le64toh(children[i])]++;
	image->block_refs[image->devices[0].root]--;
	model_overwrite(image, &models[1], 10);
	model_overwrite(image, &models[0], 10);
	image_finish(image, false);
	m = open_image(image, META_COMMITTED);
	check_diff(m, &models[0], &models[1], false);
	/* Opening, device trees, inner nodes, twenty leaves each; two more until the heights are known. */
	assert_in_range(meta_blocks_read(m), 20, 1 + 4 + 4 + 2 * 20 + 2);
	check_diff(m, &models[1], &models[0], false);
	check_diff(m, &models[0], &models[1], true);
	check_diff(m, &models[1], &models[0], true);
	meta_close(m);
	image_free(image);
}

static void endings(void **state)
{
	static struct model models[DEVICES];
	struct image *image = random_image(models, 30);
	struct expected want = { .left = &models[0], .stop_at = 3 };
	atomic_bool cancel = false;
	struct err e = { 0 };
	struct meta *m;

	image_finish(image, false);
	meta_close(open_image(image, META_COMMITTED));
	assert_int_equal(meta_open(path, META_COMMITTED, &cancel, &m, &e), 0);
	assert_int_equal(meta_mapped(m, 1, see_extent, &want, &e), 7);
	assert_int_equal(want.calls, 3);
	assert_int_equal(e.code, 0);
	cancel = true;
	want.stop_at = 0;
	assert_int_equal(meta_mapped(m, 1, see_extent, &want, &e), -ECANCELED);
	cancel = false;
	/* The end of the file goes: an error of the device that names the block. */
	assert_int_equal(ftruncate(memory, 30 * META_BLOCK), 0);
	err_clear(&e);
	assert_int_equal(meta_mapped(m, 1, see_extent, &want, &e), -EIO);
	assert_non_null(strstr(e.text, "of the pool's metadata can't be read: the device ends before it"));
	meta_close(m);
	image_free(image);
	err_clear(&e);
	assert_int_equal(meta_open("/dev/null", META_COMMITTED, NULL, &m, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(meta_open("/nowhere", META_COMMITTED, NULL, &m, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(superblock),
		cmocka_unit_test(cost),
		cmocka_unit_test(heights),
		cmocka_unit_test(endings),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
