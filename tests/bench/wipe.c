// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * wipe [OPTION...] POLICY PATH [OFFSET+LENGTH...] - the copy engine's wipe alone, without a daemon.
 *
 * Without extents the whole device or file. Ends with 0 when all was done, 1 when not, 2 when it was
 * called wrongly; prints what was done, its figures and, if the run did not end, its cursor.
 *
 *	-v	verify		-k	keep: no discard at last
 *	-n	no io_uring	-p	print progress
 *	-r N	rate		-m N	mark each N bytes
 *	-s N	request size	-d N	requests at a time
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "copy/wipe.h"
#include "util/cleanup.h"
#include "util/str.h"

struct arguments {
	struct wipe wipe;
	struct copy_plan plan;
};

static void on_progress(void *data, const struct copy_progress *p)
{
	printf("progress %" PRIu64 "/%" PRIu64 " rate %" PRIu64 " left %" PRId64 " quiet %" PRIu64 "\n",
	       p->done, p->total, p->rate, (int64_t)p->seconds_left, p->quiet_ms);
}

static int usage(void)
{
	fputs("usage: wipe [-vknp] [-r RATE] [-m BYTES] [-s SIZE] [-d DEPTH] none|discard|zero|random PATH [OFFSET+LENGTH...]\n",
	      stderr);
	return 2;
}

static int size_of(const char *text, uint64_t *ret)
{
	return str_parse_size(text, ret) ? usage() : 0;
}

static int options(int argc, char **argv, struct arguments *a)
{
	uint64_t n;
	int c;

	while ((c = getopt(argc, argv, "vknpr:m:s:d:")) != -1) {
		if (strchr("rmsd", c) && size_of(optarg, &n))
			return 2;
		switch (c) {
		case 'v': a->wipe.verify = true; break;
		case 'k': a->wipe.keep = true; break;
		case 'n': a->plan.no_ring = true; break;
		case 'p': a->plan.hooks.progress = on_progress; break;
		case 'r': a->plan.rate = n; break;
		case 'm': a->plan.mark_bytes = n; break;
		case 's': a->plan.request_size = (uint32_t)n; break;
		case 'd': a->plan.depth = (unsigned int)n; break;
		default: return usage();
		}
	}
	return argc - optind < 2 ? usage() : 0;
}

static int whole(const char *path, struct copy_extent *extent)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (end < 0) {
		perror(path);
		return 1;
	}
	*extent = (struct copy_extent) { 0, (uint64_t)end };
	return 0;
}

static int parse_extents(char **words, int n, struct copy_extent *list)
{
	for (int i = 0; i < n; i++) {
		char *plus = strchr(words[i], '+');

		if (!plus)
			return usage();
		*plus = '\0';
		if (size_of(words[i], &list[i].offset) || size_of(plus + 1, &list[i].length))
			return 2;
	}
	return 0;
}

static void report(const struct wipe *wipe, const struct wipe_result *r)
{
	struct rusage usage;
	char text[WIPE_TEXT_MAX];

	getrusage(RUSAGE_SELF, &usage);
	printf("%s\n", wipe_text(wipe, r, text));
	printf("bytes %" PRIu64 " extents %" PRIu64 " seconds %.3f cpu %.3f verified %d direct %d ring %d cursor %" PRIu64 " kib %ld\n",
	       r->bytes, r->extents, (double)r->ns / 1e9,
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
	       r->verified, r->direct, r->ring, r->cursor.done, usage.ru_maxrss);
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	_cleanup_free_ struct copy_extent *extents = calloc((size_t)argc, sizeof(*extents));
	struct wipe_result result;
	struct copy *copy = NULL;
	struct err err = { 0 };
	int code = options(argc, argv, &a);

	if (!code) {
		a.plan.path = argv[optind + 1];
		a.plan.extents = extents;
		a.plan.n_extents = (size_t)(argc - optind - 2);
		code = parse_extents(argv + optind + 2, argc - optind - 2, extents);
	}
	if (!code && !a.plan.n_extents) {
		a.plan.n_extents = 1;
		code = whole(a.plan.path, extents);
	}
	if (code)
		return code;
	if (wipe_policy_parse(argv[optind], &a.wipe.policy, &err) ||
	    wipe_new(&a.wipe, &a.plan, &copy, &err)) {
		fprintf(stderr, "wipe: %s\n", err.text);
		return 2;
	}
	code = wipe_run(&a.wipe, copy, &result, &err);
	report(&a.wipe, &result);
	if (code)
		fprintf(stderr, "wipe: %s\n", err.text);
	copy_free(copy);
	return code ? 1 : 0;
}
