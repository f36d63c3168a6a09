// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <limits.h>
#include <termios.h>

#include "copy/repo/crypto.h"
#include "size.h"
#include "copy/repo/keyfile.h"
#include "tool.h"

#define SECRET_MAX	4096
/* In the folder of systemd's credentials. */
#define CREDENTIAL	"bvol-repo-key"

int tool_fail(int code, const struct err *e)
{
	complain("%s", *e->text ? e->text : strerror(-code));
	return code == -ECANCELED || copy_abandoned() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

int tool_rate(const struct context *ctx, struct repo_run *run)
{
	const char *text = ctx->word[WORD_RATE];
	uint64_t rate = 0;
	char why[256];

	if (text && strcmp(text, "none") && strcmp(text, "0") &&
	    size_parse(text, INT64_MAX, &rate, why, sizeof(why)) < 0) {
		complain("--rate: %s", why);
		return EXIT_FAILED;
	}
	run->rate = rate;
	return 0;
}

static int read_key_file(const char *path, struct repo_secret *secret)
{
	struct err e = { 0 };
	int r = key_file_read(path, secret, &e);

	return r ? tool_fail(r, &e) : 0;
}

/* A line of the terminal, which does not show it. NULL after a complaint. */
static char *type_in(const char *prompt)
{
	_cleanup_fclose_ FILE *tty = fopen("/dev/tty", "r+e");
	struct termios before, silent;
	char *line = calloc(1, SECRET_MAX + 2);
	bool read = false;

	if (!tty || tcgetattr(fileno(tty), &before) < 0 || !line) {
		complain("there is no terminal to ask for the passphrase: use --key-file");
		free(line);
		return NULL;
	}
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fileno(tty), TCSAFLUSH, &silent);
	fputs(prompt, tty);
	fflush(tty);
	read = fgets(line, SECRET_MAX + 2, tty);
	tcsetattr(fileno(tty), TCSAFLUSH, &before);
	fputs("\n", tty);
	line[strcspn(line, "\n")] = '\0';
	if (!read || !*line || strlen(line) > SECRET_MAX) {
		complain("a passphrase has 1 to %d bytes", SECRET_MAX);
		free(line);
		return NULL;
	}
	return line;
}

static int ask_twice(struct repo_secret *secret)
{
	char *first = type_in("New passphrase of the repository: ");
	char *second = first ? type_in("The same again: ") : NULL;
	bool same = first && second && !strcmp(first, second);

	if (second) {
		crypto_wipe(second, strlen(second));
		if (!same)
			complain("these are two different passphrases");
	}
	free(second);
	if (!same) {
		free(first);
		return EXIT_FAILED;
	}
	*secret = (struct repo_secret) { KEY_PASSPHRASE, first, strlen(first) };
	return 0;
}

int tool_secret(const char *key_file, bool ask, struct repo_secret *secret)
{
	if (key_file)
		return read_key_file(key_file, secret);
	return ask ? ask_twice(secret) : 0;
}

/* The key file of the command line, or the credential that the service was given. */
static int given_secret(const struct context *ctx, struct repo_secret *secret)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (ctx->word[WORD_KEY_FILE])
		return read_key_file(ctx->word[WORD_KEY_FILE], secret);
	if (!dir || snprintf(path, sizeof(path), "%s/" CREDENTIAL, dir) >= (int)sizeof(path) ||
	    access(path, F_OK))
		return 0;
	return read_key_file(path, secret);
}

char *tool_where(const struct context *ctx, const char *where)
{
	const char *file = ctx->word[WORD_S3_CREDENTIALS];
	char path[PATH_MAX], escaped[3 * PATH_MAX], *at = escaped, *text = NULL;

	if (!file)
		return strdup(where);	/* NULL is out of memory */
	if (strncmp(where, "s3://", 5)) {
		complain("--s3-credentials goes with a repository s3://BUCKET/PREFIX only");
		return NULL;
	}
	if (!realpath(file, path)) {
		complain("cannot open the credentials %s: %s", file, strerror(errno));
		return NULL;
	}
	for (const char *c = path; *c; c++)
		at += snprintf(at, 4, strchr("&%", *c) ? "%%%02X" : "%c", (unsigned char)*c);
	if (asprintf(&text, "%s%ccredentials=%s", where, strchr(where, '?') ? '&' : '?', escaped) < 0) {
		complain("out of memory");
		return NULL;
	}
	return text;
}

int tool_open(const struct context *ctx, const char *given, struct repo **ret)
{
	_cleanup_(repo_secret_deinit) struct repo_secret secret = { 0 };
	_cleanup_free_ char *where = tool_where(ctx, given);
	struct err e = { 0 };
	int status = where ? given_secret(ctx, &secret) : EXIT_FAILED, r;

	if (status)
		return status;
	r = repo_open(where, secret.bytes ? &secret : NULL, ret, &e);
	if (r == -ENOKEY) {
		char *line = type_in("Passphrase of the repository: ");

		if (!line)
			return EXIT_FAILED;
		secret = (struct repo_secret) { KEY_PASSPHRASE, line, strlen(line) };
		err_clear(&e);
		r = repo_open(where, &secret, ret, &e);
	}
	return r ? tool_fail(r, &e) : 0;
}

struct finder {
	const char *ref;
	struct manifest *found;
	unsigned int n;
};

static int compare_name(void *data, struct manifest *m, struct err *e)
{
	struct finder *f = data;
	const char *name = manifest_get(m, "name");
	char text[BVOL_UUID_TEXT];
	struct bvol_uuid id;

	if (name && !strcmp(name, f->ref)) {
		memcpy(&id, m->id, sizeof(id));
		if (f->n)
			complain("%s is also %s", f->ref, bvol_uuid_text(&id, text));
		f->n++;
		if (!f->found) {
			f->found = m;
			return 0;
		}
	}
	manifest_free(m);
	return 0;
}

/* One that is damaged has no name that could be compared. */
static int pass_over(void *data, const uint8_t id[REPO_ID], struct err *e)
{
	complain("%s", e->text);
	return 0;
}

int tool_find(const struct repo *repo, const char *ref, struct manifest **ret)
{
	struct finder f = { .ref = ref };
	struct err e = { 0 };
	struct bvol_uuid id;
	int r;

	if (!bvol_uuid_parse(ref, &id)) {
		r = manifest_load(repo, (const uint8_t *)&id, ret, &e);
		if (!r && (*ret)->type == MANIFEST_FENCE) {
			*ret = manifest_free(*ret);
			r = -ENOENT;
		}
	} else {
		r = manifest_each(repo, NULL, compare_name, pass_over, &f, &e);
		if (!r && f.n == 1) {
			*ret = f.found;
			return 0;
		}
		manifest_free(f.found);
		if (!r && f.n > 1) {
			complain("%u backups are called %s: use the UUID", f.n, ref);
			return EXIT_FAILED;
		}
		r = r ?: -ENOENT;
	}
	if (r == -ENOENT)
		err_set(&e, r, "the repository %s has no backup %s", repo->where, ref);
	return r ? tool_fail(r, &e) : 0;
}
