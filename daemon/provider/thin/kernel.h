/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thin pool as the kernel sees it: names, tables, status and messages. All
 * names come from UUIDs alone. Functions block as sys/dm.h says.
 */
#ifndef BVOL_THIN_KERNEL_H
#define BVOL_THIN_KERNEL_H

#include "bvol.h"
#include "util/err.h"

#define THIN_DM_PREFIX	"BVOL-"
#define THIN_SECTOR	512
/* Bytes of a block of metadata in the pool's status. */
#define THIN_METADATA_BLOCK 4096

/* THIN_OLD: the metadata once more, for those who look at them while the pool has them. */
enum thin_role { THIN_META, THIN_DATA, THIN_POOL, THIN_VOLUME, THIN_WINDOW, THIN_SPARE, THIN_OLD };

#define THIN_NAME_MAX 64
/* Name of the pool's or the device's dm device, and its dm uuid. */
char *thin_name(const struct bvol_uuid *id, enum thin_role role, char name[THIN_NAME_MAX]);
char *thin_dm_uuid(const struct bvol_uuid *id, enum thin_role role, char uuid[THIN_NAME_MAX]);
/* The device of which this is the dm uuid; false when it isn't one of this role. */
bool thin_role_uuid(const char *dm_uuid, enum thin_role role, struct bvol_uuid *ret);

/* Which pool, and what its user calls it. */
struct thin_ref {
	struct bvol_uuid id;
	char name[BVOL_NAME_MAX + 1];
};

struct thin_ref thin_ref(const struct bvol_pool *pool);

/* By health. Metadata can be changed in the first two. */
enum thin_mode { THIN_WRITE, THIN_NO_SPACE, THIN_READ_ONLY, THIN_FAILED };

struct thin_status {
	enum thin_mode mode;
	bool needs_check;
	uint64_t transaction_id;
	uint64_t metadata_used, metadata_total;	/* blocks of THIN_METADATA_BLOCK */
	uint64_t data_used, data_total;		/* chunks */
	uint64_t snapshot;			/* block of the metadata snapshot that is held, or 0 */
	bool queue;				/* a write that finds no space waits */
};

/* -EBADMSG when it isn't a thin pool's status. */
int thin_status_parse(const char *text, struct thin_status *ret);
/* -ENXIO when the pool isn't active. */
int thin_status(const struct thin_ref *pool, struct thin_status *ret, struct err *e);
/* 0 when the pool takes messages, else why not: -EROFS or -EIO. */
int thin_check_mode(const struct thin_ref *pool, const struct thin_status *status, struct err *e);

/* Messages of which a success says nothing before thin_finish() has returned 0. */
int thin_create(const struct thin_ref *pool, uint32_t dev_id, struct err *e);
int thin_snap(const struct thin_ref *pool, uint32_t dev_id, uint32_t origin_dev_id, struct err *e);
/* 0 too when there is no such device. */
int thin_delete(const struct thin_ref *pool, uint32_t dev_id, struct err *e);
/* Keep the metadata as they are now for a reader, and let them go again. One a pool: -EBUSY. */
int thin_reserve(const struct thin_ref *pool, struct err *e);
int thin_release(const struct thin_ref *pool, struct err *e);
/*
 * The kernel answers a message with success also when it could not write its
 * metadata, but falls to read-only then: so read back.
 */
int thin_read_back(const struct thin_ref *pool, uint64_t transaction_id, struct err *e);
/* Move the pool to the next transaction id and read back. */
int thin_finish(const struct thin_ref *pool, uint64_t from, uint64_t next, struct err *e);

/* Table of a thin device of the active pool. */
int thin_volume_table(const struct thin_ref *pool, uint32_t dev_id, char table[THIN_NAME_MAX],
		      struct err *e);
/* Take away the device's block device; 0 too when there is none. */
int thin_remove(const struct bvol_uuid *id, struct err *e);

#endif
