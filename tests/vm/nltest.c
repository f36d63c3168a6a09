// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * nltest - speak the module's protocol word by word, for tests.
 *
 * Reads commands from stdin, one per line, and prints what it gets and then one
 * line "ok" or "error NAME SENTENCE" for each. One process is
 * one socket. In between it answers calls if it is the daemon: a payload
 * "hang" never, one of "echo ..." with "uid=U pid=P " and itself.
 *
 *	bind VERSION				become the daemon
 *	add ID VOLUME FABRIC TARGET TPGT LUN SIZE
 *	del ID
 *	notify KIND STATUS PROGRESS MESSAGE
 *	call VERB PAYLOAD			wait for the reply
 *	send VERB PAYLOAD			don't
 *	big BYTES				a call of that size
 *	info, exports, sessions, events SINCE	print them
 *	slow events|exports|sessions SECONDS	dump, resting after the first portion
 *	raw do|dump COMMAND [ATTR:TYPE=VALUE]...	whatever it is
 *	listen					print events from now on
 *	sleep SECONDS
 *	quit					as the end of stdin does
 *
 * An ID is a small number, the first byte of the UUID.
 */
#include <errno.h>
#include <linux/bvol.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct nl_sock *sock;
static int family;

enum type { NONE, U32, U64, TEXT, UUID };

struct field {
	const char *name;
	enum type type;
};

static const struct field info_fields[] = {
	[BVOL_A_INFO_MODULE_VERSION] = { "module-version", TEXT },
	[BVOL_A_INFO_LOG_ID] = { "log-id", U64 },
	[BVOL_A_INFO_LOG_SIZE] = { "log-size", U32 },
	[BVOL_A_INFO_LOG_FIRST] = { "log-first", U64 },
	[BVOL_A_INFO_LOG_LAST] = { "log-last", U64 },
	[BVOL_A_INFO_EXPORTS] = { "exports", U32 },
	[BVOL_A_INFO_SESSIONS] = { "sessions", U32 },
	[BVOL_A_INFO_PENDING_CALLS] = { "pending-calls", U32 },
	[BVOL_A_INFO_LOGIN_FAILURES] = { "login-failures", U64 },
	[BVOL_A_INFO_COMMAND_ERRORS] = { "command-errors", U64 },
	[BVOL_A_INFO_LOST] = { "lost", U64 },
	[BVOL_A_INFO_UNAVAILABLE] = { "unavailable", TEXT },
	[BVOL_A_INFO_DAEMON_PID] = { "daemon-pid", U32 },
	[BVOL_A_INFO_DAEMON_VERSION] = { "daemon-version", TEXT },
	[BVOL_A_INFO_MAX + 1] = { NULL, NONE },
};

static const struct field export_fields[] = {
	[BVOL_A_EXPORT_ID] = { "id", UUID },
	[BVOL_A_EXPORT_VOLUME_ID] = { "volume-id", UUID },
	[BVOL_A_EXPORT_FABRIC] = { "fabric", U32 },
	[BVOL_A_EXPORT_TARGET] = { "target", TEXT },
	[BVOL_A_EXPORT_TPGT] = { "tpgt", U32 },
	[BVOL_A_EXPORT_LUN] = { "lun", U32 },
	[BVOL_A_EXPORT_SIZE] = { "size", U64 },
	[BVOL_A_EXPORT_SESSIONS] = { "sessions", U32 },
	[BVOL_A_EXPORT_COMMAND_ERRORS] = { "command-errors", U64 },
	[BVOL_A_EXPORT_LOGIN_FAILURES] = { "login-failures", U64 },
	[BVOL_A_EXPORT_MAX + 1] = { NULL, NONE },
};

