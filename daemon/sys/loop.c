// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "sys/loop.h"

struct loop {
	sd_event *event;
};

struct source {
	struct loop *loop;
	sd_event_source *source;
	loop_callback callback;
	void *data;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	r = sd_event_new(&loop->event);
	if (r < 0) {
		free(loop);
		return r;
	}
	/* Wakes the loop only where the unit asks for a watchdog. */
	sd_event_set_watchdog(loop->event, true);
	*ret = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (loop)
		sd_event_unref(loop->event);
	free(loop);
	return NULL;
}

int loop_run(struct loop *loop)
{
	return sd_event_loop(loop->event);
}

void loop_exit(struct loop *loop, int code)
{
	sd_event_exit(loop->event, code);
}

static struct source *source_new(struct loop *loop, loop_callback callback, void *data)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	*source = (struct source) { .loop = loop, .callback = callback, .data = data };
	return source;
}

static int source_keep(struct source *source, int r, struct source **ret)
{
	if (r < 0) {
		free(source);
		return r;
	}
	*ret = source;
	return 0;
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	struct source *source = data;

	return source->callback(source, revents, source->data);
}

int loop_io(struct loop *loop, int fd, uint32_t events, loop_callback callback, void *data,
	    struct source **ret)
{
	struct source *source = source_new(loop, callback, data);

	if (!source)
		return -ENOMEM;
	return source_keep(source, sd_event_add_io(loop->event, &source->source, fd, events,
						   on_io, source), ret);
}

int source_events(struct source *source, uint32_t events)
{
	return sd_event_source_set_io_events(source->source, events);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *data)
{
	struct source *source = data;

	return source->callback(source, 0, source->data);
}

int loop_timer(struct loop *loop, uint64_t usec, loop_callback callback, void *data,
	       struct source **ret)
{
	struct source *source = source_new(loop, callback, data);

	if (!source)
		return -ENOMEM;
	return source_keep(source, sd_event_add_time_relative(loop->event, &source->source,
							      CLOCK_MONOTONIC, usec, 1000,
							      on_timer, source), ret);
}

int source_again(struct source *source, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(source->source, usec);

	if (r < 0)
		return r;
	return sd_event_source_set_enabled(source->source, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *data)
{
	struct source *source = data;

	return source->callback(source, info->ssi_signo, source->data);
}

int loop_signal(struct loop *loop, int signo, loop_callback callback, void *data)
{
	struct source *source = source_new(loop, callback, data);
	int r;

	if (!source)
		return -ENOMEM;
	r = sd_event_add_signal(loop->event, &source->source, signo, on_signal, source);
	if (r < 0) {
		free(source);
		return r;
	}
	/* Lives as long as the loop. */
	sd_event_source_set_destroy_callback(source->source, free);
	r = sd_event_source_set_floating(source->source, true);
	return r < 0 ? r : 0;
}

struct source *source_free(struct source *source)
{
	if (source)
		sd_event_source_disable_unref(source->source);
	free(source);
	return NULL;
}

void loop_tell_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void loop_tell_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
