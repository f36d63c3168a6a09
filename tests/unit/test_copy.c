// SPDX-License-Identifier: LGPL-2.1-or-later
/* The copy engine and the wipes on files, and on loop devices where those can be had. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "copybed.h"
#include "copy/wipe.h"

#define KIB	((size_t)1024)
#define MIB	(KIB * KIB)
#define SIZE	(3 * MIB + 512)
#define MARKS	64

/* Where the engine has to work alike. The last file's end is no block's end. */
static const struct place {
	const char *name, *folder;
	uint32_t loop;		/* block size, 0: a file */
	size_t size;
	bool no_ring;
} places[] = {
	{ "file", "/var/tmp", 0, SIZE, false },
	{ "file without io_uring", "/var/tmp", 0, SIZE, true },
	{ "file in memory", "/dev/shm", 0, SIZE, false },
	{ "file of odd size", "/var/tmp", 0, 2 * MIB + 777, false },
	{ "loop device of 512", "/var/tmp", 512, SIZE, false },
	{ "loop device of 512 without io_uring", "/var/tmp", 512, SIZE, true },
	{ "loop device of 4096", "/var/tmp", 4096, 3 * MIB, false },
};

static struct err err;

struct seen {
	struct copy_cursor marks[MARKS];
	size_t n_marks;
	size_t stop_at;			/* end the run at this mark, counted from 1; 0: never */
	const struct bed *flip;		/* change a byte when the first pass is durable */
	size_t flip_offset;
	uint64_t first_pass;
	struct copy *copy;
	unsigned int calls;
	struct copy_progress last;
};

static bool place_open(const struct place *place, struct bed *bed)
{
	if (!place->loop) {
		bed_file(bed, place->folder, place->size);
		return true;
	}
	return bed_loop(bed, place->folder, place->size, place->loop);
}

static int on_mark(void *data, const struct copy_cursor *cursor, struct err *e)
{
	struct seen *seen = data;
	uint8_t byte;

	if (seen->n_marks < MARKS)
		seen->marks[seen->n_marks] = *cursor;
	seen->n_marks++;
	if (seen->flip && cursor->done == seen->first_pass) {
		uint8_t *bytes = bed_read(seen->flip);

		byte = bytes[seen->flip_offset] ^ 1;
		bed_write(seen->flip, seen->flip_offset, &byte, 1);
		free(bytes);
	}
	return seen->n_marks == seen->stop_at ? err_set(e, -EINTR, "the power went") : 0;
}

static struct copy_plan plan_for(const struct place *place, const struct bed *bed, struct seen *seen,
				 const struct copy_extent *extents, size_t n)
{
	*seen = (struct seen) { 0 };
	return (struct copy_plan) {
		.path = bed->path, .extents = extents, .n_extents = n, .no_ring = place->no_ring,
		.hooks = { .mark = on_mark, .data = seen },
	};
}

static int wipe(const struct wipe *wipe, const struct copy_plan *plan, struct wipe_result *result)
{
	struct copy *copy;
	int code;

	err_clear(&err);
	code = wipe_new(wipe, plan, &copy, &err);
	if (code)
		return code;
	code = wipe_run(wipe, copy, result, &err);
	copy_free(copy);
	return code;
}

static size_t random_extents(struct copy_extent *list, size_t most, size_t size)
{
	size_t n = 0, at = 0;

	while (n < most && at < size) {
		size_t length = (size_t)random() % (random() % 3 ? 5000 : size / 4);

		at += (size_t)random() % (random() % 3 ? 1500 : size / 4);
		/* Some lie as blocks do. */
		if (random() % 4 == 0) {
			at = (at + 511) / 512 * 512;
			length = length / 512 * 512;
		}
		if (at >= size)
			break;
		if (length > size - at)
			length = size - at;
		list[n++] = (struct copy_extent) { at, length };
		at += length;
	}
	/* The last byte of all is one that tools forget. */
	if (n && random() % 2)
		list[n - 1].length = size - list[n - 1].offset;
	for (size_t i = 0; i + 1 < n; i += 2) {
		struct copy_extent swap = list[i];

		list[i] = list[i + 1];
		list[i + 1] = swap;
	}
	return n;
}

