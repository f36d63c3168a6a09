/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store in a directory of its own, and volumes to put into it. */
#ifndef BVOL_STORE_FIXTURE_H
#define BVOL_STORE_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "codec.h"
#include "store/store.h"

static char dir[64], path[128];
static struct err err;

static inline void make_dir(void)
{
	strcpy(dir, "/tmp/bvol-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state.db", dir);
	err_clear(&err);
}

static inline void remove_dir(void)
{
	static const char *const names[] = {
		"state.db", "state.db-wal", "state.db-journal", "link",
	};
	char name[128];

	for (size_t i = 0; i < N_OF(names); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(dir), 0);
}

static inline void must(int r)
{
	if (r < 0)
		print_error("%s\n", err.text);
	assert_int_equal(r, 0);
}

static inline struct store *open_store(void)
{
	struct store *store = NULL;

	must(store_open(path, &store, &err));
	return store;
}

static inline int setup(void **state)
{
	make_dir();
	*state = open_store();
	return 0;
}

static inline int teardown(void **state)
{
	store_close(*state);
	remove_dir();
	return 0;
}

static inline struct bvol_uuid uuid(unsigned int n)
{
	return (struct bvol_uuid) { { (uint8_t)(n >> 8), (uint8_t)n } };
}

static inline struct bvol_volume *new_volume(unsigned int n, const char *name, const char *project)
{
	struct bvol_volume *v = codec_new(&bvol_type_volume);

	codec_set(v, BVOL_A_VOLUME_ID, id, uuid(n));
	codec_set(v, BVOL_A_VOLUME_STATUS, status, n % 2 ? BVOL_VOLUME_STATUS_AVAILABLE
							 : BVOL_VOLUME_STATUS_IN_USE);
	codec_set(v, BVOL_A_VOLUME_SIZE, size, n * UINT64_C(512));
	codec_set(v, BVOL_A_VOLUME_CREATED_AT, created_at, n);
	codec_set_string(&bvol_type_volume, v, BVOL_A_VOLUME_NAME, name);
	codec_set_string(&bvol_type_volume, v, BVOL_A_VOLUME_PROJECT, project);
	return v;
}

static inline int insert_volume(struct store *store, unsigned int n, const char *name,
				const char *project)
{
	struct bvol_volume *v = new_volume(n, name, project);
	int r = store_insert(store, &bvol_type_volume, v, &err);

	bvol_free(&bvol_type_volume, v);
	return r;
}

static inline bool volume_exists(struct store *store, unsigned int n)
{
	struct bvol_uuid id = uuid(n);
	void *obj;
	int r = store_get(store, &bvol_type_volume, &id, &obj, &err);

	if (r == -ENOENT)
		return false;
	must(r);
	bvol_free(&bvol_type_volume, obj);
	return true;
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
