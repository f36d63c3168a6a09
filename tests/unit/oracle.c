// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"
#include "provider/thin/meta/meta.h"

#define NONE UINT64_MAX

struct device {
	struct meta_device details;
	uint64_t chunk[ORACLE_KEYS];	/* or NONE */
};

struct dump {
	uint64_t transaction_id, time, sectors;
	size_t n;
	struct device devices[ORACLE_DEVICES];
};

/* What the reader has handed out about one device, or the difference of two. */
struct seen {
	uint64_t chunk[ORACLE_KEYS];
	uint8_t side[ORACLE_KEYS];	/* enum meta_side + 1, 0: nothing */
	uint64_t end;
};

static struct dump theirs;
/* Keys and chunks of this pool lie below. */
static uint64_t limit;
static struct seen seen, wanted;
static uint64_t used;
static struct err err;

__attribute__((format(printf, 1, 2)))
static bool differs(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "%s%s\n", err.code ? ": " : "", err.text);
	return false;
}

static void clear(struct seen *s)
{
	memset(s->chunk, 0xff, limit * sizeof(s->chunk[0]));
	memset(s->side, 0, limit);
	s->end = 0;
}

/* The peers */

static bool take_mapping(struct device *d, uint64_t begin, uint64_t data, uint64_t length)
{
	if (!d || begin + length > ORACLE_KEYS || data + length > ORACLE_KEYS)
		return differs("thin_dump: too large a pool");
	for (uint64_t i = 0; i < length; i++)
		d->chunk[begin + i] = data + i;
	if (limit < begin + length)
		limit = begin + length;
	if (limit < data + length)
		limit = data + length;
	return true;
}

static bool take_dump_line(const char *line, struct device **d)
{
	uint64_t a, b, c;
	unsigned int id, created, snapshotted;

	if (sscanf(line, " <superblock uuid=\"\" time=\"%" SCNu64 "\" transaction=\"%" SCNu64
		   "\" flags=\"%*u\" version=\"%*u\" data_block_size=\"%" SCNu64, &a, &b, &c) == 3) {
		theirs.time = a;
		theirs.transaction_id = b;
		theirs.sectors = c;
	} else if (sscanf(line, " <device dev_id=\"%u\" mapped_blocks=\"%" SCNu64 "\" transaction=\"%" SCNu64
			  "\" creation_time=\"%u\" snap_time=\"%u", &id, &a, &b, &created, &snapshotted) == 5) {
		if (theirs.n == ORACLE_DEVICES)
			return differs("thin_dump: too many devices");
		*d = &theirs.devices[theirs.n++];
		(*d)->details = (struct meta_device){ id, a, b, created, snapshotted };
		memset((*d)->chunk, 0xff, sizeof((*d)->chunk));
	} else if (sscanf(line, " <single_mapping origin_block=\"%" SCNu64 "\" data_block=\"%" SCNu64,
			  &a, &b) == 2) {
		return take_mapping(*d, a, b, 1);
	} else if (sscanf(line, " <range_mapping origin_begin=\"%" SCNu64 "\" data_begin=\"%" SCNu64
			  "\" length=\"%" SCNu64, &a, &b, &c) == 3) {
		return take_mapping(*d, a, b, c);
	}
	return true;
}

static bool read_dump(const char *path, uint64_t snapshot)
{
	struct device *d = NULL;
	char line[512];
	bool good = true;
	FILE *f;

	snprintf(line, sizeof(line), snapshot ? "thin_dump --metadata-snap=%2$" PRIu64 " %1$s" : "thin_dump %1$s",
		 path, snapshot);
	theirs.n = 0;
	limit = 0;
	f = popen(line, "r");
	while (f && good && fgets(line, sizeof(line), f))
		good = take_dump_line(line, &d);
	if (!f || pclose(f))
		return differs("thin_dump failed");
	return good;
}

