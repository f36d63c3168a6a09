// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family. The protocol is described in
 * Documentation/netlink/specs/bvol.yaml; policies and the table of operations
 * are generated from it (bvol_nl.c).
 *
 * A request is checked as a whole before anything changes, and each refusal
 * has a sentence in its extended ack.
 */
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "bvol_nl.h"
#include "event.h"
#include "export.h"
#include "lio.h"
#include "netlink.h"
#include "relay.h"
#include "session.h"

enum { GROUP_EVENTS };

static bool lacks(struct genl_info *info, unsigned int attr, const char *name)
{
	if (info->attrs[attr])
		return false;
	NL_SET_ERR_MSG_FMT(info->extack, "the attribute \"%s\" is missing", name);
	return true;
}

/* Info */

static int fill_unavailable(struct sk_buff *skb)
{
	char sentence[128];
	unsigned int n;

	for (n = 0; bvol_lio_unavailable(n, sentence, sizeof(sentence)); n++)
		if (sentence[0] &&
		    nla_put_string(skb, BVOL_A_INFO_UNAVAILABLE, sentence))
			return -EMSGSIZE;
	return 0;
}

static int fill_log_state(struct sk_buff *skb)
{
	struct bvol_event_log log;

	bvol_event_log_state(&log);
	if (nla_put_u64_64bit(skb, BVOL_A_INFO_LOG_ID, log.id, BVOL_A_INFO_PAD) ||
	    nla_put_u32(skb, BVOL_A_INFO_LOG_SIZE, log.size) ||
	    nla_put_u64_64bit(skb, BVOL_A_INFO_LOG_FIRST, log.first, BVOL_A_INFO_PAD) ||
	    nla_put_u64_64bit(skb, BVOL_A_INFO_LOG_LAST, log.last, BVOL_A_INFO_PAD))
		return -EMSGSIZE;
	return 0;
}

static int fill_counters(struct sk_buff *skb)
{
	struct bvol_lio_counters c;
	u32 exports, sessions;

	mutex_lock(&bvol_lock);
	exports = bvol_export_count();
	sessions = bvol_session_count();
	mutex_unlock(&bvol_lock);
	bvol_lio_counters(&c);
	if (nla_put_u32(skb, BVOL_A_INFO_EXPORTS, exports) ||
	    nla_put_u32(skb, BVOL_A_INFO_SESSIONS, sessions) ||
	    nla_put_u64_64bit(skb, BVOL_A_INFO_LOGIN_FAILURES, c.login_failures,
			      BVOL_A_INFO_PAD) ||
	    nla_put_u64_64bit(skb, BVOL_A_INFO_COMMAND_ERRORS, c.command_errors,
			      BVOL_A_INFO_PAD) ||
	    nla_put_u64_64bit(skb, BVOL_A_INFO_LOST, c.lost, BVOL_A_INFO_PAD))
		return -EMSGSIZE;
	return 0;
}

static int fill_daemon(struct sk_buff *skb)
{
	struct bvol_relay_state relay;

	bvol_relay_state(&relay);
	if (nla_put_u32(skb, BVOL_A_INFO_PENDING_CALLS, relay.pending))
		return -EMSGSIZE;
	if (relay.pid &&
	    (nla_put_u32(skb, BVOL_A_INFO_DAEMON_PID, relay.pid) ||
	     nla_put_string(skb, BVOL_A_INFO_DAEMON_VERSION, relay.version)))
		return -EMSGSIZE;
	return 0;
}

static int reply_info(struct genl_info *info)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_put_reply(skb, info, &bvol_nl_family, 0, info->genlhdr->cmd);
	if (!hdr ||
	    nla_put_string(skb, BVOL_A_INFO_MODULE_VERSION, THIS_MODULE->version) ||
	    fill_log_state(skb) || fill_counters(skb) || fill_unavailable(skb) ||
	    fill_daemon(skb)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

int bvol_nl_info_doit(struct sk_buff *skb, struct genl_info *info)
{
	return reply_info(info);
}

/* Daemon */

/* A daemon that gets no reply for want of memory is bound and may ask again. */
int bvol_nl_daemon_bind_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *version = info->attrs[BVOL_A_INFO_DAEMON_VERSION];
	int err;

	if (lacks(info, BVOL_A_INFO_DAEMON_VERSION, "daemon-version"))
		return -EINVAL;
	err = bvol_relay_bind(info, nla_data(version));
	return err ?: reply_info(info);
}

