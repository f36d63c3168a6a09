/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to an S3 server: signed, tried again, their failures in sentences. */
#ifndef BVOL_REPO_S3_CALL_H
#define BVOL_REPO_S3_CALL_H

#include "copy/repo/http.h"
#include "copy/repo/s3_place.h"
#include "copy/repo/s3_sign.h"

#define S3_PARAMS	6
#define S3_HEADERS	4
/* The most that one answer in XML may have. */
#define S3_ANSWER	(4u << 20)

struct s3_site {
	struct s3_place place;
	struct s3_keys keys;
	struct http *http;
};

/* -EINVAL, -EACCES... for text and credentials; nothing is asked of the server. */
int s3_site_new(const char *where, struct s3_site **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct s3_site *s3_site_free(struct s3_site *site);

struct s3_op {
	const char *what;		/* "read": for sentences */
	const char *method;
	const char *name;		/* of the object, behind the prefix; NULL: of the bucket */
	struct s3_pair query[S3_PARAMS];	/* raw; sorted by name */
	struct s3_pair headers[S3_HEADERS];	/* in lower case */
	const void *body;
	size_t length;
	void *into;
	size_t room;
	bool late;			/* an answer 200 may have an <Error> in its body */
};

/*
 * 0: an answer 2xx. Without a sentence: -ENOENT (404 of an object), -EEXIST
 * (412, a condition does not hold), -ERANGE (416), -EOPNOTSUPP (501). What may
 * pass is tried again, for as long as the place says, and may then have been
 * carried out before; libcurl too sends again what a connection swallowed. A thread that is
 * cancelled (driver_cancel_by()) has a third of a second for all that it asks.
 */
int s3_call(struct s3_site *site, const struct s3_op *op, struct http_reply *reply, struct err *e);

/* A sentence about an answer that makes no sense: -EPROTO. */
int s3_nonsense(const struct s3_site *site, const struct s3_op *op, const char *why, struct err *e);

#endif