/* Which bytes belong to the extents. */
static bool *map_of(const struct copy_extent *list, size_t n, size_t size)
{
	bool *map = calloc(size, sizeof(*map));

	assert_non_null(map);
	for (size_t i = 0; i < n; i++)
		memset(map + list[i].offset, true, list[i].length);
	return map;
}

/* Beside the extents nothing has changed; within, zeroes, or about as few of the old bytes as chance leaves. */
static void assert_exact(const struct bed *bed, const struct copy_extent *list, size_t n, bool random_bytes)
{
	bool *map = map_of(list, n, bed->size);
	uint8_t *bytes = bed_read(bed);
	size_t within = 0, same = 0, wrong = 0;

	for (size_t i = 0; i < bed->size; i++) {
		uint8_t was = bed_byte(i);

		within += map[i];
		same += map[i] && bytes[i] == was;
		wrong += map[i] ? !random_bytes && bytes[i] : bytes[i] != was;
	}
	assert_int_equal(wrong, 0);
	assert_true(same <= within / 100 + 20);
	free(bytes);
	free(map);
}

static void test_exactly_the_extents(void **state)
{
	srandom(1);
	for (size_t p = 0; p < N_OF(places); p++) {
		struct bed bed;

		if (!place_open(&places[p], &bed)) {
			print_message("no %s here\n", places[p].name);
			continue;
		}
		for (int round = 0; round < 8; round++) {
			const struct wipe how = { .policy = round % 2 ? WIPE_RANDOM : WIPE_ZERO,
						  .verify = round % 4 < 2, .keep = true };
			struct copy_extent list[16];
			size_t n = random_extents(list, N_OF(list), bed.size);
			struct wipe_result result;
			struct seen seen;
			struct copy_plan plan = plan_for(&places[p], &bed, &seen, list, n);

			plan.request_size = round % 3 ? 64 * KIB : 0;
			plan.depth = round % 3 == 1 ? 2 : 0;
			bed_refill(&bed);
			assert_int_equal(wipe(&how, &plan, &result), 0);
			assert_exact(&bed, list, n, round % 2);
			assert_int_equal(result.overwritten, result.bytes);
			assert_int_equal(result.discarded, 0);
			assert_int_equal(result.verified, how.verify);
			if (places[p].no_ring)
				assert_false(result.ring);
		}
		bed_free(&bed);
	}
}

/* A list of single sectors, the smallest thing that there is, each between two neighbours. */
static void test_single_sectors(void **state)
{
	const struct wipe how = { .policy = WIPE_ZERO, .verify = true, .keep = true };
	struct copy_extent list[300];
	struct bed bed;

	for (size_t i = 0; i < N_OF(list); i++)
		list[i] = (struct copy_extent) { 512 + i * 1536, 512 };
	for (size_t p = 0; p < N_OF(places); p++) {
		struct wipe_result result;
		struct seen seen;

		if (place_open(&places[p], &bed)) {
			struct copy_plan plan = plan_for(&places[p], &bed, &seen, list, N_OF(list));

			assert_int_equal(wipe(&how, &plan, &result), 0);
			assert_int_equal(result.extents, N_OF(list));
			assert_exact(&bed, list, N_OF(list), false);
			bed_free(&bed);
		}
	}
}

/*
 * From each mark at which a run was cut off, the same end as that of a run that was not; and what
 * lies before the mark is not done again.
 */
