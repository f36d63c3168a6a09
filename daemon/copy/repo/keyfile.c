// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy/repo/crypto.h"
#include "copy/repo/keyfile.h"
#include "util/cleanup.h"

#define KEY_FILE_MIN	32
#define KEY_FILE_MAX	4096

void repo_secret_deinit(struct repo_secret *secret)
{
	if (secret->bytes)
		crypto_wipe((void *)secret->bytes, secret->length);
	free((void *)secret->bytes);
	secret->bytes = NULL;
}

int key_file_read(const char *path, struct repo_secret *ret, struct err *e)
{
	/* A pipe that somebody has put there holds nobody up. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *bytes;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "cannot open the key file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || (st.st_uid && st.st_uid != geteuid()))
		return err_set(e, -EACCES,
			       "the key file %s has to be a file of your own that others can't read: chmod 600",
			       path);
	bytes = calloc(1, KEY_FILE_MAX + 1);
	if (!bytes)
		return err_set(e, -ENOMEM, "out of memory");
	n = read(fd, bytes, KEY_FILE_MAX + 1);
	if (n >= KEY_FILE_MIN && n <= KEY_FILE_MAX) {
		*ret = (struct repo_secret) { KEY_FILE, bytes, (size_t)n };
		return 0;
	}
	crypto_wipe(bytes, KEY_FILE_MAX + 1);
	free(bytes);
	if (n < 0)
		return err_set(e, -EIO, "cannot read the key file %s", path);
	return err_set(e, -EINVAL,
		       "the key file %s has to have 32 to 4096 random bytes, as of: head -c 32 /dev/urandom",
		       path);
}