static const struct field session_fields[] = {
	[BVOL_A_SESSION_ID] = { "id", U64 },
	[BVOL_A_SESSION_STATUS] = { "status", U32 },
	[BVOL_A_SESSION_FABRIC] = { "fabric", U32 },
	[BVOL_A_SESSION_INITIATOR] = { "initiator", TEXT },
	[BVOL_A_SESSION_TARGET] = { "target", TEXT },
	[BVOL_A_SESSION_EXPORT_ID] = { "export-id", UUID },
	[BVOL_A_SESSION_VOLUME_ID] = { "volume-id", UUID },
	[BVOL_A_SESSION_CREATED_AT] = { "created-at", U64 },
	[BVOL_A_SESSION_MAX + 1] = { NULL, NONE },
};

static const struct field event_fields[] = {
	[BVOL_A_EVENT_SEQ] = { "seq", U64 },
	[BVOL_A_EVENT_LOG_ID] = { "log-id", U64 },
	[BVOL_A_EVENT_KIND] = { "kind", U32 },
	[BVOL_A_EVENT_TIME] = { "time", U64 },
	[BVOL_A_EVENT_BOOTTIME] = { "boottime", U64 },
	[BVOL_A_EVENT_VOLUME_ID] = { "volume-id", UUID },
	[BVOL_A_EVENT_JOB_ID] = { "job-id", UUID },
	[BVOL_A_EVENT_EXPORT_ID] = { "export-id", UUID },
	[BVOL_A_EVENT_SESSION_ID] = { "session-id", U64 },
	[BVOL_A_EVENT_INITIATOR] = { "initiator", TEXT },
	[BVOL_A_EVENT_TARGET] = { "target", TEXT },
	[BVOL_A_EVENT_REASON] = { "reason", U32 },
	[BVOL_A_EVENT_COUNT] = { "count", U32 },
	[BVOL_A_EVENT_STATUS] = { "status", TEXT },
	[BVOL_A_EVENT_SIZE] = { "size", U64 },
	[BVOL_A_EVENT_PROGRESS] = { "progress", U32 },
	[BVOL_A_EVENT_SCSI_STATUS] = { "scsi-status", U32 },
	[BVOL_A_EVENT_MESSAGE] = { "message", TEXT },
	[BVOL_A_EVENT_MAX + 1] = { NULL, NONE },
};

/* What commands of the kernel carry. */
static const struct {
	const char *name;
	const struct field *fields;
	int max;
} shown[] = {
	[BVOL_CMD_INFO] = { "info", info_fields, BVOL_A_INFO_MAX },
	[BVOL_CMD_DAEMON_BIND] = { "info", info_fields, BVOL_A_INFO_MAX },
	[BVOL_CMD_EXPORT_GET] = { "export", export_fields, BVOL_A_EXPORT_MAX },
	[BVOL_CMD_SESSION_GET] = { "session", session_fields, BVOL_A_SESSION_MAX },
	[BVOL_CMD_EVENT] = { "event", event_fields, BVOL_A_EVENT_MAX },
};

static const char *const kinds[] = {
	"none", "export-added", "export-removed", "export-resized", "session-login",
	"session-logout", "login-failed", "command-error", "daemon-up", "daemon-down",
	"volume-changed", "snapshot-changed", "pool-changed", "export-changed", "job-changed",
	"records-lost",
};

static const char *const error_names[] = {
	[EPERM] = "EPERM", [ENOENT] = "ENOENT", [EAGAIN] = "EAGAIN", [EBUSY] = "EBUSY",
	[EEXIST] = "EEXIST", [EINVAL] = "EINVAL", [ENOSPC] = "ENOSPC", [ERANGE] = "ERANGE",
	[EMSGSIZE] = "EMSGSIZE", [EOPNOTSUPP] = "EOPNOTSUPP", [ENOBUFS] = "ENOBUFS",
	[ENOTCONN] = "ENOTCONN", [ECONNRESET] = "ECONNRESET", [ENOMEM] = "ENOMEM",
	[ESHUTDOWN] = "ESHUTDOWN",
};

static const char *error_name(int error)
{
	static char number[16];

	if (error >= 0 && (size_t)error < sizeof(error_names) / sizeof(*error_names) &&
	    error_names[error])
		return error_names[error];
	snprintf(number, sizeof(number), "%d", error);
	return number;
}