static void resume_from(const struct place *place, const struct bed *bed, const struct wipe *how, size_t cut)
{
	const struct copy_extent list[] = { { 1000, 700000 }, { 800 * KIB, MIB }, { 2 * MIB, 10 } };
	struct wipe_result result;
	struct copy_cursor from;
	size_t wrong = 0;
	uint8_t marker = 0x5a, *bytes;
	struct seen seen;
	struct copy_plan plan = plan_for(place, bed, &seen, list, N_OF(list));
	bool *map = map_of(list, N_OF(list), bed->size);

	bed_refill(bed);
	plan.mark_bytes = 256 * KIB;
	plan.request_size = 64 * KIB;
	seen.stop_at = cut;
	assert_int_equal(wipe(how, &plan, &result), -EINTR);
	assert_string_equal(err.text, "the power went");
	assert_int_equal(result.cursor.done, seen.marks[cut - 1].done);
	assert_false(result.verified);
	from = seen.marks[cut - 1];
	plan = plan_for(place, bed, &seen, list, N_OF(list));
	plan.from = from;
	if (!how->verify && from.done > 65536 && from.done < result.bytes)
		bed_write(bed, 32768, &marker, 1);
	assert_int_equal(wipe(how, &plan, &result), 0);
	assert_int_equal(result.overwritten, result.bytes);
	bytes = bed_read(bed);
	if (!how->verify && from.done > 65536 && from.done < result.bytes) {
		assert_int_equal(bytes[32768], marker);
		bytes[32768] = 0;
	}
	for (size_t i = 0; i < bed->size; i++)
		wrong += map[i] ? how->policy == WIPE_ZERO && bytes[i] : bytes[i] != bed_byte(i);
	assert_int_equal(wrong, 0);
	free(bytes);
	free(map);
}

static size_t marks_of(const struct place *place, const struct bed *bed, const struct wipe *how)
{
	const struct copy_extent list[] = { { 1000, 700000 }, { 800 * KIB, MIB }, { 2 * MIB, 10 } };
	struct wipe_result result;
	struct seen seen;
	struct copy_plan plan = plan_for(place, bed, &seen, list, N_OF(list));

	plan.mark_bytes = 256 * KIB;
	plan.request_size = 64 * KIB;
	assert_int_equal(wipe(how, &plan, &result), 0);
	for (size_t i = 1; i < seen.n_marks; i++)
		assert_true(seen.marks[i].done > seen.marks[i - 1].done);
	return seen.n_marks;
}

static void test_resume(void **state)
{
	/* The first and the last place: one with bytes, one with large blocks. */
	for (size_t p = 0; p < N_OF(places); p += N_OF(places) - 1) {
		struct bed bed;

		if (!place_open(&places[p], &bed))
			continue;
		for (int i = 0; i < 4; i++) {
			const struct wipe how = { .policy = i % 2 ? WIPE_RANDOM : WIPE_ZERO, .verify = i / 2,
						  .keep = true };
			size_t marks = marks_of(&places[p], &bed, &how);

			assert_in_range(marks, 5, MARKS);
			for (size_t cut = 1; cut <= marks; cut++)
				resume_from(&places[p], &bed, &how, cut);
		}
		bed_free(&bed);
	}
}

static void test_verify_finds_one_byte(void **state)
{
	static const struct copy_extent list[] = { { 700, MIB }, { 2 * MIB, 300 } };
	static const size_t where[] = { 700, 701, 1023, 4096, 65535, MIB - 1, MIB + 699, 2 * MIB, 2 * MIB + 299 };

	for (size_t p = 0; p < N_OF(places); p++) {
		struct bed bed;

		if (!place_open(&places[p], &bed))
			continue;
		for (size_t i = 0; i < 2 * N_OF(where); i++) {
			const struct wipe how = { .policy = i % 2 ? WIPE_RANDOM : WIPE_ZERO, .verify = true };
			struct wipe_result result;
			struct seen seen;
			struct copy_plan plan = plan_for(&places[p], &bed, &seen, list, 2);
			char words[40];

			seen.flip = &bed;
			seen.flip_offset = where[i / 2];
			seen.first_pass = list[0].length + list[1].length;
			assert_int_equal(wipe(&how, &plan, &result), -EBADMSG);
			snprintf(words, sizeof(words), "at byte %zu ", where[i / 2]);
			assert_non_null(strstr(err.text, words));
			assert_non_null(strstr(err.text, bed.path));
			assert_false(result.verified);
			/* What is not as it was written is not discarded either. */
			assert_int_equal(result.discarded, 0);
		}
		bed_free(&bed);
	}
}

