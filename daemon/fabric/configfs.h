/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's target in configfs. configfs.c is the one file that writes
 * below its root. What a target has to look like is a table of rows, in the
 * order in which they are made; one table serves to build, to repair, to adopt
 * and to compare, since a row that is right is not touched.
 *
 * Everything here may block as long as the I/O of a LUN does, and is for worker
 * threads.
 */
#ifndef BVOL_CONFIGFS_H
#define BVOL_CONFIGFS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define CONFIGFS_ROOT	"/sys/kernel/config/target"
/* Tools that rewrite the whole tree take this lock exclusively. */
#define CONFIGFS_LOCK	"/run/targetcli.lock"
/* "iscsi/TARGET/tpgt_1/acls/INITIATOR/..." with two names of 223 bytes is the longest. */
#define CONFIGFS_PATH	640

struct configfs;

/*
 * root: CONFIGFS_ROOT. lock: taken shared, so that our workers don't exclude
 * each other; after five seconds with another owner we warn and go on, because
 * an operator's open shell must not stop a detach. NULL: no lock.
 * -ENOENT: no target core in this kernel.
 */
int configfs_open(const char *root, const char *lock, struct configfs **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct configfs *configfs_close(struct configfs *c);

enum configfs_kind {
	CONFIGFS_DIR,
	CONFIGFS_VALUE,
	CONFIGFS_LINK,
};

enum {
	CONFIGFS_SECRET		= 1 << 0,	/* never in a sentence or a difference */
	CONFIGFS_OPTIONAL	= 1 << 1,	/* not every kernel or device has it */
	CONFIGFS_FIXED		= 1 << 2,	/* the kernel may refuse to change it later */
};

/* Texts are templates: {name} stands for that variable's value. */
struct configfs_row {
	enum configfs_kind kind;
	const char *object;	/* what it is part of, for people */
	const char *path;	/* below the root */
	const char *value;	/* what to write; below the root, what a link points to */
	/* Values that don't read as they were written: where they show, and as what text. */
	const char *shown_in, *shown_as;
	unsigned int flags;
};

/* An array of them ends with name NULL. A row with a variable whose value is NULL is skipped. */
struct configfs_var {
	const char *name, *value;
};

/*
 * Fill in a template. -ENODATA: a value is NULL; -EINVAL: no such variable, a
 * control character in a value or, with path, one that is no single component;
 * -ENAMETOOLONG.
 */
int configfs_expand(const char *template, const struct configfs_var *vars, bool path, char *buf,
		    size_t len);

/* dir/name; -ENAMETOOLONG. */
int configfs_join(char ret[CONFIGFS_PATH], const char *dir, const char *name, struct err *e);

/*
 * Make each row true, in order, and read it back. Stops at the first one that
 * fails. -ESTALE: a fixed one has another value already, and keeps it.
 */
int configfs_apply(struct configfs *c, const struct configfs_row *rows, size_t n,
		   const struct configfs_var *vars, struct err *e);

enum configfs_state {
	CONFIGFS_RIGHT,
	CONFIGFS_DIFFERS,
	CONFIGFS_MISSING,
	CONFIGFS_EXTRA,
};

/* wanted and found are NULL for directories, links and secrets; found is for what differs. */
typedef int (*configfs_each)(const struct configfs_row *row, enum configfs_state state,
			     const char *path, const char *wanted, const char *found, void *data);
/* Call each for every row that is not true. Non-zero from each ends the walk with that value. */
int configfs_compare(struct configfs *c, const struct configfs_row *rows, size_t n,
		     const struct configfs_var *vars, configfs_each each, void *data,
		     struct err *e);

/* One value, without the final newline. -ENOENT without a sentence. */
int configfs_read(struct configfs *c, const char *path, char *buf, size_t len, struct err *e);
/* One write(2) of the text as it is. */
int configfs_write(struct configfs *c, const char *path, const char *text, struct err *e);

/* Directory names and links in a directory, sorted, NULL at the end; none when it is not there. */
int configfs_list(struct configfs *c, const char *path, char ***ret, struct err *e);
char **configfs_list_free(char **names);

/*
 * Remove a directory and what was made inside; 0 too when there is none. One
 * that the kernel keeps with its parent is emptied. Unlinking a LUN ends when
 * the last of its I/O has.
 */
int configfs_remove(struct configfs *c, const char *path, struct err *e);
/* configfs_remove() of two that don't hold each other, at once: each waits a while for the kernel. */
int configfs_remove_both(struct configfs *c, const char *a, const char *b, struct err *e);
/* Mount configfs at its usual place unless it is there. */
int configfs_mount(struct err *e);

#endif
