/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests over HTTP. http.c alone knows libcurl. */
#ifndef BVOL_REPO_HTTP_H
#define BVOL_REPO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define HTTP_FIELD	256
#define HTTP_ERROR	4096

/* Connections that are used again. Any thread. */
struct http;
/* ca: a file with the certificates to trust, NULL: the system's. */
int http_new(const char *ca, struct http **ret, struct err *e);
/* Takes NULL, returns NULL. No request may be under way. */
struct http *http_free(struct http *http);

struct http_request {
	const char *method, *url;
	const char *const *headers;	/* "name: value", NULL at the end */
	const void *body;
	size_t length;
	void *into;			/* for the body of an answer 2xx */
	size_t room;			/* a longer one is -EPROTO */
	/* Asked some ten times a second; true ends the request with -ECANCELED. */
	bool (*stop)(void *data);
	void *data;
};

/* Fields that the answer lacks are "". What is too long for its field is left out. */
struct http_reply {
	int status;
	size_t length;			/* in into */
	char etag[HTTP_FIELD], range[HTTP_FIELD], region[HTTP_FIELD], mark[HTTP_FIELD];
	uint64_t retry_after;		/* s, 0: none */
	int64_t date;			/* of the server, s since 1970; 0: none */
	char error[HTTP_ERROR];		/* the beginning of the body of an answer that is not 2xx */
	size_t error_length;
};

/*
 * 0: there is a whole answer, whatever its status. No redirection is followed.
 * -EPROTO: certificates or protocol are wrong, and will be; others may pass:
 * -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, -ECONNRESET, with a sentence.
 */
int http_call(struct http *http, const struct http_request *request, struct http_reply *reply,
	      struct err *e);

#endif
