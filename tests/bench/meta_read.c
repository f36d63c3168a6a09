// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 *	meta_read FILE diff|mapped TIMES
 *
 * Milliseconds that the reader takes, as a part of the daemon, to open a pool's
 * metadata and find the difference of its devices 1 and 2 or what 1 maps, once
 * on each line, then what it found: extents, the chunks in them, blocks read,
 * and KiB of memory that the process has had at most.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provider/thin/meta/meta.h"

static uint64_t extents, chunks;

static int take_extent(const struct meta_extent *x, void *data)
{
	extents++;
	chunks += x->length;
	return 0;
}

static int take_change(const struct meta_change *c, void *data)
{
	extents++;
	chunks += c->length;
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* KiB; getrusage() would tell what the process had before its exec() as well. */
static long memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	long kib = -1;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

int main(int argc, char **argv)
{
	uint64_t blocks = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: meta_read FILE diff|mapped TIMES\n");
		return 2;
	}
	for (int times = atoi(argv[3]); times > 0; times--) {
		double begin = now();
		struct err e = { 0 };
		struct meta *m;

		extents = chunks = 0;
		if (meta_open(argv[1], META_COMMITTED, NULL, &m, &e) ||
		    (strcmp(argv[2], "diff") ? meta_mapped(m, 1, take_extent, NULL, &e) :
					       meta_diff(m, 1, 2, false, take_change, NULL, &e))) {
			fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		blocks = meta_blocks_read(m);
		meta_close(m);
		printf("%.3f\n", now() - begin);
	}
	printf("extents %" PRIu64 " chunks %" PRIu64 " blocks %" PRIu64 " memory %ld\n", extents, chunks,
	       blocks, memory());
	return 0;
}