static int check_payload(struct genl_info *info)
{
	if (lacks(info, BVOL_A_RELAY_PAYLOAD, "payload"))
		return -EINVAL;
	if (nla_len(info->attrs[BVOL_A_RELAY_PAYLOAD]) > BVOL_PAYLOAD_MAX) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BVOL_A_RELAY_PAYLOAD],
				    "the payload is too long");
		return -EMSGSIZE;
	}
	return 0;
}

int bvol_nl_call_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	if (lacks(info, BVOL_A_RELAY_VERB, "verb"))
		return -EINVAL;
	err = check_payload(info);
	if (err)
		return err;
	return bvol_relay_call(skb, info, nla_get_u32(info->attrs[BVOL_A_RELAY_VERB]),
			       info->attrs[BVOL_A_RELAY_PAYLOAD]);
}

int bvol_nl_reply_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = bvol_relay_check_daemon(info);

	if (err)
		return err;
	if (lacks(info, BVOL_A_RELAY_COOKIE, "cookie"))
		return -EINVAL;
	err = check_payload(info);
	if (err)
		return err;
	return bvol_relay_reply(info, nla_get_u64(info->attrs[BVOL_A_RELAY_COOKIE]),
				info->attrs[BVOL_A_RELAY_PAYLOAD]);
}

/* Exports */

static bool is_wwn(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isascii(*c) || !isgraph(*c))
			return false;
	return c > name;
}

static int parse_export(struct genl_info *info, struct bvol_export_desc *desc)
{
	static const struct {
		u16 attr;
		const char *name;
	} needed[] = {
		{ BVOL_A_EXPORT_ID,		"id" },
		{ BVOL_A_EXPORT_VOLUME_ID,	"volume-id" },
		{ BVOL_A_EXPORT_FABRIC,		"fabric" },
		{ BVOL_A_EXPORT_TARGET,		"target" },
		{ BVOL_A_EXPORT_TPGT,		"tpgt" },
		{ BVOL_A_EXPORT_LUN,		"lun" },
		{ BVOL_A_EXPORT_SIZE,		"size" },
	};
	struct nlattr **attrs = info->attrs;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (lacks(info, needed[i].attr, needed[i].name))
			return -EINVAL;
	memset(desc, 0, sizeof(*desc));
	memcpy(desc->id, nla_data(attrs[BVOL_A_EXPORT_ID]), BVOL_UUID_LEN);
	memcpy(desc->volume_id, nla_data(attrs[BVOL_A_EXPORT_VOLUME_ID]), BVOL_UUID_LEN);
	nla_strscpy(desc->tpg.target, attrs[BVOL_A_EXPORT_TARGET], sizeof(desc->tpg.target));
	desc->tpg.fabric = nla_get_u32(attrs[BVOL_A_EXPORT_FABRIC]);
	desc->tpg.tpgt = nla_get_u32(attrs[BVOL_A_EXPORT_TPGT]);
	desc->lun = nla_get_u32(attrs[BVOL_A_EXPORT_LUN]);
	desc->size = nla_get_u64(attrs[BVOL_A_EXPORT_SIZE]);
	if (desc->tpg.fabric == BVOL_FABRIC_NONE) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[BVOL_A_EXPORT_FABRIC],
				    "an export needs a fabric");
		return -EINVAL;
	}
	if (!is_wwn(desc->tpg.target)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[BVOL_A_EXPORT_TARGET],
				    "a target's name has printable ASCII characters only, and no space");
		return -EINVAL;
	}
	if (!desc->size) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[BVOL_A_EXPORT_SIZE],
				    "the size is 0");
		return -EINVAL;
	}
	return 0;
}

int bvol_nl_export_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct bvol_export_desc desc;
	int err = bvol_relay_check_daemon(info);

	if (!err)
		err = parse_export(info, &desc);
	return err ?: bvol_export_add(&desc, info->extack);
}