static void test_random_differs(void **state)
{
	const struct wipe how = { .policy = WIPE_RANDOM, .verify = true, .keep = true };
	const struct copy_extent all = { 0, SIZE };
	struct wipe_result result;
	uint8_t *bytes[2];
	struct seen seen;
	size_t same = 0;
	struct bed bed;

	bed_file(&bed, "/var/tmp", SIZE);
	for (int i = 0; i < 2; i++) {
		struct copy_plan plan = plan_for(&places[0], &bed, &seen, &all, 1);

		assert_int_equal(wipe(&how, &plan, &result), 0);
		bytes[i] = bed_read(&bed);
	}
	for (size_t i = 0; i < SIZE; i++)
		same += bytes[0][i] == bytes[1][i];
	assert_true(same < SIZE / 100);
	free(bytes[0]);
	free(bytes[1]);
	bed_free(&bed);
}

static void test_discard(void **state)
{
	const struct copy_extent list = { 64 * KIB + 100, MIB };

	for (size_t p = 0; p < N_OF(places); p++) {
		struct wipe_result result;
		struct stat before, after;
		char text[WIPE_TEXT_MAX];
		struct bed bed;

		if (!place_open(&places[p], &bed))
			continue;
		for (int i = 0; i < 3; i++) {
			const struct wipe how = { .policy = WIPE_DISCARD + i, .verify = i > 0 };
			struct seen seen;
			struct copy_plan plan = plan_for(&places[p], &bed, &seen, &list, 1);

			bed_refill(&bed);
			assert_int_equal(stat(bed.file, &before), 0);
			assert_int_equal(wipe(&how, &plan, &result), 0);
			assert_int_equal(stat(bed.file, &after), 0);
			assert_true(after.st_blocks <= before.st_blocks - 1024 * 1000 / 512);
			assert_in_range(result.discarded, MIB - 8 * KIB, MIB);
			assert_non_null(strstr(wipe_text(&how, &result, text), "discarded"));
			if (how.policy == WIPE_ZERO)
				assert_exact(&bed, &list, 1, false);
		}
		bed_free(&bed);
	}
}

/* Zeroes of a discard are believed when they were read. */
static void test_discard_leaves_edges(void **state)
{
	const struct wipe how = { .policy = WIPE_DISCARD, .verify = true };
	const struct copy_extent whole = { 64 * KIB, MIB }, ragged = { 64 * KIB + 100, MIB };
	struct wipe_result result;
	struct seen seen;
	struct bed bed;
	struct copy_plan plan;

	bed_file(&bed, "/var/tmp", SIZE);
	plan = plan_for(&places[0], &bed, &seen, &whole, 1);
	assert_int_equal(wipe(&how, &plan, &result), 0);
	assert_int_equal(result.discarded, MIB);
	assert_int_equal(result.overwritten, 0);
	bed_refill(&bed);
	plan = plan_for(&places[0], &bed, &seen, &ragged, 1);
	/* Without direct I/O a byte is a block. */
	if (wipe(&how, &plan, &result) == 0)
		assert_false(result.direct);
	else
		assert_non_null(strstr(err.text, "at byte 65636 "));
	bed_free(&bed);
}

static void on_progress_cancel(void *data, const struct copy_progress *p)
{
	struct seen *seen = data;

	seen->calls++;
	copy_cancel(seen->copy);
}

/* At this rate it would take a day, so whoever comes back has been cancelled. */
static void test_cancel(void **state)
{
	static const enum wipe_policy policies[] = { WIPE_ZERO, WIPE_RANDOM };

	for (size_t p = 0; p < N_OF(places); p++) {
		struct bed bed;

		if (!place_open(&places[p], &bed))
			continue;
		for (size_t i = 0; i < N_OF(policies); i++) {
			const struct wipe how = { .policy = policies[i], .verify = true };
			const struct copy_extent all = { 100, bed.size - 100 };
			struct wipe_result result;
			struct seen seen;
			struct copy_plan plan = plan_for(&places[p], &bed, &seen, &all, 1);

			plan.rate = 30;
			plan.hooks.progress = on_progress_cancel;
			err_clear(&err);
			assert_int_equal(wipe_new(&how, &plan, &seen.copy, &err), 0);
			assert_int_equal(wipe_run(&how, seen.copy, &result, &err), -ECANCELED);
			assert_string_equal(err.text, "cancelled");
			assert_true(result.cursor.done < all.length);
			assert_int_equal(copy_abandoned(), 0);
			copy_free(seen.copy);
		}
		bed_free(&bed);
	}
}

