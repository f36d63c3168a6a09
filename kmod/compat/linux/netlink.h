/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _BVOL_COMPAT_LINUX_NETLINK_H
#define _BVOL_COMPAT_LINUX_NETLINK_H

#include <linux/version.h>
#include_next <linux/netlink.h>

/* v6.2, 51c352bdbcd2 ("netlink: add support for formatted extack messages") */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/*
 * There is no room in the extack, so that each caller has one sentence. Two
 * that are sent at once may mix their numbers; both end with a NUL.
 */
#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) do {			\
	static char __sentence[80];					\
									\
	scnprintf(__sentence, sizeof(__sentence), fmt, ##args);		\
	(extack)->_msg = __sentence;					\
} while (0)
#endif

#endif
