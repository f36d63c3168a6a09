/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading everything, to find what is damaged and whom it hits. */
#ifndef BVOL_REPO_SCRUB_H
#define BVOL_REPO_SCRUB_H

#include "copy/repo/session.h"

struct scrub_plan {
	unsigned int percent;		/* of the packs, chosen anew each time; 0: all */
	unsigned int threads;		/* 0: as many as there are processors */
	/* Each damage, in one sentence, and each backup that it hits. One call at a time. */
	void (*report)(void *data, const char *sentence);
	void *data;
};

struct scrub_result {
	uint64_t packs, records, bytes;	/* that were read */
	uint64_t damaged;		/* chunks, and other objects */
	uint64_t backups, hit;		/* hit: of them lack something */
	uint64_t rebuilt;		/* packs that had no index */
};

/*
 * 0 also when something is damaged. What is damaged is marked, so that the
 * next backup that has it stores it again. Indexes that are damaged or missing
 * are made again from the packs.
 */
int scrub_run(const struct repo *repo, const struct scrub_plan *plan, struct repo_run *run,
	      struct scrub_result *ret, struct err *e);

#endif
