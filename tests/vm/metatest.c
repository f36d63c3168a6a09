// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Prints what the reader finds in a pool's metadata.
 *
 *	metatest PATH SNAPSHOT pool
 *	metatest PATH SNAPSHOT devices
 *	metatest PATH SNAPSHOT mapped ID		begin data length
 *	metatest PATH SNAPSHOT exclusive|walk ID	begin data length; walk: not by time
 *	metatest PATH SNAPSHOT diff|same LEFT RIGHT	side begin length left right
 *	metatest PATH SNAPSHOT chunks|blocks		begin length count
 *	metatest PATH 0 mark				as the kernel does after a failed write
 *
 * SNAPSHOT is the block of the metadata snapshot that the pool holds, 0 for the
 * pool's own metadata, or held to look it up. The last line tells how many
 * blocks were read.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/thin/meta/format.h"
#include "util/crc32c.h"

static struct err err;
static const char *path;

static void must(int code)
{
	if (!code)
		return;
	fflush(stdout);
	fprintf(stderr, "%s: %s\n", strerrorname_np(-code), err.text);
	exit(1);
}

static int print_device(const struct meta_device *d, void *data)
{
	printf("%" PRIu32 " mapped %" PRIu64 " transaction %" PRIu64 " created %" PRIu32
	       " snapshotted %" PRIu32 "\n", d->id, d->mapped, d->transaction_id, d->created,
	       d->snapshotted);
	return 0;
}

static int print_extent(const struct meta_extent *x, void *data)
{
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", x->begin, x->data, x->length);
	return 0;
}

static int print_change(const struct meta_change *c, void *data)
{
	static const char *const sides[] = { "same", "changed", "left", "right" };

	printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sides[c->side], c->begin,
	       c->length, c->left, c->right);
	return 0;
}

static int print_count(uint64_t begin, uint64_t length, uint32_t count, void *data)
{
	printf("%" PRIu64 " %" PRIu64 " %" PRIu32 "\n", begin, length, count);
	return 0;
}

static int do_pool(struct meta *m, const uint32_t *ids)
{
	const struct meta_pool *p = meta_pool(m);

	printf("transaction %" PRIu64 " snapshot %" PRIu64 " time %" PRIu32 " chunk %" PRIu64
	       " chunks %" PRIu64 "/%" PRIu64 " blocks %" PRIu64 "/%" PRIu64 "%s\n",
	       p->transaction_id, p->snapshot, p->time, p->chunk_size, p->chunks_used, p->chunks,
	       p->blocks_used, p->blocks, p->needs_check ? " needs check" : "");
	return 0;
}

static int do_devices(struct meta *m, const uint32_t *ids)
{
	return meta_devices(m, print_device, NULL, &err);
}

static int do_mapped(struct meta *m, const uint32_t *ids)
{
	return meta_mapped(m, ids[0], print_extent, NULL, &err);
}

static int do_exclusive(struct meta *m, const uint32_t *ids)
{
	return meta_exclusive(m, ids[0], false, print_extent, NULL, &err);
}

static int do_walk(struct meta *m, const uint32_t *ids)
{
	return meta_exclusive(m, ids[0], true, print_extent, NULL, &err);
}

static int do_diff(struct meta *m, const uint32_t *ids)
{
	return meta_diff(m, ids[0], ids[1], false, print_change, NULL, &err);
}

static int do_same(struct meta *m, const uint32_t *ids)
{
	return meta_diff(m, ids[0], ids[1], true, print_change, NULL, &err);
}

static int do_chunks(struct meta *m, const uint32_t *ids)
{
	return meta_chunk_counts(m, print_count, NULL, &err);
}

static int do_blocks(struct meta *m, const uint32_t *ids)
{
	return meta_block_counts(m, print_count, NULL, &err);
}

static int do_mark(struct meta *m, const uint32_t *ids)
{
	_Alignas(META_BLOCK) static uint8_t data[META_BLOCK];
	struct disk_super *super = (struct disk_super *)data;
	int fd = open(path, O_RDWR | O_DIRECT);

	if (fd < 0 || pread(fd, data, sizeof(data), 0) != sizeof(data))
		return err_set(&err, -errno, "%s: %s", path, strerror(errno));
	super->head.flags |= htole32(SUPER_NEEDS_CHECK);
	super->head.checksum = htole32(crc32c(~0U, data + sizeof(uint32_t), META_BLOCK - sizeof(uint32_t)) ^
				       SALT_SUPER);
	if (pwrite(fd, data, sizeof(data), 0) != sizeof(data) || fsync(fd))
		return err_set(&err, -errno, "%s: %s", path, strerror(errno));
	return close(fd);
}

static const struct {
	const char *name;
	int ids;
	int (*run)(struct meta *m, const uint32_t *ids);
} verbs[] = {
	{ "pool", 0, do_pool },
	{ "devices", 0, do_devices },
	{ "mapped", 1, do_mapped },
	{ "exclusive", 1, do_exclusive },
	{ "walk", 1, do_walk },
	{ "diff", 2, do_diff },
	{ "same", 2, do_same },
	{ "chunks", 0, do_chunks },
	{ "blocks", 0, do_blocks },
	{ "mark", 0, do_mark },
};

static uint64_t held(void)
{
	struct meta *m;
	uint64_t block;

	must(meta_open(path, META_COMMITTED, NULL, &m, &err));
	block = meta_pool(m)->snapshot;
	meta_close(m);
	if (block)
		return block;
	fprintf(stderr, "no metadata snapshot is held\n");
	exit(1);
}

int main(int argc, char **argv)
{
	uint32_t ids[2] = { 0 };
	struct meta *m;

	path = argc > 1 ? argv[1] : "";
	for (size_t i = 0; argc > 3 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[3], verbs[i].name) || argc != 4 + verbs[i].ids)
			continue;
		for (int id = 0; id < verbs[i].ids; id++)
			ids[id] = (uint32_t)strtoul(argv[4 + id], NULL, 10);
		must(meta_open(path, strcmp(argv[2], "held") ? strtoull(argv[2], NULL, 10) : held(),
			       NULL, &m, &err));
		must(verbs[i].run(m, ids));
		printf("# %" PRIu64 " blocks read\n", meta_blocks_read(m));
		meta_close(m);
		return 0;
	}
	fprintf(stderr, "usage: metatest PATH SNAPSHOT VERB [ID]..., see its source\n");
	return 2;
}
