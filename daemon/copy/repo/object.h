/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealed objects: everything in a repository but keys and the inside of packs. */
#ifndef BVOL_REPO_OBJECT_H
#define BVOL_REPO_OBJECT_H

#include "copy/repo/crypto.h"
#include "copy/repo/repo.h"

/* A header with a new salt. */
int head_make(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], uint64_t length,
	      uint8_t head[HEAD_SIZE], struct err *e);
/* Of this repository, kind and name? repo->id and encrypted have to be known. */
int head_check(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID],
	       const uint8_t head[HEAD_SIZE], struct err *e);
/* The key of the object with this header. */
int head_sealer(const struct repo *repo, const uint8_t head[HEAD_SIZE], struct sealer **ret, struct err *e);

/* "NAME in the repository WHERE is damaged: WHY"; -EBADMSG. */
int object_damaged(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], const char *why,
	    struct err *e);

/* -EEXIST without a sentence if it is there and not to be replaced. */
int object_put(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], const void *body,
	       size_t length, bool replace, struct err *e);

struct object {
	uint8_t *bytes;
	uint8_t *body;
	size_t length;
};

/* -ENOENT without a sentence. */
int object_get(const struct repo *repo, enum repo_kind kind, const uint8_t id[REPO_ID], struct object *ret,
	       struct err *e);
/* Takes an empty one. */
void object_deinit(struct object *object);

#endif
