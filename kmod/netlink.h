/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family: what the handlers' callers on this side need.
 */
#ifndef _BVOL_NETLINK_H
#define _BVOL_NETLINK_H

#include <net/genetlink.h>

struct bvol_event;

extern struct genl_family bvol_nl_family;

/* Whether anybody listens to events. */
bool bvol_nl_listeners(void);

/* The event as a message, or ERR_PTR(-ENOMEM). */
struct sk_buff *bvol_nl_event_message(const struct bvol_event *ev);

/* Send a message to those who listen to events. Takes @skb. */
void bvol_nl_multicast(struct sk_buff *skb);

int bvol_nl_init(void);
/* No handler runs afterwards. */
void bvol_nl_exit(void);

#endif
