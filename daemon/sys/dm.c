// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libdevmapper keeps global state without locks. What is used of it here stays
 * clear of that state, so that no lock is held while an ioctl blocks:
 *
 *	control descriptor, version	set up once in dm_setup(), only read later
 *	udev cookies			switched off; the flags for udev's rules go
 *					into the field that carries them to the
 *					kernel, which needs no semaphore
 *	queue of /dev nodes		filled by CREATE with "add node on create"
 *					(not asked for) and by RESUME, REMOVE and
 *					RENAME of a device named by its name: those
 *					two are named by their uuid here
 *	size of the answer's buffer	grows in LIST alone, which never blocks:
 *					list_lock. The others read the old or the new
 *					number, and either serves them
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/deadline.h"
#include "sys/dm.h"
#include "util/cleanup.h"
#include "util/log.h"

/*
 * udev makes the link in /dev/mapper and leaves the device alone otherwise: no
 * scan for signatures, nothing for lvm, multipath or mdadm.
 */
#define UDEV_FLAGS ((DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG | \
		     DM_UDEV_DISABLE_OTHER_RULES_FLAG) << DM_UDEV_FLAGS_SHIFT)

/* A removal that a passing scanner delays is tried again this often and after this long. */
#define REMOVE_TRIES	5
#define REMOVE_PAUSE_US	100000

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static void task_free(struct dm_task *task)
{
	if (task)
		dm_task_destroy(task);
}

typedef struct dm_task *task_ptr;
DEFINE_CLEANUP(task_ptr, task_free)
#define _cleanup_task_ _cleanup_(task_freep)

/* The library's own words; each failure gets a sentence here. */
__attribute__((format(printf, 5, 6)))
static void quiet(int level, const char *file, int line, int dm_errno, const char *format, ...)
{
}

int dm_setup(struct err *e)
{
	_cleanup_task_ struct dm_task *task = NULL;

	dm_log_with_errno_init(quiet);
	dm_udev_set_sync_support(0);
	dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
	dm_hold_control_dev(1);
	task = dm_task_create(DM_DEVICE_VERSION);
	if (!task || !dm_task_run(task))
		return err_set(e, -ENODEV, "the kernel has no device-mapper (module dm-mod)");
	return 0;
}

/* The library keeps its own descriptor of the node to itself, and has no word for this. */
int dm_events_arm(int fd, struct err *e)
{
	struct dm_ioctl arm = {
		.version = { DM_VERSION_MAJOR, 0, 0 }, .data_size = sizeof(arm),
		.data_start = sizeof(arm),
	};

	if (ioctl(fd, DM_DEV_ARM_POLL, &arm))
		return err_set(e, -errno, "device-mapper does not tell of events: %s", strerror(errno));
	return 0;
}

int dm_events_open(int *ret, struct err *e)
{
	char path[PATH_MAX];
	int code;

	snprintf(path, sizeof(path), "%s/" DM_CONTROL_NODE, dm_dir());
	*ret = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (*ret < 0)
		return err_set(e, -errno, "can't open %s: %s", path, strerror(errno));
	code = dm_events_arm(*ret, e);
	if (code) {
		close(*ret);
		*ret = -1;
	}
	return code;
}

/* A task for the device of that name or, where name is NULL, of that uuid. */
static struct dm_task *task_new(int type, const char *name, const char *uuid)
{
	struct dm_task *task = dm_task_create(type);

