// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "copy/ring.h"

/* Registered piece by piece: some kernels join the pages of one huge page, none those of several. */
#define HUGE_PAGE	((size_t)2 << 20)
#define PIECES_MAX	16
/* Times that -EAGAIN or -EINTR is believed; with pauses that double up to 64 ms, a second in all. */
#define TRIES_MAX	22
#define MS		1000000L

struct uring {
	struct io_uring ring;
	int fd;
	bool real, fixed_file;
	uint8_t *fixed;				/* registered memory or NULL */
	struct uring_request *first, **last;	/* ended, in the life without a ring */
};

static bool has_operations(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool has = probe && io_uring_opcode_supported(probe, IORING_OP_READ) &&
		   io_uring_opcode_supported(probe, IORING_OP_WRITE);

	if (probe)
		io_uring_free_probe(probe);
	return has;
}

/* Flags that a kernel does not know are left out; without a ring there are preadv and pwritev. */
static bool open_ring(struct uring *uring, unsigned int depth)
{
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, 0,
	};
	int code = -EINVAL;

	for (size_t i = 0; code == -EINVAL && i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct io_uring_params params = { .flags = flags[i] };

		code = io_uring_queue_init_params(depth, &uring->ring, &params);
	}
	if (!code && has_operations(&uring->ring))
		return true;
	if (!code)
		io_uring_queue_exit(&uring->ring);
	return false;
}

static void register_all(struct uring *uring, const struct uring_setup *setup)
{
	struct iovec pieces[PIECES_MAX];
	size_t n = setup->memory_size / HUGE_PAGE;

	uring->fixed_file = !io_uring_register_files(&uring->ring, &setup->fd, 1);
	if (!setup->memory || n > PIECES_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		pieces[i] = (struct iovec) { (uint8_t *)setup->memory + i * HUGE_PAGE, HUGE_PAGE };
	if (!io_uring_register_buffers(&uring->ring, pieces, (unsigned int)n))
		uring->fixed = setup->memory;
}

int uring_new(const struct uring_setup *setup, struct uring **ret)
{
	struct uring *uring = calloc(1, sizeof(*uring));

	if (!uring)
		return -ENOMEM;
	uring->fd = setup->fd;
	uring->last = &uring->first;
	uring->real = !setup->forbid && open_ring(uring, setup->depth);
	if (uring->real)
		register_all(uring, setup);
	*ret = uring;
	return 0;
}

struct uring *uring_free(struct uring *uring)
{
	/* The kernel takes a ring down when it has time, and would keep the device open until then. */
	if (uring && uring->fixed_file)
		io_uring_unregister_files(&uring->ring);
	if (uring && uring->real)
		io_uring_queue_exit(&uring->ring);
	free(uring);
	return NULL;
}

bool uring_is_real(const struct uring *uring)
{
	return uring->real;
}

static void nap(unsigned int tries)
{
	struct timespec pause = { .tv_nsec = MS << (tries < 6 ? tries : 6) };

	nanosleep(&pause, NULL);
}

/* Did the request end with this outcome of its rest? */
static bool has_ended(struct uring_request *request, int outcome)
{
	if (outcome == -EAGAIN || outcome == -EINTR) {
		request->result = outcome;
		if (++request->tries > TRIES_MAX)
			return true;
		nap(request->tries);
		return false;
	}
	if (outcome <= 0) {
		request->result = outcome ? outcome : request->write ? -ENOSPC : -ENODATA;
		return true;
	}
	request->tries = 0;
	request->result = 0;
	request->done += (uint32_t)outcome;
	return request->done >= request->length;
}

static void prepare(struct uring *uring, struct io_uring_sqe *sqe, struct uring_request *request)
{
	uint8_t *bytes = (uint8_t *)request->bytes + request->done;
	int fd = uring->fixed_file ? 0 : uring->fd;
	uint64_t offset = request->offset + request->done;
	unsigned int length = request->length - request->done;

	if (uring->fixed) {
		int piece = (int)((size_t)(bytes - uring->fixed) / HUGE_PAGE);

		(request->write ? io_uring_prep_write_fixed(sqe, fd, bytes, length, offset, piece) :
				  io_uring_prep_read_fixed(sqe, fd, bytes, length, offset, piece));
	} else {
		(request->write ? io_uring_prep_write(sqe, fd, bytes, length, offset) :
				  io_uring_prep_read(sqe, fd, bytes, length, offset));
	}
	if (uring->fixed_file)
		sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, request);
}

/*
 * There is a free entry: never more requests than the ring has room for, and
 * each is handed over at once. The kernel refuses that only for a while, when
 * it is short of memory.
 */
static void issue(struct uring *uring, struct uring_request *request)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&uring->ring)))
		io_uring_submit(&uring->ring);
	prepare(uring, sqe, request);
	for (unsigned int tries = 0; io_uring_submit(&uring->ring) < 0; tries++)
		nap(tries);
}

static void issue_plain(struct uring *uring, struct uring_request *request)
{
	ssize_t n;

	do {
		uint8_t *bytes = (uint8_t *)request->bytes + request->done;
		uint32_t length = request->length - request->done;
		off_t offset = (off_t)(request->offset + request->done);

		n = request->write ? pwrite(uring->fd, bytes, length, offset) :
				     pread(uring->fd, bytes, length, offset);
	} while (!has_ended(request, n < 0 ? -errno : (int)n));
	*uring->last = request;
	uring->last = &request->next;
}

void uring_submit(struct uring *uring, struct uring_request *request)
{
	request->result = 0;
	request->done = request->tries = 0;
	request->next = NULL;
	if (uring->real)
		issue(uring, request);
	else
		issue_plain(uring, request);
}

static struct uring_request *take_plain(struct uring *uring)
{
	struct uring_request *request = uring->first;

	if (request)
		uring->first = request->next;
	if (!uring->first)
		uring->last = &uring->first;
	return request;
}

static struct io_uring_cqe *next_completion(struct uring *uring, int timeout_ms)
{
	struct __kernel_timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * MS };
	struct io_uring_cqe *cqe = NULL;
	int code;

	do {
		code = timeout_ms < 0 ? io_uring_wait_cqe(&uring->ring, &cqe) :
					io_uring_wait_cqe_timeout(&uring->ring, &cqe, &timeout);
	} while (code == -EINTR && timeout_ms < 0);
	return code ? NULL : cqe;
}

struct uring_request *uring_wait(struct uring *uring, int timeout_ms)
{
	struct io_uring_cqe *cqe;

	if (!uring->real)
		return take_plain(uring);
	while ((cqe = next_completion(uring, timeout_ms))) {
		struct uring_request *request = io_uring_cqe_get_data(cqe);
		int outcome = cqe->res;

		io_uring_cqe_seen(&uring->ring, cqe);
		if (has_ended(request, outcome))
			return request;
		issue(uring, request);
	}
	return NULL;
}