static bool take_delta_line(const char *line)
{
	static const char *const names[] = { "same", "different", "left_only", "right_only" };
	uint64_t begin, length;
	char name[16];

	if (sscanf(line, " <%15[a-z_] begin=\"%" SCNu64 "\" length=\"%" SCNu64, name, &begin, &length) != 3)
		return true;
	for (uint8_t side = 0; side < 4; side++)
		if (!strcmp(name, names[side]) && begin + length <= limit) {
			memset(wanted.side + begin, side + 1, length);
			return true;
		}
	return differs("thin_delta: %s", line);
}

static bool read_delta(const char *path, uint64_t snapshot, uint32_t left, uint32_t right)
{
	char line[512];
	bool good = true;
	FILE *f;

	snprintf(line, sizeof(line), "thin_delta %s --thin1 %u --thin2 %u %s", snapshot ? "-m" : "", left,
		 right, path);
	clear(&wanted);
	f = popen(line, "r");
	while (f && good && fgets(line, sizeof(line), f))
		good = take_delta_line(line);
	if (!f || pclose(f))
		return differs("thin_delta failed");
	return good;
}

/* Ours */

static int see_extent(const struct meta_extent *x, void *data)
{
	static struct meta_extent last;

	if (!x->length || x->begin < seen.end || x->begin + x->length > limit)
		return err_set(&err, -ERANGE, "an extent at %" PRIu64, x->begin);
	if (seen.end && x->begin == seen.end && x->data == last.data + last.length)
		return err_set(&err, -ERANGE, "the extent at %" PRIu64 " is not joined", x->begin);
	last = *x;
	seen.end = x->begin + x->length;
	for (uint64_t i = 0; i < x->length; i++)
		seen.chunk[x->begin + i] = x->data + i;
	return 0;
}

static int see_change(const struct meta_change *c, void *data)
{
	const struct device *const *sides = data;

	if (!c->length || c->begin < seen.end || c->begin + c->length > limit)
		return err_set(&err, -ERANGE, "a change at %" PRIu64, c->begin);
	seen.end = c->begin + c->length;
	memset(seen.side + c->begin, c->side + 1, c->length);
	for (uint64_t i = 0; i < c->length; i++)
		if ((c->side != META_RIGHT && sides[0]->chunk[c->begin + i] != c->left + i) ||
		    (c->side != META_LEFT && sides[1]->chunk[c->begin + i] != c->right + i))
			return err_set(&err, -ERANGE, "the chunks at %" PRIu64, c->begin + i);
	return 0;
}

static bool equal(const struct meta_device *a, const struct meta_device *b)
{
	return a->id == b->id && a->mapped == b->mapped && a->transaction_id == b->transaction_id &&
	       a->created == b->created && a->snapshotted == b->snapshotted;
}

static int see_device(const struct meta_device *d, void *data)
{
	size_t *n = data;

	if (*n == theirs.n || !equal(&theirs.devices[*n].details, d))
		return err_set(&err, -ERANGE, "device %u", d->id);
	(*n)++;
	return 0;
}

static int see_count(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	for (uint64_t i = begin; i < begin + length; i++) {
		/* A chunk of no device may lie behind all that devices have. */
		used += !data;
		if (i < limit)
			seen.chunk[i] = count;
	}
	return 0;
}

/* Comparisons */

static bool pool_agrees(struct meta *m, uint64_t snapshot)
{
	const struct meta_pool *p = meta_pool(m);
	size_t n = 0;

	if (p->transaction_id != theirs.transaction_id || p->time != theirs.time ||
	    p->chunk_size != theirs.sectors * 512)
		return differs("the superblock differs");
	if (meta_devices(m, see_device, &n, &err) || n != theirs.n)
		return differs("the devices differ");
	return true;
}

static bool mapped_agrees(struct meta *m, const struct device *d)
{
	clear(&seen);
	if (meta_mapped(m, d->details.id, see_extent, NULL, &err) ||
	    memcmp(seen.chunk, d->chunk, limit * sizeof(seen.chunk[0])))
		return differs("device %u: mapped extents differ", d->details.id);
	return true;
}

