// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Numbers on two volumes, which tell whether what was kept of both is of one moment.
 *
 *	stamp write A B		n = 1, 2, ...: n onto A, and when that is durable onto B; ends with
 *				SIGTERM, prints the last n
 *	stamp read FILE...	the newest n of each; fails where one of the numbers before it is missing
 *
 * A number goes to another chunk each time, so that each write after a snapshot
 * has to be a copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	4096
#define SLOTS	16
#define CHUNK	65536

static volatile sig_atomic_t ended;

static void on_term(int signo)
{
	ended = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_volume(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static void *block_new(void)
{
	void *block = aligned_alloc(BLOCK, BLOCK);

	if (!block)
		die("memory");
	return memset(block, 0, BLOCK);
}

static int write_all(char **paths)
{
	int fds[2] = { open_volume(paths[0], O_WRONLY | O_DSYNC),
		       open_volume(paths[1], O_WRONLY | O_DSYNC) };
	uint64_t *block = block_new(), n = 0;

	signal(SIGTERM, on_term);
	while (!ended) {
		block[0] = ++n;
		for (int i = 0; i < 2; i++)
			if (pwrite(fds[i], block, BLOCK, (off_t)(n % SLOTS * CHUNK)) != BLOCK)
				die(paths[i]);
	}
	printf("%" PRIu64 "\n", n);
	free(block);
	return 0;
}

/* The newest number; what lies in the other slots has to be those before it. */
static int read_one(const char *path)
{
	int fd = open_volume(path, O_RDONLY);
	uint64_t *block = block_new(), slots[SLOTS], newest = 0;

	for (int i = 0; i < SLOTS; i++) {
		if (pread(fd, block, BLOCK, (off_t)i * CHUNK) != BLOCK)
			die(path);
		slots[i] = block[0];
		newest = slots[i] > newest ? slots[i] : newest;
	}
	close(fd);
	free(block);
	for (uint64_t n = newest; n && n + SLOTS > newest; n--) {
		if (slots[n % SLOTS] == n)
			continue;
		fprintf(stderr, "%s: %" PRIu64 " is there, %" PRIu64 " is missing\n", path, newest, n);
		return 1;
	}
	printf("%" PRIu64 "\n", newest);
	return 0;
}

int main(int argc, char **argv)
{
	int r = 0;

	if (argc == 4 && !strcmp(argv[1], "write"))
		return write_all(argv + 2);
	if (argc < 3 || strcmp(argv[1], "read")) {
		fputs("usage: stamp write A B | stamp read FILE...\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		r |= read_one(argv[i]);
	return r;
}
