// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "port.h"

/* For what takes no time-out of its caller: the daemon answers these from memory. */
#define ASK_MS 30000

struct bvol {
	enum bvol_transport wanted;
	char *path;
	struct port *port;	/* NULL after it died, until the next call */
	bool refused;
	char sentence[BVOL_SENTENCE_MAX + 1];
};

/* Connection */

static int connect_again(struct bvol *bvol)
{
	bvol->port = port_close(bvol->port);
	return port_open(bvol->wanted, bvol->path, false, bvol->sentence, &bvol->port);
}

int bvol_open(enum bvol_transport transport, const char *socket_path, struct bvol **ret)
{
	struct bvol *bvol;

	*ret = NULL;
	bvol = calloc(1, sizeof(*bvol));
	if (!bvol)
		return -ENOMEM;
	bvol->wanted = transport;
	bvol->path = strdup(socket_path ?: BVOL_SOCKET);
	if (!bvol->path) {
		free(bvol);
		return -ENOMEM;
	}
	*ret = bvol;
	return connect_again(bvol);
}

struct bvol *bvol_close(struct bvol *bvol)
{
	if (!bvol)
		return NULL;
	port_close(bvol->port);
	free(bvol->path);
	free(bvol);
	return NULL;
}

enum bvol_transport bvol_transport(const struct bvol *bvol)
{
	return bvol->port ? bvol->port->transport : bvol->wanted;
}

struct bvol_way bvol_way(const struct bvol *bvol)
{
	return (struct bvol_way){ bvol->wanted, bvol->path, bvol->port };
}

const char *bvol_sentence(const struct bvol *bvol)
{
	return bvol ? bvol->sentence : "out of memory";
}

bool bvol_refused(const struct bvol *bvol)
{
	return bvol && bvol->refused;
}

/* Requests */

static const struct {
	int error;
	const char *sentence;
} refusals[] = {
	{ -ENOTCONN, "bvold is not running: the bvol kernel module has no daemon; start bvold" },
	{ -ECONNRESET, "bvold stopped before it answered, so look up whether it did what was asked" },
	{ -ETIMEDOUT, "bvold did not answer in time, so look up whether it did what was asked" },
	{ -EBUSY, "too many calls wait for bvold: try again later" },
	{ -EMSGSIZE, "the request is too long: use fewer or shorter arguments" },
	{ -EILSEQ, "an argument is not valid UTF-8" },
	{ -EPERM, PORT_EPERM },
	{ -EBADMSG, "bvold's answer makes no sense to this version of libbvol" },
	{ -ENOMEM, "out of memory" },
};

static void explain(struct bvol *bvol, int error)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].error == error) {
			say(bvol->sentence, 0, "%s", refusals[i].sentence);
			return;
		}
	}
	if (!*bvol->sentence)
		say(bvol->sentence, 0, "bvold cannot be asked: %s", strerror(-error));
}

/* Nothing was done: the socket is dead, or the kernel no longer knows the family. */
static bool stale(const struct port *port, int error)
{
	return error == -ESTALE || (error == -ENOENT && port->transport == BVOL_NETLINK);
}

/*
 * -ESTALE: the module has gone since, bvol is connected to the unix socket
 * instead and this request is one for the module.
 */
static int ask(struct bvol *bvol, struct frame *frame, int64_t deadline, port_each each, void *data)
{
	bool kernel = frame->cmd == BVOL_CMD_INFO || frame->cmd == BVOL_CMD_SESSION_GET;
	int r = -ESTALE;

	bvol->refused = false;
	if (bvol->port) {
		*bvol->sentence = '\0';
		r = port_ask(bvol->port, frame, deadline, bvol->sentence, each, data);
	}
	if (!bvol->port || stale(bvol->port, r)) {
		r = connect_again(bvol);
		if (r < 0)
			return r;
		if (kernel && bvol->port->transport != BVOL_NETLINK)
			return -ESTALE;
		*bvol->sentence = '\0';
		r = port_ask(bvol->port, frame, deadline, bvol->sentence, each, data);
	}
	if (r < 0)
		explain(bvol, r);
	if (r == -ECONNRESET && bvol->port->transport == BVOL_UNIX)
		bvol->port = port_close(bvol->port);
	return r;
}

/* Calls */

static int take_reply(const struct message *message, void *data)
{
	if (message->frame.cmd != BVOL_CMD_REPLY)
		return 0;
	return codec_decode(&bvol_type_response, message->frame.payload,
			    message->frame.payload_len, data);
}

/* What the daemon itself refuses has its own sentence. */
static int judge(struct bvol *bvol, struct bvol_response *response, struct bvol_response **ret)
{
	int error = response->error;

	bvol->refused = error;
	if (!error) {
		*ret = response;
		return 0;
	}
	say(bvol->sentence, 0, "%s", response->message ?: strerror(error));
	bvol_free(&bvol_type_response, response);
	return error > 0 && error < 4096 ? -error : -EIO;
}

