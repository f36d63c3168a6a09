// SPDX-License-Identifier: LGPL-2.1-or-later
/* Owner of libinih: bvold.conf by one table of keys. */
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bvol.h"
#include "util/cleanup.h"
#include "util/config.h"
#include "util/str.h"

/* Bytes of a line, its end included. */
#define LINE_SIZE 4096

enum kind {
	DIRECTORY,	/* char *, absolute, max bytes at most */
	TEXT,		/* char *, max bytes at most */
	LIST,		/* char **, by blanks or commas */
	NUMBER,		/* uint32_t, min to max */
	SIZE,		/* uint32_t of bytes, multiples of min up to max */
	LIMIT,		/* int64_t, min to max */
	CHOICE,		/* uint32_t, place in values */
};

struct key {
	const char *section, *name;
	enum kind kind;
	size_t offset;
	const char *fallback;
	int64_t min, max;
	const struct bvol_enum *values;
};

static const struct bvol_enum levels = {
	"log-level", 8, (const char *const[]) { "emerg", "alert", "crit", "err", "warning",
						"notice", "info", "debug" },
};

static const struct bvol_enum uses = { "use", 2, (const char *const[]) { "no", "auto" } };

/* So that GiB in bytes are still an int64_t. */
#define LIMIT_MAX ((INT64_C(1) << 33) - 1)
#define AT(member) offsetof(struct config, member)

static const struct key keys[] = {
	/* A socket's whole path has 107 bytes. */
	{ "", "state-dir", DIRECTORY, AT(state_dir), "/var/lib/bvol", 1, 200, NULL },
	{ "", "run-dir", DIRECTORY, AT(run_dir), "/run/bvol", 1, 90, NULL },
	{ "", "group", TEXT, AT(group), "bvol", 1, 32, NULL },
	{ "", "project", TEXT, AT(project), "default", 1, BVOL_NAME_MAX, NULL },
	{ "", "log-level", CHOICE, AT(log_level), "info", 0, 0, &levels },
	{ "iscsi", "iqn-prefix", TEXT, AT(iqn_prefix), "iqn.2026-01.net.bvol", 1, 150, NULL },
	/* Nobody reaches a volume from elsewhere before the operator names an address. */
	{ "iscsi", "portals", LIST, AT(portals), "127.0.0.1:3260", 1, 0, NULL },
	{ "thin", "chunk-size", SIZE, AT(chunk_size), "64K", 65536, INT64_C(1) << 30, NULL },
	{ "thin", "reserve", NUMBER, AT(reserve), "0", 0, 100, NULL },
	{ "thin", "over-subscription", NUMBER, AT(over_subscription), "2000", 100, 100000, NULL },
	{ "thin", "warn", TEXT, AT(warn), "80,90,95", 1, 40, NULL },
	{ "thin", "grow", NUMBER, AT(grow), "80", 1, 99, NULL },
	{ "backup", "jobs", NUMBER, AT(backup_jobs), "2", 1, 32, NULL },
	{ "quota", "volumes", LIMIT, AT(quota.volumes), "-1", -1, LIMIT_MAX, NULL },
	{ "quota", "snapshots", LIMIT, AT(quota.snapshots), "-1", -1, LIMIT_MAX, NULL },
	{ "quota", "gigabytes", LIMIT, AT(quota.gigabytes), "-1", -1, LIMIT_MAX, NULL },
	{ "module", "use", CHOICE, AT(use_module), "auto", 0, 0, &uses },
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))
_Static_assert(N_KEYS <= CONFIG_KEYS_MAX, "a key has no place for its line");

static const struct key *find_key(const char *section, const char *name)
{
	for (const struct key *key = keys; key < keys + N_KEYS; key++)
		if (!strcmp(key->section, section) && (!name || !strcmp(key->name, name)))
			return key;
	return NULL;
}

/* Values */

