/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BVOL_THIN_FIND_H
#define BVOL_THIN_FIND_H

#include "provider/thin/meta/meta.h"
#include "provider/thin/thin.h"

/* A pool that the database knows. */
struct known {
	struct bvol_uuid id;
	char name[BVOL_NAME_MAX + 1];
};

/* A thin device that the pool's metadata have. */
struct listed {
	uint32_t number;
	bool known;	/* the copy has it too */
};

/* What thin_plan_pool_find() makes: what provider_found tells everybody, and what adopt.c needs. */
struct find_action {
	struct provider_found found;
	struct thin_ref pool;
	char *device;
	bool force;
	struct known *known;
	size_t n_known;
	/* The copy's rows of the thin provider. */
	bool has_row, has_op;
	struct thin_pool row;
	struct thin_op op;
	struct thin_dev *devs;	/* by their numbers */
	size_t n_devs;
	/* The metadata's. */
	uint64_t transaction_id;
	struct listed *listed;	/* by their numbers */
	size_t n_listed;
};

/* Take the thin provider's rows out of the copy. */
int find_rows(struct find_action *a, struct err *e);
/*
 * Compare them with the metadata, which are open: fills in what is missing and extra.
 * -EUCLEAN: the metadata are older than the copy.
 */
int find_compare(struct find_action *a, struct meta *m, struct err *e);

#endif