static void show_attr(struct nlattr *nla, const struct field *field)
{
	uint64_t u64;

	switch (field->type) {
	case U32:
		printf(" %s=%u", field->name, nla_get_u32(nla));
		break;
	case U64:
		memcpy(&u64, nla_data(nla), sizeof(u64));
		printf(" %s=%llu", field->name, (unsigned long long)u64);
		break;
	case TEXT:
		printf(" %s='%s'", field->name, nla_get_string(nla));
		break;
	case UUID:
		printf(" %s=%u", field->name, *(uint8_t *)nla_data(nla));
		break;
	case NONE:
		break;
	}
}

static void show(struct nlmsghdr *nlh)
{
	struct genlmsghdr *genlh = nlmsg_data(nlh);
	struct nlattr *nla;
	int left;

	if (genlh->cmd >= sizeof(shown) / sizeof(*shown) || !shown[genlh->cmd].name)
		return;
	printf("%s%s", shown[genlh->cmd].name, nlh->nlmsg_flags & NLM_F_DUMP_INTR ? "!" : "");
	nla_for_each_attr(nla, genlmsg_attrdata(genlh, 0), genlmsg_attrlen(genlh, 0), left) {
		const struct field *field = &shown[genlh->cmd].fields[nla_type(nla)];

		if (nla_type(nla) > shown[genlh->cmd].max || !field->name)
			continue;
		if (genlh->cmd == BVOL_CMD_EVENT && nla_type(nla) == BVOL_A_EVENT_KIND)
			printf(" kind=%s", kinds[nla_get_u32(nla)]);
		else
			show_attr(nla, field);
	}
	printf("\n");
}

static struct nl_msg *message(uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc_size(65536);

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0,
				 NLM_F_REQUEST | flags, cmd, BVOL_GENL_VERSION))
		exit(3);
	return msg;
}

/* Send and free @msg; its sequence number. */
static uint32_t post(struct nl_msg *msg)
{
	uint32_t seq;
	int err;

	nl_complete_msg(sock, msg);
	seq = nlmsg_hdr(msg)->nlmsg_seq;
	err = nl_send(sock, msg);
	nlmsg_free(msg);
	if (err < 0) {
		printf("cannot send: %s\n", nl_geterror(err));
		exit(3);
	}
	return seq;
}

/* Answer a call that came to the daemon. */
static void serve(struct nlmsghdr *nlh)
{
	struct nlattr *attrs[BVOL_A_RELAY_MAX + 1];
	char text[BVOL_PAYLOAD_MAX];
	struct nl_msg *reply;
	uint64_t cookie;

	genlmsg_parse(nlh, 0, attrs, BVOL_A_RELAY_MAX, NULL);
	memcpy(&cookie, nla_data(attrs[BVOL_A_RELAY_COOKIE]), sizeof(cookie));
	printf("call cookie=%llu verb=%u uid=%u pid=%u portid=%u length=%d\n",
	       (unsigned long long)cookie, nla_get_u32(attrs[BVOL_A_RELAY_VERB]),
	       nla_get_u32(attrs[BVOL_A_RELAY_UID]), nla_get_u32(attrs[BVOL_A_RELAY_PID]),
	       nla_get_u32(attrs[BVOL_A_RELAY_PORTID]), nla_len(attrs[BVOL_A_RELAY_PAYLOAD]));
	if (strncmp(nla_data(attrs[BVOL_A_RELAY_PAYLOAD]), "echo", 4))
		return;
	snprintf(text, sizeof(text), "uid=%u pid=%u %s",
		 nla_get_u32(attrs[BVOL_A_RELAY_UID]), nla_get_u32(attrs[BVOL_A_RELAY_PID]),
		 (char *)nla_data(attrs[BVOL_A_RELAY_PAYLOAD]));
	reply = message(BVOL_CMD_REPLY, 0);
	nla_put_u64(reply, BVOL_A_RELAY_COOKIE, cookie);
	nla_put_string(reply, BVOL_A_RELAY_PAYLOAD, text);
	post(reply);
}

