/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command is one constant struct in the file of its noun. What it takes is
 * a table, from which its arguments are parsed, its request is filled in and
 * its usage is printed.
 */
#ifndef BVOLCTL_COMMAND_H
#define BVOLCTL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bvol.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

struct command;

/* Words that commands take which work without the daemon. */
enum word {
	WORD_NONE,
	WORD_DIR, WORD_KEY_FILE, WORD_NO_ENCRYPTION, WORD_CHUNK_SIZE, WORD_COMPRESSION, WORD_SHARE,
	WORD_ADD, WORD_NEW_KEY_FILE, WORD_LABEL, WORD_REMOVE,
	WORD_REPO, WORD_BACKUP, WORD_FROM, WORD_NAME, WORD_PARENT, WORD_MEMORY, WORD_MAP, WORD_TO, WORD_DIFF,
	WORD_OFFSET, WORD_LENGTH, WORD_RATE, WORD_S3_CREDENTIALS,
	WORDS,
};

/* Everything about this run of the program. */
struct context {
	const char *noun;
	const struct command *command;	/* NULL when only help is asked for */
	bool json;
	bool wait;
	bool help;
	bool version;
	enum bvol_transport transport;
	const char *socket;	/* NULL: the usual one */
	int timeout_ms;
	bool follow;		/* events */
	uint64_t since;		/* events; BVOL_EVENTS_NEW unless given */
	struct bvol_request request;	/* points into argv */
	size_t words;		/* in argv: no list is longer */
	const char *word[WORDS];	/* "" for an option without a value; NULL: not given */
	char **argv;
	struct bvol *bvol;
};

/* An argument (no name) or an option of a command. */
struct param {
	const char *name;	/* with its dashes */
	const char *value;	/* what usage calls it; NULL: an option without value */
	uint16_t attr;		/* of the request; 0: word or set say where it goes */
	enum word word;		/* with attr: of what has a / in it, a place and no name */
	bool required;
	bool bytes;		/* the value is a size */
	bool rate;		/* bytes a second; 0 or none is no limit */
	/* 0, or EXIT_FAILED after a complaint. */
	int (*set)(struct context *ctx, const char *value);
};

#define ARG(what, name) \
	{ .value = what, .attr = BVOL_A_REQUEST_##name, .required = true }
#define OPTION(option, what, attribute, ...) \
	{ .name = option, .value = what, .attr = BVOL_A_REQUEST_##attribute, ##__VA_ARGS__ }
#define FLAG(option, attribute) \
	{ .name = option, .attr = BVOL_A_REQUEST_##attribute }

#define WORD_ARG(what, which) \
	{ .value = what, .word = WORD_##which, .required = true }
/* A repository that the daemon knows, by its name, or the place of one. */
#define PLACE_ARG(what, name, ...) \
	{ .value = what, .attr = BVOL_A_REQUEST_##name, .word = WORD_DIR, ##__VA_ARGS__ }
#define WORD_OPTION(option, what, which, ...) \
	{ .name = option, .value = what, .word = WORD_##which, ##__VA_ARGS__ }
#define WORD_FLAG(option, which) \
	{ .name = option, .word = WORD_##which }

/* Bytes a second of a run on a repository. */
#define RATE_OPTION WORD_OPTION("--rate", "RATE", RATE)

/* What a delete does to the bytes. */
#define WIPE_OPTIONS \
	OPTION("--wipe", "POLICY", WIPE), FLAG("--verify", VERIFY)

struct command {
	const char *noun;
	const char *verb;	/* NULL where the noun says it all */
	const char *help;	/* one line */
	const struct param *params;	/* ends with {0}; NULL: none */
	/* What is missing although each required thing is there, NULL: nothing. */
	const char *(*check)(const struct context *ctx);
	enum bvol_verb call;
	enum bvol_verb list;	/* by which a changed object is read again, 0: it is gone */
	const char *gone;	/* its last status then, NULL: deleted */
	bool secrets;		/* show them then */
	bool usage;		/* show what it maps */
	const struct bvol_type *type;	/* of the objects it prints */
	const char *columns;	/* of the table, blanks between */
	/* How they are listed, NULL: by call. */
	int (*walk)(struct bvol *bvol, bvol_each each, void *data);
	/* An exit status. */
	int (*run)(struct context *ctx);
};

/* The commands of each noun, which end with {0}. */
extern const struct command pool_commands[], type_commands[], volume_commands[],
	snapshot_commands[], group_commands[],
	export_commands[], session_commands[], job_commands[], event_commands[], quota_commands[],
	wipe_commands[], diff_commands[], info_commands[], repo_commands[], backup_commands[];

/* What most commands do. */
int run_list(struct context *ctx);
int run_show(struct context *ctx);
int run_change(struct context *ctx);
/* Print what one call has found, however long it takes; EXIT_FAILED when it found something. */
int run_check(struct context *ctx);

/*
 * Commands that need the repository and nothing else are another program's,
 * bvol-backup, with the same command line: what they link would make every
 * other command start slower.
 */
int run_helper(struct context *ctx);

/* Ask for the rate that RATE_OPTION gave. EXIT_FAILED after a complaint. */
int ask_rate(struct context *ctx);

/* Connect, with a complaint if that fails. */
int context_connect(struct context *ctx);
/* Complain about the last failure of the connection; EXIT_FAILED. */
int context_fail(struct context *ctx);

/* Fill in ctx from argv. 0, EXIT_FAILED or EXIT_USAGE, with a complaint. */
int parse_arguments(struct context *ctx, int argc, char **argv);
void print_usage(const struct command *command, FILE *out);
/* Of all nouns when noun is NULL. */
void print_help(const char *noun, FILE *out);

#endif