static void free_list(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

static int set_text(char **ret, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

static int set_list(char ***ret, const char *value)
{
	_cleanup_free_ char *copy = strdup(value);
	char **list = calloc(strlen(value) + 1, sizeof(*list)), *word, *rest = copy;
	size_t n = 0;

	if (!copy || !list) {
		free(list);
		return -ENOMEM;
	}
	while ((word = strsep(&rest, " \t,"))) {
		if (!*word)
			continue;
		list[n] = strdup(word);
		if (!list[n++]) {
			free_list(list);
			return -ENOMEM;
		}
	}
	free_list(*ret);
	*ret = list;
	return 0;
}

static int set_number(const struct key *key, void *at, const char *value, struct err *e)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno || end == value || *end || n < key->min || n > key->max)
		return err_set(e, -EINVAL, "%s is a number from %" PRId64 " to %" PRId64
			       ", not \"%s\"", key->name, key->min, key->max, value);
	if (key->kind == LIMIT)
		*(int64_t *)at = n;
	else
		*(uint32_t *)at = (uint32_t)n;
	return 0;
}

static int set_size(const struct key *key, uint32_t *at, const char *value, struct err *e)
{
	char unit[16], most[16];
	uint64_t n;

	if (str_parse_size(value, &n) < 0 || !n || n % (uint64_t)key->min || n > (uint64_t)key->max)
		return err_set(e, -EINVAL, "%s is a multiple of %s up to %s, not \"%s\"", key->name,
			       str_size((uint64_t)key->min, unit),
			       str_size((uint64_t)key->max, most), value);
	*at = (uint32_t)n;
	return 0;
}

static int set_choice(const struct key *key, uint32_t *at, const char *value, struct err *e)
{
	char all[128] = "";

	if (!bvol_enum_parse(key->values, value, at))
		return 0;
	for (uint32_t i = 0; i < key->values->n; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 key->values->values[i]);
	return err_set(e, -EINVAL, "%s is one of %s, not \"%s\"", key->name, all, value);
}

static int set_value(struct config *config, const struct key *key, const char *value,
		     struct err *e)
{
	void *at = (char *)config + key->offset;

	if (key->kind == NUMBER || key->kind == LIMIT)
		return set_number(key, at, value, e);
	if (key->kind == SIZE)
		return set_size(key, at, value, e);
	if (key->kind == CHOICE)
		return set_choice(key, at, value, e);
	if (!value[strspn(value, " \t,")])
		return err_set(e, -EINVAL, "%s needs a value", key->name);
	if (key->kind == LIST)
		return set_list(at, value);
	if (key->kind == DIRECTORY && value[0] != '/')
		return err_set(e, -EINVAL, "%s begins with a /, not as \"%s\"", key->name, value);
	if ((int64_t)strlen(value) > key->max)
		return err_set(e, -EINVAL, "%s has at most %" PRId64 " bytes", key->name, key->max);
	return set_text(at, value);
}

/* The file */

struct parse {
	FILE *file;
	const char *path;
	unsigned int line;
	struct config *config;
	struct err *e;
	int r;
};

