/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an S3 server's answers say. No I/O; bytes come from outside. */
#ifndef BVOL_REPO_S3_REPLY_H
#define BVOL_REPO_S3_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define S3_CODE		64
#define S3_TOKEN	2048

/* Of an answer <Error>; "" for what is not there, or not made of letters, digits and hyphens. */
struct s3_fault {
	char code[S3_CODE], region[S3_CODE];
};

/* Also what was cut off. false: there is no <Error>. */
bool s3_read_fault(const char *bytes, size_t length, struct s3_fault *fault);

struct s3_listed {
	const char *key, *upload;	/* upload: of ListMultipartUploads, else "" */
	uint64_t size, time;		/* ns since 1970 */
};

/* A page of ListObjectsV2, or of ListMultipartUploads. */
struct s3_page {
	bool more;
	char next[S3_TOKEN], next_upload[S3_TOKEN];
};

/* -EPROTO, without a sentence, for what is none; what each returns but 0 ends it. */
int s3_read_page(const char *bytes, size_t length, struct s3_page *page,
		 int (*each)(void *data, const struct s3_listed *listed), void *data);

/* The upload's name; -EPROTO. */
int s3_read_upload(const char *bytes, size_t length, char upload[S3_TOKEN]);

/* "2009-10-12T17:50:30.000Z"; false: it is none. */
bool s3_read_time(const char *text, uint64_t *ns);
/* "bytes 0-9/100": from, length and total; "bytes * /100" has length 0. */
bool s3_read_range(const char *text, uint64_t *from, uint64_t *length, uint64_t *total);

#endif
