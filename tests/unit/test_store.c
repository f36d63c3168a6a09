// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store_fixture.h"

#define FIELD(type, member, number, of_kind) \
	{ .name = #member, .attr = number, .kind = of_kind, .offset = offsetof(struct type, member) }

/* A provider's private table, as its rooms describe it. */
struct thin_dev {
	uint64_t has;
	struct bvol_uuid id, pool_id;
	uint32_t dev_id;
	uint64_t size;
	char *state;
	uint64_t operation;
	uint64_t lost;
};

static const struct bvol_field thin_dev_fields[] = {
	FIELD(thin_dev, id, 1, BVOL_UUID),
	FIELD(thin_dev, pool_id, 2, BVOL_UUID),
	FIELD(thin_dev, dev_id, 3, BVOL_U32),
	FIELD(thin_dev, size, 4, BVOL_U64),
	FIELD(thin_dev, state, 5, BVOL_STRING),
	FIELD(thin_dev, operation, 6, BVOL_U64),
	FIELD(thin_dev, lost, 7, BVOL_U64),
};

static const struct bvol_type type_thin_dev = {
	"thin-dev", sizeof(struct thin_dev), thin_dev_fields, 7,
};

struct thin_pool {
	uint64_t has;
	struct bvol_uuid id;
	uint64_t transaction_id;
	uint32_t next_dev_id;
	uint32_t mended;
};

static const struct bvol_field thin_pool_fields[] = {
	FIELD(thin_pool, id, 1, BVOL_UUID),
	FIELD(thin_pool, transaction_id, 2, BVOL_U64),
	FIELD(thin_pool, next_dev_id, 3, BVOL_U32),
	FIELD(thin_pool, mended, 4, BVOL_U32),
};

static const struct bvol_type type_thin_pool = {
	"thin-pool", sizeof(struct thin_pool), thin_pool_fields, 4,
};

/* In an order that fulfils all references, with the fields that are live or kept elsewhere. */
static const struct {
	const struct bvol_type *type;
	const char *not_stored[16];
} tables[] = {
	{ &bvol_type_pool, { "data_total", "data_used", "metadata_total", "metadata_used",
			     "provisioned", "transaction_id", "promised", "fill_rate", "full_in", "full",
			     "copied_at", "copy" } },
	{ &bvol_type_group, { "pool", "volumes" } },
	{ &bvol_type_volume_type, {} },
	{ &bvol_type_volume, { "pool", "device", "type", "mapped", "exclusive",
			       "shared" } },
	{ &bvol_type_group_snapshot, { "snapshots" } },
	{ &bvol_type_snapshot, { "mapped", "exclusive", "shared" } },
	{ &bvol_type_export, { "sessions", "command_errors", "login_failures" } },
	{ &bvol_type_job, { "rate", "seconds_left", "waiting" } },
	{ &bvol_type_repository, { "backups" } },
	{ &bvol_type_backup, { "repository", "has_dependent_backups", "map" } },
	{ &bvol_type_quota, { "volumes_used", "snapshots_used", "gigabytes_used" } },
	{ &type_thin_pool, {} },
	{ &type_thin_dev, {} },
};

static struct bvol_uuid uuid_of(const char *word, size_t len)
{
	struct bvol_uuid id = {};

	for (size_t i = 0; i < len && i < sizeof(id.b); i++)
		id.b[i] = (uint8_t)(word[i] == '_' ? '-' : word[i]);
	return id;
}

static const char nasty[] = "O'Brien\"; DROP TABLE \"volume\"; -- %s%n ?1 \xc3\xa9 \\ \t";

static void fill(const struct bvol_type *type, const struct bvol_field *field, void *obj)
{
	void *at = (char *)obj + field->offset;
	const char *id = strstr(field->name, "_id");

	*(uint64_t *)obj |= BVOL_BIT(field->attr);
	switch (field->kind) {
	case BVOL_ENUM:
		*(uint32_t *)at = field->values->n - 1;
		break;
	case BVOL_U32:
		*(uint32_t *)at = 97;
		break;
	case BVOL_U64:
	case BVOL_TIME:
		*(uint64_t *)at = INT64_MAX - field->attr;
		break;
	case BVOL_S64:
		*(int64_t *)at = -1;
		break;
	case BVOL_UUID:	/* "id" of a pool and "pool_id" of a volume are the same */
		*(struct bvol_uuid *)at = id ? uuid_of(field->name, (size_t)(id - field->name))
					     : uuid_of(type->name, strlen(type->name));
		break;
	case BVOL_STRING:
		assert_int_equal(codec_set_string(type, obj, field->attr, nasty), 0);
		break;
	case BVOL_LIST:
		assert_int_equal(codec_append_list(type, obj, field->attr, nasty), 0);
		assert_int_equal(codec_append_list(type, obj, field->attr, ""), 0);
		assert_int_equal(codec_append_list(type, obj, field->attr, "b"), 0);
		break;
	case BVOL_NEST:
		*(void **)at = codec_new(field->nest);
		for (size_t i = 0; i < field->nest->n_fields; i++)
			fill(field->nest, &field->nest->fields[i], *(void **)at);
		break;
	}
}

static void *full(const struct bvol_type *type)
{
	void *obj = codec_new(type);

	for (size_t i = 0; i < type->n_fields; i++)
		fill(type, &type->fields[i], obj);
	if (type == &type_thin_dev)
		((struct thin_dev *)obj)->pool_id = uuid_of("thin-pool", 9);
	return obj;
}

static const void *key_of(const struct bvol_type *type, const void *obj)
{
	const void *at = (const char *)obj + type->fields[0].offset;

	return type->fields[0].kind == BVOL_STRING ? *(const void *const *)at : at;
}

static void assert_same(const struct bvol_type *type, const void *a, const void *b)
{
	static uint8_t one[BVOL_PAYLOAD_MAX], two[BVOL_PAYLOAD_MAX];
	ssize_t n = codec_encode(type, a, one, sizeof(one));

	assert_true(n >= 0);
	assert_int_equal(codec_encode(type, b, two, sizeof(two)), n);
	assert_memory_equal(one, two, (size_t)n);
}

static void forget_live(size_t table, void *obj)
{
	const struct bvol_type *type = tables[table].type;

	for (const char *const *name = tables[table].not_stored; *name; name++)
		*(uint64_t *)obj &= ~BVOL_BIT(bvol_field(type, *name)->attr);
}

static void round_trip(void **state)
{
	struct store *store = *state;

	for (size_t i = 0; i < N_OF(tables); i++) {
		const struct bvol_type *type = tables[i].type;
		void *obj = full(type), *back;

		must(store_begin(store, &err));
		must(store_insert(store, type, obj, &err));
		must(store_commit(store, &err));
		forget_live(i, obj);
		must(store_get(store, type, key_of(type, obj), &back, &err));
		assert_same(type, obj, back);
		bvol_free(type, back);
		bvol_free(type, obj);
	}
	store_close(store);
	*state = open_store();
	for (size_t i = 0; i < N_OF(tables); i++) {
		void *obj = full(tables[i].type), *back;

		forget_live(i, obj);
		must(store_first(*state, tables[i].type, NULL, &back, &err));
		assert_same(tables[i].type, obj, back);
		bvol_free(tables[i].type, back);
		bvol_free(tables[i].type, obj);
	}
}

static void unset_is_null(void **state)
{
	struct store *store = *state;
	struct bvol_volume *v = new_volume(1, "v", "p"), *back;
	void *got;

	must(store_begin(store, &err));
	codec_set_string(&bvol_type_volume, v, BVOL_A_VOLUME_ERROR, "why");
	must(store_insert(store, &bvol_type_volume, v, &err));
	v->has &= ~BVOL_BIT(BVOL_A_VOLUME_ERROR);
	must(store_update(store, &bvol_type_volume, v, &err));
	must(store_commit(store, &err));
	must(store_get(store, &bvol_type_volume, &v->id, &got, &err));
	back = got;
	assert_null(back->error);
	assert_same(&bvol_type_volume, v, back);
	assert_false(bvol_has(back, BVOL_A_VOLUME_POOL_ID));
	bvol_free(&bvol_type_volume, back);
	bvol_free(&bvol_type_volume, v);
}

static void put_pool(struct store *store)
{
	void *pool = full(&bvol_type_pool);

	must(store_insert(store, &bvol_type_pool, pool, &err));
	bvol_free(&bvol_type_pool, pool);
}

static void lists(void **state)
{
	struct store *store = *state;
	static const char *const cases[][3] = {
		{}, { "" }, { "", "" }, { "a" }, { "a", "", "b" }, { "", "a" },
	};
	struct bvol_pool *pool = full(&bvol_type_pool);
	void *back;

	must(store_begin(store, &err));
	must(store_insert(store, &bvol_type_pool, pool, &err));
	forget_live(0, pool);
	for (size_t i = 0; i < N_OF(cases); i++) {
		size_t n = 0;

		while (n < 3 && cases[i][n])
			n++;
		must(codec_set_list(&bvol_type_pool, pool, BVOL_A_POOL_DEVICES, cases[i], n));
		must(store_update(store, &bvol_type_pool, pool, &err));
		must(store_get(store, &bvol_type_pool, &pool->id, &back, &err));
		assert_same(&bvol_type_pool, pool, back);
		bvol_free(&bvol_type_pool, back);
	}
	must(codec_append_list(&bvol_type_pool, pool, BVOL_A_POOL_DEVICES, "/dev/a\n/dev/b"));
	assert_int_equal(store_update(store, &bvol_type_pool, pool, &err), -EINVAL);
	assert_string_equal(err.text, "devices may not hold a line feed");
	bvol_free(&bvol_type_pool, pool);
}

static void refusals(void **state)
{
	struct store *store = *state;
	struct bvol_volume *v = new_volume(1, "v", "p");
	const struct bvol_type *type = &bvol_type_volume;
	void *back = v;

	assert_int_equal(store_insert(store, type, v, NULL), -EPROTO);
	assert_int_equal(store_update(store, type, v, NULL), -EPROTO);
	assert_int_equal(store_delete(store, type, &v->id, NULL), -EPROTO);
	must(store_begin(store, &err));
	assert_int_equal(store_get(store, type, &v->id, &back, &err), -ENOENT);
	assert_int_equal(store_first(store, type, NULL, &back, &err), -ENOENT);
	assert_int_equal(err.code, 0);
	assert_ptr_equal(back, v);
	assert_int_equal(store_update(store, type, v, NULL), -ENOENT);
	assert_int_equal(store_delete(store, type, &v->id, NULL), -ENOENT);
	must(store_insert(store, type, v, &err));
	assert_int_equal(store_insert(store, type, v, NULL), -EEXIST);
	v->size = 0;
	assert_int_equal(store_update(store, type, v, NULL), -EINVAL);
	v->size = UINT64_C(1) << 63;
	assert_int_equal(store_update(store, type, v, NULL), -ERANGE);
	v->size = 512;
	v->status = bvol_enum_volume_status.n;
	assert_int_equal(store_update(store, type, v, NULL), -EINVAL);
	v->status = 0;
	v->has &= ~BVOL_BIT(BVOL_A_VOLUME_NAME);
	assert_int_equal(store_update(store, type, v, NULL), -EINVAL);
	assert_int_equal(store_insert(store, &bvol_type_session, v, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "no table session"));
	assert_true(store_in_transaction(store));
	must(store_delete(store, type, &v->id, &err));
	must(store_commit(store, &err));
	assert_false(store_in_transaction(store));
	bvol_free(type, v);
}

static void references(void **state)
{
	struct store *store = *state;
	struct bvol_volume *v = new_volume(1, "v", "p");

	codec_set(v, BVOL_A_VOLUME_POOL_ID, pool_id, uuid_of("pool", 4));
	must(store_begin(store, &err));
	must(store_insert(store, &bvol_type_volume, v, &err));
	assert_int_equal(store_commit(store, &err), -EINVAL);
	assert_false(store_in_transaction(store));
	assert_false(volume_exists(store, 1));
	err_clear(&err);

	/* Within a transaction the order is free. */
	must(store_begin(store, &err));
	must(store_insert(store, &bvol_type_volume, v, &err));
	put_pool(store);
	must(store_commit(store, &err));
	must(store_begin(store, &err));
	must(store_delete(store, &bvol_type_pool, &v->pool_id, &err));
	assert_int_equal(store_commit(store, &err), -EINVAL);
	assert_true(volume_exists(store, 1));
	bvol_free(&bvol_type_volume, v);
}

static void rolled_back(void **state)
{
	struct store *store = *state;

	store_rollback(store);
	must(store_begin(store, &err));
	must(insert_volume(store, 1, "v", "p"));
	assert_true(volume_exists(store, 1));
	store_rollback(store);
	assert_false(volume_exists(store, 1));
	assert_int_equal(store_commit(store, NULL), -EIO);
}

struct walk {
	unsigned int seen[16];
	size_t n;
	struct store *store;
	int end;
};

static int note(void *obj, void *data)
{
	struct bvol_volume *v = obj;
	struct walk *walk = data;

	walk->seen[walk->n++] = (unsigned int)v->created_at;
	return walk->end;
}

static void assert_walk(struct store *store, const struct store_match *match,
			const struct bvol_uuid *after, unsigned int limit, const char *want)
{
	struct walk walk = {};
	char got[64] = "";
	uint64_t count;

	must(store_select(store, &bvol_type_volume, match, after, limit, note, &walk, &err));
	for (size_t i = 0; i < walk.n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u ", walk.seen[i]);
	assert_string_equal(got, want);
	must(store_count(store, &bvol_type_volume, match, &count, &err));
	if (!after && !limit)
		assert_int_equal(count, walk.n);
}

static void put_volumes(struct store *store)
{
	must(store_begin(store, &err));
	must(insert_volume(store, 3, "c", "red"));
	must(insert_volume(store, 1, "a", "red"));
	must(insert_volume(store, 600, "a", "blue"));
	must(insert_volume(store, 4, "d", "blue"));
	must(insert_volume(store, 2, "b", "red"));
	must(store_commit(store, &err));
}

static void selection(void **state)
{
	struct store *store = *state;
	struct store_match match[10] = {};
	struct bvol_uuid after = uuid(2), id = uuid(4);

	put_volumes(store);
	assert_walk(store, NULL, NULL, 0, "1 2 3 4 600 ");
	assert_walk(store, match, NULL, 2, "1 2 ");
	assert_walk(store, NULL, &after, 2, "3 4 ");
	after = uuid(600);
	assert_walk(store, NULL, &after, 0, "");

	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_PROJECT, .text = "red" };
	assert_walk(store, match, NULL, 0, "1 2 3 ");
	match[1] = (struct store_match) { .attr = BVOL_A_VOLUME_STATUS,
					  .number = BVOL_VOLUME_STATUS_IN_USE, .not = true };
	assert_walk(store, match, NULL, 0, "1 3 ");
	match[0].not = true;
	match[1].not = false;
	assert_walk(store, match, NULL, 0, "4 600 ");
	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_ID, .id = &id, .not = true };
	assert_walk(store, match, NULL, 0, "2 600 ");
	/* A field that is not set differs from every value, and from no value it does not. */
	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_POOL_ID, .id = &id, .not = true };
	match[1] = (struct store_match) {};
	assert_walk(store, match, NULL, 0, "1 2 3 4 600 ");
	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_POOL_ID };
	assert_walk(store, match, NULL, 0, "1 2 3 4 600 ");
	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_SIZE, .number = 1024 };
	assert_walk(store, match, NULL, 0, "2 ");
	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_NAME, .text = "a' OR 1 --" };
	assert_walk(store, match, NULL, 0, "");
	match[0] = (struct store_match) { .attr = BVOL_A_VOLUME_DEVICE, .text = "x" };
	assert_int_equal(store_select(store, &bvol_type_volume, match, NULL, 0, note, NULL, NULL),
			 -EINVAL);
	match[0].attr = BVOL_A_POOL_DEVICES;
	assert_int_equal(store_select(store, &bvol_type_pool, match, NULL, 0, note, NULL, NULL),
			 -EINVAL);
	for (size_t i = 0; i + 1 < N_OF(match); i++)
		match[i].attr = BVOL_A_VOLUME_NAME;
	assert_int_equal(store_select(store, &bvol_type_volume, match, NULL, 0, note, NULL, NULL),
			 -EINVAL);
}

