/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bvol

#if !defined(_BVOL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BVOL_TRACE_H

#include <linux/tracepoint.h>

#include "event.h"

#ifndef _BVOL_TRACE_ONCE
#define _BVOL_TRACE_ONCE
/* Room for a text of the event in the trace, and its copy. */
static inline size_t bvol_trace_len(const struct bvol_event *ev, unsigned int attr)
{
	return strlen(bvol_event_data(ev, attr)) + 1;
}

static inline void bvol_trace_text(char *to, const struct bvol_event *ev,
				   unsigned int attr)
{
	memcpy(to, bvol_event_data(ev, attr), bvol_trace_len(ev, attr));
}

static inline void bvol_trace_uuid(u8 *to, const struct bvol_event *ev,
				   unsigned int attr)
{
	memset(to, 0, BVOL_UUID_LEN);
	if (bvol_event_has(ev, attr))
		memcpy(to, bvol_event_data(ev, attr), BVOL_UUID_LEN);
}
#endif

#define show_bvol_kind(kind) __print_symbolic(kind,				\
	{ BVOL_EVENT_KIND_EXPORT_ADDED,		"export-added" },		\
	{ BVOL_EVENT_KIND_EXPORT_REMOVED,	"export-removed" },		\
	{ BVOL_EVENT_KIND_EXPORT_RESIZED,	"export-resized" },		\
	{ BVOL_EVENT_KIND_SESSION_LOGIN,	"session-login" },		\
	{ BVOL_EVENT_KIND_SESSION_LOGOUT,	"session-logout" },		\
	{ BVOL_EVENT_KIND_LOGIN_FAILED,		"login-failed" },		\
	{ BVOL_EVENT_KIND_COMMAND_ERROR,	"command-error" },		\
	{ BVOL_EVENT_KIND_DAEMON_UP,		"daemon-up" },			\
	{ BVOL_EVENT_KIND_DAEMON_DOWN,		"daemon-down" },		\
	{ BVOL_EVENT_KIND_VOLUME_CHANGED,	"volume-changed" },		\
	{ BVOL_EVENT_KIND_SNAPSHOT_CHANGED,	"snapshot-changed" },		\
	{ BVOL_EVENT_KIND_POOL_CHANGED,		"pool-changed" },		\
	{ BVOL_EVENT_KIND_EXPORT_CHANGED,	"export-changed" },		\
	{ BVOL_EVENT_KIND_JOB_CHANGED,		"job-changed" },		\
	{ BVOL_EVENT_KIND_RECORDS_LOST,		"records-lost" },		\
	{ BVOL_EVENT_KIND_POOL_THRESHOLD,	"pool-threshold" },		\
	{ BVOL_EVENT_KIND_POOL_EXTENDED,	"pool-extended" })

/* Every line of the event log, at the moment it gets its number. */
TRACE_EVENT(bvol_event,
	TP_PROTO(const struct bvol_event *ev),
	TP_ARGS(ev),

	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u32, kind)
		__field(u32, reason)
		__field(u32, count)
		__array(u8, export, BVOL_UUID_LEN)
		__array(u8, volume, BVOL_UUID_LEN)
		__dynamic_array(char, initiator,
				bvol_trace_len(ev, BVOL_A_EVENT_INITIATOR))
		__dynamic_array(char, target,
				bvol_trace_len(ev, BVOL_A_EVENT_TARGET))
		__dynamic_array(char, status,
				bvol_trace_len(ev, BVOL_A_EVENT_STATUS))
		__dynamic_array(char, message,
				bvol_trace_len(ev, BVOL_A_EVENT_MESSAGE))
	),

	TP_fast_assign(
		__entry->seq = ev->value[BVOL_A_EVENT_SEQ];
		__entry->kind = ev->value[BVOL_A_EVENT_KIND];
		__entry->reason = bvol_event_has(ev, BVOL_A_EVENT_REASON) ?
			ev->value[BVOL_A_EVENT_REASON] : 0;
		__entry->count = bvol_event_has(ev, BVOL_A_EVENT_COUNT) ?
			ev->value[BVOL_A_EVENT_COUNT] : 1;
		bvol_trace_uuid(__entry->export, ev, BVOL_A_EVENT_EXPORT_ID);
		bvol_trace_uuid(__entry->volume, ev, BVOL_A_EVENT_VOLUME_ID);
		bvol_trace_text(__get_dynamic_array(initiator), ev,
				BVOL_A_EVENT_INITIATOR);
		bvol_trace_text(__get_dynamic_array(target), ev,
				BVOL_A_EVENT_TARGET);
		bvol_trace_text(__get_dynamic_array(status), ev,
				BVOL_A_EVENT_STATUS);
		bvol_trace_text(__get_dynamic_array(message), ev,
				BVOL_A_EVENT_MESSAGE);
	),

	TP_printk("%llu %s export %pUb volume %pUb initiator '%s' target '%s' reason %u count %u status '%s' %s",
		  __entry->seq, show_bvol_kind(__entry->kind), __entry->export,
		  __entry->volume, __get_str(initiator), __get_str(target),
		  __entry->reason, __entry->count, __get_str(status),
		  __get_str(message))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
