// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "copy/wipe.h"
#include "util/str.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

enum pass {
	PASS_WRITE = 1,
	PASS_CHECK = 2,
	PASS_DISCARD = 3,
};

/* The passes in their order; those of a wipe that does not want them are left out. */
static const struct policy {
	const char *name, *pattern;
	struct {
		enum pass pass;		/* 0 at the end */
		enum copy_op op;
	} passes[COPY_PASSES_MAX];
} policies[] = {
	[WIPE_NONE] = { "none", NULL, { { 0 } } },
	[WIPE_DISCARD] = { "discard", NULL, {
		{ PASS_DISCARD, COPY_DISCARD }, { PASS_CHECK, COPY_CHECK_ZERO } } },
	[WIPE_ZERO] = { "zero", "zeroes", {
		{ PASS_WRITE, COPY_ZERO }, { PASS_CHECK, COPY_CHECK_ZERO }, { PASS_DISCARD, COPY_DISCARD } } },
	[WIPE_RANDOM] = { "random", "random bytes", {
		{ PASS_WRITE, COPY_RANDOM }, { PASS_CHECK, COPY_CHECK_RANDOM },
		{ PASS_DISCARD, COPY_DISCARD } } },
};

const char *wipe_policy_name(enum wipe_policy policy)
{
	return policy < N_OF(policies) ? policies[policy].name : NULL;
}

int wipe_policy_parse(const char *name, enum wipe_policy *ret, struct err *e)
{
	for (size_t i = 0; i < N_OF(policies); i++) {
		if (!strcmp(name, policies[i].name)) {
			*ret = (enum wipe_policy)i;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "a volume is wiped by none, discard, zero or random");
}

static bool wants(const struct wipe *wipe, enum pass pass)
{
	if (pass == PASS_CHECK)
		return wipe->verify;
	return pass != PASS_DISCARD || wipe->policy == WIPE_DISCARD || !wipe->keep;
}

int wipe_new(const struct wipe *wipe, const struct copy_plan *plan, struct copy **ret, struct err *e)
{
	const struct policy *policy = &policies[wipe->policy];
	struct copy_plan with = *plan;

	*ret = NULL;
	if (wipe->policy == WIPE_NONE)
		return wipe->verify ? err_set(e, -EINVAL, "what is not wiped can't be verified") : 0;
	with.n_ops = 0;
	with.discard_optional = wipe->policy != WIPE_DISCARD;
	for (size_t i = 0; i < N_OF(policy->passes) && policy->passes[i].pass; i++)
		if (wants(wipe, policy->passes[i].pass))
			with.ops[with.n_ops++] = policy->passes[i].op;
	return copy_new(&with, ret, e);
}

int wipe_run(const struct wipe *wipe, struct copy *copy, struct wipe_result *ret, struct err *e)
{
	struct copy_result result = { 0 };
	int code = copy ? copy_run(copy, &result, e) : 0;

	*ret = (struct wipe_result) {
		.bytes = result.bytes, .extents = result.extents, .discarded = result.discarded,
		.verified = !code && wipe->verify, .ns = result.ns, .cursor = result.cursor,
		.direct = result.direct, .ring = result.ring,
	};
	/* The overwrite is the first pass. */
	if (policies[wipe->policy].pattern)
		ret->overwritten = result.cursor.done < result.bytes ? result.cursor.done : result.bytes;
	return code;
}

char *wipe_text(const struct wipe *wipe, const struct wipe_result *result, char text[WIPE_TEXT_MAX])
{
	char overwritten[16], discarded[16];
	int n = 0;

	text[0] = '\0';
	if (result->overwritten)
		n = snprintf(text, WIPE_TEXT_MAX, "%s overwritten with %s",
			     str_size(result->overwritten, overwritten),
			     policies[wipe->policy].pattern);
	if (result->verified)
		n += snprintf(text + n, WIPE_TEXT_MAX - n, "%sread back", n ? ", " : "");
	if (result->discarded)
		n += snprintf(text + n, WIPE_TEXT_MAX - n, "%s%s discarded", n ? ", " : "",
			      str_size(result->discarded, discarded));
	if (!n)
		snprintf(text, WIPE_TEXT_MAX, "nothing was done");
	return text;
}