static void sums(void **state)
{
	struct store *store = *state;
	struct store_match match[] = {
		{ .attr = BVOL_A_VOLUME_PROJECT, .text = "blue" }, {},
	};
	uint64_t sum = 7;

	must(store_sum(store, &bvol_type_volume, BVOL_A_VOLUME_SIZE, NULL, &sum, &err));
	assert_int_equal(sum, 0);
	put_volumes(store);
	must(store_sum(store, &bvol_type_volume, BVOL_A_VOLUME_SIZE, NULL, &sum, &err));
	assert_int_equal(sum, 610 * 512);
	must(store_sum(store, &bvol_type_volume, BVOL_A_VOLUME_SIZE, match, &sum, &err));
	assert_int_equal(sum, 604 * 512);
	assert_int_equal(store_sum(store, &bvol_type_volume, BVOL_A_VOLUME_POOL, NULL, &sum, NULL),
			 -EINVAL);
}

static void sum_overflow(void **state)
{
	struct store *store = *state;
	struct bvol_volume *v = new_volume(1, "v", "p");
	uint64_t sum = 7;

	v->size = INT64_MAX;
	must(store_begin(store, &err));
	must(store_insert(store, &bvol_type_volume, v, &err));
	v->id = uuid(2);
	must(store_insert(store, &bvol_type_volume, v, &err));
	assert_int_equal(store_sum(store, &bvol_type_volume, BVOL_A_VOLUME_SIZE, NULL, &sum, &err),
			 -EIO);
	assert_non_null(strstr(err.text, "integer overflow"));
	assert_int_equal(sum, 7);
	bvol_free(&bvol_type_volume, v);
}

