// SPDX-License-Identifier: LGPL-2.1-or-later
#include "service/service.h"

#define LIST	(ARG(AFTER) | ARG(LIMIT))
#define WIPE	(ARG(WIPE) | ARG(VERIFY))

const struct verb service_verbs[] = {
	{ BVOL_VERB_INFO, "info", 0, 0, ANY_AGE, verb_info },
	{ BVOL_VERB_DIFF, "diff", 0, LIST, ANY_AGE, verb_diff },

	{ BVOL_VERB_POOL_CREATE, "pool create", ARG(NAME) | ARG(DEVICES),
	  ARG(FORCE) | ARG(CHUNK_SIZE) | ARG(RESERVE) | ARG(OVER_SUBSCRIPTION) | WIPE, ANY_AGE,
	  verb_pool_create },
	{ BVOL_VERB_POOL_LIST, "pool list", 0, LIST | ARG(REF), FRESH, verb_pool_list },
	{ BVOL_VERB_POOL_DELETE, "pool delete", ARG(REF), 0, ANY_AGE, verb_pool_delete },
	{ BVOL_VERB_POOL_SCRUB, "pool scrub", ARG(REF), WIPE, ANY_AGE, verb_pool_scrub },
	{ BVOL_VERB_POOL_CHECK, "pool check", ARG(REF), 0, ANY_AGE, verb_pool_check },

	{ BVOL_VERB_VOLUME_CREATE, "volume create", ARG(NAME),
	  ARG(SIZE) | ARG(POOL) | ARG(SNAPSHOT) | ARG(PROJECT), RECENT, verb_volume_create },
	{ BVOL_VERB_VOLUME_LIST, "volume list", 0, LIST | ARG(REF) | ARG(PROJECT) | ARG(POOL), ANY_AGE,
	  verb_volume_list },
	{ BVOL_VERB_VOLUME_DELETE, "volume delete", ARG(REF), WIPE, ANY_AGE, verb_volume_delete },
	{ BVOL_VERB_VOLUME_EXTEND, "volume extend", ARG(REF) | ARG(SIZE), 0, RECENT,
	  verb_volume_extend },
	{ BVOL_VERB_VOLUME_REVERT, "volume revert", ARG(REF) | ARG(SNAPSHOT), 0, ANY_AGE,
	  verb_volume_revert },

	{ BVOL_VERB_SNAPSHOT_CREATE, "snapshot create", ARG(VOLUME) | ARG(NAME), 0, RECENT,
	  verb_snapshot_create },
	{ BVOL_VERB_SNAPSHOT_LIST, "snapshot list", 0,
	  LIST | ARG(REF) | ARG(VOLUME) | ARG(PROJECT), ANY_AGE, verb_snapshot_list },
	{ BVOL_VERB_SNAPSHOT_DELETE, "snapshot delete", ARG(REF), WIPE, ANY_AGE, verb_snapshot_delete },

	{ BVOL_VERB_EXPORT_CREATE, "export create", ARG(VOLUME) | ARG(INITIATORS),
	  ARG(PORTALS) | ARG(FABRIC), ANY_AGE, verb_export_create },
	{ BVOL_VERB_EXPORT_LIST, "export list", 0, LIST | ARG(REF) | ARG(SECRETS), ANY_AGE,
	  verb_export_list },
	{ BVOL_VERB_EXPORT_DELETE, "export delete", ARG(REF), 0, ANY_AGE, verb_export_delete },

	{ BVOL_VERB_SESSION_LIST, "session list", 0, LIST, ANY_AGE, verb_session_list },
	{ BVOL_VERB_JOB_LIST, "job list", 0, LIST | ARG(REF) | ARG(ALL), ANY_AGE, verb_job_list },
	{ BVOL_VERB_QUOTA_LIST, "quota list", 0, LIST | ARG(REF), ANY_AGE, verb_quota_list },
	{ BVOL_VERB_QUOTA_SET, "quota set", ARG(REF),
	  ARG(VOLUMES) | ARG(SNAPSHOTS) | ARG(GIGABYTES), ANY_AGE, verb_quota_set },
	{ 0 },
};
