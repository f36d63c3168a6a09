/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Repositories of backups: Documentation/backup-format.rst. Needs nothing of
 * the daemon but util. A struct repo may be used by many threads at a time.
 */
#ifndef BVOL_REPO_H
#define BVOL_REPO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "copy/copy.h"
#include "copy/repo/compress.h"
#include "copy/repo/driver.h"
#include "copy/repo/format.h"
#include "util/err.h"

struct repo {
	struct driver *driver;
	const struct driver_ops *ops;	/* the driver's */
	char *where;
	uint8_t id[REPO_ID];
	uint8_t root[REPO_KEY];
	uint8_t hash_keys[2 * REPO_KEY];
	bool encrypted;
	bool secret;			/* a passphrase or a key file guards it */
	uint32_t chunk_size;
	enum compression compression;
	int level;
	uint64_t created_at;		/* ns since 1970 */
	atomic_uint refs;		/* beside the first one */
};

/* What opens it; the bytes stay the caller's. */
struct repo_secret {
	enum key_method method;
	const void *bytes;
	size_t length;
};

struct repo_choice {
	bool encrypted;			/* wants a secret */
	uint32_t chunk_size;		/* 0: the usual one */
	enum compression compression;
	int level;
};

/* A repository where there is an empty folder or nothing; a crash leaves one that does not open. */
int repo_create(const char *where, const struct repo_choice *choice, const struct repo_secret *secret,
		struct repo **ret, struct err *e);
/*
 * secret: NULL if there is none yet. -ENOKEY: it needs one; -EKEYREJECTED: not
 * this one; -ENOENT: there is no repository; -EPROTONOSUPPORT: of a newer
 * version; -EBADMSG: damaged.
 */
int repo_open(const char *where, const struct repo_secret *secret, struct repo **ret, struct err *e);
/* One more reference, for another repo_close(). */
struct repo *repo_ref(const struct repo *repo);
/* The last one closes it. Takes NULL, returns NULL. */
struct repo *repo_close(struct repo *repo);
DEFINE_CLEANUP(struct repo *, repo_close)

/* Its identifier and whether it is encrypted, without a key. */
int repo_peek(const char *where, uint8_t id[REPO_ID], bool *encrypted, struct err *e);

struct repo_key {
	uint8_t id[REPO_ID];
	enum key_method method;
	char label[KEY_LABEL + 1];
};

int repo_keys(struct repo *repo, int (*each)(void *data, const struct repo_key *key, struct err *e),
	      void *data, struct err *e);
int repo_key_add(struct repo *repo, const struct repo_secret *secret, const char *label, struct err *e);
/* -ENOENT; -EBUSY: it is the last one. */
int repo_key_remove(struct repo *repo, const uint8_t id[REPO_ID], struct err *e);

/* Nanoseconds since 1970. */
uint64_t repo_now(void);
/* 32 digits and a NUL. */
char *repo_hex(const uint8_t *id, size_t n, char *text);

/*
 * What a long run tells and is told. Whoever waits for it is back within a
 * second after cancel was set, also while it is paused or waits for what does
 * not answer: see copy/repo/run.h. It stays the caller's.
 */
struct repo_run {
	atomic_bool cancel;		/* set by anybody: the run ends with -ECANCELED or -ETIMEDOUT */
	atomic_bool pause;		/* set and taken back by anybody: within a second it stands still */
	_Atomic uint64_t rate;		/* bytes a second of this run, 0: no limit; at any time */
	struct copy_limit *limit;	/* shared with other runs, or NULL; set before it begins */
	bool stays;			/* also when it hangs: the caller is a thread that may; set before */
	_Atomic uint64_t done, total;	/* bytes */
};

#endif