int bvol_call(struct bvol *bvol, enum bvol_verb verb, const struct bvol_request *request,
	      int timeout_ms, struct bvol_response **ret)
{
	static const struct bvol_request nothing;
	int64_t deadline = timeout_ms < 0 ? PORT_EVER : clock_ms() + timeout_ms;
	struct bvol_response *response = NULL;
	uint8_t buf[BVOL_PAYLOAD_MAX];
	struct frame frame = { .cmd = BVOL_CMD_CALL, .flags = NLM_F_REQUEST, .verb = verb,
			       .payload = buf };
	ssize_t len;
	int r;

	*bvol->sentence = '\0';
	len = codec_encode(&bvol_type_request, request ?: &nothing, buf, sizeof(buf));
	if (len < 0) {
		explain(bvol, len);
		return len;
	}
	frame.payload_len = len;
	r = ask(bvol, &frame, deadline, take_reply, &response);
	if (r < 0)
		return r;
	return judge(bvol, response, ret);
}

/* The array of objects of this type in a response. */
static void **objects_of(struct bvol_response *response, const struct bvol_type *type)
{
	for (size_t i = 0; i < bvol_type_response.n_fields; i++) {
		const struct bvol_field *field = &bvol_type_response.fields[i];

		if (field->nest == type)
			return *(void **)((char *)response + field->offset);
	}
	return NULL;
}

int bvol_list(struct bvol *bvol, enum bvol_verb verb, const struct bvol_request *request,
	      const struct bvol_type *type, bvol_each each, void *data)
{
	struct bvol_request page = request ? *request : (struct bvol_request){ 0 };
	struct bvol_response *response;
	bool more;
	int r;

	do {
		void **objects;

		r = bvol_call(bvol, verb, &page, ASK_MS, &response);
		if (r < 0)
			return r;
		for (objects = objects_of(response, type); objects && *objects && !r; objects++)
			r = each(*objects, data);
		more = bvol_has(response, BVOL_A_RESPONSE_MORE);
		codec_set(&page, BVOL_A_REQUEST_AFTER, after, response->more);
		bvol_free(&bvol_type_response, response);
	} while (more && !r);
	return r;
}

/* Dumps */

static int dump(struct bvol *bvol, struct frame frame, const struct bvol_type *type,
		bvol_each each, void *data)
{
	struct port_walk walk = { type, each, data };

	frame.flags = NLM_F_REQUEST | NLM_F_DUMP;
	return ask(bvol, &frame, clock_ms() + ASK_MS, port_walk, &walk);
}

int bvol_sessions(struct bvol *bvol, bvol_each each, void *data)
{
	int r = -ESTALE;

	if (bvol_transport(bvol) != BVOL_UNIX)
		r = dump(bvol, (struct frame){ .cmd = BVOL_CMD_SESSION_GET }, &bvol_type_session,
			 each, data);
	if (r != -ESTALE)
		return r;
	return bvol_list(bvol, BVOL_VERB_SESSION_LIST, NULL, &bvol_type_session, each, data);
}

int bvol_log(struct bvol *bvol, uint64_t since, bvol_each each, void *data)
{
	return dump(bvol, (struct frame){ .cmd = BVOL_CMD_EVENT_GET, .since = since },
		    &bvol_type_event, each, data);
}

/* The module tells about itself while no daemon runs, too. */
int bvol_info(struct bvol *bvol, struct bvol_info **ret)
{
	struct frame frame = { .cmd = BVOL_CMD_INFO, .flags = NLM_F_REQUEST | NLM_F_ACK };
	struct bvol_response *response = NULL;
	struct bvol_info *info;
	int r = 0;

	info = codec_new(&bvol_type_info);
	if (!info) {
		explain(bvol, -ENOMEM);
		return -ENOMEM;
	}
	if (bvol_transport(bvol) != BVOL_UNIX)
		r = ask(bvol, &frame, clock_ms() + ASK_MS, port_merge_info, info);
	if ((r == 0 || r == -ESTALE) && (!info->has || bvol_has(info, BVOL_A_INFO_DAEMON_PID)))
		r = bvol_call(bvol, BVOL_VERB_INFO, NULL, ASK_MS, &response);
	/* Of what both know the module's own word counts. */
	if (response && response->info) {
		response->info[0]->has &= ~info->has;
		codec_merge(&bvol_type_info, info, response->info[0]);
	}
	bvol_free(&bvol_type_response, response);
	if (info->has)
		r = codec_set_string(&bvol_type_info, info, BVOL_A_INFO_TRANSPORT,
				     bvol_transport(bvol) == BVOL_UNIX ? "unix" : "netlink");
	if (r == 0)
		*ret = info;
	else
		bvol_free(&bvol_type_info, info);
	return r;
}
