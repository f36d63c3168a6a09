// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Devices that hang: a frozen file system takes no writes until it is thawed, and neither does a loop
 * device on a file of it. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"
#include "copybed.h"
#include "copy/wipe.h"

#define MIB ((size_t)1 << 20)

static struct err err;
static struct bed disk;		/* with the file system on it */
static char folder[] = "/var/tmp/bvol-copy-hang-XXXXXX";
static bool mounted;

static int setup(void **state)
{
	char command[128];

	if (!mkdtemp(folder) || !bed_loop(&disk, "/var/tmp", 64 * MIB, 512))
		return 0;
	snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F %s", disk.path);
	mounted = !system(command) && !mount(disk.path, folder, "ext4", 0, NULL);
	return 0;
}

static int freeze(unsigned long what)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = ioctl(fd, what, 0);

	close(fd);
	return r;
}

static int teardown(void **state)
{
	/* A test that failed left it frozen, and then it could never be unmounted. */
	if (mounted) {
		freeze(FITHAW);
		umount2(folder, MNT_DETACH);
	}
	if (disk.size)
		bed_free(&disk);
	rmdir(folder);
	return 0;
}

struct seen {
	struct copy *copy;
	uint64_t quiet_ms;
	bool cancelled;
};

/* Away as soon as the device has been quiet for a while, as somebody at a terminal might be. */
static void on_progress(void *data, const struct copy_progress *p)
{
	struct seen *seen = data;

	seen->quiet_ms = p->quiet_ms;
	if (seen->quiet_ms > 300) {
		seen->cancelled = true;
		copy_cancel(seen->copy);
	}
}

static int run(const struct wipe *how, const struct bed *bed, bool no_ring, struct seen *seen)
{
	const struct copy_extent all = { 100, 2 * MIB };
	const struct copy_plan plan = {
		.path = bed->path, .extents = &all, .n_extents = 1, .no_ring = no_ring,
		.hooks = { .progress = on_progress, .data = seen },
	};
	struct wipe_result result;
	int code;

	*seen = (struct seen) { 0 };
	err_clear(&err);
	assert_int_equal(wipe_new(how, &plan, &seen->copy, &err), 0);
	code = wipe_run(how, seen->copy, &result, &err);
	copy_free(seen->copy);
	return code;
}

static void await_none_abandoned(void)
{
	struct timespec nap = { .tv_nsec = 10000000 };

	for (int i = 0; copy_abandoned() && i < 3000; i++)
		nanosleep(&nap, NULL);
	assert_int_equal(copy_abandoned(), 0);
}

/*
 * Who hangs is left alone, keeps the device to himself, and is gone when the device comes back. Had
 * he lost a buffer or the ring before, the sanitizer would tell now.
 */
static void hang(const struct wipe *how, bool loop, bool no_ring)
{
	struct seen seen;
	struct bed bed;

	if (!loop)
		bed_file(&bed, folder, 4 * MIB);
	else if (!bed_loop(&bed, folder, 4 * MIB, 512))
		return;
	sync();
	assert_int_equal(freeze(FIFREEZE), 0);
	assert_int_equal(run(how, &bed, no_ring, &seen), -ETIMEDOUT);
	assert_true(seen.cancelled);
	assert_non_null(strstr(err.text, bed.path));
	assert_int_equal(copy_abandoned(), 1);
	assert_int_equal(run(how, &bed, no_ring, &seen), -EBUSY);
	assert_int_equal(copy_abandoned(), 1);
	assert_int_equal(freeze(FITHAW), 0);
	await_none_abandoned();
	assert_int_equal(run(how, &bed, no_ring, &seen), 0);
	bed_free(&bed);
}

static void test_hanging_write(void **state)
{
	const struct wipe how = { .policy = WIPE_RANDOM, .verify = true };

	if (!mounted)
		skip();
	for (int i = 0; i < 4; i++)
		hang(&how, i % 2, i / 2);
}

/*
 * A discard can't be handed to a ring, and hangs in the call itself. Only on a file: a loop device
 * punches holes past the lock that freezing takes.
 */
static void test_hanging_discard(void **state)
{
	const struct wipe how = { .policy = WIPE_DISCARD };

	if (!mounted)
		skip();
	hang(&how, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hanging_write),
		cmocka_unit_test(test_hanging_discard),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
