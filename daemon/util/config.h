/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bvold.conf: keys at the top of the file and in sections. Every key has a
 * default, so that no file is a configuration too.
 */
#ifndef BVOL_CONFIG_H
#define BVOL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define CONFIG_KEYS_MAX 24

/* Of a project that has none of its own; -1 is no limit. */
struct quota_limits {
	int64_t volumes, snapshots, gigabytes;
};

struct config {
	char *state_dir;		/* absolute */
	char *run_dir;
	char *group;			/* owner of the control socket */
	char *project;			/* of what is created without naming one */
	uint32_t log_level;		/* priority, see log.h */
	/* [iscsi]; their form is for the fabric to judge, see config_check(). */
	char *iqn_prefix;
	char **portals;			/* NULL at the end, one at least */
	/* [thin] */
	uint32_t chunk_size;		/* bytes; a multiple of 64 KiB */
	uint32_t reserve;		/* percent, 0 to 100 */
	uint32_t over_subscription;	/* percent, 100 to 100000 */
	char *warn;			/* as levels_parse() takes it, see config_check() */
	uint32_t grow;			/* percent, 1 to 99 */
	/* [backup] */
	uint32_t backup_jobs;		/* that work in repositories at a time, 1 to 32 */
	/* [quota] */
	struct quota_limits quota;
	/* [module] */
	uint32_t use_module;		/* 1: load and use bvol.ko where there is one */

	char *file;			/* that was read, NULL: none */
	unsigned int lines[CONFIG_KEYS_MAX];	/* where each key was set, 0: nowhere */
};

/*
 * path: required or not, a file that is there has to be right: one sentence
 * with file and line. -ENOENT and its like: it can't be read; -EINVAL.
 */
int config_load(const char *path, bool required, struct config **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct config *config_free(struct config *config);

/* Arguments of the command line go before the file. -ENOMEM. */
int config_set_state(struct config *config, const char *dir);
int config_set_run(struct config *config, const char *dir);

/*
 * Let someone who knows judge a key's text, each one of a list: a negative
 * result of check is returned, its sentence put behind file and line.
 */
int config_check(const struct config *config, const char *section, const char *key,
		 int (*check)(const char *text, struct err *e), struct err *e);

#endif