static void test_cancel_before_it_runs(void **state)
{
	const struct wipe how = { .policy = WIPE_ZERO };
	const struct copy_extent all = { 0, SIZE };
	struct wipe_result result;
	struct copy *copy;
	struct seen seen;
	struct bed bed;
	struct copy_plan plan;

	bed_file(&bed, "/var/tmp", SIZE);
	plan = plan_for(&places[0], &bed, &seen, &all, 1);
	assert_int_equal(wipe_new(&how, &plan, &copy, &err), 0);
	copy_cancel(copy);
	err_clear(&err);
	assert_int_equal(wipe_run(&how, copy, &result, &err), -ECANCELED);
	assert_exact(&bed, &all, 0, false);
	copy_free(copy);
	bed_free(&bed);
}

/* Paused at the first call; two calls later nothing has moved; let go, it comes to its end. */
static void on_progress_pause(void *data, const struct copy_progress *p)
{
	struct seen *seen = data;

	switch (seen->calls++) {
	case 0:
		copy_pause(seen->copy, true);
		break;
	case 1:
		seen->last = *p;
		assert_true(p->paused);
		break;
	case 2:
		assert_int_equal(p->done, seen->last.done);
		assert_int_equal(p->quiet_ms, 0);
		/* A mark came with the pause: what was done until then is durable. */
		assert_int_equal(seen->n_marks ? seen->marks[seen->n_marks - 1].done : 0, p->done);
		copy_set_rate(seen->copy, 0);
		copy_pause(seen->copy, false);
		break;
	}
}

static void test_pause(void **state)
{
	const struct wipe how = { .policy = WIPE_ZERO, .verify = true, .keep = true };
	const struct copy_extent all = { 0, SIZE };
	struct wipe_result result;
	struct seen seen;
	struct bed bed;
	struct copy_plan plan;

	bed_file(&bed, "/var/tmp", SIZE);
	plan = plan_for(&places[0], &bed, &seen, &all, 1);
	plan.rate = MIB;
	plan.request_size = 64 * KIB;
	plan.hooks.progress = on_progress_pause;
	assert_int_equal(wipe_new(&how, &plan, &seen.copy, &err), 0);
	assert_int_equal(wipe_run(&how, seen.copy, &result, &err), 0);
	assert_true(seen.calls >= 3);
	assert_exact(&bed, &all, 1, false);
	copy_free(seen.copy);
	bed_free(&bed);
}

static void on_progress_count(void *data, const struct copy_progress *p)
{
	struct seen *seen = data;

	assert_true(p->done >= seen->last.done);
	assert_true(p->done <= p->total);
	assert_int_equal(p->total, 2 * SIZE);
	seen->last = *p;
	seen->calls++;
}

/* Two runs share a pool's rate, and tell how they go on. */
static void *run_one(void *data)
{
	static const struct wipe how = { .policy = WIPE_ZERO, .verify = true, .keep = true };
	struct wipe_result result;
	struct seen *seen = data;
	struct err e = { 0 };

	return (void *)(intptr_t)wipe_run(&how, seen->copy, &result, &e);
}

static void test_pool_rate_and_progress(void **state)
{
	const struct wipe how = { .policy = WIPE_ZERO, .verify = true, .keep = true };
	const struct copy_extent all = { 0, SIZE };
	struct copy_limit *pool = copy_limit_new(6 * MIB);
	pthread_t threads[2];
	struct seen seen[2];
	struct bed beds[2];
	void *code;

	for (int i = 0; i < 2; i++) {
		struct copy_plan plan;

		bed_file(&beds[i], "/var/tmp", SIZE);
		plan = plan_for(&places[0], &beds[i], &seen[i], &all, 1);
		plan.pool = pool;
		plan.request_size = 128 * KIB;
		plan.hooks.progress = on_progress_count;
		assert_int_equal(wipe_new(&how, &plan, &seen[i].copy, &err), 0);
	}
	copy_limit_unref(pool);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_one, &seen[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &code);
		assert_null(code);
		/* 12 MiB in all at 6 MiB/s: two seconds, less one bucket. */
		assert_true(seen[i].calls >= 2);
		assert_int_equal(seen[i].last.done, 2 * SIZE);
		copy_free(seen[i].copy);
		bed_free(&beds[i]);
	}
}

