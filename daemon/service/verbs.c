// SPDX-License-Identifier: LGPL-2.1-or-later
#include "service/service.h"

#define LIST	(ARG(AFTER) | ARG(LIMIT))
#define WIPE	(ARG(WIPE) | ARG(VERIFY))
#define TYPE_ARGS (ARG(DESCRIPTION) | ARG(PUBLIC) | ARG(PRIVATE) | ARG(EXTRA_SPECS))

const struct verb service_verbs[] = {
	{ BVOL_VERB_INFO, "info", 0, 0, ANY_AGE, verb_info },
	{ BVOL_VERB_DIFF, "diff", 0, LIST, ANY_AGE, verb_diff },

	{ BVOL_VERB_POOL_CREATE, "pool create", ARG(NAME) | ARG(DEVICES),
	  ARG(FORCE) | ARG(CHUNK_SIZE) | ARG(RESERVE) | ARG(OVER_SUBSCRIPTION) | ARG(WARN) | ARG(GROW) |
		WIPE | ARG(RATE), ANY_AGE,
	  verb_pool_create },
	{ BVOL_VERB_POOL_LIST, "pool list", 0, LIST | ARG(REF), FRESH, verb_pool_list },
	{ BVOL_VERB_POOL_EXTEND, "pool extend", ARG(REF) | ARG(DEVICES), ARG(FORCE) | ARG(SPARE), ANY_AGE,
	  verb_pool_extend },
	{ BVOL_VERB_POOL_SET, "pool set", ARG(REF), WIPE | ARG(RATE) | ARG(WARN) | ARG(GROW), ANY_AGE,
	  verb_pool_set },
	{ BVOL_VERB_POOL_DELETE, "pool delete", ARG(REF), 0, ANY_AGE, verb_pool_delete },
	{ BVOL_VERB_POOL_SCRUB, "pool scrub", ARG(REF), WIPE, ANY_AGE, verb_pool_scrub },
	{ BVOL_VERB_POOL_CHECK, "pool check", ARG(REF), 0, ANY_AGE, verb_pool_check },
	{ BVOL_VERB_POOL_EXPORT, "pool export", ARG(REF), ARG(FORCE), ANY_AGE, verb_pool_export },
	{ BVOL_VERB_POOL_IMPORT, "pool import", ARG(REF), ARG(NAME) | ARG(FORCE), ANY_AGE,
	  verb_pool_import },
	{ BVOL_VERB_POOL_REPAIR, "pool repair", ARG(REF), ARG(FORCE), ANY_AGE, verb_pool_repair },

	{ BVOL_VERB_VOLUME_CREATE, "volume create", ARG(NAME),
	  ARG(SIZE) | ARG(POOL) | ARG(SNAPSHOT) | ARG(VOLUME) | ARG(PROJECT) | ARG(GROUP) |
		ARG(TYPE), RECENT,
	  verb_volume_create },
	{ BVOL_VERB_VOLUME_LIST, "volume list", 0, LIST | ARG(REF) | ARG(PROJECT) | ARG(POOL) | ARG(USAGE),
	  ANY_AGE, verb_volume_list },
	{ BVOL_VERB_VOLUME_DELETE, "volume delete", ARG(REF), WIPE, ANY_AGE, verb_volume_delete },
	{ BVOL_VERB_VOLUME_EXTEND, "volume extend", ARG(REF) | ARG(SIZE), 0, RECENT,
	  verb_volume_extend },
	{ BVOL_VERB_VOLUME_REVERT, "volume revert", ARG(REF) | ARG(SNAPSHOT), 0, ANY_AGE,
	  verb_volume_revert },

	{ BVOL_VERB_SNAPSHOT_CREATE, "snapshot create", ARG(VOLUME) | ARG(NAME), 0, RECENT,
	  verb_snapshot_create },
	{ BVOL_VERB_SNAPSHOT_LIST, "snapshot list", 0,
	  LIST | ARG(REF) | ARG(VOLUME) | ARG(PROJECT) | ARG(USAGE), ANY_AGE, verb_snapshot_list },
	{ BVOL_VERB_SNAPSHOT_DELETE, "snapshot delete", ARG(REF), WIPE, ANY_AGE, verb_snapshot_delete },

	{ BVOL_VERB_GROUP_CREATE, "group create", ARG(NAME), ARG(MEMBERS) | ARG(PROJECT), ANY_AGE,
	  verb_group_create },
	{ BVOL_VERB_GROUP_LIST, "group list", 0, LIST | ARG(REF) | ARG(PROJECT), ANY_AGE,
	  verb_group_list },
	{ BVOL_VERB_GROUP_ADD, "group add", ARG(REF) | ARG(MEMBERS), 0, ANY_AGE, verb_group_add },
	{ BVOL_VERB_GROUP_REMOVE, "group remove", ARG(REF) | ARG(MEMBERS), 0, ANY_AGE,
	  verb_group_remove },
	{ BVOL_VERB_GROUP_DELETE, "group delete", ARG(REF), 0, ANY_AGE, verb_group_delete },
	{ BVOL_VERB_GROUP_SNAPSHOT_CREATE, "group snapshot", ARG(GROUP) | ARG(NAME), 0, RECENT,
	  verb_group_snapshot_create },
	{ BVOL_VERB_GROUP_SNAPSHOT_LIST, "group snapshot-list", 0,
	  LIST | ARG(REF) | ARG(GROUP) | ARG(PROJECT), ANY_AGE, verb_group_snapshot_list },
	{ BVOL_VERB_GROUP_SNAPSHOT_DELETE, "group snapshot-delete", ARG(REF), WIPE, ANY_AGE,
	  verb_group_snapshot_delete },

	{ BVOL_VERB_TYPE_CREATE, "type create", ARG(NAME), TYPE_ARGS, ANY_AGE, verb_type_create },
	{ BVOL_VERB_TYPE_LIST, "type list", 0, LIST | ARG(REF), ANY_AGE, verb_type_list },
	{ BVOL_VERB_TYPE_SET, "type set", ARG(REF), ARG(NAME) | TYPE_ARGS, ANY_AGE, verb_type_set },
	{ BVOL_VERB_TYPE_UNSET, "type unset", ARG(REF) | ARG(KEYS), 0, ANY_AGE, verb_type_unset },
	{ BVOL_VERB_TYPE_DELETE, "type delete", ARG(REF), 0, ANY_AGE, verb_type_delete },

	{ BVOL_VERB_EXPORT_CREATE, "export create", ARG(VOLUME) | ARG(INITIATORS),
	  ARG(PORTALS) | ARG(FABRIC), ANY_AGE, verb_export_create },
	{ BVOL_VERB_EXPORT_LIST, "export list", 0, LIST | ARG(REF) | ARG(SECRETS), ANY_AGE,
	  verb_export_list },
	{ BVOL_VERB_EXPORT_DELETE, "export delete", ARG(REF), 0, ANY_AGE, verb_export_delete },

	{ BVOL_VERB_SESSION_LIST, "session list", 0, LIST, ANY_AGE, verb_session_list },
	{ BVOL_VERB_JOB_LIST, "job list", 0, LIST | ARG(REF) | ARG(ALL), ANY_AGE, verb_job_list },
	{ BVOL_VERB_JOB_CANCEL, "job cancel", ARG(REF), 0, ANY_AGE, verb_job_cancel },
	{ BVOL_VERB_JOB_PAUSE, "job pause", ARG(REF), 0, ANY_AGE, verb_job_pause },
	{ BVOL_VERB_JOB_RESUME, "job resume", ARG(REF), 0, ANY_AGE, verb_job_resume },
	{ BVOL_VERB_JOB_SET, "job set", ARG(REF) | ARG(RATE), 0, ANY_AGE, verb_job_set },
	{ BVOL_VERB_WIPE_LIST, "wipe list", 0, LIST | ARG(REF) | ARG(PROJECT), ANY_AGE, verb_wipe_list },
	{ BVOL_VERB_WIPE_CHECK, "wipe verify-chain", 0, LIST | ARG(HEAD), ANY_AGE, verb_wipe_check },
	{ BVOL_VERB_QUOTA_LIST, "quota list", 0, LIST | ARG(REF), ANY_AGE, verb_quota_list },
	{ BVOL_VERB_QUOTA_SET, "quota set", ARG(REF),
	  ARG(VOLUMES) | ARG(SNAPSHOTS) | ARG(GIGABYTES), ANY_AGE, verb_quota_set },
	{ 0 },
};
