// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of clients to the daemon, and its replies.
 *
 * The table of waiting calls holds no message, only whom to answer. If the
 * module goes, its clients are told; if the machine crashes, the calls' intent
 * is the daemon's to remember.
 */
#include <linux/cred.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "event.h"
#include "netlink.h"
#include "relay.h"

#define PENDING_MAX		256
#define PENDING_PER_CLIENT	32

/* A call that waits; unused without a cookie. */
struct pending {
	u64 cookie;
	u32 portid;
	struct nlmsghdr nlh;	/* of the call */
};

static DEFINE_MUTEX(relay_lock);
static struct pending pending[PENDING_MAX];
static u32 npending;
/*
 * Begins anywhere: an answer to a call that was relayed before the module was
 * loaded anew must not find a caller.
 */
static u64 last_cookie;
static bool closed;		/* the module goes */

static struct {
	u32 portid;		/* 0: nobody */
	u32 pid;
	char version[BVOL_VERSION_MAX + 1];
} server;

void bvol_relay_state(struct bvol_relay_state *state)
{
	mutex_lock(&relay_lock);
	state->pending = npending;
	state->pid = server.pid;
	memcpy(state->version, server.version, sizeof(state->version));
	mutex_unlock(&relay_lock);
}

static void log_daemon(u32 kind, const char *what)
{
	struct bvol_event *ev = bvol_event_begin(kind);
	char sentence[BVOL_VERSION_MAX + 64];

	lockdep_assert_held(&relay_lock);
	snprintf(sentence, sizeof(sentence), "bvold %s, process %u, %s",
		 server.version, server.pid, what);
	bvol_event_text(ev, BVOL_A_EVENT_MESSAGE, sentence);
	bvol_event_commit(ev);
}

int bvol_relay_bind(struct genl_info *info, const char *version)
{
	int err = 0;

	mutex_lock(&relay_lock);
	if (closed) {
		NL_SET_ERR_MSG(info->extack, "the module is being unloaded");
		err = -ESHUTDOWN;
	} else if (!server.portid) {
		server.portid = info->snd_portid;
		server.pid = task_tgid_nr(current);
		strscpy(server.version, version, sizeof(server.version));
		log_daemon(BVOL_EVENT_KIND_DAEMON_UP, "serves this node");
	} else if (server.portid != info->snd_portid) {
		NL_SET_ERR_MSG_FMT(info->extack, "process %u is this node's daemon already",
				   server.pid);
		err = -EBUSY;
	}
	mutex_unlock(&relay_lock);
	return err;
}

/* Any socket of the daemon's process will do: calls come in on the bound one. */
int bvol_relay_check_daemon(struct genl_info *info)
{
	int err = 0;

	mutex_lock(&relay_lock);
	if (!server.portid || (server.portid != info->snd_portid &&
			       server.pid != task_tgid_nr(current))) {
		NL_SET_ERR_MSG(info->extack, "only the bound daemon may do this");
		err = -EPERM;
	}
	mutex_unlock(&relay_lock);
	return err;
}

/* The first call that waits from @p on, or NULL. */
static struct pending *waiting(struct pending *p)
{
	lockdep_assert_held(&relay_lock);
	for (; p < pending + PENDING_MAX; p++)
		if (p->cookie)
			return p;
	return NULL;
}

static void forget(struct pending *p)
{
	lockdep_assert_held(&relay_lock);
	p->cookie = 0;
	npending--;
}

/* A place in the table, not taken yet. */
static struct pending *place_for(struct genl_info *info)
{
	struct pending *p, *free = NULL;
	u32 own = 0;

	for (p = pending; p < pending + PENDING_MAX; p++) {
		if (!p->cookie)
			free = p;
		else if (p->portid == info->snd_portid)
			own++;
	}
	if (own >= PENDING_PER_CLIENT) {
		NL_SET_ERR_MSG(info->extack, "too many calls of this client wait for their reply");
		return NULL;
	}
	if (!free)
		NL_SET_ERR_MSG(info->extack, "too many calls wait for their reply");
	return free;
}

