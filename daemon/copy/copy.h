/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The copy engine: passes over the extents of one block device or file. It
 * needs nothing of the daemon but util. All offsets and lengths are bytes.
 *
 * A run has a thread of its own that opens the device, does the I/O and frees
 * what belongs to it. copy_run() waits for that thread, not for the device:
 *
 *	the device is slow	progress tells for how long nothing came back
 *	cancelled		copy_run() is back within COPY_CANCEL_MS
 *	it also hangs		copy_run() returns -ETIMEDOUT and the run is
 *				abandoned: thread, ring, buffers and descriptor
 *				stay until the kernel gives back the last
 *				request. That request may still be carried out,
 *				so the extents must not be given to anybody
 *				else before; see copy_abandoned().
 *
 * What a crash leaves: extents before the cursor that was marked last are
 * durably done, those behind it may be done in any part. A new run from that
 * cursor does these again; each operation may be repeated.
 */
#ifndef BVOL_COPY_H
#define BVOL_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define COPY_PASSES_MAX	4
#define COPY_KEY_SIZE	32
/* Between two calls of progress(). */
#define COPY_PROGRESS_MS 500
/* Until a cancelled run that doesn't end is abandoned. */
#define COPY_CANCEL_MS	900
/* Memory of a run, without its list of extents (16 bytes each). */
#define COPY_MEMORY_MAX	(UINT64_C(16) << 20)

struct copy;
struct copy_limit;

/* May begin and end anywhere, also within a sector; the bytes beside it keep their values. */
struct copy_extent {
	uint64_t offset, length;
};

enum copy_op {
	COPY_READ,		/* give the bytes to the sink */
	COPY_ZERO,		/* write zeroes; never a command that only promises them */
	COPY_RANDOM,		/* write the key stream of AES-256-CTR at the byte's offset */
	COPY_CHECK_ZERO,	/* read back and compare: -EBADMSG */
	COPY_CHECK_RANDOM,
	COPY_DISCARD,		/* whole logical blocks; edges within a block are left */
};

/*
 * How far a plan has come: bytes of all passes, in the order of offsets within
 * each, and the key of the random pattern. All zero: at the beginning.
 */
struct copy_cursor {
	uint64_t done;
	uint8_t key[COPY_KEY_SIZE];
};

struct copy_progress {
	enum copy_op op;
	uint64_t done, total;		/* bytes of all passes */
	uint64_t rate;			/* bytes a second, lately */
	uint64_t seconds_left;		/* UINT64_MAX: can't be told */
	uint64_t quiet_ms;		/* that the run has waited for the device alone, in vain */
	bool paused;
};

struct copy_hooks {
	/* By copy_run()'s thread, at most every COPY_PROGRESS_MS and once at the end. */
	void (*progress)(void *data, const struct copy_progress *progress);
	/*
	 * By copy_run()'s thread: what lies before the cursor is durable. The run
	 * stands still meanwhile; a negative result ends it and is returned.
	 */
	int (*mark)(void *data, const struct copy_cursor *cursor, struct err *e);
	/*
	 * For COPY_READ, by the run's thread, in any order of offsets; a negative
	 * result ends the run and is returned. Never called once copy_run() is back.
	 */
	int (*sink)(void *data, uint64_t offset, const void *bytes, size_t length, struct err *e);
	void *data;
};

struct copy_plan {
	const char *path;			/* of a block device or a regular file */
	const struct copy_extent *extents;	/* in any order, not overlapping */
	size_t n_extents;
	enum copy_op ops[COPY_PASSES_MAX];	/* one pass after the other */
	unsigned int n_ops;
	bool discard_optional;			/* a device that can't discard is no error */
	struct copy_cursor from;
	uint64_t rate;				/* bytes a second of this run, 0: no limit */
	struct copy_limit *pool;		/* shared with others, or NULL; a reference is taken */
	uint64_t mark_bytes;			/* mark after so many bytes; 0: every 10 s */
	/* 0, or to say otherwise than the device: a power of two from 4 KiB to 1 MiB; 1 to 32. */
	uint32_t request_size;
	unsigned int depth;
	bool no_ring;				/* plain pread and pwrite */
	struct copy_hooks hooks;		/* each may be NULL but sink for COPY_READ */
};

struct copy_result {
	struct copy_cursor cursor;	/* the last one that is durable, also after an error */
	uint64_t bytes;			/* of the extents, once */
	uint64_t extents;		/* adjacent ones count as one */
	uint64_t ns;			/* of this run */
	uint64_t discarded;		/* bytes, in this run */
	bool direct, ring;		/* past the page cache; through io_uring */
};

/*
 * Copies the plan, path and extents; hooks have to stay while copy_run() runs.
 * -EINVAL: extents overlap or end behind 2^63, the plan makes no sense; -ENOMEM.
 */
int copy_new(const struct copy_plan *plan, struct copy **ret, struct err *e);
/*
 * Once for each copy; blocks, so in a worker. *ret is filled in whatever
 * happens. When it returns 0 all that was written has been flushed. Errors:
 *
 *	-ECANCELED	copy_cancel()
 *	-ETIMEDOUT	the same, but the device has not given back its requests
 *	-EBADMSG	a check found another byte; the sentence has its offset
 *	-ERANGE		an extent lies beyond the end of the device
 *	-EBUSY		somebody else has the device, maybe an abandoned run, or
 *			for a moment the ring of a process that was killed
 *	-EOPNOTSUPP	the device can't discard
 *	-EINVAL		neither block device nor file; a cursor behind the end
 *	others		of the I/O; the sentence has device and offset
 */
int copy_run(struct copy *copy, struct copy_result *ret, struct err *e);
/* From any thread, before or while it runs; rate in bytes a second, 0: no limit. */
void copy_cancel(struct copy *copy);
void copy_pause(struct copy *copy, bool pause);
void copy_set_rate(struct copy *copy, uint64_t rate);
/* Takes NULL, returns NULL. Not while copy_run() runs; an abandoned run keeps what it needs. */
struct copy *copy_free(struct copy *copy);
/* Runs of this process whose device still has requests of theirs. */
unsigned int copy_abandoned(void);

/* A rate that several runs share; 0: no limit, until it is set. One reference is the caller's. */
struct copy_limit *copy_limit_new(uint64_t rate);
struct copy_limit *copy_limit_ref(struct copy_limit *limit);
/* Takes NULL, returns NULL. */
struct copy_limit *copy_limit_unref(struct copy_limit *limit);
void copy_limit_set(struct copy_limit *limit, uint64_t rate);

#endif
