/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signature version 4 of requests. No I/O. */
#ifndef BVOL_REPO_S3_SIGN_H
#define BVOL_REPO_S3_SIGN_H

#include <stddef.h>
#include <time.h>

#include "copy/repo/crypto.h"
#include "copy/repo/s3_place.h"

#define S3_HASH_TEXT	(2 * CRYPTO_HASH + 1)
#define S3_TIME		17	/* "20130524T000000Z" */
#define S3_AUTHORIZATION 1024

struct s3_pair {
	const char *name, *value;
};

/* What is signed of a request. */
struct s3_canon {
	const char *method;
	const char *path;	/* encoded, from / on */
	const char *query;	/* encoded, sorted; "" */
	/* All that are signed, in lower case and sorted; host, x-amz-date and the rest. */
	const struct s3_pair *headers;
	size_t n;
	const char *hash;	/* of the body, in digits */
	const char *time;	/* what x-amz-date says */
};

/* The value of the header Authorization. -EIO, -ENOMEM. */
int s3_sign(const struct s3_keys *keys, const char *region, const struct s3_canon *canon,
	    char authorization[S3_AUTHORIZATION], struct err *e);
int s3_hash(const void *bytes, size_t length, char text[S3_HASH_TEXT], struct err *e);
char *s3_time(time_t t, char text[S3_TIME]);

/* Percent-encode as signatures want it; slash: '/' stays. to has room for 3 bytes of each, and a NUL. */
char *s3_encode(const char *from, bool slash, char *to);

#endif
