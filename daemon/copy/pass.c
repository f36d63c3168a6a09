// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "copy/limit.h"
#include "copy/memory.h"
#include "copy/pass.h"
#include "copy/pattern.h"
#include "copy/ring.h"
#include "copy/target.h"

#define MS		UINT64_C(1000000)
#define NS		UINT64_C(1000000000)
#define DEPTH_MAX	32
/* How often a thread that waits for the device looks whether it shall stop. */
#define LOOK_MS		100
#define MARK_NS		(10 * NS)
/* A discard can't be interrupted: as much at a time as takes about this long. */
#define SLICE_MIN	(UINT64_C(64) << 20)
#define SLICE_MAX	(UINT64_C(1) << 30)
#define SLICE_NS	(NS / 10)
/* The pattern is made again in parts that stay in the processor's cache. */
#define CHECK_SIZE	((size_t)64 << 10)

/* The first unit of memory is zeroes and small things, behind it lie the requests' own bytes. */
struct small {
	uint8_t zeroes[TARGET_REQUEST_MAX];
	uint8_t block[TARGET_ALIGN_MAX];
	uint8_t edge[TARGET_ALIGN_MAX];
	uint8_t expected[CHECK_SIZE];
};

_Static_assert(sizeof(struct small) <= MEMORY_UNIT, "small things fit into one unit");
_Static_assert(2 * MEMORY_UNIT + TARGET_IN_FLIGHT_MAX <= COPY_MEMORY_MAX, "a run's memory is bounded");

struct run {
	const struct pass_plan *plan;
	struct gate *gate;
	struct target target;
	struct memory memory;
	struct small *small;
	struct uring *uring;
	struct pattern *pattern;
	uint32_t request_size;
	unsigned int depth;
	uint64_t slice;

	const struct operation *op;	/* of this pass */
	uint64_t before;		/* bytes of the passes before it */
	struct walk walk;
	struct copy_cursor cursor;	/* marked last */
	uint64_t marked_at;
	struct uring_request requests[DEPTH_MAX];
	struct uring_request *idle[DEPTH_MAX];
	unsigned int n_idle;
	struct copy_extent piece;	/* taken from the walk, waits for tokens */
	bool has_piece;
	uint64_t wait_ns;		/* for tokens */
};

struct operation {
	bool write, check, random;
	/* Before they are written, or after they were read. */
	int (*bytes)(struct run *run, uint64_t offset, uint8_t *bytes, size_t length, struct err *e);
};

static int make_random(struct run *run, uint64_t offset, uint8_t *bytes, size_t length, struct err *e)
{
	return pattern_fill(run->pattern, offset, bytes, run->small->zeroes, length, e);
}

static int give_to_sink(struct run *run, uint64_t offset, uint8_t *bytes, size_t length, struct err *e)
{
	return gate_sink(run->gate, &run->plan->plan->hooks, offset, bytes, length, e);
}

static int compare(struct run *run, uint64_t offset, const uint8_t *bytes, const uint8_t *expected,
		   size_t length, struct err *e)
{
	size_t i = 0;

	if (!memcmp(bytes, expected, length))
		return 0;
	while (bytes[i] == expected[i])
		i++;
	return err_set(e, -EBADMSG, "%s has 0x%02x at byte %" PRIu64 " where 0x%02x was written",
		       run->target.path, bytes[i], offset + i, expected[i]);
}

static int check_zero(struct run *run, uint64_t offset, uint8_t *bytes, size_t length, struct err *e)
{
	/* Each byte against the one before: twice as fast as against other memory. */
	if (bytes[0] == 0 && !memcmp(bytes, bytes + 1, length - 1))
		return 0;
	return compare(run, offset, bytes, run->small->zeroes, length, e);
}

static int check_random(struct run *run, uint64_t offset, uint8_t *bytes, size_t length, struct err *e)
{
	int code = 0;

	for (size_t at = 0, n; !code && at < length; at += n) {
		n = length - at < CHECK_SIZE ? length - at : CHECK_SIZE;
		code = make_random(run, offset + at, run->small->expected, n, e);
		if (!code)
			code = compare(run, offset + at, bytes + at, run->small->expected, n, e);
	}
	return code;
}

