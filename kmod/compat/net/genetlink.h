/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BVOL_COMPAT_NET_GENETLINK_H
#define _BVOL_COMPAT_NET_GENETLINK_H

#include <linux/version.h>
#include_next <net/genetlink.h>

/* v6.2, 20b0b53aca43 ("genetlink: introduce split op representation") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define genl_split_ops		genl_ops
#define split_ops		ops
#define n_split_ops		n_ops
#endif

/* v6.6, 9272af109fe6 ("genetlink: add struct genl_info to struct genl_dumpit_info") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
/* What it returns has a member "attrs" as well. */
#define genl_info_dump(cb)	genl_dumpit_info(cb)
#endif

#endif
