// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "fabric/names.h"
#include "manager.h"
#include "model/level.h"
#include "sys/dm.h"
#include "sys/module.h"
#include "util/log.h"

#define WORKERS_MAX	64

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The directory and, private to us, what lies in it; a symbolic link is refused. */
static int make_dir(const char *path, mode_t mode, struct err *e)
{
	struct stat st;

	/* The mode whatever our umask is: the group has to get at the socket. */
	if (mkdir(path, mode) == 0 ? chmod(path, mode) < 0 : errno != EEXIST)
		return err_set(e, -errno, "can't make the directory %s: %s", path, strerror(errno));
	if (lstat(path, &st) < 0)
		return err_set(e, -errno, "can't look at %s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return err_set(e, -EPERM,
			       "%s has to be a directory of root that no one else can write to", path);
	return 0;
}

/* One daemon for each directory; the lock goes with the process, however it ends. */
static int take_lock(const char *dir, int *lock, struct err *e)
{
	char path[4200], text[32];
	int n;

	snprintf(path, sizeof(path), "%s/lock", dir);
	*lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*lock < 0)
		return err_set(e, -errno, "can't open %s: %s", path, strerror(errno));
	if (flock(*lock, LOCK_EX | LOCK_NB) < 0) {
		n = (int)read(*lock, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		return err_set(e, -EBUSY, "another bvold (process %s) works in %s",
			       n > 0 ? text : "unknown", dir);
	}
	n = snprintf(text, sizeof(text), "%d", getpid());
	if (ftruncate(*lock, 0) < 0 || pwrite(*lock, text, (size_t)n, 0) != n)
		log_warn("can't write %s: %s", path, strerror(errno));
	return 0;
}

/* The database is in the one, the socket in the other. */
static int take_locks(struct manager *m, struct err *e)
{
	int r = take_lock(m->config->state_dir, &m->lock, e);

	if (r < 0 || !strcmp(m->config->run_dir, m->config->state_dir))
		return r;
	return take_lock(m->config->run_dir, &m->run_lock, e);
}

static void load_bvol(struct manager *m)
{
	struct err e = { 0 };

	if (m->config->use_module && module_load("bvol", &e) < 0)
		log_notice("%s; clients use the unix socket", e.text);
}

/* What is missing is no reason to stay away: pools and exports say it when needed. */
static void prepare_kernel(struct manager *m)
{
	static const char *const names[] = { "dm-mod", "dm-thin-pool", NULL };
	char dbroot[4200];
	struct err e = { 0 };
	int i;

	for (i = 0; names[i]; i++) {
		err_clear(&e);
		if (module_load(names[i], &e) < 0)
			log_warn("%s", e.text);
	}
	err_clear(&e);
	if (dm_setup(&e) < 0)
		log_err("%s", e.text);
	err_clear(&e);
	snprintf(dbroot, sizeof(dbroot), "%s/target", m->config->state_dir);
	if (fabric_iscsi.setup(dbroot, &e) < 0)
		log_err("%s", e.text);
}

static int open_store(struct manager *m, struct err *e)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/bvol.db", m->config->state_dir);
	return store_open(path, &m->service.store, e);
}

static int warn_form(const char *text, struct err *e)
{
	struct levels levels;

	return levels_parse(text, &levels, e);
}

int manager_start(struct manager *m, struct err *e)
{
	int r;

	m->started = now();
	m->lock = -1;
	m->run_lock = -1;
	m->wire.fd = -1;
	r = config_check(m->config, "iscsi", "iqn-prefix", names_prefix, e);
	if (!r)
		r = config_check(m->config, "iscsi", "portals", names_portal_form, e);
	if (!r)
		r = config_check(m->config, "thin", "warn", warn_form, e);
	if (!r)
		r = make_dir(m->config->state_dir, 0700, e);
	if (!r)
		r = make_dir(m->config->run_dir, 0755, e);
	if (!r)
		r = take_locks(m, e);
	if (!r)
		r = open_store(m, e);
	if (!r && workers_new(m->loop, WORKERS_MAX, &m->workers) < 0)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	m->fabric_config = (struct fabric_config) {
		.iqn_prefix = m->config->iqn_prefix,
		.portals = (const char *const *)m->config->portals,
	};
	m->service.loop = m->loop;
	m->service.workers = m->workers;
	m->service.config = m->config;
	m->service.fabric_config = &m->fabric_config;
	m->service.reopen = manager_reopen;
	m->service.manager = m;
	r = service_init(&m->service, e);
	if (r < 0)
		return err_set(e, r, "out of memory");
	load_bvol(m);
	/* Bound first: where another daemon is at work, nothing is touched. */
	r = wire_init(&m->wire, m->loop, &m->service, m->config->use_module, e);
	if (!r)
		prepare_kernel(m);
	return r;
}

void manager_ready(struct manager *m)
{
	char path[4200], status[128];
	struct err e = { 0 };

	if (m->ready)
		return;
	m->ready = true;
	m->deadline = source_free(m->deadline);
	service_attach(&m->service);
	space_start(&m->service);
	snprintf(path, sizeof(path), "%s/control.sock", m->config->run_dir);
	if (wire_ready(&m->wire, path, m->config->group, &e) < 0) {
		log_err("%s", e.text);
		loop_exit(m->loop, 1);
		return;
	}
	snprintf(status, sizeof(status), "ready after %llu ms%s",
		 (unsigned long long)((now() - m->started) / 1000000),
		 m->opening ? ", some pools do not answer" :
		 m->failed ? ", not everything could be brought up" : "");
	log_info("%s", status);
	loop_tell_ready(status);
}

/* Exports, volumes and pools go on without us. */
void manager_stop(struct manager *m)
{
	m->deadline = source_free(m->deadline);
	latecomers_end(m);
	wire_deinit(&m->wire);
	workers_stop(m->workers);
	service_deinit(&m->service);
	m->service.store = store_close(m->service.store);
	if (m->run_lock >= 0)
		close(m->run_lock);
	if (m->lock >= 0)
		close(m->lock);
}
