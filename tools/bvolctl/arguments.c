// SPDX-License-Identifier: LGPL-2.1-or-later
/* The command line into a request, by the commands' tables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "print.h"
#include "size.h"

#define WHY_MAX 256

static const struct command *const nouns[] = {
	pool_commands, type_commands, volume_commands, snapshot_commands, group_commands,
	export_commands, session_commands,
	job_commands, wipe_commands, event_commands, quota_commands, diff_commands, info_commands,
	repo_commands, backup_commands, NULL,
};

/* Options of every command */

static int set_json(struct context *ctx, const char *value)
{
	ctx->json = true;
	return 0;
}

static int set_wait(struct context *ctx, const char *value)
{
	ctx->wait = true;
	return 0;
}

static int set_no_wait(struct context *ctx, const char *value)
{
	ctx->wait = false;
	return 0;
}

static int set_transport(struct context *ctx, const char *value)
{
	if (strcmp(value, "netlink") && strcmp(value, "unix")) {
		complain("--transport is netlink or unix, not %s", value);
		return EXIT_FAILED;
	}
	ctx->transport = *value == 'n' ? BVOL_NETLINK : BVOL_UNIX;
	return 0;
}

/* Who names a socket means to use it. */
static int set_socket(struct context *ctx, const char *value)
{
	ctx->socket = value;
	if (ctx->transport == BVOL_ANY)
		ctx->transport = BVOL_UNIX;
	return 0;
}

static int set_timeout(struct context *ctx, const char *value)
{
	char why[WHY_MAX];
	int64_t seconds;

	if (number_parse(value, 1, INT32_MAX / 1000, &seconds, why, sizeof(why)) < 0) {
		complain("--timeout: %s", why);
		return EXIT_FAILED;
	}
	ctx->timeout_ms = seconds * 1000;
	return 0;
}

static int set_help(struct context *ctx, const char *value)
{
	ctx->help = true;
	return 0;
}

static int set_version(struct context *ctx, const char *value)
{
	ctx->version = true;
	return 0;
}

static const struct param global_params[] = {
	{ .name = "--json", .set = set_json },
	{ .name = "--wait", .set = set_wait },
	{ .name = "--no-wait", .set = set_no_wait },
	{ .name = "--transport", .value = "netlink|unix", .set = set_transport },
	{ .name = "--socket", .value = "PATH", .set = set_socket },
	{ .name = "--timeout", .value = "S", .set = set_timeout },
	{ .name = "--help", .set = set_help },
	{ .name = "-h", .set = set_help },
	{ .name = "--version", .set = set_version },
	{ 0 },
};

/* Values into the request */

static const struct bvol_field *field_of(const struct param *param)
{
	for (size_t i = 0; i < bvol_type_request.n_fields; i++)
		if (bvol_type_request.fields[i].attr == param->attr)
			return &bvol_type_request.fields[i];
	return NULL;
}

static bool given(const struct context *ctx, const struct param *param)
{
	return (param->word && ctx->word[param->word]) ||
	       (param->attr && (ctx->request.has & BVOL_BIT(param->attr)));
}

static bool is_list(const struct param *param)
{
	return param->attr && field_of(param)->kind == BVOL_LIST;
}

static int append(struct context *ctx, void *at, const char *value)
{
	char **items = *(void **)at;
	size_t n = 0;

	if (!items)
		items = calloc(ctx->words + 1, sizeof(*items));
	if (!items) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	while (items[n])
		n++;
	items[n] = (char *)value;
	*(void **)at = items;
	return 0;
}

static int set_number(const struct param *param, const struct bvol_field *field, void *at,
		      const char *value)
{
	bool narrow = field->kind == BVOL_U32;
	char why[WHY_MAX];
	uint64_t size;
	int64_t number;
	int r;

	if (param->rate && (!strcmp(value, "none") || !strcmp(value, "0"))) {
		*(uint64_t *)at = 0;
		return 0;
	}
	if (param->bytes || param->rate) {
		r = size_parse(value, narrow ? UINT32_MAX : INT64_MAX, &size, why, sizeof(why));
	} else {
		r = number_parse(value, field->kind == BVOL_S64 ? -1 : 0,
				 narrow ? UINT32_MAX : INT64_MAX, &number, why, sizeof(why));
		size = number;
	}
	if (r < 0) {
		complain("%s: %s", param->name, why);
		return EXIT_FAILED;
	}
	if (narrow)
		*(uint32_t *)at = size;
	else
		*(uint64_t *)at = size;
	return 0;
}

static int set_value(struct context *ctx, const struct param *param, const char *value)
{
	const struct bvol_field *field;
	void *at;

	if (param->set)
		return param->set(ctx, value);
	if (param->word && (!param->attr || strchr(value, '/'))) {
		ctx->word[param->word] = value ?: "";
		return 0;
	}
	field = field_of(param);
	at = (char *)&ctx->request + field->offset;
	ctx->request.has |= BVOL_BIT(field->attr);
	if (!param->value) {
		*(uint32_t *)at = 1;
		return 0;
	}
	switch (field->kind) {
	case BVOL_STRING:
		*(void **)at = (char *)value;
		return 0;
	case BVOL_LIST:
		return append(ctx, at, value);
	case BVOL_ENUM:
		if (bvol_enum_parse(field->values, value, at) == 0)
			return 0;
		complain("%s: there is no %s %s", param->name, field->values->name, value);
		return EXIT_FAILED;
	default:
		return set_number(param, field, at, value);
	}
}

/* Names */

