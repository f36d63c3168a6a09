/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wiping: which passes of the copy engine a policy is made of.
 *
 *	policy		overwrite	--verify reads back	at last
 *	none		-		refused			-
 *	discard		-		zeroes, after it	discard
 *	zero		zeroes		zeroes			discard, if the device can
 *	random		key stream	the same stream		discard, if the device can
 *
 * The overwrite is flushed before it is read back, and read back before it is
 * discarded. A discard alone is a hint to the device: only who reads back zeroes
 * knows that it was followed, and not even he knows what became of the data.
 */
#ifndef BVOL_COPY_WIPE_H
#define BVOL_COPY_WIPE_H

#include "copy/copy.h"

enum wipe_policy {
	WIPE_NONE,
	WIPE_DISCARD,
	WIPE_ZERO,
	WIPE_RANDOM,
};

struct wipe {
	enum wipe_policy policy;
	bool verify;
	bool keep;		/* no discard after an overwrite */
};

/* For the proof record: what was done, not what was asked for. */
struct wipe_result {
	uint64_t bytes, extents;
	uint64_t overwritten;	/* bytes that are durably overwritten, counted from the very beginning */
	uint64_t discarded;	/* bytes, in this run */
	bool verified;		/* every byte was read back from the first to the last */
	uint64_t ns;		/* of this run */
	struct copy_cursor cursor;
	bool direct, ring;
};

#define WIPE_TEXT_MAX 160

/* "none", "discard", "zero", "random"; NULL: no such policy. */
const char *wipe_policy_name(enum wipe_policy policy);
/* -EINVAL, with a sentence that names them all. */
int wipe_policy_parse(const char *name, enum wipe_policy *ret, struct err *e);

/*
 * A run of this wipe: plan says where, from where on and how fast, its passes
 * are filled in here. *ret is NULL for WIPE_NONE. Errors of copy_new().
 */
int wipe_new(const struct wipe *wipe, const struct copy_plan *plan, struct copy **ret, struct err *e);
/* Errors of copy_run(). *ret is filled in whatever happens. copy may be NULL: nothing was done. */
int wipe_run(const struct wipe *wipe, struct copy *copy, struct wipe_result *ret, struct err *e);
/* What was done in words: "4.0 GiB overwritten with zeroes, read back, 4.0 GiB discarded". Returns text. */
char *wipe_text(const struct wipe *wipe, const struct wipe_result *result, char text[WIPE_TEXT_MAX]);

#endif
