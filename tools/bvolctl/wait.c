// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Waiting for a job: the events tell, and after a second without any, or when
 * some were lost, the daemon is asked. So a missed event costs a second, and a
 * daemon that dies meanwhile is waited for.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "print.h"
#include "size.h"
#include "wait.h"

#define QUIET_MS	1000
#define RETRY_MS	200
#define LOOK_MS		5000
#define BAR_WIDTH	20

struct waiter {
	struct context *ctx;
	struct bvol_uuid job;
	char id[BVOL_UUID_TEXT];
	uint32_t status;	/* enum bvol_job_status */
	uint32_t progress;
	char step[64];
	char error[BVOL_SENTENCE_MAX + 1];
	uint64_t done, total;	/* bytes; total 0: of a step that is short */
	uint64_t rate;		/* bytes a second */
	uint64_t left;		/* seconds, UINT64_MAX: not known */
	bool paused, waits;
	int64_t began, moved;	/* when it was begun, when it was last seen to get on */
	int64_t heard;		/* when there was last word of it */
	bool look;		/* ask, something was missed */
	bool gone;		/* so is the daemon */
	bool line;		/* a progress line is on the terminal */
};

/* Interruption: the job goes on, so the user is told how to find it again. */

static char farewell[256];

static void on_interrupt(int signal)
{
	ssize_t n = write(STDERR_FILENO, farewell, strlen(farewell));

	(void)n;
	_exit(EXIT_INTERRUPTED);
}

static void prepare_farewell(const char *id)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	snprintf(farewell, sizeof(farewell),
		 "\nbvolctl: job %s goes on, see: bvolctl job show %s\n"
		 "bvolctl: to stop it: bvolctl job cancel %s\n", id, id, id);
	sigaction(SIGINT, &action, NULL);
}

/* A line on the terminal for what takes longer than a second. */

/* "[#####     ]  52% 2.1G of 4.0G, 80.0M/s, 35 s left" */
static void show_bar(const struct waiter *w)
{
	char bar[BAR_WIDTH + 1], done[SIZE_TEXT], total[SIZE_TEXT], rate[SIZE_TEXT];
	int full = (int)(w->progress * BAR_WIDTH / 100);

	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r%s %s: [%s] %3u%% %s of %s", w->ctx->command->noun, w->ctx->command->verb,
		bar, w->progress, size_text(w->done, done), size_text(w->total, total));
	if (w->paused)
		fputs(", paused", stderr);
	else if (w->left != UINT64_MAX)
		fprintf(stderr, ", %s/s, %llu s left", size_text(w->rate, rate),
			(unsigned long long)w->left);
	fputs("\033[K", stderr);
}

static void show_progress(struct waiter *w)
{
	if (clock_ms() - w->began < QUIET_MS || !isatty(STDERR_FILENO))
		return;
	w->line = true;
	if (w->total && !w->waits) {
		show_bar(w);
		return;
	}
	fprintf(stderr, "\r%s %s: %s %u%% %s\033[K", w->ctx->command->noun, w->ctx->command->verb,
		w->waits ? "waits for others" : bvol_enum_name(&bvol_enum_job_status, w->status),
		w->progress, w->step);
}

static void end_line(struct waiter *w)
{
	if (w->line)
		fputs("\r\033[K", stderr);
	w->line = false;
}

/* What is known of the job */

static bool ended(const struct waiter *w)
{
	return w->status == BVOL_JOB_STATUS_DONE || w->status == BVOL_JOB_STATUS_FAILED;
}

static void learn(struct waiter *w, uint32_t status, uint32_t progress, const char *step)
{
	w->heard = clock_ms();
	if (status != w->status || progress != w->progress || (step && strcmp(step, w->step)))
		w->moved = w->heard;
	w->status = status;
	w->progress = progress;
	if (step)
		snprintf(w->step, sizeof(w->step), "%s", step);
}

static int on_event(const struct bvol_event *event, void *data)
{
	struct waiter *w = data;
	uint32_t status = w->status;

	if (event->kind != BVOL_EVENT_KIND_JOB_CHANGED ||
	    memcmp(&event->job_id, &w->job, sizeof(w->job)))
		return 0;
	if (event->status)
		bvol_enum_parse(&bvol_enum_job_status, event->status, &status);
	/* What it has done is asked for, as often as there is news. */
	w->look |= !ended(w) && bvol_has(event, BVOL_A_EVENT_PROGRESS) &&
		   event->progress != w->progress;
	learn(w, status, bvol_has(event, BVOL_A_EVENT_PROGRESS) ? event->progress : w->progress, NULL);
	return ended(w);
}

