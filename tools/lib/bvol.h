/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libbvol: talk to bvol's kernel module and daemon.
 *
 *	Connection	bvol_open, bvol_close, bvol_sentence
 *	Calls		bvol_call, bvol_list
 *	Dumps		bvol_sessions, bvol_info, bvol_log
 *	Events		bvol_events_open, _beside, _fd, _handle, _close
 *	Objects		bvol_free, bvol_enum_name, bvol_uuid_parse, ...
 *
 * A function that can fail returns 0 or a negative errno and touches what it
 * returns through pointers only when it returns 0. A connection belongs to
 * one thread at a time; different connections are independent. Whatever
 * bvol_call() hands out belongs to the caller and is given back by bvol_free().
 */
#ifndef BVOL_H
#define BVOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Objects: fields described once, in the protocol's spec. */

enum bvol_kind {
	BVOL_U32,
	BVOL_U64,
	BVOL_S64,
	BVOL_TIME,	/* uint64_t, CLOCK_REALTIME in nanoseconds */
	BVOL_ENUM,	/* uint32_t, see bvol_field.values */
	BVOL_STRING,	/* char *, UTF-8, NULL when not set */
	BVOL_UUID,	/* struct bvol_uuid */
	BVOL_LIST,	/* char **, NULL at the end, NULL when not set */
	BVOL_NEST,	/* pointer to another object, NULL when not set */
	BVOL_NESTS,	/* array of such pointers, NULL at the end */
};

struct bvol_enum {
	const char *name;
	uint32_t n;
	const char *const *values;
};

struct bvol_type;

struct bvol_field {
	const char *name;		/* as in JSON and SQL, with "_" */
	uint16_t attr;			/* BVOL_A_… on the wire */
	uint16_t kind;			/* enum bvol_kind */
	uint32_t offset;		/* in the object's struct */
	const struct bvol_enum *values;	/* of BVOL_ENUM */
	const struct bvol_type *nest;	/* of BVOL_NEST and BVOL_NESTS */
	uint32_t max_len;		/* of BVOL_STRING in bytes, 0: no limit of its own */
};

struct bvol_type {
	const char *name;
	size_t size;			/* of the struct; grows with new versions */
	const struct bvol_field *fields;
	size_t n_fields;
};

#ifdef __cplusplus
#define export export_	/* the member of struct bvol_response: a keyword there */
#endif
#include "bvol-objects.h"
#ifdef __cplusplus
#undef export
#endif

/* Every struct begins with "uint64_t has". */
#define BVOL_BIT(attr)		(UINT64_C(1) << (attr))
#define bvol_has(obj, attr)	(!!((obj)->has & BVOL_BIT(attr)))

/* Free an object and all it points to; takes NULL. */
void bvol_free(const struct bvol_type *type, void *obj);
/* Field by its name, NULL when there is none. */
const struct bvol_field *bvol_field(const struct bvol_type *type, const char *name);
/* Name of an enum's value; "unknown" when it is newer than this library. */
const char *bvol_enum_name(const struct bvol_enum *values, uint32_t value);
/* -EINVAL when no value has this name. */
int bvol_enum_parse(const struct bvol_enum *values, const char *name, uint32_t *ret);

#define BVOL_UUID_TEXT 37	/* characters and the final NUL */
char *bvol_uuid_text(const struct bvol_uuid *id, char text[BVOL_UUID_TEXT]);
/* -EINVAL unless text is the 36 characters of RFC 4122. */
int bvol_uuid_parse(const char *text, struct bvol_uuid *ret);
bool bvol_uuid_zero(const struct bvol_uuid *id);

/* Connections */

enum bvol_transport {
	BVOL_ANY,	/* netlink where a daemon serves it and the caller may use it, else the socket */
	BVOL_NETLINK,	/* CAP_NET_ADMIN in the initial user and network namespace */
	BVOL_UNIX,	/* root or group "bvol" */
};

#define BVOL_SOCKET "/run/bvol/control.sock"

struct bvol;