static struct sk_buff *call_message(u32 to, u64 cookie, u32 verb,
				    const struct nlattr *payload, u32 from)
{
	struct sk_buff *skb;
	void *hdr;

	skb = genlmsg_new(nla_total_size_64bit(sizeof(u64)) +
			  4 * nla_total_size(sizeof(u32)) +
			  nla_total_size(nla_len(payload)), GFP_KERNEL);
	if (!skb)
		return NULL;
	hdr = genlmsg_put(skb, to, 0, &bvol_nl_family, 0, BVOL_CMD_CALL);
	if (!hdr ||
	    nla_put_u64_64bit(skb, BVOL_A_RELAY_COOKIE, cookie, BVOL_A_RELAY_PAD) ||
	    nla_put_u32(skb, BVOL_A_RELAY_VERB, verb) ||
	    nla_put_u32(skb, BVOL_A_RELAY_UID,
			from_kuid(&init_user_ns, current_euid())) ||
	    nla_put_u32(skb, BVOL_A_RELAY_PID, task_tgid_nr(current)) ||
	    nla_put_u32(skb, BVOL_A_RELAY_PORTID, from) ||
	    nla_put(skb, BVOL_A_RELAY_PAYLOAD, nla_len(payload), nla_data(payload))) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

static int pass_on(struct genl_info *info, u32 verb, const struct nlattr *payload)
{
	struct pending *p;
	struct sk_buff *msg;
	int err;

	lockdep_assert_held(&relay_lock);
	if (!server.portid) {
		NL_SET_ERR_MSG(info->extack, "bvold is not running on this node");
		return -ENOTCONN;
	}
	p = place_for(info);
	if (!p)
		return -EBUSY;
	msg = call_message(server.portid, last_cookie + 1, verb, payload, info->snd_portid);
	if (!msg)
		return -ENOMEM;
	err = genlmsg_unicast(&init_net, msg, server.portid);
	if (err) {
		NL_SET_ERR_MSG(info->extack, "bvold does not take more calls at the moment");
		return err;
	}
	p->cookie = ++last_cookie;
	p->portid = info->snd_portid;
	p->nlh = *info->nlhdr;
	npending++;
	return 0;
}

int bvol_relay_call(struct sk_buff *skb, struct genl_info *info, u32 verb,
		    const struct nlattr *payload)
{
	int err;

	mutex_lock(&relay_lock);
	err = pass_on(info, verb, payload);
	if (!err && info->nlhdr->nlmsg_flags & NLM_F_ACK) {
		netlink_ack(skb, nlmsg_hdr(skb), 0, info->extack);
		err = -EINTR;
	}
	mutex_unlock(&relay_lock);
	return err;
}

static struct sk_buff *reply_message(const struct pending *p, const struct nlattr *payload)
{
	struct sk_buff *skb;
	void *hdr;

	skb = genlmsg_new(nla_total_size_64bit(sizeof(u64)) +
			  nla_total_size(nla_len(payload)), GFP_KERNEL);
	if (!skb)
		return NULL;
	hdr = genlmsg_put(skb, p->portid, p->nlh.nlmsg_seq, &bvol_nl_family, 0,
			  BVOL_CMD_REPLY);
	if (!hdr ||
	    nla_put_u64_64bit(skb, BVOL_A_RELAY_COOKIE, p->cookie, BVOL_A_RELAY_PAD) ||
	    nla_put(skb, BVOL_A_RELAY_PAYLOAD, nla_len(payload), nla_data(payload))) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

/*
 * A client whose socket is full has been told so by netlink (ENOBUFS): its
 * call is over as well.
 */
static int answer(struct genl_info *info, u64 cookie, const struct nlattr *payload)
{
	struct pending *p;
	struct sk_buff *msg;
	int err;

	lockdep_assert_held(&relay_lock);
	for (p = waiting(pending); p; p = waiting(p + 1)) {
		if (p->cookie != cookie)
			continue;
		msg = reply_message(p, payload);
		if (!msg)
			return -ENOMEM;
		err = genlmsg_unicast(&init_net, msg, p->portid);
		forget(p);
		if (err)
			NL_SET_ERR_MSG(info->extack, "the caller does not take its reply");
		return err;
	}
	NL_SET_ERR_MSG(info->extack, "nobody waits for this reply");
	return -ENOENT;
}

int bvol_relay_reply(struct genl_info *info, u64 cookie, const struct nlattr *payload)
{
	int err;

	mutex_lock(&relay_lock);
	err = answer(info, cookie, payload);
	mutex_unlock(&relay_lock);
	return err;
}

/* Tell a client that no reply will come, as netlink would report an error. */
static void tell_lost(const struct pending *p)
{
	static const char sentence[] = "bvold has gone before it replied";
	struct nlmsgerr *error;
	struct nlmsghdr *nlh;
	struct sk_buff *skb;

	skb = nlmsg_new(sizeof(*error) + nla_total_size(sizeof(sentence)), GFP_KERNEL);
	if (!skb)
		return;
	nlh = nlmsg_put(skb, p->portid, p->nlh.nlmsg_seq, NLMSG_ERROR,
			sizeof(*error), NLM_F_CAPPED | NLM_F_ACK_TLVS);
	if (!nlh) {
		nlmsg_free(skb);
		return;
	}
	error = nlmsg_data(nlh);
	error->error = -ECONNRESET;
	error->msg = p->nlh;
	if (nla_put_string(skb, NLMSGERR_ATTR_MSG, sentence)) {
		nlmsg_free(skb);
		return;
	}
	nlmsg_end(skb, nlh);
	nlmsg_unicast(init_net.genl_sock, skb, p->portid);
}

static void unbind(void)
{
	struct pending *p;

	lockdep_assert_held(&relay_lock);
	for (p = waiting(pending); p; p = waiting(p + 1)) {
		tell_lost(p);
		forget(p);
	}
	if (!server.portid)
		return;
	log_daemon(BVOL_EVENT_KIND_DAEMON_DOWN, "has gone");
	memset(&server, 0, sizeof(server));
}

/* A socket was closed: that of a client which waits, of the daemon, or both. */
static int socket_closed(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct netlink_notify *closed = data;
	struct pending *p;

	if (action != NETLINK_URELEASE || closed->protocol != NETLINK_GENERIC ||
	    !net_eq(closed->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&relay_lock);
	for (p = waiting(pending); p; p = waiting(p + 1))
		if (p->portid == closed->portid)
			forget(p);
	if (server.portid == closed->portid)
		unbind();
	mutex_unlock(&relay_lock);
	return NOTIFY_DONE;
}

static struct notifier_block socket_notifier = { .notifier_call = socket_closed };

int bvol_relay_init(void)
{
	last_cookie = get_random_u64() >> 1;
	return netlink_register_notifier(&socket_notifier);
}

void bvol_relay_exit(void)
{
	mutex_lock(&relay_lock);
	closed = true;
	unbind();
	mutex_unlock(&relay_lock);
	netlink_unregister_notifier(&socket_notifier);
}