static void on_lost(uint64_t first, uint64_t last, void *data)
{
	((struct waiter *)data)->look = true;
}

/* Is it the daemon that is not there, for now? */
static bool is_gone(struct context *ctx, int error)
{
	return !bvol_refused(ctx->bvol) &&
	       (error == -ENOTCONN || error == -ECONNRESET || error == -ECONNREFUSED ||
		error == -ENOENT || error == -ETIMEDOUT);
}

static void learn_job(struct waiter *w, const struct bvol_response *response)
{
	const struct bvol_job *job = response->job ? response->job[0] : NULL;

	if (!job)
		return;
	learn(w, job->status, job->progress, job->step);
	/* Who stands still because he was told to, or waits for his turn, has not lost his way. */
	if (job->paused || job->waiting || job->bytes_done != w->done)
		w->moved = w->heard;
	w->paused = job->paused;
	w->waits = job->waiting;
	w->done = job->bytes_done;
	w->total = job->bytes_total;
	w->rate = job->rate;
	w->left = bvol_has(job, BVOL_A_JOB_SECONDS_LEFT) ? job->seconds_left : UINT64_MAX;
	if (job->error)
		snprintf(w->error, sizeof(w->error), "%s", job->error);
}

/* Ask the daemon. EXIT_FAILED when it does not know the job. */
static int look(struct waiter *w)
{
	struct bvol_request request = { .has = BVOL_BIT(BVOL_A_REQUEST_REF), .ref = w->id };
	struct bvol_response *response;
	int r = bvol_call(w->ctx->bvol, BVOL_VERB_JOB_LIST, &request, LOOK_MS, &response);

	w->look = false;
	w->heard = clock_ms();
	if (r < 0 && !is_gone(w->ctx, r))
		return context_fail(w->ctx);
	if ((r < 0) != w->gone) {
		w->gone = r < 0;
		end_line(w);
		complain(w->gone ? "bvold has stopped, waiting for it to come back" : "bvold is back");
	}
	if (r == 0) {
		learn_job(w, response);
		bvol_free(&bvol_type_response, response);
	}
	return 0;
}

/* Sleep until there is word of the job, or reason to ask for it. */
static int wait_a_while(struct waiter *w, struct bvol_events *events)
{
	static const struct bvol_event_ops ops = { on_event, on_lost };
	struct pollfd fd = { .fd = bvol_events_fd(events), .events = POLLIN };
	int64_t quiet = w->heard + QUIET_MS - clock_ms();
	int timeout = bvol_events_timeout(events);

	if (timeout < 0 || quiet < timeout)
		timeout = quiet > 0 ? quiet : 0;
	poll(&fd, 1, timeout);
	/* A stream that fails is missed by a second at most: then the daemon is asked. */
	bvol_events_handle(events, &ops, w);
	if (!ended(w) && (w->look || clock_ms() >= w->heard + QUIET_MS))
		return look(w);
	return 0;
}

static int fail(struct waiter *w)
{
	if (!*w->error && look(w))
		return EXIT_FAILED;
	complain("%s", *w->error ? w->error : "the job failed");
	return EXIT_FAILED;
}

int wait_for_job(struct context *ctx, struct bvol_events *events, const struct bvol_uuid *job)
{
	struct waiter w = { .ctx = ctx, .job = *job, .status = BVOL_JOB_STATUS_QUEUED };
	int r = 0;

	bvol_uuid_text(job, w.id);
	prepare_farewell(w.id);
	w.began = w.moved = w.heard = clock_ms();
	while (!r && !ended(&w) && clock_ms() - w.moved < ctx->timeout_ms) {
		r = wait_a_while(&w, events);
		if (!ended(&w))
			show_progress(&w);
	}
	end_line(&w);
	signal(SIGINT, SIG_DFL);
	if (r)
		return r;
	if (!ended(&w)) {
		complain("job %s did not get on for %d s%s; see: bvolctl job show %s", w.id,
			 ctx->timeout_ms / 1000, w.gone ? " because bvold is not running" : "", w.id);
		return EXIT_FAILED;
	}
	return w.status == BVOL_JOB_STATUS_DONE ? 0 : fail(&w);
}

int patient_call(struct context *ctx, enum bvol_verb verb, const struct bvol_request *request,
		 struct bvol_response **ret)
{
	int64_t until = clock_ms() + ctx->timeout_ms;
	int r;

	for (;;) {
		r = bvol_call(ctx->bvol, verb, request, ctx->timeout_ms, ret);
		if (r == 0 || !is_gone(ctx, r) || clock_ms() >= until)
			return r;
		poll(NULL, 0, RETRY_MS);
	}
}
