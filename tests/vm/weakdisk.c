// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A disk whose writes fail from the k-th on: a network block device, served from
 * another block device in this machine.
 *
 *	weakdisk /dev/nbd0 /dev/vda
 *
 * says "ready" and then takes orders on standard input, a line each, and answers each
 * with how many writes have come, and how many of them have failed, since the last:
 *
 *	arm K	K more writes and flushes go through, then none
 *	heal	all go through
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH_MAX (4 << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long left = -1, writes, failed;	/* left: writes that go through, -1: all */
static int device, backing, ends[2];

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

/* Does this write go through? */
static int passes(void)
{
	int pass;

	pthread_mutex_lock(&lock);
	pass = left != 0;
	left -= left > 0;
	writes++;
	failed += !pass;
	pthread_mutex_unlock(&lock);
	return pass;
}

static void transfer(void *data, size_t size, int out)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = out ? write(ends[1], (char *)data + done, size - done) :
				  read(ends[1], (char *)data + done, size - done);

		must(n > 0, "the kernel's side");
		done += (size_t)n;
	}
}

static int serve_one(const struct nbd_request *request, char *data)
{
	off_t from = (off_t)be64toh(request->from);
	size_t length = be32toh(request->len);

	switch (be32toh(request->type) & 0xffff) {
	case NBD_CMD_READ:
		return pread(backing, data, length, from) == (ssize_t)length ? 0 : EIO;
	case NBD_CMD_WRITE:
		transfer(data, length, 0);
		return passes() && pwrite(backing, data, length, from) == (ssize_t)length ? 0 : EIO;
	case NBD_CMD_FLUSH:
		return passes() && !fdatasync(backing) ? 0 : EIO;
	}
	return EINVAL;
}

static void *serve(void *unused)
{
	char *data = malloc(LENGTH_MAX);
	struct nbd_request request;

	must(data != NULL, "memory");
	for (;;) {
		struct nbd_reply reply = { .magic = htobe32(NBD_REPLY_MAGIC) };
		size_t length;
		int error;

		transfer(&request, sizeof(request), 0);
		length = be32toh(request.len);
		if ((be32toh(request.type) & 0xffff) == NBD_CMD_DISC)
			exit(0);
		must(length <= LENGTH_MAX, "a request that is too long");
		error = serve_one(&request, data);
		reply.error = htobe32((uint32_t)error);
		memcpy(reply.handle, request.handle, sizeof(reply.handle));
		transfer(&reply, sizeof(reply), 1);
		if ((be32toh(request.type) & 0xffff) == NBD_CMD_READ && !error)
			transfer(data, length, 1);
	}
	return unused;
}

static void *drive(void *unused)
{
	ioctl(device, NBD_DO_IT);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t server, driver;
	uint64_t size;
	char line[32];

	if (argc != 3)
		return 2;
	must((device = open(argv[1], O_RDWR)) >= 0, argv[1]);
	must((backing = open(argv[2], O_RDWR)) >= 0, argv[2]);
	must(!ioctl(backing, BLKGETSIZE64, &size), argv[2]);
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	must(!ioctl(device, NBD_SET_BLKSIZE, 4096UL) && !ioctl(device, NBD_SET_SIZE_BLOCKS, size / 4096) &&
	     !ioctl(device, NBD_SET_FLAGS, (unsigned long)(NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH)) &&
	     !ioctl(device, NBD_SET_SOCK, ends[0]), argv[1]);
	must(!pthread_create(&server, NULL, serve, NULL) && !pthread_create(&driver, NULL, drive, NULL),
	     "threads");
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		pthread_mutex_lock(&lock);
		printf("%ld %ld\n", writes, failed);
		fflush(stdout);
		left = strncmp(line, "arm ", 4) ? -1 : atol(line + 4);
		writes = failed = 0;
		pthread_mutex_unlock(&lock);
	}
	return 0;
}
