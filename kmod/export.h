/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The export table: what the daemon registered. It outlives the daemon.
 *
 * Locks, outermost first. genl's own mutex may be held around all of them;
 * nobody waits for it while holding one.
 *
 *	bvol_lock	exports, sessions, refused logins	export.c
 *	relay_lock	bound daemon, waiting calls		relay.c
 *	log_lock	the event log				event.c
 *
 * bvol_lock and relay_lock are never held together. Hooks in LIO take none of
 * them: they read sessions under RCU and write to the queue in lio.c under
 * its raw spinlock, which is a leaf.
 */
#ifndef _BVOL_EXPORT_H
#define _BVOL_EXPORT_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <uapi/linux/bvol.h>

struct bvol_event;
struct netlink_ext_ack;

/* Where initiators log in: the name of a target and its portal group tag. */
struct bvol_tpg {
	u32 fabric;		/* enum bvol_fabric */
	u32 tpgt;
	char target[BVOL_WWN_MAX + 1];
};

/* All that export-add says about an export. */
struct bvol_export_desc {
	u8 id[BVOL_UUID_LEN];
	u8 volume_id[BVOL_UUID_LEN];
	struct bvol_tpg tpg;
	u32 lun;
	u64 size;		/* bytes */
};

struct bvol_export {
	struct hlist_node by_id;
	struct hlist_node by_tpg;
	struct list_head sessions;
	struct bvol_export_desc desc;
	unsigned long number;	/* place in the table, not used again */
	u32 nsessions;
	u64 login_failures;
	u64 reported_errors;	/* of command_errors */
	unsigned long next_report;	/* jiffies */
	atomic64_t command_errors;	/* written by hooks */
	u8 scsi_status;			/* of the last error, likewise */
	struct rcu_head rcu;
};

extern struct mutex bvol_lock;

bool bvol_tpg_equal(const struct bvol_tpg *a, const struct bvol_tpg *b);

/*
 * Register what @desc describes, or change the size of a registered export.
 * 0 also when nothing changes. -EEXIST: the id stands for something else, or
 * the target is taken. -ENOSPC: the table is full. -ENOMEM. An error leaves
 * the table as it was and a sentence in @extack.
 */
int bvol_export_add(const struct bvol_export_desc *desc,
		    struct netlink_ext_ack *extack);

/*
 * -ENOENT when it is not registered. What goes on in LIO goes on; its sessions
 * get their logout event here, and a login event when it is registered again.
 */
int bvol_export_del(const u8 *id, struct netlink_ext_ack *extack);

/* The rest is called with bvol_lock held. */
struct bvol_export *bvol_export_find(const struct bvol_tpg *tpg);

/* The export with the lowest number from @from on, or NULL. */
struct bvol_export *bvol_export_next(unsigned long from);

u32 bvol_export_count(void);

/* Changes whenever the table does; never 0. */
unsigned int bvol_export_generation(void);

/* Put the ids of the export and its volume into @ev. */
void bvol_export_describe(const struct bvol_export *exp, struct bvol_event *ev);

/* Log the command errors that are due; true when some have to wait. */
bool bvol_export_report(void);

/* Count a failed command. Called from hooks, under RCU. */
void bvol_export_command_error(struct bvol_export *exp, u8 scsi_status);

void bvol_export_exit(void);

#endif
