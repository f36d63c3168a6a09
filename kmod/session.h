/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions of initiators, and logins that were refused.
 *
 * Every session that LIO has is remembered here, whether its target is an
 * export or not; it is shown while it is one. LIO's session is known by its
 * address, which is never dereferenced.
 */
#ifndef _BVOL_SESSION_H
#define _BVOL_SESSION_H

#include <linux/llist.h>

#include "export.h"

struct bvol_session {
	struct hlist_node by_key;
	struct list_head of_export;	/* in export->sessions, or strangers */
	struct bvol_export __rcu *export;
	unsigned long key;
	u64 id;
	u64 since;		/* CLOCK_REALTIME, ns */
	unsigned long flags;
	struct llist_node gone;
	struct rcu_head rcu;
	struct bvol_tpg tpg;
	char initiator[BVOL_WWN_MAX + 1];
};

/* For hooks, in any context; they neither sleep nor allocate. */

/*
 * A command of session @key ended; @failed with @scsi_status. False when no
 * session has this key (yet).
 */
bool bvol_session_command(unsigned long key, bool failed, u8 scsi_status);
/*
 * The end of session @key found no room in the queue: mark it in the table.
 * False when it isn't there.
 */
bool bvol_session_mark_gone(unsigned long key);

/* For the worker that reads the hooks' records; bvol_lock is held. */

/*
 * A session logged in, or was @met at a command, which is silent if known.
 * False when there is no room for it.
 */
bool bvol_session_login(unsigned long key, const struct bvol_tpg *tpg,
			const char *initiator, u64 since, bool met);
void bvol_session_logout(unsigned long key);
/* A logout may have been missed: forget all, each comes back when it is met. */
void bvol_session_forget(void);

/* Those that are marked as gone, to be reaped once the queue is empty. */
struct llist_node *bvol_session_gone(void);
void bvol_session_reap(struct llist_node *gone);

void bvol_login_failed(const struct bvol_tpg *tpg, const char *initiator, u32 reason);
/* Log the refused logins that are due; true when some have to wait. */
bool bvol_login_report(void);

/* For the table of exports; bvol_lock is held. */

/* Sessions of @exp's target that were strangers are its own from now on. */
void bvol_session_adopt(struct bvol_export *exp);
/* And strangers again. */
void bvol_session_release(struct bvol_export *exp);

/* For readers; bvol_lock is held. */

/* The session of an export with the lowest id from @from on, or NULL. */
struct bvol_session *bvol_session_next(u64 from);
u32 bvol_session_count(void);
unsigned int bvol_session_generation(void);

void bvol_session_exit(void);

#endif
