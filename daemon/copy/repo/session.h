/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Somebody who writes into a repository: a backup, or gc. The order of
 * Documentation/backup-format.rst, "Order of commit".
 */
#ifndef BVOL_REPO_SESSION_H
#define BVOL_REPO_SESSION_H

#include "copy/repo/manifest.h"

/* Between two renewals of a lease, and until gc takes its writer for dead. */
#define LEASE_RENEW_NS	(UINT64_C(60) * 1000000000)
#define LEASE_DEAD_NS	(UINT64_C(3600) * 1000000000)

/* The name of gc's lease: there is one gc at a time. */
extern const uint8_t gc_lease[REPO_ID];

struct lease {
	uint8_t id[REPO_ID];	/* of the backup, or gc_lease */
	uint8_t session[REPO_ID];	/* of its packs */
	uint64_t began_at, renewed_at;	/* renewed_at: by the repository's clock */
	struct id_list seen;
};

struct lease_list {
	struct lease *leases;
	size_t n;
};

int lease_list(const struct repo *repo, struct lease_list *list, struct err *e);
void lease_list_deinit(struct lease_list *list);
/* Is this pack one of a writer in the list? */
bool lease_owns(const struct lease_list *list, const uint8_t pack[REPO_ID]);

struct session;
/*
 * lease: the backup's identifier, or gc_lease. limit: chunks that the index
 * may have, 0: no limit. run: whose threads renew the lease while they wait,
 * until session_end(); or NULL. -EEXIST: this one has begun already.
 */
int session_begin(const struct repo *repo, const uint8_t lease[REPO_ID], uint64_t limit, struct run *run,
		  struct session **ret, struct err *e);
/* Of what was stored and not committed nothing is lost for the next one. Takes NULL, returns NULL. */
struct session *session_end(struct session *session);
struct index *session_index(struct session *session);
/* Packs that had no index. */
uint64_t session_adopted(const struct session *session);
const struct marks *session_marks(const struct session *session);
/* Its memory is free again; nothing that wants it may follow. */
void session_drop_index(struct session *session);
/* Renew the lease if it is time. -ESTALE: it was taken away. Any thread. */
int session_renew(struct session *session, bool now, struct err *e);
/* Publish what is not indexed yet. */
int session_flush(struct session *session, struct err *e);
/* Everything that m needs is published; m is the backup of the lease. */
int session_commit(struct session *session, const struct manifest *m, struct err *e);

/* One thread that stores chunks, with a pack of its own. */
struct chunk_store;
int chunk_store_new(struct session *session, struct chunk_store **ret, struct err *e);
/* Takes NULL, returns NULL. What was not flushed is lost. */
struct chunk_store *chunk_store_free(struct chunk_store *store);
/* A record, whoever claimed its id in the index. Bytes that it took are added to *added. */
int chunk_store_add(struct chunk_store *store, enum record_kind kind, const uint8_t id[CHUNK_ID],
		 const uint8_t base[CHUNK_ID], const void *content, size_t length, uint64_t *added,
		 struct err *e);
/* Publish the pack that is open. */
int chunk_store_flush(struct chunk_store *store, struct err *e);

#endif
