// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "copy/repo/driver.h"

static const struct driver_ops *const drivers[] = { &driver_dir, &driver_s3 };

/* "packs" has its objects in 256 folders. */
static const char *const folders[REPO_KINDS] = {
	[REPO_CONFIG] = "config", [REPO_KEYS] = "keys", [REPO_PACK] = "packs", [REPO_INDEX] = "index",
	[REPO_BACKUP] = "backups", [REPO_MARK] = "marks", [REPO_LEASE] = "leases",
};

void (*driver_failpoint)(const char *step);

static _Thread_local struct {
	const atomic_bool *flag;
	uint64_t since;		/* when it was seen to be set, ns; 0: it was not */
} canceller;

void driver_cancel_by(const atomic_bool *cancel)
{
	canceller.flag = cancel;
	canceller.since = 0;
}

uint64_t driver_cancelled(void)
{
	struct timespec t;
	uint64_t now;

	if (!canceller.flag || !atomic_load(canceller.flag))
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (!canceller.since)
		canceller.since = now;
	return now - canceller.since + 1;
}

int driver_open(const char *where, bool create, struct driver **ret, struct err *e)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (drivers[i]->claims(where))
			return drivers[i]->open(where, create, ret, e);
	return err_set(e, -EINVAL, "a repository is a folder, or s3://BUCKET/PREFIX, not %s", where);
}

struct driver *driver_free(struct driver *driver)
{
	if (driver)
		driver->ops->free(driver);
	return NULL;
}

struct blob *blob_close(struct blob *blob)
{
	if (blob)
		blob->driver->ops->close(blob);
	return NULL;
}

char *driver_name(enum repo_kind kind, const uint8_t id[REPO_ID], char name[DRIVER_NAME_MAX])
{
	int n = snprintf(name, DRIVER_NAME_MAX, "%s/", folders[kind]);

	if (kind == REPO_PACK)
		n += snprintf(name + n, DRIVER_NAME_MAX - n, "%02x/", id[REPO_ID - 1]);
	for (int i = 0; i < REPO_ID; i++)
		n += snprintf(name + n, DRIVER_NAME_MAX - n, "%02x", id[i]);
	return name;
}
