// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A repository in a folder, also one of NFS. Below the folder no link is
 * followed and no other file system is entered by one: who can write there
 * can't make us read or write elsewhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "copy/repo/driver.h"

#define FOLDER_MODE	0700
#define FILE_MODE	0600
#define TMP		"tmp"
/* Written back early, so that the fsync at the end has little to wait for. */
#define WRITEBACK	(UINT64_C(8) << 20)

struct dir {
	struct driver driver;
	int fd;
	char *path;
	_Atomic uint64_t number;	/* of files in tmp/ */
};

struct dir_blob {
	struct blob blob;
	int fd;
	enum repo_kind kind;
	uint8_t id[REPO_ID];
	char tmp[DRIVER_NAME_MAX];	/* "": nothing there */
	uint64_t size;
};

static struct dir *dir_of(struct driver *driver)
{
	return (struct dir *)driver;
}

/* Old kernels and some file systems lack openat2: then without links in the last part of the name. */
static int open_below(const struct dir *dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = flags & O_CREAT ? FILE_MODE : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do {
		fd = (int)syscall(SYS_openat2, dir->fd, name, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	if (fd < 0 && errno == ENOSYS)
		fd = openat(dir->fd, name, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	return fd < 0 ? -errno : fd;
}

static int failed(const struct dir *dir, const char *verb, const char *name, int code, struct err *e)
{
	return err_set(e, code, "cannot %s %s in the repository %s: %s", verb, name, dir->path,
		       strerror(-code));
}

static int sync_folder(const struct dir *dir, const char *name)
{
	_cleanup_close_ int fd = open_below(dir, name, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* The folder that an object lies in. */
static char *parent_of(const char *name, char folder[DRIVER_NAME_MAX])
{
	snprintf(folder, DRIVER_NAME_MAX, "%.*s", (int)(strrchr(name, '/') - name), name);
	return folder;
}

static bool dir_claims(const char *where)
{
	return !strstr(where, "://");
}

static int make_folders(const struct dir *dir, struct err *e)
{
	static const uint8_t nobody[REPO_ID];
	char name[DRIVER_NAME_MAX], folder[DRIVER_NAME_MAX];

	for (int kind = REPO_CONFIG; kind < REPO_KINDS; kind++) {
		char *slash = strchr(parent_of(driver_name(kind, nobody, name), folder), '/');

		if (slash)
			*slash = '\0';
		if (mkdirat(dir->fd, folder, FOLDER_MODE) < 0 && errno != EEXIST)
			return failed(dir, "make", folder, -errno, e);
	}
	if (mkdirat(dir->fd, TMP, FOLDER_MODE) < 0 && errno != EEXIST)
		return failed(dir, "make", TMP, -errno, e);
	return fsync(dir->fd) < 0 && errno != EINVAL ? failed(dir, "make", "folders", -errno, e) : 0;
}

static int is_empty(int fd)
{
	DIR *d = fdopendir(dup(fd));
	struct dirent *entry;
	int n = 0;

	if (!d)
		return -errno;
	while ((entry = readdir(d)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		     strcmp(entry->d_name, "lost+found");
	closedir(d);
	return !n;
}

static void dir_free(struct driver *driver)
{
	struct dir *dir = dir_of(driver);

	if (dir->fd >= 0)
		close(dir->fd);
	free(dir->path);
	free(dir);
}

static int dir_create(struct dir *dir, struct err *e)
{
	int empty;

	if (mkdir(dir->path, FOLDER_MODE) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make the folder %s: %s", dir->path, strerror(errno));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0)
		return err_set(e, -errno, "cannot open the folder %s: %s", dir->path, strerror(errno));
	empty = is_empty(dir->fd);
	if (empty < 0)
		return failed(dir, "read", "the folder", empty, e);
	if (!empty)
		return err_set(e, -EEXIST, "%s is not empty, so no repository is made there", dir->path);
	return make_folders(dir, e);
}

static int dir_open(const char *where, bool create, struct driver **ret, struct err *e)
{
	struct dir *dir = calloc(1, sizeof(*dir));
	int r = 0;

	if (!dir)
		return err_set(e, -ENOMEM, "out of memory");
	dir->driver.ops = &driver_dir;
	dir->fd = -1;
	dir->path = strdup(where);
	if (!dir->path)
		r = err_set(e, -ENOMEM, "out of memory");
	else if (create)
		r = dir_create(dir, e);
	else if ((dir->fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = err_set(e, -errno, "cannot open the repository %s: %s", where, strerror(errno));
	if (r)
		dir_free(&dir->driver);
	else
		*ret = &dir->driver;
	return r;
}

static bool parse_id(const char *text, uint8_t id[REPO_ID])
{
	if (strlen(text) != 2 * REPO_ID || strspn(text, "0123456789abcdef") != 2 * REPO_ID)
		return false;
	for (int i = 0; i < REPO_ID; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1] };

		id[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

struct lister {
	struct dir *dir;
	enum repo_kind kind;
	int (*each)(void *data, const struct driver_object *object, struct err *e);
	void *data;
};

/* One folder; files that are not named as objects are none. */
static int list_folder(const struct lister *l, const char *folder, struct err *e)
{
	int fd = open_below(l->dir, folder, O_RDONLY | O_DIRECTORY), r = 0;
	struct driver_object object;
	struct dirent *entry;
	struct stat st;
	DIR *d;

	if (fd == -ENOENT)
		return 0;
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return failed(l->dir, "list", folder, fd < 0 ? fd : -errno, e);
	while (!r && (errno = 0, entry = readdir(d))) {
		if (!parse_id(entry->d_name, object.id))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		object.size = (uint64_t)st.st_size;
		object.time = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
		r = l->each(l->data, &object, e);
	}
	if (!r && errno)
		r = failed(l->dir, "list", folder, -errno, e);
	closedir(d);
	return r;
}

static int dir_list(struct driver *driver, enum repo_kind kind,
		    int (*each)(void *data, const struct driver_object *object, struct err *e),
		    void *data, struct err *e)
{
	struct lister l = { dir_of(driver), kind, each, data };
	char name[DRIVER_NAME_MAX], folder[DRIVER_NAME_MAX];
	uint8_t id[REPO_ID] = { 0 };
	int r = 0;

	for (int i = 0; i < (kind == REPO_PACK ? 256 : 1) && !r; i++) {
		id[REPO_ID - 1] = (uint8_t)i;
		r = list_folder(&l, parent_of(driver_name(kind, id, name), folder), e);
	}
	return r;
}

static int dir_remove(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID], struct err *e)
{
	struct dir *dir = dir_of(driver);
	char name[DRIVER_NAME_MAX], folder[DRIVER_NAME_MAX];
	int r;

	failpoint("remove");
	if (unlinkat(dir->fd, driver_name(kind, id, name), 0) < 0)
		return errno == ENOENT ? -ENOENT : failed(dir, "delete", name, -errno, e);
	r = sync_folder(dir, parent_of(name, folder));
	return r ? failed(dir, "delete", name, r, e) : 0;
}

static int blob_new(struct dir *dir, enum repo_kind kind, const uint8_t id[REPO_ID],
		    struct dir_blob **ret, struct err *e)
{
	struct dir_blob *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(e, -ENOMEM, "out of memory");
	b->blob.driver = &dir->driver;
	b->kind = kind;
	b->fd = -1;
	memcpy(b->id, id, REPO_ID);
	*ret = b;
	return 0;
}

static void dir_close(struct blob *blob)
{
	struct dir_blob *b = (struct dir_blob *)blob;

	if (b->fd >= 0)
		close(b->fd);
	if (*b->tmp)
		unlinkat(dir_of(blob->driver)->fd, b->tmp, 0);
	free(b);
}

static int dir_get(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		   struct blob **ret, uint64_t *size, struct err *e)
{
	char name[DRIVER_NAME_MAX];
	struct dir_blob *b = NULL;
	struct stat st;
	int r = blob_new(dir_of(driver), kind, id, &b, e);

	if (r)
		return r;
	b->fd = open_below(dir_of(driver), driver_name(kind, id, name), O_RDONLY | O_NOCTTY | O_NONBLOCK);
	r = b->fd < 0 ? b->fd : fstat(b->fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? -ELOOP : 0;
	if (r) {
		dir_close(&b->blob);
		return r == -ENOENT ? r : failed(dir_of(driver), "open", name, r, e);
	}
	*size = (uint64_t)st.st_size;
	*ret = &b->blob;
	return 0;
}

static int dir_read(struct blob *blob, uint64_t offset, void *bytes, size_t length, struct err *e)
{
	struct dir_blob *b = (struct dir_blob *)blob;
	char name[DRIVER_NAME_MAX];

	for (size_t done = 0; done < length;) {
		ssize_t n = pread(b->fd, (char *)bytes + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(dir_of(blob->driver), "read", driver_name(b->kind, b->id, name),
				      -errno, e);
		if (!n)
			return -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

static int dir_put(struct driver *driver, enum repo_kind kind, const uint8_t id[REPO_ID],
		   struct blob **ret, struct err *e)
{
	struct dir *dir = dir_of(driver);
	struct dir_blob *b = NULL;
	int r = blob_new(dir, kind, id, &b, e);

	if (r)
		return r;
	failpoint("put");
	/* The number tells our own apart, O_EXCL everybody else's. */
	do {
		snprintf(b->tmp, sizeof(b->tmp), TMP "/%08x-%llu", (unsigned int)getpid(),
			 (unsigned long long)dir->number++);
		b->fd = open_below(dir, b->tmp, O_RDWR | O_CREAT | O_EXCL);
	} while (b->fd == -EEXIST);
	if (b->fd < 0) {
		r = failed(dir, "make", b->tmp, b->fd, e);
		*b->tmp = '\0';
		dir_close(&b->blob);
		return r;
	}
	*ret = &b->blob;
	return 0;
}

static int dir_append(struct blob *blob, const void *bytes, size_t length, struct err *e)
{
	struct dir_blob *b = (struct dir_blob *)blob;
	uint64_t before = b->size;

	failpoint("append");
	for (size_t done = 0; done < length;) {
		ssize_t n = pwrite(b->fd, (const char *)bytes + done, length - done, (off_t)b->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(dir_of(blob->driver), "write", b->tmp, -errno, e);
		done += (size_t)n;
		b->size += (size_t)n;
	}
	if (b->size / WRITEBACK != before / WRITEBACK)
		sync_file_range(b->fd, (off_t)(before / WRITEBACK * WRITEBACK), (off_t)WRITEBACK,
				SYNC_FILE_RANGE_WRITE);
	return 0;
}

/* A rename that replaces nothing; file systems that have none of it have hard links. */
static int move_new(struct dir *dir, const char *from, const char *to)
{
	if (!renameat2(dir->fd, from, dir->fd, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dir->fd, from, dir->fd, to, 0) < 0)
		return -errno;
	unlinkat(dir->fd, from, 0);
	return 0;
}

/*
 * A crash before the rename leaves a file in tmp/, one after it the object,
 * which may be gone again after a power cut until the folder is synced: only
 * then the caller is told.
 */
static int dir_publish(struct blob *blob, bool replace, struct err *e)
{
	struct dir_blob *b = (struct dir_blob *)blob;
	struct dir *dir = dir_of(blob->driver);
	char name[DRIVER_NAME_MAX], folder[DRIVER_NAME_MAX];
	int r;

	parent_of(driver_name(b->kind, b->id, name), folder);
	failpoint("sync");
	if (fsync(b->fd) < 0)
		return failed(dir, "write", name, -errno, e);
	if (b->kind == REPO_PACK && !mkdirat(dir->fd, folder, FOLDER_MODE)) {
		r = sync_folder(dir, "packs");
		if (r)
			return failed(dir, "make", folder, r, e);
	}
	failpoint("publish");
	if (replace)
		r = renameat(dir->fd, b->tmp, dir->fd, name) < 0 ? -errno : 0;
	else
		r = move_new(dir, b->tmp, name);
	if (r)
		return r == -EEXIST ? r : failed(dir, "write", name, r, e);
	*b->tmp = '\0';
	failpoint("published");
	r = sync_folder(dir, folder);
	return r ? failed(dir, "write", name, r, e) : 0;
}

static int dir_tidy(struct driver *driver, uint64_t age, struct err *e)
{
	struct dir *dir = dir_of(driver);
	int fd = open_below(dir, TMP, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct timespec now;
	struct stat st;

	if (!d)
		return failed(dir, "list", TMP, fd < 0 ? fd : -errno, e);
	clock_gettime(CLOCK_REALTIME, &now);
	while ((entry = readdir(d)))
		if (!fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
		    (uint64_t)(now.tv_sec > st.st_mtim.tv_sec ? now.tv_sec - st.st_mtim.tv_sec : 0) >=
		    age / 1000000000u)
			unlinkat(fd, entry->d_name, 0);
	closedir(d);
	return 0;
}

const struct driver_ops driver_dir = {
	.scheme = "dir", .claims = dir_claims, .open = dir_open, .free = dir_free, .list = dir_list,
	.remove = dir_remove, .get = dir_get, .read = dir_read, .put = dir_put, .append = dir_append,
	.publish = dir_publish, .close = dir_close, .tidy = dir_tidy,
};
