// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <unistd.h>

#include "sys/deadline.h"

/* Nothing else of ours uses it, and a worker has all signals blocked otherwise. */
#define DEADLINE_SIGNAL SIGRTMIN

/* It is there for the call to end, so without SA_RESTART. */
static void on_deadline(int signo)
{
}

int deadline_begin(struct deadline *d, unsigned int seconds)
{
	struct sigaction action = { .sa_handler = on_deadline };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = DEADLINE_SIGNAL };
	/* Again and again: a signal that comes just before the call ends nothing. */
	struct itimerspec when = { .it_interval.tv_sec = 1, .it_value.tv_sec = seconds };
	sigset_t set;

	event._sigev_un._tid = gettid();
	sigaction(DEADLINE_SIGNAL, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &d->timer))
		return -errno;
	clock_gettime(CLOCK_MONOTONIC, &d->end);
	d->end.tv_sec += seconds;
	sigemptyset(&set);
	sigaddset(&set, DEADLINE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, &d->mask);
	timer_settime(d->timer, 0, &when, NULL);
	return 0;
}

bool deadline_end(struct deadline *d)
{
	struct timespec now;

	timer_delete(d->timer);
	pthread_sigmask(SIG_SETMASK, &d->mask, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > d->end.tv_sec ||
	       (now.tv_sec == d->end.tv_sec && now.tv_nsec >= d->end.tv_nsec);
}