/*
 * socket_path: NULL for BVOL_SOCKET; not used by BVOL_NETLINK.
 * -EPERM or -EACCES: the caller lacks what the transport asks for.
 * -ENOENT: no module (BVOL_NETLINK), no socket (BVOL_UNIX), neither (BVOL_ANY).
 * -ECONNREFUSED: a socket without a daemon behind it.
 * Even after an error *ret is a connection that only bvol_sentence() and
 * bvol_close() take, or NULL without memory.
 */
int bvol_open(enum bvol_transport transport, const char *socket_path, struct bvol **ret);
/* Takes NULL, returns NULL. */
struct bvol *bvol_close(struct bvol *bvol);
/* BVOL_NETLINK or BVOL_UNIX. */
enum bvol_transport bvol_transport(const struct bvol *bvol);
/* What went wrong in the last function that failed, one sentence; never NULL. */
const char *bvol_sentence(const struct bvol *bvol);
/* Was it the daemon that refused, not the way to it that failed? */
bool bvol_refused(const struct bvol *bvol);

/* Calls */

/*
 * Ask the daemon and wait for its answer, timeout_ms at most (-1: for ever).
 * A mutating verb answers when its intent is durable; what it started is the
 * job response->job_id. Beside what the daemon refuses with:
 * -ENOTCONN no daemon; -ECONNRESET it died before it answered, so that whether
 * the verb was accepted has to be looked up; -ETIMEDOUT; -EMSGSIZE.
 */
int bvol_call(struct bvol *bvol, enum bvol_verb verb, const struct bvol_request *request,
	      int timeout_ms, struct bvol_response **ret);

/* Called for each object, which stays the library's; non-zero ends the walk. */
typedef int (*bvol_each)(const void *obj, void *data);

/*
 * All objects that a -list verb (or BVOL_VERB_DIFF) returns, page by page.
 * type says which member of the response is meant, as &bvol_type_volume.
 */
int bvol_list(struct bvol *bvol, enum bvol_verb verb, const struct bvol_request *request,
	      const struct bvol_type *type, bvol_each each, void *data);

/* Sessions: from the module itself, also while no daemon runs; else the daemon's. */
int bvol_sessions(struct bvol *bvol, bvol_each each, void *data);
/* Module's and daemon's part together, as far as they can be had. */
int bvol_info(struct bvol *bvol, struct bvol_info **ret);
/* Events that the log holds now, from since on. */
int bvol_log(struct bvol *bvol, uint64_t since, bvol_each each, void *data);

/* Events */

struct bvol_events;

/*
 * since: first sequence number wanted, 0 for the whole log that is still
 * held, BVOL_EVENTS_NEW for new ones alone. The stream reads missing events
 * from the log by itself after an overrun, and connects again when the daemon
 * or the module was restarted.
 */
#define BVOL_EVENTS_NEW UINT64_MAX
int bvol_events_open(enum bvol_transport transport, const char *socket_path, uint64_t since,
		     struct bvol_events **ret);
/*
 * New events alone, by the transport that the connection has. What the
 * connection has looked up is not looked up again: for one command's time.
 */
int bvol_events_beside(const struct bvol *bvol, struct bvol_events **ret);
struct bvol_events *bvol_events_close(struct bvol_events *events);
const char *bvol_events_sentence(const struct bvol_events *events);
/*
 * Poll it for POLLIN; the number can change in bvol_events_handle(), and is -1,
 * which poll() passes over, while there is no connection.
 */
int bvol_events_fd(const struct bvol_events *events);
/* Milliseconds until bvol_events_handle() wants to be called without input, -1: never. */
int bvol_events_timeout(const struct bvol_events *events);

struct bvol_event_ops {
	/* Non-zero ends bvol_events_handle() with that value. */
	int (*event)(const struct bvol_event *event, void *data);
	/*
	 * Events first..last of this log are gone for good (or, with first > last,
	 * an unknown number: the log began anew). Look up the state again.
	 */
	void (*lost)(uint64_t first, uint64_t last, void *data);
};

/* Deliver what is there without waiting. */
int bvol_events_handle(struct bvol_events *events, const struct bvol_event_ops *ops, void *data);

#ifdef __cplusplus
}
#endif

#endif