	if (!task)
		return NULL;
	if ((name && !dm_task_set_name(task, name)) || (uuid && !dm_task_set_uuid(task, uuid)) ||
	    !dm_task_no_open_count(task)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

static int task_run(struct dm_task *task)
{
	int code;

	if (!task)
		return -ENOMEM;
	if (dm_task_run(task))
		return 0;
	code = dm_task_get_errno(task);
	return code ? -code : -EIO;
}

static int fail(struct err *e, int code, const char *what, const char *name)
{
	return err_set(e, code, "device-mapper could not %s %s: %s", what, name, strerror(-code));
}

static int simple(int type, const char *what, const char *name, struct err *e)
{
	_cleanup_task_ struct dm_task *task = task_new(type, name, NULL);
	int code = task_run(task);

	return code ? fail(e, code, what, name) : 0;
}

/* State and uuid of a device; uuid is "" when there is none. */
static int look_up(const char *name, struct dm_info *info, char uuid[DM_UUID_LEN], struct err *e)
{
	_cleanup_task_ struct dm_task *task = dm_task_create(DM_DEVICE_INFO);
	const char *found;
	int code;

	code = task && dm_task_set_name(task, name) ? task_run(task) : -ENOMEM;
	if (!code && !dm_task_get_info(task, info))
		code = -EIO;
	if (code)
		return fail(e, code, "look up", name);
	found = info->exists ? dm_task_get_uuid(task) : NULL;
	snprintf(uuid, DM_UUID_LEN, "%s", found ? found : "");
	return 0;
}

int dm_info(const char *name, struct dm_info_plain *ret, struct err *e)
{
	char uuid[DM_UUID_LEN];
	struct dm_info info;
	int code = look_up(name, &info, uuid, e);

	if (code)
		return code;
	*ret = (struct dm_info_plain) {
		.exists = info.exists,
		.live_table = info.live_table,
		.inactive_table = info.inactive_table,
		.suspended = info.suspended,
		.read_only = info.read_only,
		.major = info.major,
		.minor = info.minor,
		.open_count = info.open_count,
		.events = info.event_nr,
	};
	return 0;
}

/* The node is /dev/dm-N, devtmpfs makes it; the link is for people, so its failure is no error. */
static void link_node(const char *name, uint32_t minor)
{
	char path[PATH_MAX], fresh[PATH_MAX], target[32], old[32];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dm_dir(), name);
	snprintf(fresh, sizeof(fresh), "%s/.%s", dm_dir(), name);
	snprintf(target, sizeof(target), "../dm-%u", minor);
	n = readlink(path, old, sizeof(old) - 1);
	if (n > 0) {
		old[n] = '\0';
		if (!strcmp(old, target))
			return;
	}
	if ((unlink(fresh) && errno != ENOENT) || symlink(target, fresh) || rename(fresh, path))
		log_debug("no link %s: %s", path, strerror(errno));
}

static void unlink_node(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dm_dir(), name);
	if (unlink(path) && errno != ENOENT)
		log_debug("link %s stays: %s", path, strerror(errno));
}

/* The ioctl behind dm_resume() and dm_reload(): swap in an inactive table, then let I/O flow. */
static int resume_uuid(const char *uuid, bool noflush)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_RESUME, NULL, uuid);

	if (!task || !dm_task_set_event_nr(task, UDEV_FLAGS) ||
	    (noflush && !dm_task_no_flush(task)))
		return -ENOMEM;
	return task_run(task);
}

static int load(const char *name, const struct dm_target *targets, size_t n, struct err *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_RELOAD, name, NULL);
	int code;

	if (!task)
		return fail(e, -ENOMEM, "load a table for", name);
	for (size_t i = 0; i < n; i++)
		if (!dm_task_add_target(task, targets[i].start, targets[i].length,
					targets[i].type, targets[i].params))
			return fail(e, -ENOMEM, "load a table for", name);
	code = task_run(task);
	return code ? fail(e, code, "load a table for", name) : 0;
}

static int swap(const char *name, const char *uuid, bool noflush, struct err *e)
{
	int code = resume_uuid(uuid, noflush);

	if (!code)
		return 0;
	/*
	 * Refused, the kernel has dropped the new table, but left the device
	 * suspended with the old one.
	 */
	resume_uuid(uuid, false);
	return fail(e, code, "put a new table into", name);
}

/* An empty device; 0 too when another thread or program was faster. */
static int make(const char *name, const char *uuid, struct err *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_CREATE, name, uuid);
	int code = task_run(task);

	return code && code != -EBUSY ? fail(e, code, "create", name) : 0;
}

/*
 * Three ioctls. A crash leaves a device without a table, which the next call
 * completes, or which dm_remove() takes away.
 */
int dm_create(const char *name, const char *uuid, const struct dm_target *targets, size_t n,
	      struct err *e)
{
	char found[DM_UUID_LEN];
	struct dm_info info;
	int code = look_up(name, &info, found, e);

	if (!code && !info.exists && !(code = make(name, uuid, e)))
		code = look_up(name, &info, found, e);
	if (code)
		return code;
	if (!info.exists || strcmp(found, uuid))
		return err_set(e, -EEXIST,
			       "a device-mapper device of another program has the name %s or the uuid %s",
			       name, uuid);
	if (info.live_table) {
		if ((code = dm_resume(name, e)))
			return code;
	} else if ((code = load(name, targets, n, e)) || (code = swap(name, uuid, false, e))) {
		dm_remove(name, NULL);
		return code;
	}
	link_node(name, info.minor);
	return 0;
}

/*
 * A crash between the two ioctls leaves an inactive table beside the running
 * one, and dm_resume() drops it; the second one suspends, swaps and resumes
 * inside the kernel.
 */
int dm_reload(const char *name, const struct dm_target *targets, size_t n, bool noflush,
	      struct err *e)
{
	char uuid[DM_UUID_LEN];
	struct dm_info info;
	int code = look_up(name, &info, uuid, e);

