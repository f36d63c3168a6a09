// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 *	stall write DEVICE SECONDS	random blocks of 4 KiB, each durable before the next one;
 *					each SIGUSR1 prints the longest that one took since the last
 *					signal, in ns
 *	stall snap POOL ORIGIN ID FROM	a snapshot by ioctl alone: suspend ORIGIN, create_snap ID FROM,
 *					resume it; prints the ns between
 *	stall drop POOL ID		and away with it
 *
 * POOL and ORIGIN are names of device-mapper devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	4096
#define TEXT_MAX 64
#define SPAN	(UINT64_C(64) << 20)	/* bytes of the device that are written to */

static volatile sig_atomic_t asked;

static void on_usr1(int signo)
{
	asked = 1;
}

static int die(const char *what)
{
	fprintf(stderr, "stall: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int write_on(const char *path, unsigned long seconds)
{
	struct sigaction usr1 = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	int fd = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
	uint64_t end = now() + seconds * 1000000000, longest = 0, state = 1;
	void *block = aligned_alloc(BLOCK, BLOCK);

	if (fd < 0 || !block)
		die(path);
	memset(block, 0x5a, BLOCK);
	sigaction(SIGUSR1, &usr1, NULL);
	while (now() < end) {
		uint64_t begin = now(), took;

		state = state * 6364136223846793005 + 1442695040888963407;
		if (pwrite(fd, block, BLOCK, (off_t)((state >> 33) % (SPAN / BLOCK) * BLOCK)) != BLOCK)
			die(path);
		took = now() - begin;
		longest = took > longest ? took : longest;
		if (!asked)
			continue;
		asked = 0;
		printf("%" PRIu64 "\n", longest);
		fflush(stdout);
		longest = 0;
	}
	free(block);
	return close(fd);
}

static void ask(int fd, unsigned long call, const char *name, uint32_t flags, const char *text)
{
	_Alignas(uint64_t) char request[sizeof(struct dm_ioctl) + sizeof(struct dm_target_msg) +
					TEXT_MAX] = { 0 };
	struct dm_ioctl *head = (struct dm_ioctl *)request;

	head->version[0] = DM_VERSION_MAJOR;
	head->data_size = sizeof(request);
	head->data_start = sizeof(*head);
	head->flags = flags;
	snprintf(head->name, sizeof(head->name), "%s", name);
	if (text)
		snprintf(request + sizeof(*head) + sizeof(struct dm_target_msg), TEXT_MAX, "%s", text);
	if (ioctl(fd, call, request))
		die(text ? text : name);
}

static int snap(int fd, char **args)
{
	uint64_t begin, took;
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "create_snap %s %s", args[2], args[3]);
	begin = now();
	ask(fd, DM_DEV_SUSPEND, args[1], DM_SUSPEND_FLAG, NULL);
	ask(fd, DM_TARGET_MSG, args[0], 0, text);
	ask(fd, DM_DEV_SUSPEND, args[1], 0, NULL);
	took = now() - begin;
	printf("%" PRIu64 "\n", took);
	return 0;
}

static int drop(int fd, char **args)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "delete %s", args[1]);
	ask(fd, DM_TARGET_MSG, args[0], 0, text);
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 4 && !strcmp(argv[1], "write"))
		return write_on(argv[2], strtoul(argv[3], NULL, 10));
	fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return die("/dev/mapper/control");
	if (argc == 6 && !strcmp(argv[1], "snap"))
		return snap(fd, argv + 2);
	if (argc == 4 && !strcmp(argv[1], "drop"))
		return drop(fd, argv + 2);
	fputs("usage: see the head of stall.c\n", stderr);
	return 2;
}
