// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job/engine.h"

const struct job_flow *const job_flows[] = {
	&flow_pool_create,
	&flow_pool_delete,
	&flow_pool_scrub,
	&flow_pool_extend,
	&flow_pool_spare,
	&flow_pool_grow,
	&flow_pool_adjust,
	&flow_pool_metadata,
	&flow_pool_export,
	&flow_pool_import,
	&flow_pool_repair,
	&flow_volume_create,
	&flow_volume_delete,
	&flow_volume_extend,
	&flow_volume_revert,
	&flow_snapshot_create,
	&flow_snapshot_delete,
	&flow_group_snapshot_create,
	&flow_group_snapshot_delete,
	&flow_export_create,
	&flow_export_delete,
	NULL,
};
