/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads and writes of one descriptor, many at a time: by io_uring, or one after
 * the other where the kernel has no rings or forbids them. One thread: the one
 * that made the ring. Whoever frees it must have got back all requests.
 */
#ifndef BVOL_COPY_RING_H
#define BVOL_COPY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uring;

struct uring_request {
	bool write;
	void *bytes;
	uint64_t offset;
	uint32_t length;
	/* Filled in: 0 if all length bytes went through; otherwise -errno at offset + done. */
	int result;
	uint32_t done;
	/* The ring's own. */
	unsigned int tries;
	struct uring_request *next;
};

struct uring_setup {
	int fd;
	unsigned int depth;	/* requests at a time, 1 to 32 */
	bool forbid;		/* no io_uring */
	/* Where the bytes of requests lie, to be registered; NULL: don't. Aligned to 2 MiB. */
	void *memory;
	size_t memory_size;
};

/* -ENOMEM. What the kernel refuses to register is used without. */
int uring_new(const struct uring_setup *setup, struct uring **ret);
/* Takes NULL, returns NULL. */
struct uring *uring_free(struct uring *uring);
bool uring_is_real(const struct uring *uring);
/*
 * The request stays the ring's until uring_wait() returns it. Part of it that
 * was done, an interruption or a passing shortage is followed by the rest; a
 * read that meets the end gives -ENODATA, a write -ENOSPC.
 */
void uring_submit(struct uring *uring, struct uring_request *request);
/* One that has ended, or NULL after timeout_ms; negative: however long it takes. */
struct uring_request *uring_wait(struct uring *uring, int timeout_ms);

#endif
