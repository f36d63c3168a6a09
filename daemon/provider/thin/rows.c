// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "provider/thin/rows.h"

static const struct bvol_enum states = {
	"thin-state", 4, (const char *const[]) { "planned", "live", "doomed", "wiping" },
};

#define FIELD(type, member, number, kind_, ...) \
	{ .name = #member, .attr = number, .kind = kind_, .offset = offsetof(type, member), \
	  __VA_ARGS__ }

static const struct bvol_field pool_fields[] = {
	FIELD(struct thin_pool, id, THIN_POOL_ID, BVOL_UUID),
	FIELD(struct thin_pool, transaction_id, THIN_POOL_TRANSACTION_ID, BVOL_U64),
	FIELD(struct thin_pool, next_dev_id, THIN_POOL_NEXT_DEV_ID, BVOL_U32),
	FIELD(struct thin_pool, mended, THIN_POOL_MENDED, BVOL_U32),
};

static const struct bvol_field dev_fields[] = {
	FIELD(struct thin_dev, id, THIN_DEV_ID, BVOL_UUID),
	FIELD(struct thin_dev, pool_id, THIN_DEV_POOL_ID, BVOL_UUID),
	FIELD(struct thin_dev, dev_id, THIN_DEV_DEV_ID, BVOL_U32),
	FIELD(struct thin_dev, size, THIN_DEV_SIZE, BVOL_U64),
	FIELD(struct thin_dev, state, THIN_DEV_STATE, BVOL_ENUM, .values = &states),
	FIELD(struct thin_dev, operation, THIN_DEV_OPERATION, BVOL_U64),
	FIELD(struct thin_dev, lost, THIN_DEV_LOST, BVOL_U64),
};

static const struct bvol_field op_fields[] = {
	FIELD(struct thin_op, id, THIN_OP_ID, BVOL_UUID),
	FIELD(struct thin_op, next_transaction_id, THIN_OP_NEXT_TRANSACTION_ID, BVOL_U64),
};

static const struct bvol_field wipe_fields[] = {
	FIELD(struct thin_wipe, id, THIN_WIPE_ID, BVOL_UUID),
	FIELD(struct thin_wipe, job_id, THIN_WIPE_JOB_ID, BVOL_UUID),
	FIELD(struct thin_wipe, policy, THIN_WIPE_POLICY, BVOL_ENUM, .values = &bvol_enum_wipe),
	FIELD(struct thin_wipe, verify, THIN_WIPE_VERIFY, BVOL_U32),
	FIELD(struct thin_wipe, part, THIN_WIPE_PART, BVOL_U64),
	FIELD(struct thin_wipe, counts, THIN_WIPE_COUNTS, BVOL_STRING),
	FIELD(struct thin_wipe, discarded, THIN_WIPE_DISCARDED, BVOL_U64),
	FIELD(struct thin_wipe, started_at, THIN_WIPE_STARTED_AT, BVOL_TIME),
};

#define TYPE(name_, type, fields_) \
	{ name_, sizeof(type), fields_, sizeof(fields_) / sizeof(*fields_) }

const struct bvol_type thin_type_pool = TYPE("thin_pool", struct thin_pool, pool_fields);
const struct bvol_type thin_type_dev = TYPE("thin_dev", struct thin_dev, dev_fields);
const struct bvol_type thin_type_op = TYPE("thin_op", struct thin_op, op_fields);
const struct bvol_type thin_type_wipe = TYPE("thin_wipe", struct thin_wipe, wipe_fields);

int thin_row_get(struct store *store, const struct bvol_type *type, const struct bvol_uuid *key,
		 void *row, struct err *e)
{
	void *found;
	int code = store_get(store, type, key, &found, e);

	if (code)
		return code;
	memcpy(row, found, type->size);
	bvol_free(type, found);
	return 0;
}

int thin_row_put(struct store *store, const struct bvol_type *type, void *row, struct err *e)
{
	struct err missing = { 0 };
	uint64_t *has = row;
	int code;

	for (size_t i = 0; i < type->n_fields; i++)
		*has |= BVOL_BIT(type->fields[i].attr);
	code = store_update(store, type, row, &missing);
	if (code == -ENOENT)
		return store_insert(store, type, row, e);
	return code ? err_set(e, code, "%s", missing.text) : 0;
}

int thin_row_drop(struct store *store, const struct bvol_type *type, const struct bvol_uuid *key,
		  struct err *e)
{
	struct err missing = { 0 };
	int code = store_delete(store, type, key, &missing);

	if (code && code != -ENOENT)
		return err_set(e, code, "%s", missing.text);
	return 0;
}
