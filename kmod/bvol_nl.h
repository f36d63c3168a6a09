/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/bvol.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_BVOL_GEN_H
#define _LINUX_BVOL_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/bvol.h>

/* Ops table for bvol */
extern const struct genl_split_ops bvol_nl_ops[10];

int bvol_nl_info_doit(struct sk_buff *skb, struct genl_info *info);
int bvol_nl_daemon_bind_doit(struct sk_buff *skb, struct genl_info *info);
int bvol_nl_export_add_doit(struct sk_buff *skb, struct genl_info *info);
int bvol_nl_export_del_doit(struct sk_buff *skb, struct genl_info *info);
int bvol_nl_export_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int bvol_nl_session_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int bvol_nl_event_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int bvol_nl_call_doit(struct sk_buff *skb, struct genl_info *info);
int bvol_nl_reply_doit(struct sk_buff *skb, struct genl_info *info);
int bvol_nl_notify_doit(struct sk_buff *skb, struct genl_info *info);

#endif /* _LINUX_BVOL_GEN_H */