static const struct operation operations[] = {
	[COPY_READ] = { .bytes = give_to_sink },
	[COPY_ZERO] = { .write = true },
	[COPY_RANDOM] = { .write = true, .random = true, .bytes = make_random },
	[COPY_CHECK_ZERO] = { .check = true, .bytes = check_zero },
	[COPY_CHECK_RANDOM] = { .check = true, .random = true, .bytes = check_random },
	[COPY_DISCARD] = { .write = true },
};

/* A piece in hand has left the walk already. */
static uint64_t position(const struct run *run)
{
	return run->before + run->walk.done - (run->has_piece ? run->piece.length : 0);
}

/* Nothing is under way: what was written becomes durable, and the caller keeps how far that is. */
static int mark(struct run *run, struct err *e)
{
	struct copy_cursor cursor = run->cursor;
	int code = 0;

	cursor.done = position(run);
	run->marked_at = gate_now();
	if (cursor.done == run->cursor.done)
		return 0;
	if (run->op->write)
		code = target_flush(&run->target, e);
	if (!code)
		code = gate_mark(run->gate, &cursor, e);
	if (!code)
		run->cursor = cursor;
	return code;
}

static bool mark_is_due(const struct run *run)
{
	uint64_t bytes = run->plan->plan->mark_bytes;

	if (bytes)
		return position(run) - run->cursor.done >= bytes;
	return gate_now() - run->marked_at >= MARK_NS;
}

/* Nanoseconds to wait, 0: the bytes may be moved. */
static uint64_t take_tokens(struct run *run, uint64_t bytes)
{
	struct copy_limit *pool = run->plan->plan->pool;
	uint64_t now = gate_now(), wait = limit_take(run->plan->own, bytes, now);

	if (wait || !pool)
		return wait;
	wait = limit_take(pool, bytes, now);
	if (wait)
		limit_return(run->plan->own, bytes);
	return wait;
}

/* Between two pieces, with nothing under way; returns when the run may go on. */
static int settle(struct run *run, struct err *e)
{
	int code = 0;

	if (run->gate->cancelled)
		return gate_pass(run->gate, e);
	if (run->gate->paused || mark_is_due(run))
		code = mark(run, e);
	return code ? code : gate_pass(run->gate, e);
}

static int edge(struct run *run, const struct copy_extent *piece, struct err *e)
{
	const uint8_t *from = run->small->zeroes;
	struct small *s = run->small;
	int code = 0;

	if (run->op->write) {
		if (run->op->bytes) {
			code = run->op->bytes(run, piece->offset, s->edge, piece->length, e);
			from = s->edge;
		}
		return code ? code : target_edge_write(&run->target, s->block, piece->offset, from,
						       piece->length, e);
	}
	code = target_edge_read(&run->target, s->block, piece->offset, s->edge, piece->length, e);
	return code ? code : run->op->bytes(run, piece->offset, s->edge, piece->length, e);
}

/* All edges of the extents, before any whole block: see target.h. Repeated by a run that resumes. */
static int edges(struct run *run, struct err *e)
{
	struct walk walk = run->walk;
	struct copy_extent piece;
	enum walk_step step;
	int code = 0, end;
	bool any = false;

	while (!code && (step = walk_next(&walk, run->target.align, UINT64_C(1) << 62, &piece)) != WALK_END) {
		if (step != WALK_EDGE)
			continue;
		if (!any)
			code = target_edges_begin(&run->target, e);
		any = true;
		while (!code && !(code = gate_pass(run->gate, e)) &&
		       (run->wait_ns = take_tokens(run, piece.length)))
			gate_sleep(run->gate, run->wait_ns);
		if (!code)
			code = edge(run, &piece, e);
	}
	end = any ? target_edges_end(&run->target, run->op->write, e) : 0;
	return code ? code : end;
}

/* The next piece of whole blocks; false: there is none. */
static bool next_piece(struct run *run, uint64_t size)
{
	enum walk_step step = WALK_BODY;

	while (!run->has_piece && step != WALK_END) {
		step = walk_next(&run->walk, run->target.align, size, &run->piece);
		run->has_piece = step == WALK_BODY;
	}
	return run->has_piece;
}