struct sunk {
	uint8_t bytes[SIZE];
	size_t n;
	size_t stop_at;
};

static int on_bytes(void *data, uint64_t offset, const void *bytes, size_t length, struct err *e)
{
	struct sunk *sunk = data;

	memcpy(sunk->bytes + offset, bytes, length);
	sunk->n += length;
	return sunk->stop_at && sunk->n >= sunk->stop_at ? err_set(e, -EPIPE, "the sink is full") : 0;
}

static void test_read(void **state)
{
	const struct copy_extent list[] = { { 10, 5 }, { 600, MIB }, { MIB + 70000, 70000 }, { 2 * MIB, 777 } };
	struct sunk *sunk = calloc(1, sizeof(*sunk));

	assert_non_null(sunk);
	for (size_t p = 0; p < N_OF(places); p++) {
		struct copy_result result;
		struct copy *copy;
		struct seen seen;
		struct bed bed;
		struct copy_plan plan;

		if (!place_open(&places[p], &bed))
			continue;
		plan = plan_for(&places[p], &bed, &seen, list, N_OF(list));
		plan.ops[0] = COPY_READ;
		plan.n_ops = 1;
		plan.request_size = 16 * KIB;
		plan.hooks.sink = on_bytes;
		plan.hooks.data = sunk;
		plan.hooks.mark = NULL;
		for (int i = 0; i < 2; i++) {
			memset(sunk, 0, sizeof(*sunk));
			sunk->stop_at = i ? MIB / 2 : 0;
			err_clear(&err);
			assert_int_equal(copy_new(&plan, &copy, &err), 0);
			assert_int_equal(copy_run(copy, &result, &err), i ? -EPIPE : 0);
			copy_free(copy);
			if (i)
				break;
			assert_int_equal(sunk->n, result.bytes);
			for (size_t x = 0; x < N_OF(list); x++)
				for (size_t b = list[x].offset; b < list[x].offset + list[x].length; b++)
					assert_int_equal(sunk->bytes[b], bed_byte(b));
		}
		assert_string_equal(err.text, "the sink is full");
		bed_free(&bed);
	}
	free(sunk);
}

