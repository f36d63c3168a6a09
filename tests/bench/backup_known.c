// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * backup_known FILE REPOSITORY KEY_FILE PARENT NAME - a backup of a file of which it is known what has
 * changed since the parent, a UUID: pairs of offset and length in order, on standard input. As the daemon
 * makes one of a thin device, whose metadata tell it. Prints the new backup's UUID.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bvol.h"
#include "copy/backup.h"

#define KEY_MAX 4096

static int fail(const char *what, const struct err *e)
{
	fprintf(stderr, "backup_known: %s: %s\n", what, e->text);
	return 1;
}

/* What lies between the changes, up to size. */
static size_t read_same(uint64_t size, struct copy_extent *list, size_t max)
{
	uint64_t offset, length, at = 0;
	size_t n = 0;

	while (n + 1 < max && scanf("%" SCNu64 " %" SCNu64, &offset, &length) == 2) {
		if (offset > at)
			list[n++] = (struct copy_extent) { at, offset - at };
		at = offset + length;
	}
	if (at < size)
		list[n++] = (struct copy_extent) { at, size - at };
	return n;
}

static int back_up(const struct repo *repo, const char *file, const struct manifest *parent, const char *name)
{
	static struct copy_extent same[1 << 20];
	struct manifest_text text = { (char *)"name", (char *)name };
	struct backup_plan plan = { .texts = &text, .n_texts = 1, .parent = parent };
	const struct copy_extent all = { 0, parent->size };
	size_t n = read_same(parent->size, same, sizeof(same) / sizeof(same[0]));
	struct manifest *m = NULL;
	struct repo_run run = { 0 };
	char uuid[BVOL_UUID_TEXT];
	struct bvol_uuid id;
	struct err e = { 0 };
	int r = source_extents(file, &all, 1, same, n, &plan.source, &e);

	if (!r)
		r = backup_run(repo, &plan, &run, &m, &e);
	backup_source_free(plan.source);
	if (r)
		return fail(file, &e);
	memcpy(&id, m->id, sizeof(id));
	puts(bvol_uuid_text(&id, uuid));
	manifest_free(m);
	return 0;
}

int main(int argc, char **argv)
{
	struct repo_secret secret = { .method = KEY_FILE };
	struct manifest *parent = NULL;
	struct repo *repo = NULL;
	struct bvol_uuid id;
	struct err e = { 0 };
	char key[KEY_MAX];
	int fd, status;
	ssize_t n;

	if (argc != 6 || bvol_uuid_parse(argv[4], &id)) {
		fputs("usage: backup_known FILE REPOSITORY KEY_FILE PARENT NAME\n", stderr);
		return 2;
	}
	fd = open(argv[3], O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, key, sizeof(key));
	if (n < 0)
		return fail(argv[3], &e);
	close(fd);
	secret.bytes = key;
	secret.length = (size_t)n;
	if (repo_open(argv[2], &secret, &repo, &e))
		return fail(argv[2], &e);
	if (manifest_load(repo, (const uint8_t *)&id, &parent, &e))
		status = fail(argv[4], &e);
	else
		status = back_up(repo, argv[1], parent, argv[5]);
	manifest_free(parent);
	repo_close(repo);
	return status;
}