/* A sentence with the place. Returns r, which is negative. */
static int __attribute__((format(printf, 3, 4)))
complain(struct parse *p, int r, const char *format, ...)
{
	char sentence[2 * BVOL_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	p->r = err_set(p->e, r, "%s:%u: %s", p->path, p->line, sentence);
	return r;
}

static int check_line(struct parse *p, const char *text, size_t len)
{
	_cleanup_free_ char *section = NULL;
	const char *end;

	if (strlen(text) != len || !str_utf8(text))
		return complain(p, -EINVAL, "this is not UTF-8 text");
	if (len >= LINE_SIZE)
		return complain(p, -EINVAL, "this line is too long");
	end = text[0] == '[' ? strchr(text, ']') : NULL;
	if (!end)
		return 0;
	section = strndup(text + 1, (size_t)(end - text) - 1);
	if (!section)
		return complain(p, -ENOMEM, "out of memory");
	return find_key(section, NULL) ? 0 : complain(p, -EINVAL, "there is no such section");
}

/*
 * The library's fgets(): counts lines, and takes away the indentation, which
 * the library would take for the continuation of the line before.
 */
static char *next_line(char *buf, int size, void *data)
{
	_cleanup_free_ char *text = NULL;
	struct parse *p = data;
	size_t room = 0;
	ssize_t len;

	if (p->r < 0)
		return NULL;
	len = getline(&text, &room, p->file);
	if (len < 0) {
		if (ferror(p->file))
			complain(p, -EIO, "the file can't be read on");
		return NULL;
	}
	p->line++;
	if (check_line(p, text, (size_t)len) < 0)
		return NULL;
	snprintf(buf, (size_t)size, "%s", text + strspn(text, " \t"));
	return buf;
}

/* Returns 1 to go on, as the library wants it. */
static int on_key(void *data, const char *section, const char *name, const char *value)
{
	struct parse *p = data;
	const struct key *key = find_key(section, name);
	struct err why = {};
	int r;

	if (!key) {
		complain(p, -EINVAL, "there is no key %s%s%s", name,
			 *section ? " in section " : " at the top", section);
	} else if (p->config->lines[key - keys]) {
		complain(p, -EINVAL, "%s is set in line %u already", name,
			 p->config->lines[key - keys]);
	} else {
		p->config->lines[key - keys] = p->line;
		r = set_value(p->config, key, value, &why);
		if (r < 0)
			complain(p, r, "%s", why.code ? why.text : strerror(-r));
	}
	return p->r == 0;
}

static int read_file(struct config *config, FILE *file, const char *path, struct err *e)
{
	struct parse p = { .file = file, .path = path, .config = config, .e = e };
	int r;

	ini_allow_multiline = false;
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_max_line = LINE_SIZE;
	ini_initial_alloc = LINE_SIZE;
	r = ini_parse_stream(next_line, &p, on_key, &p);
	if (p.r < 0)
		return p.r;
	if (r > 0)
		return complain(&p, -EINVAL,
				"a line is \"key = value\", \"[section]\" or a comment");
	return r < 0 ? complain(&p, -ENOMEM, "out of memory") : 0;
}

static int load(struct config *config, const char *path, bool required, struct err *e)
{
	_cleanup_fclose_ FILE *file = NULL;
	int r;

	for (size_t i = 0; i < N_KEYS; i++) {
		r = set_value(config, &keys[i], keys[i].fallback, e);
		if (r < 0)
			return r;
	}
	file = fopen(path, "re");
	if (!file && errno == ENOENT && !required)
		return 0;
	if (!file)
		return err_set(e, -errno, "can't read %s: %s", path, strerror(errno));
	r = set_text(&config->file, path);
	return r < 0 ? r : read_file(config, file, path, e);
}

int config_load(const char *path, bool required, struct config **ret, struct err *e)
{
	struct config *config = calloc(1, sizeof(*config));
	int r = config ? load(config, path, required, e) : -ENOMEM;

	if (r < 0) {
		config_free(config);
		return err_set(e, r, "out of memory");
	}
	*ret = config;
	return 0;
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	for (const struct key *key = keys; key < keys + N_KEYS; key++) {
		void **at = (void *)((char *)config + key->offset);

		if (key->kind == LIST)
			free_list(*at);
		else if (key->kind == TEXT || key->kind == DIRECTORY)
			free(*at);
	}
	free(config->file);
	free(config);
	return NULL;
}

int config_set_state(struct config *config, const char *dir)
{
	return set_text(&config->state_dir, dir);
}

int config_set_run(struct config *config, const char *dir)
{
	return set_text(&config->run_dir, dir);
}

int config_check(const struct config *config, const char *section, const char *name,
		 int (*check)(const char *text, struct err *e), struct err *e)
{
	const struct key *key = find_key(section, name);
	const void *at = (const char *)config + key->offset;
	char *const one[] = { *(char *const *)at, NULL };
	char *const *text = key->kind == LIST ? *(char *const *const *)at : one;
	unsigned int line = config->lines[key - keys];
	struct err why = {};
	int r = 0;

	for (; !r && *text; text++)
		r = check(*text, &why);
	if (r < 0 && line)
		return err_set(e, r, "%s:%u: %s", config->file, line, why.text);
	return r < 0 ? err_set(e, r, "%s", why.text) : 0;
}
