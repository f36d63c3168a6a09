// SPDX-License-Identifier: LGPL-2.1-or-later
/* The credentials: from a file of sections, or the environment. No sentence has a value in it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "copy/repo/crypto.h"
#include "copy/repo/s3_place.h"
#include "util/cleanup.h"

#define FILE_MAX	(64u << 10)

/* Printable, and nothing that ends a header or a part of the signature. */
static bool set(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (!n || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (from[i] <= ' ' || from[i] > '~')
			return false;
	memcpy(to, from, n + 1);
	return true;
}

static int check(const struct s3_keys *keys, const char *where, struct err *e)
{
	return *keys->id && *keys->secret ? 0 :
	       err_set(e, -EACCES, "%s has no aws_access_key_id and aws_secret_access_key that could be any",
		       where);
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	text += strspn(text, " \t");
	while (end > text && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return text;
}

static void take(struct s3_keys *keys, const char *name, const char *value)
{
	if (!strcmp(name, "aws_access_key_id"))
		set(keys->id, sizeof(keys->id), value);
	else if (!strcmp(name, "aws_secret_access_key"))
		set(keys->secret, sizeof(keys->secret), value);
	else if (!strcmp(name, "aws_session_token"))
		set(keys->token, sizeof(keys->token), value);
}

/* [section], and name = value in ours. */
static void parse(char *text, const char *section, struct s3_keys *keys)
{
	bool ours = false;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		size_t n;
		char *equals;

		line = trim(line);
		n = strlen(line);
		equals = strchr(line, '=');
		if (*line == '[' && line[n - 1] == ']') {
			line[n - 1] = '\0';
			ours = !strcmp(trim(line + 1), section);
		} else if (ours && equals && *line != '#' && *line != ';') {
			*equals = '\0';
			take(keys, trim(line), trim(equals + 1));
		}
	}
}

static int load_file(const char *path, struct s3_keys *keys, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *section = getenv("AWS_PROFILE");
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "cannot open the credentials %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || (st.st_uid && st.st_uid != geteuid()))
		return err_set(e, -EPERM, "the credentials %s have to be a file of your own that others can't "
			       "read: chmod 600", path);
	text = calloc(1, FILE_MAX + 1);
	n = text ? read(fd, text, FILE_MAX + 1) : -1;
	if (n < 0 || n > (ssize_t)FILE_MAX)
		return err_set(e, -EINVAL, "cannot read the credentials %s, or they are longer than 64 KiB", path);
	parse(text, section && *section ? section : "default", keys);
	crypto_wipe(text, FILE_MAX + 1);
	return check(keys, path, e);
}

int s3_keys_load(const char *file, struct s3_keys *keys, struct err *e)
{
	const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = getenv("AWS_SESSION_TOKEN"), *shared = getenv("AWS_SHARED_CREDENTIALS_FILE");

	memset(keys, 0, sizeof(*keys));
	if (*file)
		return load_file(file, keys, e);
	if (id && *id) {
		set(keys->id, sizeof(keys->id), id);
		set(keys->secret, sizeof(keys->secret), secret ?: "");
		set(keys->token, sizeof(keys->token), token ?: "");
		return check(keys, "the environment", e);
	}
	if (shared && *shared)
		return load_file(shared, keys, e);
	return err_set(e, -EACCES, "a repository in S3 wants credentials: a file (--s3-credentials, or "
		       "credentials= in the address), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
}
