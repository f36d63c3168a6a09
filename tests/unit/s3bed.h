/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server of tests/s3 in a process of its own, and what to tell it. */
#ifndef BVOL_S3BED_H
#define BVOL_S3BED_H

#include <stdbool.h>
#include <sys/types.h>

#define S3BED_WHERE 256

struct s3bed {
	pid_t pid;
	int in;			/* it ends when this is closed */
	unsigned int port;
	bool tls;
	char dir[32];		/* with ca.pem */
};

/* The environment of this process gets the credentials. */
void s3bed_start(struct s3bed *bed, bool tls);
void s3bed_stop(struct s3bed *bed);
/* An address there; more: further settings, "&style=host". */
char *s3bed_where(const struct s3bed *bed, const char *prefix, const char *more, char where[S3BED_WHERE]);
/* Faults and the like: JSON as the server's head describes it. */
void s3bed_control(const struct s3bed *bed, const char *json);
/* A number of those that the server tells. */
unsigned long s3bed_number(const struct s3bed *bed, const char *name);
/* Does it have such an object? */
bool s3bed_has(const struct s3bed *bed, const char *key);

#endif
