/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bvol-backup: the commands of bvolctl that need a repository and nothing else. */
#ifndef BVOL_BACKUP_TOOL_H
#define BVOL_BACKUP_TOOL_H

#include "command.h"
#include "copy/repo/manifest.h"
#include "print.h"

/* open.c */

/* Complain about what failed: EXIT_FAILED, or EXIT_INTERRUPTED. */
int tool_fail(int code, const struct err *e);
/*
 * Where the repository is, for free(): what the command line says, with the
 * credentials that it names. NULL after a complaint.
 */
char *tool_where(const struct context *ctx, const char *where);
/* The repository at where, with the key file of the command line or a passphrase. 0 or an exit status. */
int tool_open(const struct context *ctx, const char *where, struct repo **ret);
/*
 * What --key-file (or another word) names, else, if ask, a new passphrase that
 * is typed twice. secret is for repo_secret_deinit(). 0 or an exit status.
 */
int tool_secret(const char *key_file, bool ask, struct repo_secret *secret);
/* What --rate says, if it is given. 0 or an exit status. */
int tool_rate(const struct context *ctx, struct repo_run *run);
/* A backup by UUID or by a name that only one has. 0 or an exit status. */
int tool_find(const struct repo *repo, const char *ref, struct manifest **ret);

/* progress.c */

/*
 * Show how far a run is, on a terminal, and let Ctrl-C cancel it, until progress_end(). A second
 * Ctrl-C ends the program at once: nothing is listed that can't be restored anyway.
 */
void progress_begin(const char *what, struct repo_run *run);
void progress_end(void);

/* Commands: exit statuses. */
int repo_create_command(struct context *ctx);
int repo_list_command(struct context *ctx);
int repo_show_command(struct context *ctx);
int repo_gc_command(struct context *ctx);
int repo_scrub_command(struct context *ctx);
int repo_key_command(struct context *ctx);
int backup_create_command(struct context *ctx);
int backup_list_command(struct context *ctx);
int backup_show_command(struct context *ctx);
int backup_delete_command(struct context *ctx);
int backup_restore_command(struct context *ctx);
int backup_verify_command(struct context *ctx);
int backup_cat_command(struct context *ctx);

/* Set a field of an object: the value, and that it is set. */
#define SET(object, TYPE, NAME, field, value) \
	((object)->field = (value), (object)->has |= BVOL_BIT(BVOL_A_##TYPE##_##NAME))

#endif
