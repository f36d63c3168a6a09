/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An export as the kernel's iSCSI target (LIO): one backstore, one target of
 * one portal group and one LUN, an ACL with CHAP for each initiator. For
 * worker threads, see configfs.h.
 */
#ifndef BVOL_ISCSI_TARGET_H
#define BVOL_ISCSI_TARGET_H

#include "bvol.h"
#include "fabric/configfs.h"

/*
 * One HBA, of no meaning but its name, for all our backstores; the kernel looks
 * at neither list of them when it adds one. It is never removed: a backstore
 * whose last reference is dropped late would then find its HBA gone. Others
 * count their HBAs from 0.
 */
#define ISCSI_HBA	"core/iblock_25206"
#define ISCSI_DIR	"iscsi"
#define ISCSI_PREFIX	"bvol-"		/* of our backstores, followed by the export's UUID */
#define ISCSI_BACKSTORE	(sizeof(ISCSI_PREFIX) + BVOL_UUID_TEXT)
char *iscsi_target_backstore(const struct bvol_export *export, char ret[ISCSI_BACKSTORE]);

/* Make the target whole; what is right already, its sessions too, is not touched. */
int iscsi_target_build(struct configfs *c, const struct bvol_export *export, const char *device,
		       struct err *e);
/* Also half of a target, or none. Ends the sessions and waits for their I/O. */
int iscsi_target_remove(struct configfs *c, const struct bvol_export *export, struct err *e);
/* See configfs_compare(). device: NULL when it is not known. */
int iscsi_target_compare(struct configfs *c, const struct bvol_export *export, const char *device,
			 configfs_each each, void *data, struct err *e);
/* Let the module, if it is younger than the target's sessions, see them. */
void iscsi_target_recall(struct configfs *c, const struct bvol_export *export);
/* The kernel's account of an initiator's session; -ENOENT without a sentence. */
int iscsi_target_session(struct configfs *c, const struct bvol_export *export,
			 const char *initiator, char *buf, size_t len, struct err *e);

#endif