static void show_error(struct nlmsghdr *nlh)
{
	struct nlmsgerr *error = nlmsg_data(nlh);
	const char *sentence = "";
	struct nlattr *attr;
	int at = sizeof(*error), missing = -1, offset = -1;

	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		at += error->msg.nlmsg_len - NLMSG_HDRLEN;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		attr = nlmsg_find_attr(nlh, NLMSG_ALIGN(at), NLMSGERR_ATTR_MSG);
		sentence = attr ? nla_get_string(attr) : "";
		attr = nlmsg_find_attr(nlh, NLMSG_ALIGN(at), NLMSGERR_ATTR_MISS_TYPE);
		missing = attr ? (int)nla_get_u32(attr) : -1;
		attr = nlmsg_find_attr(nlh, NLMSG_ALIGN(at), NLMSGERR_ATTR_OFFS);
		offset = attr ? (int)nla_get_u32(attr) : -1;
	}
	printf("error %s %s", error_name(-error->error), sentence);
	if (missing >= 0)
		printf(" (missing %d)", missing);
	if (offset >= 0)
		printf(" (at %d)", offset);
	printf("\n");
}

enum { ACK = 1, REPLY = 2, FAILED = 4 };

/*
 * Handle one message; the bits that it completes of those that @seq waits for,
 * all of them after an error.
 */
static int handle(struct nlmsghdr *nlh, uint32_t seq)
{
	struct genlmsghdr *genlh = nlmsg_data(nlh);
	struct nlattr *payload;

	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		int *error = nlmsg_data(nlh);

		if (nlh->nlmsg_type == NLMSG_ERROR && *error) {
			if (nlh->nlmsg_seq != seq)
				printf("late ");
			show_error(nlh);
			return nlh->nlmsg_seq == seq ? ACK | REPLY | FAILED : 0;
		}
		if (nlh->nlmsg_seq != seq)
			return 0;
		if (nlh->nlmsg_type == NLMSG_DONE && nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			printf("interrupted\n");
		return ACK;
	}
	if (genlh->cmd == BVOL_CMD_CALL) {
		serve(nlh);
		return 0;
	}
	if (genlh->cmd == BVOL_CMD_REPLY) {
		payload = nlmsg_find_attr(nlh, GENL_HDRLEN, BVOL_A_RELAY_PAYLOAD);
		printf("reply %s\n", (char *)nla_data(payload));
		return nlh->nlmsg_seq == seq ? REPLY : 0;
	}
	show(nlh);
	return 0;
}

/* Receive once and handle what came; what it completes, or -1. */
static int receive(uint32_t seq)
{
	struct sockaddr_nl from;
	unsigned char *buf = NULL;
	struct nlmsghdr *nlh;
	int len, got = 0;

	len = nl_recv(sock, &from, &buf, NULL);
	if (len < 0) {
		printf("error %s from the socket\n", len == -NLE_NOMEM ? "ENOBUFS" : nl_geterror(len));
		return -1;
	}
	for (nlh = (void *)buf; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len))
		got |= handle(nlh, seq);
	free(buf);
	return got;
}

/* Send and wait for an acknowledgement, or also for a reply. */
static void transact(struct nl_msg *msg, int wanted)
{
	uint32_t seq = post(msg);
	int got = 0, now;

	while ((got & wanted) != wanted) {
		now = receive(seq);
		if (now < 0)
			return;
		if ((got & REPLY) && !(got & ACK) && (now & ACK))
			printf("the reply overtook the acknowledgement\n");
		got |= now;
	}
	if (!(got & FAILED))
		printf("ok\n");
}

static void put_id(struct nl_msg *msg, int attr, const char *number)
{
	uint8_t id[BVOL_UUID_LEN] = { (uint8_t)atoi(number), [15] = 1 };

	nla_put(msg, attr, sizeof(id), id);
}