static const struct command *find_noun(const char *noun)
{
	for (size_t i = 0; nouns[i]; i++)
		if (!strcmp(nouns[i]->noun, noun))
			return nouns[i];
	return NULL;
}

static const struct command *find_command(const char *noun, const char *verb)
{
	for (const struct command *c = find_noun(noun); c && c->noun; c++)
		if (verb ? c->verb && !strcmp(c->verb, verb) : !c->verb)
			return c;
	return NULL;
}

/* The command line */

struct words {
	int n;
	char **next;
};

static const struct param *find_option(const struct param *params, const char *word, size_t len)
{
	for (; params && (params->name || params->value); params++)
		if (params->name && strlen(params->name) == len && !strncmp(params->name, word, len))
			return params;
	return NULL;
}

static int usage_error(const struct context *ctx, const char *what, const char *word)
{
	complain("%s%s", what, word);
	if (ctx->command)
		print_usage(ctx->command, stderr);
	else
		fputs("usage: bvolctl NOUN VERB [ARGUMENT]..., see bvolctl --help\n", stderr);
	return EXIT_USAGE;
}

/* One option, "--name value" or "--name=value". params: those of the command, may be NULL. */
static int take_option(struct context *ctx, const struct param *params, const char *word,
		       struct words *words)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct param *param = find_option(params, word, len) ?:
				    find_option(global_params, word, len);
	const char *value = equals ? equals + 1 : NULL;

	if (!param)
		return usage_error(ctx, "there is no option ", word);
	if (!param->value && equals)
		return usage_error(ctx, "this option takes no value: ", word);
	if (given(ctx, param) && !is_list(param))
		return usage_error(ctx, "this option was given twice: ", word);
	if (param->value && !value) {
		if (!words->n)
			return usage_error(ctx, "this option wants a value: ", word);
		value = *words->next++;
		words->n--;
	}
	return set_value(ctx, param, value);
}

/* The next argument without a value, or the last one if it takes many. */
static const struct param *next_argument(const struct context *ctx)
{
	for (const struct param *p = ctx->command->params; p && (p->name || p->value); p++)
		if (!p->name && (!given(ctx, p) || is_list(p)))
			return p;
	return NULL;
}

static int take_argument(struct context *ctx, const char *word)
{
	const struct param *param = next_argument(ctx);

	return param ? set_value(ctx, param, word) :
		       usage_error(ctx, "this argument is one too many: ", word);
}

static int check_complete(const struct context *ctx)
{
	const char *missing;

	for (const struct param *p = ctx->command->params; p && (p->name || p->value); p++)
		if (p->required && !given(ctx, p))
			return usage_error(ctx, "this is missing: ", p->name ?: p->value);
	missing = ctx->command->check ? ctx->command->check(ctx) : NULL;
	return missing ? usage_error(ctx, "this is missing: ", missing) : 0;
}

/* A word that is no option: noun, verb or argument, whichever comes next. */
static int take_word(struct context *ctx, const char *word)
{
	if (ctx->command)
		return take_argument(ctx, word);
	if (!ctx->noun) {
		ctx->noun = word;
		ctx->command = find_command(word, NULL);
		return find_noun(word) ? 0 : usage_error(ctx, "there is no command ", word);
	}
	ctx->command = find_command(ctx->noun, word);
	if (ctx->command)
		return 0;
	complain("there is no command %s %s", ctx->noun, word);
	print_help(ctx->noun, stderr);
	return EXIT_USAGE;
}

int parse_arguments(struct context *ctx, int argc, char **argv)
{
	struct words words = { argc - 1, argv + 1 };
	bool options = true;
	int r = 0;

	ctx->words = argc;
	ctx->argv = argv;
	while (words.n && !r) {
		const char *word = *words.next++;

		words.n--;
		if (options && !strcmp(word, "--"))
			options = false;
		else if (options && word[0] == '-' && word[1])
			r = take_option(ctx, ctx->command ? ctx->command->params : NULL, word, &words);
		else
			r = take_word(ctx, word);
	}
	if (r || ctx->help || ctx->version)
		return r;
	if (ctx->command)
		return check_complete(ctx);
	print_help(ctx->noun, stderr);
	return EXIT_USAGE;
}

/* Usage */

static void print_param(const struct param *param, FILE *out)
{
	bool list = is_list(param);

	fputs(param->required ? " " : " [", out);
	if (param->name)
		fputs(param->name, out);
	if (param->name && param->value)
		putc(' ', out);
	if (param->value)
		fputs(param->value, out);
	if (!param->required)
		putc(']', out);
	if (list)
		fputs("...", out);
}

static void print_command(const struct command *command, FILE *out)
{
	fprintf(out, "bvolctl %s", command->noun);
	if (command->verb)
		fprintf(out, " %s", command->verb);
	for (const struct param *p = command->params; p && (p->name || p->value); p++)
		print_param(p, out);
	putc('\n', out);
}

void print_usage(const struct command *command, FILE *out)
{
	fputs("usage: ", out);
	print_command(command, out);
}

void print_help(const char *noun, FILE *out)
{
	fputs("usage:\n", out);
	for (size_t i = 0; nouns[i]; i++) {
		if (noun && strcmp(noun, nouns[i]->noun))
			continue;
		for (const struct command *c = nouns[i]; c->noun; c++) {
			fputs("  ", out);
			print_command(c, out);
			fprintf(out, "\t%s\n", c->help);
		}
	}
	fputs("with each: [--json] [--no-wait] [--timeout S] [--transport netlink|unix] "
	      "[--socket PATH]\n", out);
}
