/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A way to reach a volume: one target for each export. Plans actions as
 * provider.h does; every one is idempotent and works on what a crash left.
 */
#ifndef BVOL_FABRIC_H
#define BVOL_FABRIC_H

#include "bvol.h"
#include "util/action.h"
#include "util/err.h"

struct fabric_config {
	const char *iqn_prefix;		/* "iqn.2026-01.net.bvol" */
	const char *const *portals;	/* ADDRESS:PORT, NULL at the end */
};

struct fabric_check {
	struct action action;
	struct bvol_difference **differences;	/* NULL at the end; owned by the action */
};

struct fabric_sessions {
	struct action action;
	struct bvol_session **sessions;		/* NULL at the end; owned by the action */
};

struct fabric_ops {
	const char *name;
	enum bvol_fabric fabric;
	/* Kernel modules that have to be there before add, NULL at the end. */
	const char *const *modules;
	/*
	 * Load the modules and make the kernel ready, once before the first add or
	 * check. dbroot: absolute path of a directory where the kernel's target
	 * keeps persistent reservations, made when it is not there; it is not
	 * changed while any backstore exists. Worker context, idempotent.
	 */
	int (*setup)(const char *dbroot, struct err *e);

	/*
	 * Check the request's initiators and portals (copied into export), fill in
	 * what is missing: target, tpgt, lun, portals from the configuration, and a
	 * fresh random secret. Touches nothing, does not block; asks the kernel for
	 * random bytes and whether this node has the portals' addresses.
	 */
	int (*prepare)(const struct fabric_config *config, struct bvol_export *export,
		       struct err *e);
	/* Make the target serve the block device at node; adopt what is there and right. */
	int (*add)(const struct bvol_export *export, const char *node, struct action **ret,
		   struct err *e);
	/* Also half of a target. Ends its sessions. Leaves other targets alone. */
	int (*remove)(const struct bvol_export *export, struct action **ret, struct err *e);
	/* Compare every export given with the kernel's state; extra ones carry our prefix. */
	int (*check)(const struct fabric_config *config, struct bvol_export *const *exports,
		     const char *const *nodes, struct fabric_check **ret, struct err *e);
	/*
	 * Sessions of these exports as configfs shows them, for nodes without the
	 * module. One that was loaded later learns of idle sessions by it.
	 */
	int (*sessions)(struct bvol_export *const *exports, struct fabric_sessions **ret,
			struct err *e);
};

extern const struct fabric_ops fabric_iscsi;

/* NULL when this one is not built. */
const struct fabric_ops *fabric_find(enum bvol_fabric fabric);

#endif