static int delete_pair(void *obj, void *data)
{
	struct bvol_volume *v = obj;
	struct bvol_uuid next = uuid((unsigned int)v->created_at + 1);
	struct walk *walk = data;

	note(obj, data);
	must(store_begin(walk->store, &err));
	must(store_delete(walk->store, &bvol_type_volume, &v->id, &err));
	must(store_commit(walk->store, &err));
	/* A walk inside the walk, with the same statement. */
	assert_walk(walk->store, NULL, &v->id, 1, v->created_at == 1 ? "2 " :
		    v->created_at == 3 ? "4 " : "");
	must(store_begin(walk->store, &err));
	store_delete(walk->store, &bvol_type_volume, &next, NULL);
	store_rollback(walk->store);
	must(store_begin(walk->store, &err));
	store_delete(walk->store, &bvol_type_volume, &next, NULL);
	must(store_commit(walk->store, &err));
	return 0;
}

static void walk_that_writes(void **state)
{
	struct walk walk = { .store = *state };

	put_volumes(*state);
	must(store_select(*state, &bvol_type_volume, NULL, NULL, 0, delete_pair, &walk, &err));
	assert_int_equal(walk.n, 3);
	assert_int_equal(walk.seen[1], 3);
	assert_walk(*state, NULL, NULL, 0, "");
}

