// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * While a pool could not be opened, every block device that appears may be the one
 * that it lacks: a moment later such pools are tried again, one attempt for many
 * devices. The kernel makes the nodes below /dev itself; nothing is watched when
 * all pools are up. A try is the same as a start of the daemon, for these pools
 * alone, and waits until no job is at work: jobs of such a pool go on in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "manager.h"
#include "util/cleanup.h"
#include "util/log.h"

#define PAUSE_USEC	(1000 * 1000)

struct latecomers {
	int fd;
	struct source *source, *timer;
};

/*
 * A volume's block device is no pool's disk. What has gone again is none either: each
 * try makes devices for its look at the pool, which must not lead to the next try.
 */
static bool is_disk(const char *name)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[300], text[8] = "";

	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	if (access(path, F_OK))
		return false;
	snprintf(path, sizeof(path), "/sys/block/%s/dm/uuid", name);
	file = fopen(path, "re");
	return !file || !fgets(text, sizeof(text), file) || strncmp(text, "BVOL-", 5);
}

static bool is_failed(struct manager *m)
{
	struct store_match match[] = {
		{ .attr = BVOL_A_POOL_STATUS, .number = BVOL_POOL_STATUS_ERROR }, { 0 },
	};
	uint64_t n;

	return store_count(m->service.store, &bvol_type_pool, match, &n, NULL) < 0 || n;
}

static int on_timer(struct source *source, uint32_t events, void *data)
{
	struct manager *m = data;
	struct err e = { 0 };

	if (!is_failed(m)) {
		latecomers_end(m);
		return 0;
	}
	if (m->opening || m->service.engine.running)
		return source_again(source, PAUSE_USEC);
	m->latecomers->timer = source_free(m->latecomers->timer);
	if (manager_coldplug_again(m, &e) < 0)
		log_err("can't bring the pools up: %s", e.text);
	return 0;
}

static int on_device(struct source *source, uint32_t events, void *data)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct manager *m = data;
	bool wanted = false;
	ssize_t n;

	while ((n = read(m->latecomers->fd, buf, sizeof(buf))) > 0) {
		const struct inotify_event *event;

		for (char *p = buf; p < buf + n; p += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)p;
			wanted |= !event->len || is_disk(event->name);
		}
	}
	if (!wanted || m->latecomers->timer)
		return 0;
	return loop_timer(m->loop, PAUSE_USEC, on_timer, m, &m->latecomers->timer);
}

void latecomers_watch(struct manager *m)
{
	struct latecomers *l;

	if (m->latecomers)
		return;
	m->latecomers = l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (l->fd < 0 || inotify_add_watch(l->fd, "/dev", IN_CREATE | IN_MOVED_TO) < 0 ||
	    loop_io(m->loop, l->fd, EPOLLIN, on_device, m, &l->source) < 0) {
		log_warn("new block devices are not noticed: %s", strerror(errno));
		latecomers_end(m);
	}
}

void latecomers_end(struct manager *m)
{
	struct latecomers *l = m->latecomers;

	if (!l)
		return;
	source_free(l->timer);
	source_free(l->source);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	m->latecomers = NULL;
}
