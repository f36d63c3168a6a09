// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "copy/repo/http.h"
#include "s3bed.h"

#define ANSWER	(1u << 20)

void s3bed_start(struct s3bed *bed, bool tls)
{
	char *argv[] = { (char *)"python3", (char *)S3_SERVER, tls ? (char *)"--tls" : NULL, bed->dir, NULL };
	posix_spawn_file_actions_t actions;
	int in[2], out[2];
	FILE *f;

	memset(bed, 0, sizeof(*bed));
	bed->tls = tls;
	strcpy(bed->dir, "/tmp/bvol-s3-XXXXXX");
	assert_non_null(mkdtemp(bed->dir));
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	assert_int_equal(posix_spawnp(&bed->pid, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	bed->in = in[1];
	f = fdopen(out[0], "r");
	assert_int_equal(fscanf(f, "%u", &bed->port), 1);
	fclose(f);
	setenv("AWS_ACCESS_KEY_ID", "AKIDBVOLTEST", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret/of+the=tests", 1);
	/* Nothing of the tests goes to a proxy. */
	setenv("no_proxy", "*", 1);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

void s3bed_stop(struct s3bed *bed)
{
	close(bed->in);
	waitpid(bed->pid, NULL, 0);
	nftw(bed->dir, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

char *s3bed_where(const struct s3bed *bed, const char *prefix, const char *more, char where[S3BED_WHERE])
{
	int n = snprintf(where, S3BED_WHERE, "s3://bvol/%s?endpoint=http%s://localhost:%u&region=eu-test-1"
			 "&retry=20%s", prefix, bed->tls ? "s" : "", bed->port, more);

	assert_true(n < S3BED_WHERE);
	return where;
}

static char *talk(const struct s3bed *bed, const char *json)
{
	char url[64], ca[64], *answer = calloc(1, ANSWER + 1);
	const char *const none[] = { NULL };
	struct http_request request = {
		.method = json ? "POST" : "GET", .url = url, .headers = none, .body = json,
		.length = json ? strlen(json) : 0, .into = answer, .room = ANSWER,
	};
	struct http *http = NULL;
	struct http_reply reply;
	struct err e = { 0 };

	snprintf(url, sizeof(url), "http%s://localhost:%u/_control", bed->tls ? "s" : "", bed->port);
	snprintf(ca, sizeof(ca), "%s/ca.pem", bed->dir);
	assert_int_equal(http_new(bed->tls ? ca : NULL, &http, &e), 0);
	if (http_call(http, &request, &reply, &e))
		fail_msg("%s", e.text);
	assert_int_equal(reply.status, 200);
	http_free(http);
	return answer;
}

void s3bed_control(const struct s3bed *bed, const char *json)
{
	free(talk(bed, json));
}

unsigned long s3bed_number(const struct s3bed *bed, const char *name)
{
	char quoted[64], *text = talk(bed, NULL), *at;
	unsigned long n;

	snprintf(quoted, sizeof(quoted), "\"%s\": ", name);
	at = strstr(text, quoted);
	assert_non_null(at);
	n = strtoul(at + strlen(quoted), NULL, 10);
	free(text);
	return n;
}

bool s3bed_has(const struct s3bed *bed, const char *key)
{
	char quoted[256], *text = talk(bed, NULL);
	bool found;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	found = strstr(text, quoted);
	free(text);
	return found;
}