static void add(char **arg)
{
	struct nl_msg *msg = message(BVOL_CMD_EXPORT_ADD, NLM_F_ACK);

	put_id(msg, BVOL_A_EXPORT_ID, arg[1]);
	put_id(msg, BVOL_A_EXPORT_VOLUME_ID, arg[2]);
	nla_put_u32(msg, BVOL_A_EXPORT_FABRIC, atoi(arg[3]));
	nla_put_string(msg, BVOL_A_EXPORT_TARGET, arg[4]);
	nla_put_u32(msg, BVOL_A_EXPORT_TPGT, atoi(arg[5]));
	nla_put_u32(msg, BVOL_A_EXPORT_LUN, atoi(arg[6]));
	nla_put_u64(msg, BVOL_A_EXPORT_SIZE, strtoull(arg[7], NULL, 10));
	transact(msg, ACK);
}

static void del(char **arg)
{
	struct nl_msg *msg = message(BVOL_CMD_EXPORT_DEL, NLM_F_ACK);

	put_id(msg, BVOL_A_EXPORT_ID, arg[1]);
	transact(msg, ACK);
}

static void notify(char **arg)
{
	struct nl_msg *msg = message(BVOL_CMD_NOTIFY, NLM_F_ACK);

	nla_put_u32(msg, BVOL_A_EVENT_KIND, atoi(arg[1]));
	put_id(msg, BVOL_A_EVENT_JOB_ID, "77");
	nla_put_string(msg, BVOL_A_EVENT_STATUS, arg[2]);
	nla_put_u32(msg, BVOL_A_EVENT_PROGRESS, atoi(arg[3]));
	nla_put_string(msg, BVOL_A_EVENT_MESSAGE, arg[4]);
	transact(msg, ACK);
}

static void bind_daemon(char **arg)
{
	struct nl_msg *msg = message(BVOL_CMD_DAEMON_BIND, NLM_F_ACK);

	nla_put_string(msg, BVOL_A_INFO_DAEMON_VERSION, arg[1]);
	transact(msg, ACK);
}

static void call(char **arg)
{
	struct nl_msg *msg = message(BVOL_CMD_CALL, NLM_F_ACK);

	nla_put_u32(msg, BVOL_A_RELAY_VERB, atoi(arg[1]));
	nla_put_string(msg, BVOL_A_RELAY_PAYLOAD, arg[2]);
	transact(msg, strcmp(arg[0], "send") ? ACK | REPLY : ACK);
}

static void big(char **arg)
{
	struct nl_msg *msg = message(BVOL_CMD_CALL, NLM_F_ACK);
	int len = atoi(arg[1]);

	nla_put_u32(msg, BVOL_A_RELAY_VERB, 1);
	memcpy(nla_data(nla_reserve(msg, BVOL_A_RELAY_PAYLOAD, len)), "hang", 5);
	transact(msg, ACK);
}

static const struct {
	const char *name;
	uint8_t cmd;
	int flags;
} gets[] = {
	{ "info", BVOL_CMD_INFO, 0 },
	{ "exports", BVOL_CMD_EXPORT_GET, NLM_F_DUMP },
	{ "sessions", BVOL_CMD_SESSION_GET, NLM_F_DUMP },
	{ "events", BVOL_CMD_EVENT_GET, NLM_F_DUMP },
};

static struct nl_msg *get_message(const char *name)
{
	size_t i = 0;

	while (i < 3 && strcmp(gets[i].name, name))
		i++;
	return message(gets[i].cmd, NLM_F_ACK | gets[i].flags);
}

static void get(char **arg)
{
	struct nl_msg *msg = get_message(arg[0]);

	if (arg[1])
		nla_put_u64(msg, BVOL_A_LOG_SINCE, strtoull(arg[1], NULL, 10));
	transact(msg, ACK);
}

/* While it rests, the dump stays open in the kernel. */
static void slow(char **arg)
{
	uint32_t seq = post(get_message(arg[1]));
	int got = receive(seq);

	printf("resting\n");
	fflush(stdout);
	usleep((useconds_t)(atof(arg[2]) * 1e6));
	while (!(got & ACK))
		got |= receive(seq);
	printf("ok\n");
}

