/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls of clients to the daemon, and its replies.
 *
 * A call waits in a bounded table until the daemon replies, the client closes
 * its socket, or the daemon goes: then every waiting client is told at once.
 */
#ifndef _BVOL_RELAY_H
#define _BVOL_RELAY_H

#include <linux/types.h>

struct genl_info;
struct netlink_ext_ack;
struct nlattr;
struct nlmsghdr;
struct sk_buff;

/* Longest version of a daemon, in bytes, without the final NUL. */
#define BVOL_VERSION_MAX	31

struct bvol_relay_state {
	u32 pending;
	u32 pid;		/* of the daemon, 0 without one */
	char version[BVOL_VERSION_MAX + 1];
};

void bvol_relay_state(struct bvol_relay_state *state);

/*
 * The sender becomes the daemon; silent if it is. -EBUSY when there is another
 * one, -ESHUTDOWN when the module goes.
 */
int bvol_relay_bind(struct genl_info *info, const char *version);

/* -EPERM, with a sentence, when the sender is not the bound daemon. */
int bvol_relay_check_daemon(struct genl_info *info);

/*
 * Pass the sender's call on to the daemon. -ENOTCONN without one, -EBUSY when
 * too many calls wait, -EAGAIN when the daemon's socket is full, -ENOMEM. An
 * acknowledgment that the client asked for is sent here, so that the reply
 * can't overtake it: -EINTR then, for netlink not to send another.
 */
int bvol_relay_call(struct sk_buff *skb, struct genl_info *info, u32 verb,
		    const struct nlattr *payload);

/* Pass the daemon's reply on. -ENOENT when nobody waits for it. */
int bvol_relay_reply(struct genl_info *info, u64 cookie, const struct nlattr *payload);

int bvol_relay_init(void);
/* Answer all who wait. Nobody can bind or call any more. */
void bvol_relay_exit(void);

#endif
