// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/bvol.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "bvol_nl.h"

#include <uapi/linux/bvol.h>

/* Integer value ranges */
static const struct netlink_range_validation bvol_a_export_tpgt_range = {
	.max	= 65535ULL,
};

/* BVOL_CMD_INFO - do */
static const struct nla_policy bvol_info_nl_policy[BVOL_A_INFO_PAD + 1] = {
};

/* BVOL_CMD_DAEMON_BIND - do */
static const struct nla_policy bvol_daemon_bind_nl_policy[BVOL_A_INFO_DAEMON_VERSION + 1] = {
	[BVOL_A_INFO_DAEMON_VERSION] = { .type = NLA_NUL_STRING, .len = 31, },
};

/* BVOL_CMD_EXPORT_ADD - do */
static const struct nla_policy bvol_export_add_nl_policy[BVOL_A_EXPORT_SIZE + 1] = {
	[BVOL_A_EXPORT_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EXPORT_VOLUME_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EXPORT_FABRIC] = NLA_POLICY_MAX(NLA_U32, 4),
	[BVOL_A_EXPORT_TARGET] = { .type = NLA_NUL_STRING, .len = 223, },
	[BVOL_A_EXPORT_TPGT] = NLA_POLICY_FULL_RANGE(NLA_U32, &bvol_a_export_tpgt_range),
	[BVOL_A_EXPORT_LUN] = { .type = NLA_U32, },
	[BVOL_A_EXPORT_SIZE] = { .type = NLA_U64, },
};

/* BVOL_CMD_EXPORT_DEL - do */
static const struct nla_policy bvol_export_del_nl_policy[BVOL_A_EXPORT_ID + 1] = {
	[BVOL_A_EXPORT_ID] = NLA_POLICY_EXACT_LEN(16),
};

/* BVOL_CMD_EXPORT_GET - dump */
static const struct nla_policy bvol_export_get_nl_policy[BVOL_A_EXPORT_PAD + 1] = {
};

/* BVOL_CMD_SESSION_GET - dump */
static const struct nla_policy bvol_session_get_nl_policy[BVOL_A_SESSION_PAD + 1] = {
};

/* BVOL_CMD_EVENT_GET - dump */
static const struct nla_policy bvol_event_get_nl_policy[BVOL_A_LOG_SINCE + 1] = {
	[BVOL_A_LOG_SINCE] = { .type = NLA_U64, },
};

/* BVOL_CMD_CALL - do */
static const struct nla_policy bvol_call_nl_policy[BVOL_A_RELAY_PAYLOAD + 1] = {
	[BVOL_A_RELAY_VERB] = { .type = NLA_U32, },
	[BVOL_A_RELAY_PAYLOAD] = { .type = NLA_BINARY, },
};

/* BVOL_CMD_REPLY - do */
static const struct nla_policy bvol_reply_nl_policy[BVOL_A_RELAY_PAYLOAD + 1] = {
	[BVOL_A_RELAY_COOKIE] = { .type = NLA_U64, },
	[BVOL_A_RELAY_PAYLOAD] = { .type = NLA_BINARY, },
};

/* BVOL_CMD_NOTIFY - do */
static const struct nla_policy bvol_notify_nl_policy[BVOL_A_EVENT_MESSAGE + 1] = {
	[BVOL_A_EVENT_KIND] = { .type = NLA_U32, },
	[BVOL_A_EVENT_VOLUME_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EVENT_SNAPSHOT_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EVENT_EXPORT_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EVENT_POOL_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EVENT_JOB_ID] = NLA_POLICY_EXACT_LEN(16),
	[BVOL_A_EVENT_STATUS] = { .type = NLA_NUL_STRING, .len = 31, },
	[BVOL_A_EVENT_SIZE] = { .type = NLA_U64, },
	[BVOL_A_EVENT_PROGRESS] = NLA_POLICY_MAX(NLA_U32, 100),
	[BVOL_A_EVENT_MESSAGE] = { .type = NLA_NUL_STRING, .len = 511, },
};

/* Ops table for bvol */
const struct genl_split_ops bvol_nl_ops[10] = {
	{
		.cmd		= BVOL_CMD_INFO,
		.doit		= bvol_nl_info_doit,
		.policy		= bvol_info_nl_policy,
		.maxattr	= BVOL_A_INFO_PAD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BVOL_CMD_DAEMON_BIND,
		.doit		= bvol_nl_daemon_bind_doit,
		.policy		= bvol_daemon_bind_nl_policy,
		.maxattr	= BVOL_A_INFO_DAEMON_VERSION,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BVOL_CMD_EXPORT_ADD,
		.doit		= bvol_nl_export_add_doit,
		.policy		= bvol_export_add_nl_policy,
		.maxattr	= BVOL_A_EXPORT_SIZE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BVOL_CMD_EXPORT_DEL,
		.doit		= bvol_nl_export_del_doit,
		.policy		= bvol_export_del_nl_policy,
		.maxattr	= BVOL_A_EXPORT_ID,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BVOL_CMD_EXPORT_GET,
		.dumpit		= bvol_nl_export_get_dumpit,
		.policy		= bvol_export_get_nl_policy,
		.maxattr	= BVOL_A_EXPORT_PAD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= BVOL_CMD_SESSION_GET,
		.dumpit		= bvol_nl_session_get_dumpit,
		.policy		= bvol_session_get_nl_policy,
		.maxattr	= BVOL_A_SESSION_PAD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= BVOL_CMD_EVENT_GET,
		.dumpit		= bvol_nl_event_get_dumpit,
		.policy		= bvol_event_get_nl_policy,
		.maxattr	= BVOL_A_LOG_SINCE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= BVOL_CMD_CALL,
		.doit		= bvol_nl_call_doit,
		.policy		= bvol_call_nl_policy,
		.maxattr	= BVOL_A_RELAY_PAYLOAD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BVOL_CMD_REPLY,
		.doit		= bvol_nl_reply_doit,
		.policy		= bvol_reply_nl_policy,
		.maxattr	= BVOL_A_RELAY_PAYLOAD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BVOL_CMD_NOTIFY,
		.doit		= bvol_nl_notify_doit,
		.policy		= bvol_notify_nl_policy,
		.maxattr	= BVOL_A_EVENT_MESSAGE,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
};
