/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a repository's objects are kept. A driver is one file and a line in
 * driver.c. Objects are written once, as a whole; a name is a kind and an
 * identifier, never text from elsewhere. Any thread may call; a blob serves
 * one thread.
 */
#ifndef BVOL_REPO_DRIVER_H
#define BVOL_REPO_DRIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "copy/repo/format.h"
#include "util/cleanup.h"
#include "util/err.h"

struct driver;
struct blob;

struct driver_object {
	uint8_t id[REPO_ID];
	uint64_t size;
	uint64_t time;		/* of the last change, by the clock of where it is kept, ns */
};

struct driver_ops {
	const char *scheme;	/* "dir", "s3" */
	size_t put_memory;	/* what a large object takes while it is written */
	/* Does this text name a place of this driver? */
	bool (*claims)(const char *where);
	/* create: make the place; -EEXIST if something is there. -ENOENT, -ENOTDIR... */
	int (*open)(const char *where, bool create, struct driver **ret, struct err *e);
	void (*free)(struct driver *driver);
	/* For each object of a kind, in any order, also one that comes or goes meanwhile. */
	int (*list)(struct driver *driver, enum repo_kind kind,
		    int (*each)(void *data, const struct driver_object *object, struct err *e),
		    void *data, struct err *e);
	/* -ENOENT, without a sentence, if it is not there; so does get(). */
	int (*remove)(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		      struct err *e);

	int (*get)(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		   struct blob **ret, uint64_t *size, struct err *e);
	/* All of it: fewer bytes than that are -EBADMSG without a sentence. */
	int (*read)(struct blob *blob, uint64_t offset, void *bytes, size_t length, struct err *e);

	/*
	 * A new object, seen by nobody until publish(), which makes it whole and
	 * durable under its name at once. replace: an object of that name is
	 * replaced, else it is -EEXIST without a sentence, and nothing has changed.
	 * A crash before leaves what tidy() removes.
	 */
	int (*put)(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		   struct blob **ret, struct err *e);
	int (*append)(struct blob *blob, const void *bytes, size_t length, struct err *e);
	int (*publish)(struct blob *blob, bool replace, struct err *e);
	/* Of get() and put(); without publish() nothing is left of it. */
	void (*close)(struct blob *blob);

	/* Remove what crashes left more than this many ns ago. */
	int (*tidy)(struct driver *driver, uint64_t age, struct err *e);
};

struct driver {
	const struct driver_ops *ops;
};

struct blob {
	struct driver *driver;
};

extern const struct driver_ops driver_dir, driver_s3;

/* By what the text looks like; errors of open(). */
int driver_open(const char *where, bool create, struct driver **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct driver *driver_free(struct driver *driver);
struct blob *blob_close(struct blob *blob);
DEFINE_CLEANUP(struct blob *, blob_close)

/* "packs/ab/...": for sentences. */
#define DRIVER_NAME_MAX 64
char *driver_name(enum repo_kind kind, const uint8_t id[REPO_ID], char name[DRIVER_NAME_MAX]);

/*
 * By a thread when it begins: while *cancel is true, what it asks of a driver
 * that waits for others ends with -ECANCELED soon, without being tried again.
 * The flag outlives the thread.
 */
void driver_cancel_by(const atomic_bool *cancel);
/* For how many ns this thread has known that it is cancelled, at least 1; 0: it is not. */
uint64_t driver_cancelled(void);

/*
 * For tests of what a crash leaves: called before each change of the
 * repository with the name of the step. NULL outside of tests.
 */
extern void (*driver_failpoint)(const char *step);

static inline void failpoint(const char *step)
{
	if (driver_failpoint)
		driver_failpoint(step);
}

#endif
