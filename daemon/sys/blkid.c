// SPDX-License-Identifier: LGPL-2.1-or-later
#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys/blkid.h"
#include "util/cleanup.h"

static void probe_free(blkid_probe probe)
{
	if (probe)
		blkid_free_probe(probe);
}

DEFINE_CLEANUP(blkid_probe, probe_free)

/* A probe of the whole device for file systems, RAID, volume managers and partition tables. */
static blkid_probe probe_new(int fd)
{
	blkid_probe probe = blkid_new_probe();

	if (probe && !blkid_probe_set_device(probe, fd, 0, 0) &&
	    !blkid_probe_enable_superblocks(probe, 1) &&
	    !blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
					       BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM) &&
	    !blkid_probe_enable_partitions(probe, 1) &&
	    !blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT))
		return probe;
	probe_free(probe);
	return NULL;
}

static void describe(blkid_probe probe, char *what, size_t len)
{
	const char *type, *usage = "";

	if (!blkid_probe_lookup_value(probe, "TYPE", &type, NULL)) {
		blkid_probe_lookup_value(probe, "USAGE", &usage, NULL);
		snprintf(what, len, "%s %s", type,
			 !strcmp(usage, "filesystem") ? "file system" : "signature");
	} else if (!blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL)) {
		snprintf(what, len, "%s partition table", type);
	} else {
		snprintf(what, len, "unknown signature");
	}
}

int blkid_probe_fd(int fd, char *what, size_t len, struct err *e)
{
	_cleanup_(probe_freep) blkid_probe probe = probe_new(fd);
	int result;

	if (!probe)
		return err_set(e, -ENOMEM, "libblkid cannot start a probe");
	errno = 0;
	result = blkid_do_probe(probe);
	if (result < 0)
		return err_set(e, errno ? -errno : -EIO, "libblkid cannot read the device: %s",
			       strerror(errno ? errno : EIO));
	if (result)
		return 0;
	describe(probe, what, len);
	return 1;
}

/* A crash leaves some of the signatures; the caller starts again, and finds those that are left. */
int blkid_wipe_fd(int fd, struct err *e)
{
	_cleanup_(probe_freep) blkid_probe probe = probe_new(fd);
	int result;

	if (!probe)
		return err_set(e, -ENOMEM, "libblkid cannot start a probe");
	while (!(result = blkid_do_probe(probe)))
		if (blkid_do_wipe(probe, 0))
			return err_set(e, errno ? -errno : -EIO, "cannot erase a signature: %s",
				       strerror(errno ? errno : EIO));
	if (result < 0 || fsync(fd))
		return err_set(e, -EIO, "cannot erase all signatures: %s", strerror(EIO));
	return 0;
}
