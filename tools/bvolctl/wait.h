/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOLCTL_WAIT_H
#define BVOLCTL_WAIT_H

#include "command.h"

/*
 * Wait until the job has ended, with events, a stream that was opened before
 * the job began. 0 when it is done, else EXIT_FAILED after a complaint.
 */
int wait_for_job(struct context *ctx, struct bvol_events *events, const struct bvol_uuid *job);

/*
 * bvol_call() that waits for a daemon that is gone to come back, ctx->timeout_ms
 * at most. For verbs that change nothing.
 */
int patient_call(struct context *ctx, enum bvol_verb verb, const struct bvol_request *request,
		 struct bvol_response **ret);

#endif
