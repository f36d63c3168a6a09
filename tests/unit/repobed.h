/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repositories in a folder of their own, and volumes whose content is known by a number for each page. */
#ifndef BVOL_REPOBED_H
#define BVOL_REPOBED_H

#include "copy/backup.h"
#include "copy/repo/crypto.h"
#include "copy/repo/gc.h"
#include "copy/repo/scrub.h"
#include "copy/restore.h"

#define PAGE 4096u

struct bed {
	char dir[64];
	char repo_path[96], file[96], out[96];
	char where[256];	/* the repository: repo_path, or elsewhere */
	struct repo *repo;
	struct err err;
};

/*
 * With a key file's bytes as the secret, unless it is not to be encrypted.
 * bed_place: names the place of the next repository, NULL: it is a folder.
 */
extern void (*bed_place)(char *where, size_t size);
void bed_init(struct bed *bed, bool encrypted, uint32_t chunk_size, enum compression compression);
void bed_deinit(struct bed *bed);
extern const struct repo_secret bed_secret;

/* Pages of a volume: 0 is zeroes, others random bytes, every third of which compress well. */
struct volume {
	uint32_t n;		/* pages */
	uint32_t tail;		/* bytes of the last page, 1 to PAGE */
	uint32_t *pages;
};

void volume_init(struct volume *v, uint32_t n, uint32_t tail);
void volume_copy(struct volume *to, const struct volume *from);
void volume_deinit(struct volume *v);
/* Into a file, with holes. */
void volume_save(const struct volume *v, const char *path);
/* Does the file have exactly this content? */
bool volume_is(const struct volume *v, const char *path);

/* bed->file into the repository. parent: NULL, or the identifier of a backup. */
int bed_backup(struct bed *bed, const char *name, const uint8_t *parent, uint8_t id[REPO_ID]);
/* The counts of the last one. */
extern struct manifest bed_counts;
int bed_restore(struct bed *bed, const uint8_t id[REPO_ID], bool diff);
int bed_gc(struct bed *bed, uint64_t dead_ns, struct gc_result *result);
/* What scrub says goes to words, at most size bytes; NULL: to standard error. */
int bed_scrub(struct bed *bed, struct scrub_result *result, char *words, size_t size);
/* Objects of a kind, and their names. */
size_t bed_list(struct bed *bed, enum repo_kind kind, uint8_t (**ids)[REPO_ID]);
char *bed_path(const struct bed *bed, enum repo_kind kind, const uint8_t id[REPO_ID], char path[192]);

uint32_t bed_random(uint32_t below);
void bed_seed(uint64_t seed);

#endif