	if (code)
		return code;
	if (!info.exists)
		return fail(e, -ENXIO, "reload", name);
	code = load(name, targets, n, e);
	return code ? code : swap(name, uuid, noflush, e);
}

int dm_suspend(const char *name, struct err *e)
{
	struct err why = { 0 };
	struct deadline deadline;
	int code = deadline_begin(&deadline, DM_SUSPEND_SECONDS);

	if (code)
		return fail(e, code, "suspend", name);
	code = simple(DM_DEVICE_SUSPEND, "suspend", name, &why);
	if (deadline_end(&deadline) && code == -EINTR)
		return err_set(e, -ETIMEDOUT,
			       "the I/O of %s has not come to an end for %d seconds; its pool's disks do not answer",
			       name, DM_SUSPEND_SECONDS);
	return code ? err_set(e, code, "%s", why.text) : 0;
}

int dm_resume(const char *name, struct err *e)
{
	char uuid[DM_UUID_LEN];
	struct dm_info info;
	int code = look_up(name, &info, uuid, e);

	if (code)
		return code;
	if (!info.exists)
		return fail(e, -ENXIO, "resume", name);
	if (info.inactive_table && (code = simple(DM_DEVICE_CLEAR, "clear", name, e)))
		return code;
	if (!info.suspended)
		return 0;
	code = resume_uuid(uuid, false);
	return code ? fail(e, code, "resume", name) : 0;
}

int dm_remove(const char *name, struct err *e)
{
	char uuid[DM_UUID_LEN];
	struct dm_info info;
	int code = look_up(name, &info, uuid, e);

	if (code)
		return code;
	for (int i = 0; info.exists; i++) {
		_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_REMOVE, NULL, uuid);

		if (!task || !dm_task_set_event_nr(task, UDEV_FLAGS))
			return fail(e, -ENOMEM, "remove", name);
		code = task_run(task);
		if (!code || code == -ENXIO)
			break;
		if (code != -EBUSY || i == REMOVE_TRIES)
			return fail(e, code, "remove", name);
		usleep(REMOVE_PAUSE_US);
	}
	unlink_node(name);
	return 0;
}

/* The first target's text and the length of the whole device. */
static int read_targets(int type, const char *name, char **params, uint64_t *sectors,
			struct err *e)
{
	_cleanup_task_ struct dm_task *task = task_new(type, name, NULL);
	char *first = NULL, *text, *kind;
	uint64_t start, length, end = 0;
	void *next = NULL;
	int code;

	code = task && dm_task_no_flush(task) ? task_run(task) : -ENOMEM;
	if (code)
		return fail(e, code, "read the state of", name);
	do {
		next = dm_get_next_target(task, next, &start, &length, &kind, &text);
		if (!kind)
			return fail(e, -ENXIO, "read the state of", name);
		if (!first)
			first = text;
		end = start + length;
	} while (next);
	*params = strdup(first);
	if (!*params)
		return fail(e, -ENOMEM, "read the state of", name);
	if (sectors)
		*sectors = end;
	return 0;
}

int dm_table(const char *name, char **params, uint64_t *sectors, struct err *e)
{
	return read_targets(DM_DEVICE_TABLE, name, params, sectors, e);
}

int dm_status(const char *name, char **params, struct err *e)
{
	return read_targets(DM_DEVICE_STATUS, name, params, NULL, e);
}

int dm_message(const char *name, const char *message, struct err *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_TARGET_MSG, name, NULL);
	int code;

	code = task && dm_task_set_message(task, message) ? task_run(task) : -ENOMEM;
	if (code)
		return err_set(e, code, "device-mapper refused the message \"%s\" to %s: %s", message,
			       name, strerror(-code));
	return 0;
}

int dm_list(const char *prefix, dm_each each, void *data, struct err *e)
{
	_cleanup_task_ struct dm_task *task = task_new(DM_DEVICE_LIST, NULL, NULL);
	const struct dm_names *names;
	char uuid[DM_UUID_LEN];
	struct dm_info info;
	int code;

	pthread_mutex_lock(&list_lock);
	code = task_run(task);
	pthread_mutex_unlock(&list_lock);
	if (code)
		return err_set(e, code, "device-mapper could not list its devices: %s",
			       strerror(-code));
	names = dm_task_get_names(task);
	if (!names->dev)
		return 0;
	for (;; names = (const void *)((const char *)names + names->next)) {
		code = look_up(names->name, &info, uuid, e);
		if (!code && info.exists && !strncmp(uuid, prefix, strlen(prefix)))
			code = each(names->name, uuid, data);
		if (code || !names->next)
			return code;
	}
}
