// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every edit is one system call that the kernel carries out whole or not at
 * all, so that a crash leaves a prefix of the table. Its rest is made, or what
 * there is removed, by doing the same again: a row that is true already is
 * left alone, and what is to be removed may be missing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "fabric/configfs.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MOUNT_POINT	"/sys/kernel/config"
#define MAGIC		0x62656570
/* More than anything that is compared. */
#define VALUE_MAX	1023

struct configfs {
	int root, lock;
	char *path;
};

static int take_lock(const char *path)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int i, got;

	if (fd < 0) {
		log_warn("cannot open %s (%s), going on without it", path, strerror(errno));
		return -1;
	}
	for (i = 0; flock(fd, LOCK_SH | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == 100) {
			log_warn("another program holds %s, going on without it", path);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	got = fd;
	fd = -1;
	return got;
}

int configfs_open(const char *root, const char *lock, struct configfs **ret, struct err *e)
{
	struct configfs *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c)
		return err_set(e, -ENOMEM, "no memory");
	c->lock = -1;
	c->path = strdup(root);
	c->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->root < 0)
		r = err_set(e, -errno, "cannot open %s: %s; is the module target_core_mod loaded?",
			    root, strerror(errno));
	else if (!c->path)
		r = err_set(e, -ENOMEM, "no memory");
	if (r < 0) {
		configfs_close(c);
		return r;
	}
	if (lock)
		c->lock = take_lock(lock);
	*ret = c;
	return 0;
}

struct configfs *configfs_close(struct configfs *c)
{
	if (!c)
		return NULL;
	if (c->root >= 0)
		close(c->root);
	if (c->lock >= 0)
		close(c->lock);
	free(c->path);
	free(c);
	return NULL;
}

/* May a variable's value stand in a template? In a path it is one component or a part of one. */
static bool is_plain(const char *value, bool path)
{
	const char *p;

	if (path && (!*value || !strcmp(value, ".") || !strcmp(value, "..")))
		return false;
	for (p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f || (path && *p == '/'))
			return false;
	return true;
}

static const struct configfs_var *find_var(const struct configfs_var *vars, const char *name,
					   size_t len)
{
	for (; vars->name; vars++)
		if (strlen(vars->name) == len && !memcmp(vars->name, name, len))
			return vars;
	return NULL;
}

int configfs_expand(const char *template, const struct configfs_var *vars, bool path, char *buf,
		    size_t len)
{
	size_t used = 0, part;
	const char *text;

	while (*template) {
		if (*template == '{') {
			const struct configfs_var *var;

			part = strcspn(++template, "}");
			var = find_var(vars, template, part);
			if (!var)
				return -EINVAL;
			if (!var->value)
				return -ENODATA;
			if (!is_plain(var->value, path))
				return -EINVAL;
			template += part + (template[part] == '}');
			text = var->value;
			part = strlen(text);
		} else {
			text = template;
			part = strcspn(template, "{");
			template += part;
		}
		if (part >= len - used)
			return -ENAMETOOLONG;
		memcpy(buf + used, text, part);
		used += part;
	}
	buf[used] = '\0';
	return 0;
}

int configfs_join(char ret[CONFIGFS_PATH], const char *dir, const char *name, struct err *e)
{
	if ((size_t)snprintf(ret, CONFIGFS_PATH, "%s/%s", dir, name) < CONFIGFS_PATH)
		return 0;
	return err_set(e, -ENAMETOOLONG, "a name in %s is too long", dir);
}

/* A row with its templates filled in. */
struct filled {
	const struct configfs_row *row;
	char path[CONFIGFS_PATH], value[CONFIGFS_PATH];
	char shown_in[CONFIGFS_PATH], shown_as[CONFIGFS_PATH];
	char found[VALUE_MAX + 1];
};

static void filled_wipe(struct filled *f)
{
	if (f->row && f->row->flags & CONFIGFS_SECRET)
		explicit_bzero(f, sizeof(*f));
}

/* 1: a variable of this row has no value. */
static int fill(struct filled *f, const struct configfs_row *row, const struct configfs_var *vars,
		struct err *e)
{
	const struct {
		const char *template;
		char *buf;
		bool path;
	} parts[] = {
		{ row->path, f->path, true },
		{ row->value, f->value, row->kind == CONFIGFS_LINK },
		{ row->shown_in, f->shown_in, true },
		{ row->shown_as, f->shown_as, false },
	};
	size_t i;

	f->row = row;
	f->value[0] = '\0';
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int r;