static int submit(struct run *run, struct err *e)
{
	struct uring_request *request = run->idle[--run->n_idle];
	size_t i = (size_t)(request - run->requests);
	int code = 0;

	request->write = run->op->write;
	request->offset = run->piece.offset;
	request->length = (uint32_t)run->piece.length;
	if (run->op->bytes)
		request->bytes = run->memory.bytes + MEMORY_UNIT + i * run->request_size;
	else
		request->bytes = run->small->zeroes;
	if (run->op->write && run->op->bytes)
		code = run->op->bytes(run, request->offset, request->bytes, request->length, e);
	if (code) {
		run->n_idle++;
		return code;
	}
	uring_submit(run->uring, request);
	run->has_piece = false;
	return 0;
}

enum feed {
	FEED_FULL,		/* as much as can be is under way */
	FEED_TOKENS,		/* not before wait_ns */
	FEED_SETTLE,		/* settle() has to look first */
	FEED_END,
};

/* Negative, or an enum feed. */
static int feed(struct run *run, struct err *e)
{
	for (;;) {
		int code;

		if (!run->n_idle)
			return FEED_FULL;
		if (gate_wants_stop(run->gate) || mark_is_due(run))
			return FEED_SETTLE;
		if (!next_piece(run, run->request_size))
			return FEED_END;
		run->wait_ns = take_tokens(run, run->piece.length);
		if (run->wait_ns)
			return FEED_TOKENS;
		code = submit(run, e);
		if (code)
			return code;
	}
}

/* Wait for one request, and deal with all that came with it. */
static int reap(struct run *run, int timeout_ms, struct err *e)
{
	struct uring_request *request;
	int code = 0;

	for (; run->n_idle < run->depth && (request = uring_wait(run->uring, timeout_ms)); timeout_ms = 0) {
		run->idle[run->n_idle++] = request;
		run->gate->last = gate_now();
		if (code)
			continue;
		if (request->result)
			code = target_failed(&run->target, request->write ? "write" : "read",
					     request->offset + request->done, request->result, e);
		else if (!request->write)
			code = run->op->bytes(run, request->offset, request->bytes, request->length, e);
		run->gate->done += request->length;
	}
	return code;
}

/* How long to wait for the device, in ms. Who has been cancelled looks for nothing else any more. */
static int patience(const struct run *run, enum feed state)
{
	if (run->gate->cancelled)
		return -1;
	return state == FEED_TOKENS && run->wait_ns < LOOK_MS * MS ? (int)(run->wait_ns / MS) + 1 : LOOK_MS;
}

/* However it ends, nothing is under way any more: the buffers are the kernel's until then. */
static int bodies(struct run *run, struct err *e)
{
	int code = 0;

	while (code >= 0) {
		int state = feed(run, e);

		if (state < 0) {
			code = state;
		} else if (run->n_idle < run->depth) {
			code = reap(run, patience(run, state), e);
		} else if (state == FEED_TOKENS) {
			gate_sleep(run->gate, run->wait_ns);
		} else if (state == FEED_SETTLE) {
			code = settle(run, e);
		} else {
			break;
		}
	}
	for (; run->n_idle < run->depth; run->n_idle++)
		uring_wait(run->uring, -1);
	return code;
}

/* Discards have no end of their own: what takes long is cut smaller. */
static void adapt_slice(struct run *run, uint64_t ns)
{
	if (ns > 2 * SLICE_NS && run->slice > SLICE_MIN)
		run->slice /= 2;
	else if (ns < SLICE_NS && run->slice < SLICE_MAX)
		run->slice *= 2;
}

static int discards(struct run *run, struct err *e)
{
	int code = settle(run, e);

	while (!code && next_piece(run, run->slice)) {
		uint64_t begin = gate_now(), now;

		code = target_discard(&run->target, run->piece.offset, run->piece.length, e);
		if (code)
			break;
		now = gate_now();
		adapt_slice(run, now - begin);
		run->has_piece = false;
		run->gate->last = now;
		run->gate->done = run->before + run->walk.done;
		run->gate->result.discarded += run->piece.length;
		code = settle(run, e);
	}
	return code;
}

/* What the device can't is a fault only where it was asked for by name. */
static int discard_pass(struct run *run, struct err *e)
{
	struct err refused = { 0 };
	int code = discards(run, &refused);

	if (code == -EOPNOTSUPP && run->plan->plan->discard_optional)
		return 0;
	return code ? err_set(e, code, "%s", refused.text) : 0;
}

