// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 *	metapools DISK FIRST COUNT
 *
 * Lets the kernel make random pools, numbers FIRST and on: creates, snapshots,
 * overwrites, discards, deletes. The reader has to agree with thin_dump and
 * thin_delta about each: by a metadata snapshot while the pool is in use and
 * changes, and without one when it is stopped. Every tenth begins with tens of
 * thousands of mappings, for trees of three levels. DISK holds the metadata,
 * written chunks go nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/oracle.h"
#include "sys/dm.h"

#define SECTORS		128		/* of a chunk */
#define CHUNK		(SECTORS * 512)
#define META_SECTORS	16384
#define CHUNKS		100000		/* of the data device */
#define KEYS		1024		/* of a small device */
#define BIG_KEYS	60000
#define DEVICES		7
#define RUN		24		/* chunks of the largest write */
#define META		"/dev/mapper/meta"
#define XML		"/run/metapools.xml"

struct device {
	bool exists;
	int fd;
};

static const char *disk;
static struct device devices[DEVICES];	/* by id - 1 */
static uint64_t keys, transaction;
static struct err err;
static void *buffer;

static void need(int code, const char *what)
{
	if (!code)
		return;
	fprintf(stderr, "%s: %d %s %s\n", what, code, err.text, strerror(errno));
	exit(1);
}

static void make(const char *name, const char *type, uint64_t sectors, const char *params)
{
	struct dm_target target = { .length = sectors, .type = type, .params = params };

	need(dm_create(name, name, &target, 1, &err), name);
}

static int message(const char *format, uint64_t a, uint64_t b)
{
	char text[64];

	snprintf(text, sizeof(text), format, a, b);
	return dm_message("pool", text, &err);
}

static void thin_name(char name[16], int i)
{
	snprintf(name, 16, "thin%d", i + 1);
}

static void activate(int i)
{
	char name[16], node[48], params[32];

	thin_name(name, i);
	snprintf(params, sizeof(params), "/dev/mapper/pool %d", i + 1);
	make(name, "thin", keys * SECTORS, params);
	snprintf(node, sizeof(node), "/dev/mapper/%s", name);
	devices[i].fd = open(node, O_RDWR | O_DIRECT | O_CLOEXEC);
	need(devices[i].fd < 0, node);
}

static void deactivate(int i)
{
	char name[16];

	thin_name(name, i);
	close(devices[i].fd);
	need(dm_remove(name, &err), name);
}

static void add(int i, int origin)
{
	char name[16];

	if (origin < 0) {
		need(message("create_thin %" PRIu64, (uint64_t)i + 1, 0), "create_thin");
	} else {
		thin_name(name, origin);
		need(dm_suspend(name, &err), name);
		need(message("create_snap %" PRIu64 " %" PRIu64, (uint64_t)i + 1, (uint64_t)origin + 1),
		     "create_snap");
		need(dm_resume(name, &err), name);
	}
	devices[i].exists = true;
	activate(i);
}

static void drop(int i)
{
	deactivate(i);
	need(message("delete %" PRIu64, (uint64_t)i + 1, 0), "delete");
	devices[i].exists = false;
}

static int pick(bool exists)
{
	int from = rand() % DEVICES;

	for (int i = 0; i < DEVICES; i++)
		if (devices[(from + i) % DEVICES].exists == exists)
			return (from + i) % DEVICES;
	return -1;
}

static void overwrite(int i)
{
	uint64_t length = rand() % 3 ? 1 : 1 + (uint64_t)rand() % RUN;
	uint64_t begin = (uint64_t)rand() % (keys - length);

	need(pwrite(devices[i].fd, buffer, length * CHUNK, (off_t)(begin * CHUNK)) < 0, "write");
}

static void discard(int i)
{
	uint64_t length = 1 + (uint64_t)rand() % (rand() % 8 ? 20 : keys / 4);
	uint64_t range[2] = { (uint64_t)rand() % (keys - length) * CHUNK, length * CHUNK };

	need(ioctl(devices[i].fd, BLKDISCARD, range), "discard");
}

static void change(int times)
{
	while (times--) {
		int kind = rand() % 40, i = pick(true), blank = pick(false);

		if (i < 0 || (kind == 0 && blank >= 0))
			add(blank, -1);
		else if (kind < 3 && blank >= 0)
			add(blank, i);
		else if (kind == 3)
			drop(i);
		else if (kind == 4)
			need(message("set_transaction_id %" PRIu64 " %" PRIu64, transaction, transaction + 1) ||
			     !++transaction, "set_transaction_id");
		else if (kind < 10)
			discard(i);
		else
			overwrite(i);
	}
}

