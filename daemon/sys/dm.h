/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device-mapper in plain C types; dm.c is the one file that knows libdevmapper.
 * Every function may block as long as the device under it does, and is for
 * worker threads; a hung device blocks callers of that device alone. Sectors
 * have 512 bytes. Names and uuids are the caller's and must be his own making,
 * never a user's text.
 */
#ifndef BVOL_DM_H
#define BVOL_DM_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct dm_target {
	uint64_t start, length;		/* sectors */
	const char *type;
	const char *params;
};

struct dm_info_plain {
	bool exists, live_table, inactive_table, suspended, read_only;
	uint32_t major, minor;
	int32_t open_count;
	uint32_t events;	/* that its targets have reported */
};

/* Once, before any thread: open the control node. -ENODEV: no device-mapper. */
int dm_setup(struct err *e);

/*
 * A descriptor, the caller's to close, that can be read from as soon as anything
 * has happened to any device since it was armed, which opening does too. Neither
 * blocks. -ENOTTY: a kernel before 4.13.
 */
int dm_events_open(int *ret, struct err *e);
int dm_events_arm(int fd, struct err *e);

int dm_info(const char *name, struct dm_info_plain *ret, struct err *e);
/* Create with a live table; an existing device of this name and uuid is adopted (its table left). */
int dm_create(const char *name, const char *uuid, const struct dm_target *targets, size_t n,
	      struct err *e);
/* Load a table and swap it in; noflush: don't wait for I/O in flight. Resumes on every path. */
int dm_reload(const char *name, const struct dm_target *targets, size_t n, bool noflush,
	      struct err *e);
#define DM_SUSPEND_SECONDS 10
/*
 * Wait for the I/O in flight and hold back what comes after. -ETIMEDOUT: it has not
 * ended in DM_SUSPEND_SECONDS. After any error I/O flows as before, once dm_resume()
 * has been called.
 */
int dm_suspend(const char *name, struct err *e);
/* Also drops a table that was loaded, but not swapped in. */
int dm_resume(const char *name, struct err *e);
/* 0 also when there is none; -EBUSY while it is open. */
int dm_remove(const char *name, struct err *e);
/* The first target's live table or status (without flushing) into malloc()ed text. */
int dm_table(const char *name, char **params, uint64_t *sectors, struct err *e);
int dm_status(const char *name, char **params, struct err *e);
int dm_message(const char *name, const char *message, struct err *e);
/* Names of all devices whose dm uuid begins with prefix. */
typedef int (*dm_each)(const char *name, const char *uuid, void *data);
int dm_list(const char *prefix, dm_each each, void *data, struct err *e);

#endif