int bvol_nl_export_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = bvol_relay_check_daemon(info);

	if (err)
		return err;
	if (lacks(info, BVOL_A_EXPORT_ID, "id"))
		return -EINVAL;
	return bvol_export_del(nla_data(info->attrs[BVOL_A_EXPORT_ID]), info->extack);
}

static void *put_dump_header(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &bvol_nl_family, NLM_F_MULTI, cmd);
}

static int fill_export(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct bvol_export *exp)
{
	const struct bvol_export_desc *desc = &exp->desc;
	void *hdr = put_dump_header(skb, cb, BVOL_CMD_EXPORT_GET);

	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	if (nla_put(skb, BVOL_A_EXPORT_ID, BVOL_UUID_LEN, desc->id) ||
	    nla_put(skb, BVOL_A_EXPORT_VOLUME_ID, BVOL_UUID_LEN, desc->volume_id) ||
	    nla_put_u32(skb, BVOL_A_EXPORT_FABRIC, desc->tpg.fabric) ||
	    nla_put_string(skb, BVOL_A_EXPORT_TARGET, desc->tpg.target) ||
	    nla_put_u32(skb, BVOL_A_EXPORT_TPGT, desc->tpg.tpgt) ||
	    nla_put_u32(skb, BVOL_A_EXPORT_LUN, desc->lun) ||
	    nla_put_u64_64bit(skb, BVOL_A_EXPORT_SIZE, desc->size, BVOL_A_EXPORT_PAD) ||
	    nla_put_u32(skb, BVOL_A_EXPORT_SESSIONS, exp->nsessions) ||
	    nla_put_u64_64bit(skb, BVOL_A_EXPORT_COMMAND_ERRORS,
			      atomic64_read(&exp->command_errors), BVOL_A_EXPORT_PAD) ||
	    nla_put_u64_64bit(skb, BVOL_A_EXPORT_LOGIN_FAILURES,
			      exp->login_failures, BVOL_A_EXPORT_PAD)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/*
 * Dumps go on where the last portion ended, by number; numbers only grow. A
 * change in between marks the dump as interrupted.
 */
int bvol_nl_export_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bvol_export *exp;

	mutex_lock(&bvol_lock);
	cb->seq = bvol_export_generation();
	while ((exp = bvol_export_next(cb->args[0])) && !fill_export(skb, cb, exp))
		cb->args[0] = exp->number + 1;
	mutex_unlock(&bvol_lock);
	return skb->len;
}

/* Sessions */

static int fill_session(struct sk_buff *skb, struct netlink_callback *cb,
			const struct bvol_session *s)
{
	const struct bvol_export *exp =
		rcu_dereference_protected(s->export, lockdep_is_held(&bvol_lock));
	void *hdr = put_dump_header(skb, cb, BVOL_CMD_SESSION_GET);

	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	if (nla_put_u64_64bit(skb, BVOL_A_SESSION_ID, s->id, BVOL_A_SESSION_PAD) ||
	    nla_put_u32(skb, BVOL_A_SESSION_STATUS, BVOL_SESSION_STATUS_ACTIVE) ||
	    nla_put_u32(skb, BVOL_A_SESSION_FABRIC, s->tpg.fabric) ||
	    nla_put_string(skb, BVOL_A_SESSION_INITIATOR, s->initiator) ||
	    nla_put_string(skb, BVOL_A_SESSION_TARGET, s->tpg.target) ||
	    nla_put(skb, BVOL_A_SESSION_EXPORT_ID, BVOL_UUID_LEN, exp->desc.id) ||
	    nla_put(skb, BVOL_A_SESSION_VOLUME_ID, BVOL_UUID_LEN, exp->desc.volume_id) ||
	    nla_put_u64_64bit(skb, BVOL_A_SESSION_CREATED_AT, s->since,
			      BVOL_A_SESSION_PAD)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

int bvol_nl_session_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bvol_session *s;

	mutex_lock(&bvol_lock);
	cb->seq = bvol_session_generation();
	while ((s = bvol_session_next(cb->args[0])) && !fill_session(skb, cb, s))
		cb->args[0] = s->id + 1;
	mutex_unlock(&bvol_lock);
	return skb->len;
}

/* Events */

static const u8 event_types[BVOL_A_EVENT_MAX + 1] = {
	[BVOL_A_EVENT_SEQ]		= NLA_U64,
	[BVOL_A_EVENT_LOG_ID]		= NLA_U64,
	[BVOL_A_EVENT_KIND]		= NLA_U32,
	[BVOL_A_EVENT_TIME]		= NLA_U64,
	[BVOL_A_EVENT_BOOTTIME]		= NLA_U64,
	[BVOL_A_EVENT_VOLUME_ID]	= NLA_BINARY,
	[BVOL_A_EVENT_SNAPSHOT_ID]	= NLA_BINARY,
	[BVOL_A_EVENT_EXPORT_ID]	= NLA_BINARY,
	[BVOL_A_EVENT_POOL_ID]		= NLA_BINARY,
	[BVOL_A_EVENT_JOB_ID]		= NLA_BINARY,
	[BVOL_A_EVENT_SESSION_ID]	= NLA_U64,
	[BVOL_A_EVENT_INITIATOR]	= NLA_NUL_STRING,
	[BVOL_A_EVENT_TARGET]		= NLA_NUL_STRING,
	[BVOL_A_EVENT_REASON]		= NLA_U32,
	[BVOL_A_EVENT_COUNT]		= NLA_U32,
	[BVOL_A_EVENT_STATUS]		= NLA_NUL_STRING,
	[BVOL_A_EVENT_SIZE]		= NLA_U64,
	[BVOL_A_EVENT_PROGRESS]		= NLA_U32,
	[BVOL_A_EVENT_SCSI_STATUS]	= NLA_U32,
	[BVOL_A_EVENT_MESSAGE]		= NLA_NUL_STRING,
};

static size_t event_size(const struct bvol_event *ev)
{
	unsigned int attr;
	size_t size = 0;

	for (attr = 0; attr <= BVOL_A_EVENT_MAX; attr++) {
		if (!bvol_event_has(ev, attr))
			continue;
		switch (event_types[attr]) {
		case NLA_U32:
			size += nla_total_size(sizeof(u32));
			break;
		case NLA_U64:
			size += nla_total_size_64bit(sizeof(u64));
			break;
		case NLA_BINARY:
			size += nla_total_size(BVOL_UUID_LEN);
			break;
		default:
			size += nla_total_size(strlen(bvol_event_data(ev, attr)) + 1);
		}
	}
	return size;
}

static int put_event_attr(struct sk_buff *skb, const struct bvol_event *ev,
			  unsigned int attr)
{
	switch (event_types[attr]) {
	case NLA_U32:
		return nla_put_u32(skb, attr, ev->value[attr]);
	case NLA_U64:
		return nla_put_u64_64bit(skb, attr, ev->value[attr], BVOL_A_EVENT_PAD);
	case NLA_BINARY:
		return nla_put(skb, attr, BVOL_UUID_LEN, bvol_event_data(ev, attr));
	default:
		return nla_put_string(skb, attr, bvol_event_data(ev, attr));
	}
}

static int fill_event(struct sk_buff *skb, void *hdr, const struct bvol_event *ev)
{
	unsigned int attr;

	if (!hdr)
		return -EMSGSIZE;
	for (attr = 0; attr <= BVOL_A_EVENT_MAX; attr++) {
		if (bvol_event_has(ev, attr) && put_event_attr(skb, ev, attr)) {
			genlmsg_cancel(skb, hdr);
			return -EMSGSIZE;
		}
	}
	genlmsg_end(skb, hdr);
	return 0;
}

struct sk_buff *bvol_nl_event_message(const struct bvol_event *ev)
{
	struct sk_buff *skb = genlmsg_new(event_size(ev), GFP_KERNEL);

	if (!skb)
		return ERR_PTR(-ENOMEM);
	if (WARN_ON_ONCE(fill_event(skb, genlmsg_put(skb, 0, 0, &bvol_nl_family, 0,
						     BVOL_CMD_EVENT), ev))) {
		nlmsg_free(skb);
		return ERR_PTR(-EMSGSIZE);
	}
	return skb;
}

bool bvol_nl_listeners(void)
{
	return genl_has_listeners(&bvol_nl_family, &init_net, GROUP_EVENTS);
}

void bvol_nl_multicast(struct sk_buff *skb)
{
	genlmsg_multicast(&bvol_nl_family, skb, 0, GROUP_EVENTS, GFP_KERNEL);
}

/*
 * What is in the log when the dump begins; later events come by multicast. If
 * the log moves on below the dump, the reader sees the gap in the numbers.
 */
struct event_dump {
	u64 next;
	u64 end;
};

int bvol_nl_event_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct nlattr *since = genl_info_dump(cb)->attrs[BVOL_A_LOG_SINCE];
	struct event_dump *dump = (struct event_dump *)cb->ctx;
	const struct bvol_event *ev;
	struct bvol_event_log log;

	BUILD_BUG_ON(sizeof(*dump) > sizeof(cb->ctx));
	bvol_event_log_state(&log);
	if (!dump->end) {
		dump->end = log.last + 1;
		dump->next = since ? nla_get_u64(since) : 0;
	}
	dump->next = max(dump->next, log.first);
	bvol_event_lock();
	while (dump->next < dump->end) {
		ev = bvol_event_get(dump->next);
		if (ev && fill_event(skb, put_dump_header(skb, cb, BVOL_CMD_EVENT), ev))
			break;
		dump->next++;
	}
	bvol_event_unlock();
	return skb->len;
}

static void copy_event_attr(struct bvol_event *ev, unsigned int attr,
			    const struct nlattr *nla)
{
	switch (event_types[attr]) {
	case NLA_U32:
		bvol_event_number(ev, attr, nla_get_u32(nla));
		break;
	case NLA_U64:
		bvol_event_number(ev, attr, nla_get_u64(nla));
		break;
	case NLA_BINARY:
		bvol_event_uuid(ev, attr, nla_data(nla));
		break;
	default:
		bvol_event_text(ev, attr, nla_data(nla));
	}
}

/* The policy lets through only what a daemon may set. */
int bvol_nl_notify_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = bvol_relay_check_daemon(info);
	struct bvol_event *ev;
	unsigned int attr;
	u32 kind;

	if (err)
		return err;
	if (lacks(info, BVOL_A_EVENT_KIND, "kind"))
		return -EINVAL;
	kind = nla_get_u32(info->attrs[BVOL_A_EVENT_KIND]);
	if ((kind < BVOL_EVENT_KIND_VOLUME_CHANGED || kind > BVOL_EVENT_KIND_JOB_CHANGED) &&
	    kind != BVOL_EVENT_KIND_POOL_THRESHOLD && kind != BVOL_EVENT_KIND_POOL_EXTENDED) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BVOL_A_EVENT_KIND],
				    "a daemon does not report events of this kind");
		return -EINVAL;
	}
	ev = bvol_event_begin(kind);
	for (attr = BVOL_A_EVENT_KIND + 1; attr <= BVOL_A_EVENT_MAX; attr++)
		if (info->attrs[attr])
			copy_event_attr(ev, attr, info->attrs[attr]);
	bvol_event_commit(ev);
	return 0;
}

/*
 * Written by hand: the generator knows no capability of a group, and without
 * it everybody could listen.
 */
static const struct genl_multicast_group groups[] = {
	[GROUP_EVENTS] = { .name = "events", .flags = GENL_MCAST_CAP_NET_ADMIN },
};

struct genl_family bvol_nl_family __ro_after_init = {
	.name		= BVOL_GENL_NAME,
	.version	= BVOL_GENL_VERSION,
	.netnsok	= false,
	.module		= THIS_MODULE,
	.split_ops	= bvol_nl_ops,
	.n_split_ops	= ARRAY_SIZE(bvol_nl_ops),
	.resv_start_op	= BVOL_CMD_INFO,
	.mcgrps		= groups,
	.n_mcgrps	= ARRAY_SIZE(groups),
};

int __init bvol_nl_init(void)
{
	return genl_register_family(&bvol_nl_family);
}

void bvol_nl_exit(void)
{
	genl_unregister_family(&bvol_nl_family);
}