static void walk_that_ends(void **state)
{
	static const int ends[] = { 5, -ENOENT, -EIO };

	put_volumes(*state);
	for (size_t i = 0; i < N_OF(ends); i++) {
		struct walk walk = { .end = ends[i] };

		assert_int_equal(store_select(*state, &bvol_type_volume, NULL, NULL, 0, note, &walk,
					      &err), ends[i]);
		assert_int_equal(walk.n, 1);
	}
}

static void long_names(void **state)
{
	struct store *store = *state;
	struct store_match match[] = { { .attr = BVOL_A_VOLUME_NAME }, {} };
	char name[BVOL_NAME_MAX + 1];

	memset(name, '\'', BVOL_NAME_MAX);
	name[BVOL_NAME_MAX] = '\0';
	must(store_begin(store, &err));
	must(insert_volume(store, 1, name, nasty));
	must(insert_volume(store, 2, nasty, "x"));
	must(insert_volume(store, 3, nasty, "x"));
	must(store_commit(store, &err));
	match[0].text = name;
	assert_walk(store, match, NULL, 0, "1 ");
	match[0].text = nasty;
	assert_walk(store, match, NULL, 0, "2 3 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(round_trip),
		STORE_TEST(unset_is_null),
		STORE_TEST(lists),
		STORE_TEST(refusals),
		STORE_TEST(references),
		STORE_TEST(rolled_back),
		STORE_TEST(selection),
		STORE_TEST(sums),
		STORE_TEST(sum_overflow),
		STORE_TEST(walk_that_writes),
		STORE_TEST(walk_that_ends),
		STORE_TEST(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
