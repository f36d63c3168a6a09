/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a repository in S3 is, by its text, and what opens it. */
#ifndef BVOL_REPO_S3_PLACE_H
#define BVOL_REPO_S3_PLACE_H

#include <stdbool.h>

#include "util/err.h"

#define S3_BUCKET_MAX	63
#define S3_PREFIX_MAX	512
#define S3_HOST_MAX	320
#define S3_REGION_MAX	32
#define S3_PATH_MAX	4095
#define S3_KEY_MAX	128
#define S3_TOKEN_MAX	4096

/* s3://BUCKET[/PREFIX][?endpoint=URL&region=R&style=path|host&ca=FILE&credentials=FILE&retry=S] */
struct s3_place {
	char bucket[S3_BUCKET_MAX + 1];
	char prefix[S3_PREFIX_MAX + 2];	/* "" or with a slash at the end */
	bool tls;
	char host[S3_HOST_MAX + 1];	/* of the endpoint, with its port */
	char region[S3_REGION_MAX + 1];
	bool host_style;		/* the bucket is in the host's name */
	unsigned int retry_s;		/* how long what fails is tried again */
	char ca[S3_PATH_MAX + 1], credentials[S3_PATH_MAX + 1];	/* "": none was named */
};

/* -EINVAL. */
int s3_place_parse(const char *where, struct s3_place *place, struct err *e);

struct s3_keys {
	char id[S3_KEY_MAX + 1], secret[S3_KEY_MAX + 1];
	char token[S3_TOKEN_MAX + 1];	/* of a session, or "" */
};

/*
 * From the file, else from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
 * AWS_SESSION_TOKEN, else from the file in AWS_SHARED_CREDENTIALS_FILE. The
 * section of a file is AWS_PROFILE or "default". The file is nobody else's to read.
 */
int s3_keys_load(const char *file, struct s3_keys *keys, struct err *e);

#endif