static bool exclusive_agrees(struct meta *m, const struct device *d, bool walk)
{
	static uint32_t owners[ORACLE_KEYS];

	memset(owners, 0, limit * sizeof(owners[0]));
	for (size_t i = 0; i < theirs.n; i++)
		for (uint64_t key = 0; key < limit; key++)
			if (theirs.devices[i].chunk[key] != NONE)
				owners[theirs.devices[i].chunk[key]]++;
	clear(&wanted);
	for (uint64_t key = 0; key < limit; key++)
		if (d->chunk[key] != NONE && owners[d->chunk[key]] == 1)
			wanted.chunk[key] = d->chunk[key];
	clear(&seen);
	if (meta_exclusive(m, d->details.id, walk, see_extent, NULL, &err) ||
	    memcmp(seen.chunk, wanted.chunk, limit * sizeof(seen.chunk[0])))
		return differs("device %u: exclusive extents differ%s", d->details.id, walk ? ", by a walk" : "");
	return true;
}

static bool diff_agrees(struct meta *m, const struct device *left, const struct device *right, bool same)
{
	const struct device *const sides[] = { left, right };

	clear(&seen);
	if (meta_diff(m, left->details.id, right->details.id, same, see_change, (void *)sides, &err))
		return differs("devices %u and %u", left->details.id, right->details.id);
	for (uint64_t key = 0; key < limit; key++) {
		uint8_t side = wanted.side[key];

		if (seen.side[key] != (side == META_SAME + 1 && !same ? 0 : side))
			return differs("devices %u and %u: %" PRIu64 " is %d instead of %d", left->details.id,
				       right->details.id, key, seen.side[key], side);
	}
	return true;
}

static bool counts_agree(struct meta *m)
{
	clear(&seen);
	clear(&wanted);
	used = 0;
	for (size_t i = 0; i < theirs.n; i++)
		for (uint64_t key = 0; key < limit; key++)
			if (theirs.devices[i].chunk[key] != NONE)
				wanted.side[theirs.devices[i].chunk[key]] = 1;
	if (meta_chunk_counts(m, see_count, NULL, &err))
		return differs("counts of chunks");
	for (uint64_t i = 0; i < limit; i++) {
		/* What only the metadata snapshot still has is counted as well. */
		if (meta_pool(m)->snapshot ? wanted.side[i] && seen.chunk[i] == NONE :
					     wanted.side[i] != (seen.chunk[i] != NONE))
			return differs("chunk %" PRIu64 " is %s", i, wanted.side[i] ? "in use" : "not in use");
	}
	if (used != meta_pool(m)->chunks_used || meta_block_counts(m, see_count, m, &err))
		return differs("counts of chunks or blocks");
	return true;
}

static bool pairs_agree(struct meta *m, const char *path, uint64_t snapshot, int pairs)
{
	while (theirs.n > 1 && pairs-- > 0) {
		const struct device *left = &theirs.devices[(size_t)rand() % theirs.n];
		const struct device *right = &theirs.devices[(size_t)rand() % theirs.n];

		if (!read_delta(path, snapshot, left->details.id, right->details.id) ||
		    !diff_agrees(m, left, right, false) || !diff_agrees(m, left, right, true))
			return false;
	}
	return true;
}

bool oracle_agrees(const char *path, uint64_t snapshot, int pairs)
{
	struct meta *m;
	bool good;

	err_clear(&err);
	if (!read_dump(path, snapshot))
		return false;
	if (meta_open(path, snapshot, NULL, &m, &err))
		return differs("opening %s", path);
	good = pool_agrees(m, snapshot);
	for (size_t i = 0; good && i < theirs.n; i++)
		good = mapped_agrees(m, &theirs.devices[i]) &&
		       exclusive_agrees(m, &theirs.devices[i], false) &&
		       exclusive_agrees(m, &theirs.devices[i], true);
	good = good && pairs_agree(m, path, snapshot, pairs) && (snapshot || counts_agree(m));
	meta_close(m);
	return good;
}