static int one_pass(struct run *run, enum copy_op op, uint64_t done, struct err *e)
{
	const struct extents *extents = run->plan->extents;
	int code = 0;

	run->op = &operations[op];
	run->gate->op = op;
	run->has_piece = false;
	walk_begin(&run->walk, extents, done);
	if (op == COPY_DISCARD) {
		code = discard_pass(run, e);
	} else {
		code = edges(run, e);
		if (!code)
			code = bodies(run, e);
	}
	if (code)
		return code;
	walk_begin(&run->walk, extents, extents->bytes);
	run->gate->done = run->before + extents->bytes;
	return mark(run, e);
}

static int open_target(struct run *run, struct err *e)
{
	const struct copy_plan *plan = run->plan->plan;
	uint64_t end = extents_end(run->plan->extents);
	bool write = false;
	int code;

	for (unsigned int i = 0; i < plan->n_ops; i++)
		write |= operations[plan->ops[i]].write;
	code = target_open(&run->target, plan->path, write, e);
	if (!code && end > run->target.size)
		code = err_set(e, -ERANGE,
			       "an extent ends at byte %" PRIu64 " of %s, which has %" PRIu64, end,
			       plan->path, run->target.size);
	return code;
}

static void set_shape(struct run *run)
{
	const struct copy_plan *plan = run->plan->plan;

	run->request_size = plan->request_size ? plan->request_size : run->target.request_size;
	if (run->request_size < run->target.align)
		run->request_size = run->target.align;
	run->depth = plan->depth ? plan->depth : run->target.depth;
	if (run->depth > TARGET_IN_FLIGHT_MAX / run->request_size)
		run->depth = TARGET_IN_FLIGHT_MAX / run->request_size;
	run->slice = SLICE_MIN;
	for (unsigned int i = 0; i < run->depth; i++)
		run->idle[run->n_idle++] = &run->requests[i];
}

/* Memory of their own only for bytes that are not always the same. */
static int prepare(struct run *run, struct err *e)
{
	const struct copy_plan *plan = run->plan->plan;
	struct uring_setup setup = { .fd = run->target.fd, .forbid = plan->no_ring };
	bool bytes = false, random = false;
	int code;

	for (unsigned int i = 0; i < plan->n_ops; i++) {
		bytes |= operations[plan->ops[i]].bytes != NULL;
		random |= operations[plan->ops[i]].random;
	}
	set_shape(run);
	code = memory_init(&run->memory, MEMORY_UNIT + bytes * (size_t)run->depth * run->request_size);
	if (!code) {
		run->small = (struct small *)run->memory.bytes;
		setup.depth = run->depth;
		setup.memory = run->target.merges ? run->memory.bytes : NULL;
		setup.memory_size = run->memory.size;
		code = uring_new(&setup, &run->uring);
	}
	if (code)
		return err_set(e, code, "no memory for buffers");
	run->gate->result.ring = uring_is_real(run->uring);
	run->gate->result.direct = run->target.direct;
	return random ? pattern_new(plan->from.key, &run->pattern, e) : 0;
}

static int all_passes(struct run *run, struct err *e)
{
	const struct copy_plan *plan = run->plan->plan;
	uint64_t bytes = run->plan->extents->bytes, done = plan->from.done;
	int code = 0;

	if (!bytes)
		return 0;
	for (uint64_t i = done / bytes; !code && i < plan->n_ops; i++) {
		run->before = i * bytes;
		code = one_pass(run, plan->ops[i], done > run->before ? done - run->before : 0, e);
	}
	return code;
}

int passes_run(const struct pass_plan *plan, struct err *e)
{
	struct run run = { .plan = plan, .gate = plan->gate, .target.fd = -1,
			   .cursor = plan->plan->from, .marked_at = gate_now() };
	int code = open_target(&run, e);

	if (!code)
		code = prepare(&run, e);
	if (!code)
		code = all_passes(&run, e);
	pattern_free(run.pattern);
	uring_free(run.uring);
	memory_deinit(&run.memory);
	target_close(&run.target);
	return code;
}