/* A file that may not grow any more: the kernel refuses what lies behind the limit. */
static void test_write_fails(void **state)
{
	const struct wipe how = { .policy = WIPE_ZERO };
	const struct copy_extent all = { 0, SIZE };
	struct rlimit old, limit;

	for (int no_ring = 0; no_ring < 2; no_ring++) {
		struct wipe_result result;
		struct seen seen;
		struct bed bed;
		struct copy_plan plan;
		const char *at;
		int code;

		bed_file(&bed, "/var/tmp", SIZE);
		plan = plan_for(&places[no_ring], &bed, &seen, &all, 1);
		plan.request_size = 64 * KIB;
		plan.mark_bytes = 256 * KIB;
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
		limit = (struct rlimit) { MIB, old.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		code = wipe(&how, &plan, &result);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(code, -EFBIG);
		assert_non_null(strstr(err.text, "cannot write "));
		assert_non_null(strstr(err.text, ": File too large"));
		/* Of requests that are under way together any may be the first to fail. */
		at = strstr(err.text, "at byte ");
		assert_non_null(at);
		assert_in_range(strtoul(at + 8, NULL, 10), MIB, 2 * MIB);
		/* The last mark before it stands. */
		assert_in_range(result.cursor.done, 512 * KIB, MIB);
		bed_free(&bed);
	}
}

/* Behind the loop device is a file system without room for all of it: an error of the device. */
static void test_device_fails(void **state)
{
	const struct wipe how = { .policy = WIPE_RANDOM, .verify = true };
	const struct copy_extent all = { 0, 8 * MIB };
	char folder[] = "/var/tmp/bvol-copy-full-XXXXXX";
	struct wipe_result result;
	struct seen seen;
	struct bed bed;
	bool there;

	assert_non_null(mkdtemp(folder));
	if (mount("tmpfs", folder, "tmpfs", 0, "size=12m")) {
		rmdir(folder);
		skip();
	}
	there = bed_loop(&bed, folder, 8 * MIB, 512);
	if (there) {
		struct copy_plan plan = plan_for(&places[0], &bed, &seen, &all, 1);
		struct bed hog;

		/* The file's blocks go, and somebody else takes them. */
		assert_int_equal(truncate(bed.file, 0), 0);
		assert_int_equal(truncate(bed.file, 8 * MIB), 0);
		bed_file(&hog, folder, 9 * MIB);
		assert_int_not_equal(wipe(&how, &plan, &result), 0);
		assert_non_null(strstr(err.text, bed.path));
		assert_true(strstr(err.text, "at byte ") || strstr(err.text, "cannot flush"));
		assert_false(result.verified);
		bed_free(&hog);
		bed_free(&bed);
	}
	umount2(folder, MNT_DETACH);
	rmdir(folder);
	if (!there)
		skip();
}

static void test_bad_plans(void **state)
{
	static const struct {
		const char *path;
		struct copy_extent extent;
		int code;
		const char *words;
	} cases[] = {
		{ "/dev/full", { 0, 512 }, -EINVAL, "/dev/full is neither a block device nor a file" },
		{ "/var/tmp", { 0, 512 }, -EINVAL, "neither a block device nor a file" },
		{ "/nowhere/at/all", { 0, 512 }, -ENOENT, "cannot find /nowhere/at/all" },
		{ NULL, { SIZE - 1, 2 }, -ERANGE, "an extent ends at byte 3146241 of " },
		{ NULL, { INT64_MAX - 1, 1 }, -ERANGE, "an extent ends at byte 9223372036854775807" },
	};
	const struct wipe zero = { .policy = WIPE_ZERO }, none = { .policy = WIPE_NONE };
	struct wipe_result result;
	struct seen seen;
	struct bed bed;
	struct copy_plan plan;

	bed_file(&bed, "/var/tmp", SIZE);
	for (size_t i = 0; i < N_OF(cases); i++) {
		plan = plan_for(&places[0], &bed, &seen, &cases[i].extent, 1);
		if (cases[i].path)
			plan.path = cases[i].path;
		assert_int_equal(wipe(&zero, &plan, &result), cases[i].code);
		assert_non_null(strstr(err.text, cases[i].words));
	}
	plan = plan_for(&places[0], &bed, &seen, &cases[0].extent, 1);
	plan.from.done = 513;
	assert_int_equal(wipe(&(struct wipe) { .policy = WIPE_ZERO, .keep = true }, &plan, &result), -EINVAL);
	plan.from.done = 512;
	assert_int_equal(wipe(&(struct wipe) { .policy = WIPE_RANDOM }, &plan, &result), -EINVAL);
	assert_non_null(strstr(err.text, "lost the key"));
	plan.from.done = 0;
	plan.n_extents = 0;
	assert_int_equal(wipe(&zero, &plan, &result), 0);
	assert_int_equal(wipe(&none, &plan, &result), 0);
	assert_int_equal(wipe(&(struct wipe) { .policy = WIPE_NONE, .verify = true }, &plan, &result), -EINVAL);
	plan.request_size = 5000;
	assert_int_equal(wipe(&zero, &plan, &result), -EINVAL);
	assert_exact(&bed, &cases[0].extent, 0, false);
	bed_free(&bed);
}

static void test_policies(void **state)
{
	static const char *const names[] = { "none", "discard", "zero", "random" };
	enum wipe_policy policy;

	for (size_t i = 0; i < N_OF(names); i++) {
		assert_int_equal(wipe_policy_parse(names[i], &policy, &err), 0);
		assert_int_equal(policy, i);
		assert_string_equal(wipe_policy_name(policy), names[i]);
	}
	err_clear(&err);
	assert_int_equal(wipe_policy_parse("shred", &policy, &err), -EINVAL);
	assert_non_null(strstr(err.text, "none, discard, zero or random"));
	assert_null(wipe_policy_name((enum wipe_policy)4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exactly_the_extents),
		cmocka_unit_test(test_single_sectors),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_verify_finds_one_byte),
		cmocka_unit_test(test_random_differs),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_discard_leaves_edges),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_before_it_runs),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_pool_rate_and_progress),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_device_fails),
		cmocka_unit_test(test_bad_plans),
		cmocka_unit_test(test_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
