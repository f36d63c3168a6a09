// SPDX-License-Identifier: LGPL-2.1-or-later
/* The way of a pool's copy into the database, of a disk that comes from anywhere. */
#include "store_fixture.h"
#include "job/rowset.h"
#include "util/str.h"

#define SIZE (1 << 20)

/* Volumes 1 to 4 have a device, snapshot 5 too, and so has 6, of which the copy knows nothing. */
static int devices(struct store *store, const struct bvol_uuid *pool_id, provider_each each, void *data,
		   struct err *e)
{
	int r = 0;

	for (unsigned int i = 1; !r && i <= 6; i++)
		r = each(&(struct provider_device) { uuid(i), i, SIZE }, data);
	return r;
}

static const struct provider_ops provider = { .name = "thin", .pool_devices = devices };

static void add(struct records *rows, enum record_tag tag, const struct bvol_type *type, void *obj)
{
	must(records_add(rows, tag, type, obj, &err));
	bvol_free(type, obj);
}

static void add_volume(struct records *rows, unsigned int n, const char *name, const char *project,
		       uint32_t status)
{
	struct bvol_volume *v = new_volume(n, name, project);

	v->size = SIZE;
	v->status = status;
	add(rows, RECORD_VOLUME, &bvol_type_volume, v);
}

static void add_snapshot(struct records *rows, unsigned int n, const char *name)
{
	struct bvol_snapshot *s = codec_new(&bvol_type_snapshot);

	codec_set(s, BVOL_A_SNAPSHOT_ID, id, uuid(n));
	codec_set(s, BVOL_A_SNAPSHOT_STATUS, status, BVOL_SNAPSHOT_STATUS_AVAILABLE);
	codec_set(s, BVOL_A_SNAPSHOT_SIZE, size, SIZE);
	codec_set(s, BVOL_A_SNAPSHOT_VOLUME_ID, volume_id, uuid(1));
	codec_set(s, BVOL_A_SNAPSHOT_CREATED_AT, created_at, n);
	must(codec_set_string(&bvol_type_snapshot, s, BVOL_A_SNAPSHOT_NAME, name));
	must(codec_set_string(&bvol_type_snapshot, s, BVOL_A_SNAPSHOT_PROJECT, "red"));
	add(rows, RECORD_SNAPSHOT, &bvol_type_snapshot, s);
}

static void expect(struct store *store, unsigned int n, const char *name, const char *project,
		   uint32_t status)
{
	struct bvol_uuid id = uuid(n);
	struct bvol_volume *v;

	must(store_get(store, &bvol_type_volume, &id, (void **)&v, &err));
	if (name)
		assert_string_equal(v->name, name);
	must(str_check_name("volume", v->name, &err));
	assert_string_equal(v->project, project);
	assert_int_equal(v->status, status);
	bvol_free(&bvol_type_volume, v);
}

static void test_insert(void **state)
{
	struct store *store = *state;
	const struct bvol_pool pool = { .id = uuid(99) };
	struct rowset_report report = { 0 };
	struct records rows = { 0 };
	struct bvol_snapshot *s;
	struct bvol_uuid id = uuid(5);
	char endless[1000];

	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	add_volume(&rows, 1, "v", "red", BVOL_VOLUME_STATUS_IN_USE);
	add_volume(&rows, 2, "a/b", "blue", BVOL_VOLUME_STATUS_DELETING);
	add_volume(&rows, 3, endless, "\x1b[2J", BVOL_VOLUME_STATUS_RESTORING_BACKUP);
	add_volume(&rows, 4, "11111111-2222-4333-8444-555555555555", "red", BVOL_VOLUME_STATUS_AVAILABLE);
	add_volume(&rows, 7, "gone", "red", BVOL_VOLUME_STATUS_AVAILABLE);
	add_snapshot(&rows, 5, "new\nline");
	must(store_begin(store, &err));
	must(rowset_insert(store, &pool, &provider, &rows, "default", &report, &err));
	expect(store, 1, "v", "red", BVOL_VOLUME_STATUS_AVAILABLE);
	expect(store, 2, NULL, "blue", BVOL_VOLUME_STATUS_ERROR_DELETING);
	expect(store, 3, NULL, "default", BVOL_VOLUME_STATUS_ERROR_RESTORING);
	expect(store, 4, NULL, "red", BVOL_VOLUME_STATUS_AVAILABLE);
	expect(store, 6, "recovered-6", "default", BVOL_VOLUME_STATUS_AVAILABLE);
	must(store_get(store, &bvol_type_snapshot, &id, (void **)&s, &err));
	must(str_check_name("snapshot", s->name, &err));
	bvol_free(&bvol_type_snapshot, s);
	id = uuid(7);
	assert_int_equal(store_get(store, &bvol_type_volume, &id, (void **)&s, NULL), -ENOENT);
	assert_int_equal(report.volumes, 5);
	assert_int_equal(report.snapshots, 1);
	assert_int_equal(report.recovered, 1);
	assert_int_equal(report.lost, 1);
	/* Four other names, one that is gone, one that was found. */
	assert_int_equal(report.n_told, 6);
	for (size_t i = 0; i < report.n_told; i++)
		assert_true(str_utf8(report.told[i]) && !strchr(report.told[i], '\n'));
	store_rollback(store);
	rowset_report_clear(&report);
	records_clear(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_insert, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