		if (!parts[i].template)
			continue;
		r = configfs_expand(parts[i].template, vars, parts[i].path, parts[i].buf,
				    CONFIGFS_PATH);
		if (r == -ENODATA)
			return 1;
		if (r < 0)
			return err_set(e, r, "a name in %s is not fit for configfs", row->path);
	}
	return 0;
}

int configfs_read(struct configfs *c, const char *path, char *buf, size_t len, struct err *e)
{
	_cleanup_close_ int fd = openat(c->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	n = fd < 0 ? -1 : read(fd, buf, len - 1);
	if (n < 0)
		return err_set(e, -errno, "cannot read %s/%s: %s", c->path, path, strerror(errno));
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

static int write_text(struct configfs *c, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(c->root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int configfs_write(struct configfs *c, const char *path, const char *text, struct err *e)
{
	int r = write_text(c, path, text);

	if (r < 0)
		return err_set(e, r, "the kernel refused what was written to %s/%s: %s", c->path,
			       path, strerror(-r));
	return 0;
}

/* enum configfs_state, or an error. */
static int look_at_value(struct configfs *c, struct filled *f, struct err *e)
{
	const struct configfs_row *row = f->row;
	int r = configfs_read(c, row->shown_in ? f->shown_in : f->path, f->found,
			      sizeof(f->found), e);

	if (r == -ENOENT)
		return CONFIGFS_MISSING;
	if (r < 0)
		return r;
	if (row->shown_as)
		return strstr(f->found, f->shown_as) ? CONFIGFS_RIGHT : CONFIGFS_DIFFERS;
	return !strcmp(f->found, f->value) ? CONFIGFS_RIGHT : CONFIGFS_DIFFERS;
}

static int look_at(struct configfs *c, struct filled *f, struct err *e)
{
	struct stat here, there;

	if (f->row->kind == CONFIGFS_VALUE)
		return look_at_value(c, f, e);
	if (fstatat(c->root, f->path, &here, 0) < 0) {
		if (errno == ENOENT)
			return CONFIGFS_MISSING;
		return err_set(e, -errno, "cannot look at %s/%s: %s", c->path, f->path,
			       strerror(errno));
	}
	if (f->row->kind == CONFIGFS_DIR)
		return S_ISDIR(here.st_mode) ? CONFIGFS_RIGHT : CONFIGFS_DIFFERS;
	if (fstatat(c->root, f->value, &there, 0) < 0)
		return CONFIGFS_DIFFERS;
	return here.st_dev == there.st_dev && here.st_ino == there.st_ino ? CONFIGFS_RIGHT : CONFIGFS_DIFFERS;
}

/*
 * A value is written without a newline, which the kernel would take for the
 * last character of a CHAP secret. The target of a link has to be absolute:
 * configfs resolves it while the link is made, from the working directory.
 */
static int make(struct configfs *c, struct filled *f)
{
	char target[2 * CONFIGFS_PATH];

	switch (f->row->kind) {
	case CONFIGFS_DIR:
		if (mkdirat(c->root, f->path, 0755) < 0 && errno != EEXIST)
			return -errno;
		return 0;
	case CONFIGFS_LINK:
		if ((size_t)snprintf(target, sizeof(target), "%s/%s", c->path, f->value) >=
		    sizeof(target))
			return -ENAMETOOLONG;
		return symlinkat(target, c->root, f->path) < 0 ? -errno : 0;
	default:
		return write_text(c, f->path, f->value);
	}
}

static int apply_row(struct configfs *c, struct filled *f, struct err *e)
{
	const struct configfs_row *row = f->row;
	int was = look_at(c, f, e), r;

	if (was <= CONFIGFS_RIGHT)
		return was;
	r = make(c, f);
	if (r < 0 && row->flags & CONFIGFS_OPTIONAL && (r == -ENOSYS || r == -ENOENT))
		return 0;
	if (r < 0 && row->flags & CONFIGFS_FIXED && was == CONFIGFS_DIFFERS)
		r = -ESTALE;
	if (r < 0)
		return err_set(e, r, "the kernel refused the %s (%s) at %s", row->object,
			       strerror(-r), f->path);
	r = look_at(c, f, e);
	if (r <= CONFIGFS_RIGHT)
		return r;
	return err_set(e, -EIO, "the kernel took the %s but does not show it at %s", row->object,
		       f->path);
}

int configfs_apply(struct configfs *c, const struct configfs_row *rows, size_t n,
		   const struct configfs_var *vars, struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r >= 0; i++) {
		_cleanup_(filled_wipe) struct filled f;

		r = fill(&f, &rows[i], vars, e);
		if (!r)
			r = apply_row(c, &f, e);
	}
	return r < 0 ? r : 0;
}

int configfs_compare(struct configfs *c, const struct configfs_row *rows, size_t n,
		     const struct configfs_var *vars, configfs_each each, void *data,
		     struct err *e)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		_cleanup_(filled_wipe) struct filled f;
		const struct configfs_row *row = &rows[i];
		bool show = row->kind == CONFIGFS_VALUE && !(row->flags & CONFIGFS_SECRET);

		r = fill(&f, row, vars, e);
		if (r < 0)
			return r;
		if (r || row->flags & CONFIGFS_OPTIONAL)
			continue;
		r = look_at(c, &f, e);
		if (r < 0)
			return r;
		if (r == CONFIGFS_RIGHT)
			continue;
		r = each(row, (enum configfs_state)r, f.path, show ? f.value : NULL,
			 show && !row->shown_in && r == CONFIGFS_DIFFERS ? f.found : NULL, data);
		if (r)
			return r;
	}
	return 0;
}

static int is_child(const struct dirent *entry)
{
	return (entry->d_type == DT_DIR || entry->d_type == DT_LNK) && entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int configfs_list(struct configfs *c, const char *path, char ***ret, struct err *e)
{
	struct dirent **entries = NULL;
	int i, n = scandirat(c->root, path, &entries, is_child, by_name);
	char **names;

	if (n < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot list %s/%s: %s", c->path, path, strerror(errno));
	n = n < 0 ? 0 : n;
	names = calloc((size_t)n + 1, sizeof(*names));
	for (i = 0; i < n; i++) {
		if (names && !(names[i] = strdup(entries[i]->d_name)))
			names = configfs_list_free(names);
		free(entries[i]);
	}
	free(entries);
	if (!names)
		return err_set(e, -ENOMEM, "no memory");
	*ret = names;
	return 0;
}

char **configfs_list_free(char **names)
{
	char **name;

	for (name = names; name && *name; name++)
		free(*name);
	free(names);
	return NULL;
}

DEFINE_CLEANUP(char **, configfs_list_free)

/* Groups that come and go with their parent; all others that do hold nothing of ours. */
static bool holds_ours(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return !strcmp(name, "acls") || !strcmp(name, "lun") || !strcmp(name, "np");
}

/* In the order of their names, because "acls" has to go before the "lun" that it maps. */
static int remove_children(struct configfs *c, const char *path, struct err *e)
{
	_cleanup_(configfs_list_freep) char **names = NULL;
	char child[CONFIGFS_PATH];
	size_t i;
	int r = configfs_list(c, path, &names, e);

	for (i = 0; r >= 0 && names[i]; i++) {
		r = configfs_join(child, path, names[i], e);
		if (r >= 0)
			r = configfs_remove(c, child, e);
	}
	return r;
}

/* A link, or a directory; what rmdir(2) does not take at once is emptied first. */
int configfs_remove(struct configfs *c, const char *path, struct err *e)
{
	int r;

	if (!unlinkat(c->root, path, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	if (errno == ENOTDIR) {
		if (!unlinkat(c->root, path, 0) || errno == ENOENT)
			return 0;
	} else if (errno == EPERM) {
		return holds_ours(path) ? remove_children(c, path, e) : 0;
	} else if (errno == ENOTEMPTY) {
		r = remove_children(c, path, e);
		if (r < 0)
			return r;
		if (!unlinkat(c->root, path, AT_REMOVEDIR) || errno == ENOENT)
			return 0;
	}
	return err_set(e, -errno, "the kernel does not let go of %s: %s", path, strerror(errno));
}

struct removal {
	struct configfs *c;
	const char *path;
	struct err err;
	int result;
};

static void *remove_work(void *data)
{
	struct removal *removal = data;

	removal->result = configfs_remove(removal->c, removal->path, &removal->err);
	return NULL;
}

int configfs_remove_both(struct configfs *c, const char *a, const char *b, struct err *e)
{
	struct removal removal = { .c = c, .path = b };
	pthread_t thread;
	bool alone = pthread_create(&thread, NULL, remove_work, &removal);
	int r = configfs_remove(c, a, e);

	if (alone)
		remove_work(&removal);
	else
		pthread_join(thread, NULL);
	if (removal.result < 0)
		err_set(e, removal.result, "%s", removal.err.text);
	return r < 0 ? r : removal.result;
}

int configfs_mount(struct err *e)
{
	struct statfs fs;

	if (!statfs(MOUNT_POINT, &fs) && fs.f_type == MAGIC)
		return 0;
	if (mount("configfs", MOUNT_POINT, "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_set(e, -errno, "cannot mount configfs at " MOUNT_POINT ": %s",
			       strerror(errno));
	return 0;
}