static void raw(char **arg)
{
	struct nl_msg *msg = message(atoi(arg[2]), NLM_F_ACK |
				     (strcmp(arg[1], "dump") ? 0 : NLM_F_DUMP));
	int attr, at;
	char type;
	uint8_t zeros[64] = { 1 };

	for (arg += 3; *arg; arg++) {
		if (sscanf(*arg, "%d:%c=%n", &attr, &type, &at) != 2)
			exit(2);
		if (type == 'u')
			nla_put_u32(msg, attr, strtoul(*arg + at, NULL, 0));
		else if (type == 'U')
			nla_put_u64(msg, attr, strtoull(*arg + at, NULL, 0));
		else if (type == 's')
			nla_put_string(msg, attr, *arg + at);
		else if (type == 't')	/* text without its NUL */
			nla_put(msg, attr, strlen(*arg + at), *arg + at);
		else if (type == 'b')	/* that many bytes */
			nla_put(msg, attr, atoi(*arg + at), zeros);
	}
	transact(msg, ACK);
}

static void rest(char **arg)
{
	usleep((useconds_t)(atof(arg[1]) * 1e6));
	printf("ok\n");
}

static void quit(char **arg)
{
	exit(0);
}

static void listen_events(char **arg)
{
	int group = genl_ctrl_resolve_grp(sock, BVOL_GENL_NAME, "events");
	int err = group < 0 ? group : nl_socket_add_membership(sock, group);

	if (err < 0)
		printf("error %s cannot listen\n", err == -NLE_PERM ? "EPERM" : nl_geterror(err));
	else
		printf("ok\n");
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **arg);
} commands[] = {
	{ "bind", 1, bind_daemon }, { "add", 7, add }, { "del", 1, del },
	{ "notify", 4, notify }, { "call", 2, call }, { "send", 2, call }, { "big", 1, big },
	{ "info", 0, get }, { "exports", 0, get }, { "sessions", 0, get }, { "events", 0, get },
	{ "slow", 2, slow }, { "raw", 2, raw }, { "listen", 0, listen_events },
	{ "sleep", 1, rest }, { "quit", 0, quit },
};

static void run(char *line)
{
	char *arg[32] = { NULL }, *save;
	size_t i;
	int n = 0;

	for (arg[n] = strtok_r(line, " \n", &save); arg[n] && n < 30;)
		arg[++n] = strtok_r(NULL, " \n", &save);
	for (i = 0; n && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, arg[0]) && n > commands[i].args) {
			commands[i].run(arg);
			fflush(stdout);
			return;
		}
	fprintf(stderr, "nltest: what is \"%s\"?\n", n ? arg[0] : "");
	exit(2);
}

/* Complete lines only; what follows them stays for the next time. */
static bool read_commands(void)
{
	static char buf[8192];
	static size_t used;
	char *end;
	ssize_t n = read(STDIN_FILENO, buf + used, sizeof(buf) - used - 1);

	if (n <= 0)
		return false;
	used += n;
	buf[used] = '\0';
	while ((end = strchr(buf, '\n'))) {
		*end = '\0';
		run(buf);
		used -= end + 1 - buf;
		memmove(buf, end + 1, used + 1);
	}
	return true;
}

int main(void)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	int on = 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sock = nl_socket_alloc();
	if (!sock || genl_connect(sock) < 0)
		return 3;
	family = genl_ctrl_resolve(sock, BVOL_GENL_NAME);
	if (family < 0) {
		printf("error no family\n");
		return 1;
	}
	fds[1] = (struct pollfd){ .fd = nl_socket_get_fd(sock), .events = POLLIN };
	setsockopt(fds[1].fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	nl_socket_set_buffer_size(sock, 1 << 20, 1 << 20);
	while (poll(fds, 2, -1) >= 0) {
		if (fds[1].revents) {
			receive(0);
			fflush(stdout);
		}
		if (fds[0].revents && !read_commands())
			return 0;
	}
	return 3;
}
