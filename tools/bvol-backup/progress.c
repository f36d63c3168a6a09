// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "size.h"
#include "tool.h"

#define SHOW_MS 250

static struct {
	const char *what;
	struct repo_run *run;
	pthread_t thread;
	bool shows;
	atomic_bool ends;
} progress;

static void interrupted(int signal_)
{
	atomic_store(&progress.run->cancel, true);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void show(uint64_t begin)
{
	uint64_t done = progress.run->done, total = progress.run->total, ms = now_ms() - begin;
	uint64_t rate = ms ? done * 1000 / ms : 0;
	char text[SIZE_TEXT];

	if (!total)
		return;
	fprintf(stderr, "\r%s: %3u %%", progress.what, (unsigned int)(done * 100 / total));
	if (rate > 1 << 20)
		fprintf(stderr, ", %s/s", size_text(rate, text));
	if (rate && done < total)
		fprintf(stderr, ", %llu s left  ", (unsigned long long)((total - done) / rate));
	fputs("   ", stderr);
}

static void *watch(void *data)
{
	uint64_t begin = now_ms();

	while (!progress.ends) {
		struct timespec pause = { .tv_nsec = SHOW_MS * 1000000L };

		nanosleep(&pause, NULL);
		if (now_ms() - begin > 1000)
			show(begin);
	}
	fputs("\r\033[K", stderr);
	return NULL;
}

void progress_begin(const char *what, struct repo_run *run)
{
	struct sigaction action = { .sa_handler = interrupted, .sa_flags = (int)SA_RESETHAND };

	progress.what = what;
	progress.run = run;
	progress.ends = false;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	progress.shows = isatty(STDERR_FILENO) && !pthread_create(&progress.thread, NULL, watch, NULL);
}

void progress_end(void)
{
	progress.ends = true;
	if (progress.shows)
		pthread_join(progress.thread, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}