/* Metadata with device 1, of runs with gaps. */
static void restore(void)
{
	FILE *f = fopen(XML, "w");
	uint64_t begin = 0, data = 0;

	need(!f, XML);
	fprintf(f, "<superblock uuid=\"\" time=\"0\" transaction=\"0\" data_block_size=\"%d\" "
		"nr_data_blocks=\"%d\">\n<device dev_id=\"1\" mapped_blocks=\"0\" transaction=\"0\" "
		"creation_time=\"0\" snap_time=\"0\">\n", SECTORS, CHUNKS);
	while (begin + RUN < keys) {
		uint64_t length = 1 + (uint64_t)rand() % RUN;

		fprintf(f, "<range_mapping origin_begin=\"%" PRIu64 "\" data_begin=\"%" PRIu64
			"\" length=\"%" PRIu64 "\" time=\"0\"/>\n", begin, data, length);
		begin += length + (uint64_t)rand() % 4;
		data += length;
	}
	fprintf(f, "</device>\n</superblock>\n");
	need(fclose(f), XML);
	need(system("thin_restore -q -i " XML " -o " META " >/dev/null"), "thin_restore");
}

static void start(bool big)
{
	char params[64];
	int fd = open(disk, O_RDWR | O_CLOEXEC | O_DIRECT);

	need(fd < 0, disk);
	memset(buffer, 0, CHUNK);
	need(pwrite(fd, buffer, CHUNK, 0) < 0, disk);
	close(fd);
	snprintf(params, sizeof(params), "%s 0", disk);
	make("meta", "linear", META_SECTORS, params);
	make("data", "zero", (uint64_t)CHUNKS * SECTORS, "");
	keys = big ? BIG_KEYS : KEYS;
	if (big)
		restore();
	make("pool", "thin-pool", (uint64_t)CHUNKS * SECTORS, META " /dev/mapper/data 128 0 2 "
	     "skip_block_zeroing no_discard_passdown");
	transaction = 0;
	memset(devices, 0, sizeof(devices));
	if (!big)
		return;
	devices[0].exists = true;
	activate(0);
}

static void stop(void)
{
	for (int i = 0; i < DEVICES; i++)
		if (devices[i].exists)
			deactivate(i);
	need(dm_remove("pool", &err), "pool");
}

static uint64_t held(void)
{
	uint64_t block = 0;
	char *text;

	need(dm_status("pool", &text, &err), "status");
	sscanf(text, "%*u %*s %*s %" SCNu64, &block);
	free(text);
	need(!block, "held root");
	return block;
}

/* The pool changes meanwhile, from the second time on. */
static bool live_agrees(int pairs)
{
	pid_t writer;
	bool good;
	int status;

	need(message("reserve_metadata_snap", 0, 0), "reserve_metadata_snap");
	change(10);
	fflush(NULL);
	writer = fork();
	need(writer < 0, "fork");
	if (!writer) {
		for (int i = 0; i < 400; i++) {
			int device = pick(true);

			if (device >= 0)
				overwrite(device);
		}
		_exit(0);
	}
	good = oracle_agrees(META, held(), pairs);
	need(waitpid(writer, &status, 0) < 0 || status, "writer");
	return good;
}

static bool stopped_agrees(uint64_t snapshot, int pairs)
{
	if (system("thin_check -q " META)) {
		fprintf(stderr, "thin_check finds fault\n");
		return false;
	}
	return oracle_agrees(META, 0, pairs) && (!snapshot || oracle_agrees(META, snapshot, 1));
}

static bool run(unsigned int seed)
{
	bool good, keep = seed % 5 == 0;
	uint64_t snapshot = 0;

	srand(seed);
	start(seed % 10 == 9);
	change(40 + rand() % 200);
	good = live_agrees(2);
	/* As after a crash, some pools stop with the snapshot held. */
	if (keep)
		snapshot = held();
	else
		need(message("release_metadata_snap", 0, 0), "release_metadata_snap");
	change(20);
	stop();
	good = good && stopped_agrees(snapshot, 2);
	need(dm_remove("meta", &err), "meta");
	need(dm_remove("data", &err), "data");
	return good;
}

int main(int argc, char **argv)
{
	unsigned int first, count;
	int bad = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: metapools DISK FIRST COUNT\n");
		return 2;
	}
	disk = argv[1];
	first = (unsigned int)strtoul(argv[2], NULL, 10);
	count = (unsigned int)strtoul(argv[3], NULL, 10);
	need(dm_setup(&err), "device-mapper");
	buffer = aligned_alloc(4096, RUN * CHUNK);
	need(!buffer, "memory");
	for (unsigned int seed = first; seed < first + count; seed++) {
		bool good = run(seed);

		printf("%s - pool %u%s\n", good ? "ok" : "not ok", seed,
		       seed % 10 == 9 ? ", a big one" : "");
		fflush(stdout);
		bad |= !good;
	}
	return bad;
}
