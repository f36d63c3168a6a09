// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "copy/copy.h"
#include "copy/limit.h"
#include "copy/pass.h"
#include "copy/pattern.h"
#include "copy/target.h"

#define STACK_BYTES	(256 * 1024)
#define REQUEST_MIN	4096u
#define DEPTH_MAX	32

struct copy {
	struct copy_plan plan;		/* path is ours, extents are not used */
	char *path;
	struct extents extents;
	struct copy_limit *own;
	struct gate gate;
	atomic_uint refs;		/* the caller's, and the engine's while it runs */
};

static struct copy *copy_unref(struct copy *copy)
{
	if (!copy || --copy->refs)
		return NULL;
	copy_limit_unref(copy->own);
	copy_limit_unref(copy->plan.pool);
	extents_deinit(&copy->extents);
	gate_deinit(&copy->gate);
	free(copy->path);
	free(copy);
	return NULL;
}

struct copy *copy_free(struct copy *copy)
{
	return copy_unref(copy);
}

static bool needs_key(const struct copy_plan *plan)
{
	for (unsigned int i = 0; i < plan->n_ops; i++)
		if (plan->ops[i] == COPY_RANDOM || plan->ops[i] == COPY_CHECK_RANDOM)
			return true;
	return false;
}

static int check(const struct copy_plan *plan, struct err *e)
{
	uint32_t size = plan->request_size;

	if (!plan->n_ops || plan->n_ops > COPY_PASSES_MAX)
		return err_set(e, -EINVAL, "a plan has 1 to %d passes", COPY_PASSES_MAX);
	for (unsigned int i = 0; i < plan->n_ops; i++)
		if (plan->ops[i] == COPY_READ && !plan->hooks.sink)
			return err_set(e, -EINVAL, "what is read has nowhere to go");
	if (size && (size < REQUEST_MIN || size > TARGET_REQUEST_MAX || size & (size - 1)))
		return err_set(e, -EINVAL, "a request has 4 KiB to 1 MiB, a power of two");
	if (plan->depth > DEPTH_MAX)
		return err_set(e, -EINVAL, "at most %d requests at a time", DEPTH_MAX);
	return 0;
}

/* The extents are known now: does the cursor lie in them? */
static int check_cursor(struct copy *copy, struct err *e)
{
	static const uint8_t none[COPY_KEY_SIZE];
	struct copy_cursor *from = &copy->plan.from;
	uint64_t total;

	if (__builtin_mul_overflow(copy->extents.bytes, copy->plan.n_ops, &total))
		return err_set(e, -EINVAL, "more than 2^64 bytes in all passes");
	if (from->done > total)
		return err_set(e, -EINVAL, "the cursor lies behind the end of the extents");
	if (!needs_key(&copy->plan) || memcmp(from->key, none, COPY_KEY_SIZE))
		return 0;
	if (from->done)
		return err_set(e, -EINVAL, "the cursor has lost the key of the random pattern");
	return pattern_key(from->key, e);
}

int copy_new(const struct copy_plan *plan, struct copy **ret, struct err *e)
{
	int code = check(plan, e);
	struct copy *copy;

	if (code)
		return code;
	copy = calloc(1, sizeof(*copy));
	if (!copy)
		return err_set(e, -ENOMEM, "no memory");
	copy->refs = 1;
	gate_init(&copy->gate);
	copy->plan = *plan;
	if (plan->pool)
		copy_limit_ref(plan->pool);
	copy->plan.path = copy->path = strdup(plan->path);
	copy->own = copy_limit_new(plan->rate);
	if (!copy->path || !copy->own)
		code = err_set(e, -ENOMEM, "no memory");
	if (!code)
		code = extents_init(&copy->extents, plan->extents, plan->n_extents, e);
	if (!code)
		code = check_cursor(copy, e);
	if (code) {
		copy_unref(copy);
		return code;
	}
	copy->gate.cursor = copy->plan.from;
	copy->gate.done = copy->plan.from.done;
	*ret = copy;
	return 0;
}

/* The caller may be gone when this comes back, and then nobody else frees what it holds. */
static void *engine_main(void *data)
{
	struct copy *copy = data;
	struct pass_plan plan = { &copy->plan, &copy->extents, copy->own, &copy->gate };
	struct err err = { 0 };
	int code = passes_run(&plan, &err);
	bool abandoned = gate_finish(&copy->gate, code, &err);

	copy_unref(copy);
	if (abandoned)
		gate_returned();
	return NULL;
}

/* With all signals blocked: they are for the program's own threads. */
static int start(struct copy *copy, pthread_t *thread)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	copy->refs++;
	copy->gate.last = gate_now();
	r = pthread_create(thread, &attr, engine_main, copy);
	if (r)
		copy->refs--;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

int copy_run(struct copy *copy, struct copy_result *ret, struct err *e)
{
	uint64_t begin = gate_now(), total = copy->extents.bytes * copy->plan.n_ops;
	struct gate *gate = &copy->gate;
	pthread_t thread;
	int code;

	*ret = (struct copy_result) { .cursor = copy->plan.from, .bytes = copy->extents.bytes,
				      .extents = copy->extents.n };
	if (gate->cancelled)
		return err_set(e, -ECANCELED, "cancelled");
	code = start(copy, &thread);
	if (code)
		return err_set(e, code, "cannot start a thread: %s", strerror(-code));
	if (gate_attend(gate, &copy->plan.hooks, total)) {
		pthread_join(thread, NULL);
		ret->discarded = gate->result.discarded;
		ret->direct = gate->result.direct;
		ret->ring = gate->result.ring;
		code = gate->code;
		if (code)
			err_set(e, code, "%s", gate->err.text);
	} else {
		code = err_set(e, -ETIMEDOUT,
			       "cancelled, but %s does not give back what it was asked for",
			       copy->path);
		pthread_detach(thread);
	}
	pthread_mutex_lock(&gate->lock);
	ret->cursor = gate->cursor;
	pthread_mutex_unlock(&gate->lock);
	ret->ns = gate_now() - begin;
	return code;
}

void copy_cancel(struct copy *copy)
{
	gate_cancel(&copy->gate);
}

void copy_pause(struct copy *copy, bool pause)
{
	gate_pause(&copy->gate, pause);
}

void copy_set_rate(struct copy *copy, uint64_t rate)
{
	copy_limit_set(copy->own, rate);
	gate_wake(&copy->gate);
}
