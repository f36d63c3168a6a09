// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/kernel.h"
#include "sys/dm.h"
#include "util/cleanup.h"

static const char *const roles[] = {
	[THIN_META] = "meta", [THIN_DATA] = "data", [THIN_POOL] = "pool", [THIN_VOLUME] = "thin",
	[THIN_WINDOW] = "window", [THIN_SPARE] = "spare", [THIN_OLD] = "old",
};

char *thin_name(const struct bvol_uuid *id, enum thin_role role, char name[THIN_NAME_MAX])
{
	char text[BVOL_UUID_TEXT];

	bvol_uuid_text(id, text);
	if (role == THIN_VOLUME)
		snprintf(name, THIN_NAME_MAX, "bvol-%s", text);
	else
		snprintf(name, THIN_NAME_MAX, "bvol-%s-%s", text, roles[role]);
	return name;
}

char *thin_dm_uuid(const struct bvol_uuid *id, enum thin_role role, char uuid[THIN_NAME_MAX])
{
	char text[BVOL_UUID_TEXT];

	snprintf(uuid, THIN_NAME_MAX, THIN_DM_PREFIX "%s-%s", bvol_uuid_text(id, text),
		 roles[role]);
	return uuid;
}

bool thin_role_uuid(const char *dm_uuid, enum thin_role role, struct bvol_uuid *ret)
{
	char text[BVOL_UUID_TEXT], again[THIN_NAME_MAX];

	if (strlen(dm_uuid) < strlen(THIN_DM_PREFIX))
		return false;
	snprintf(text, sizeof(text), "%s", dm_uuid + strlen(THIN_DM_PREFIX));
	return !bvol_uuid_parse(text, ret) && !strcmp(thin_dm_uuid(ret, role, again), dm_uuid);
}

struct thin_ref thin_ref(const struct bvol_pool *pool)
{
	struct thin_ref ref = { .id = pool->id };

	snprintf(ref.name, sizeof(ref.name), "%s", pool->name ? pool->name : "");
	return ref;
}

/* A word that begins at *text; both move on. */
static bool next_is(const char **text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*text, word, n) || ((*text)[n] && (*text)[n] != ' '))
		return false;
	*text += n + ((*text)[n] == ' ');
	return true;
}

static bool skip_word(const char **text)
{
	const char *end = strchr(*text, ' ');

	if (!end)
		return false;
	*text = end + 1;
	return true;
}

/*
 * TRANSACTION USED/TOTAL USED/TOTAL HELD-ROOT MODE DISCARD NO-SPACE CHECK ...,
 * or one word: Fail or Error. See thin-provisioning.rst.
 */
int thin_status_parse(const char *text, struct thin_status *ret)
{
	struct thin_status s = { 0 };
	int n = 0;

	if (next_is(&text, "Fail") || next_is(&text, "Error")) {
		*ret = (struct thin_status) { .mode = THIN_FAILED };
		return 0;
	}
	if (sscanf(text, "%" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 "/%" SCNu64 " %n",
		   &s.transaction_id, &s.metadata_used, &s.metadata_total, &s.data_used,
		   &s.data_total, &n) != 5 || !n)
		return -EBADMSG;
	text += n;
	/* "-" when none is held. */
	s.snapshot = strtoull(text, NULL, 10);
	if (!skip_word(&text))
		return -EBADMSG;
	if (next_is(&text, "rw"))
		s.mode = THIN_WRITE;
	else if (next_is(&text, "out_of_data_space"))
		s.mode = THIN_NO_SPACE;
	else if (next_is(&text, "ro"))
		s.mode = THIN_READ_ONLY;
	else
		return -EBADMSG;
	if (!skip_word(&text))
		return -EBADMSG;
	s.queue = next_is(&text, "queue_if_no_space");
	if (!s.queue && !skip_word(&text))
		return -EBADMSG;
	s.needs_check = next_is(&text, "needs_check");
	if (!s.needs_check && !next_is(&text, "-"))
		return -EBADMSG;
	*ret = s;
	return 0;
}

int thin_status(const struct thin_ref *pool, struct thin_status *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char name[THIN_NAME_MAX];
	struct err inner = { 0 };
	int code = dm_status(thin_name(&pool->id, THIN_POOL, name), &text, &inner);

	if (code == -ENXIO)
		return err_set(e, code, "pool %s is not active", pool->name);
	if (code)
		return err_set(e, code, "%s", inner.text);
	code = thin_status_parse(text, ret);
	return code ? err_set(e, code, "pool %s has a status of an unknown form: %s", pool->name,
			      text) : 0;
}

int thin_check_mode(const struct thin_ref *pool, const struct thin_status *status, struct err *e)
{
	if (status->mode == THIN_FAILED)
		return err_set(e, -EIO,
			       "pool %s has failed: the kernel could not read or write its metadata; see its log, and bvolctl pool repair when the disk is well",
			       pool->name);
	if (status->needs_check)
		return err_set(e, -EROFS,
			       "pool %s is read-only: a write of its metadata failed; bvolctl pool repair mends that",
			       pool->name);
	if (status->mode == THIN_READ_ONLY)
		return err_set(e, -EROFS, "pool %s is read-only: %s", pool->name,
			       status->metadata_used >= status->metadata_total ?
			       "its metadata space is full" : "see the kernel's log");
	return 0;
}

/*
 * To a pool that it does not write any more the kernel takes no message; why not is
 * what the user is told, rather than the message.
 */
static int message(const struct thin_ref *pool, const char *text, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct thin_status status;
	struct err inner = { 0 };
	int code = dm_message(thin_name(&pool->id, THIN_POOL, name), text, &inner), mode = 0;

	if (code == -EOPNOTSUPP && !thin_status(pool, &status, NULL))
		mode = thin_check_mode(pool, &status, e);
	if (!code || mode)
		return mode;
	return err_set(e, code, "%s", inner.text);
}

int thin_create(const struct thin_ref *pool, uint32_t dev_id, struct err *e)
{
	char text[64];

	snprintf(text, sizeof(text), "create_thin %" PRIu32, dev_id);
	return message(pool, text, e);
}

int thin_snap(const struct thin_ref *pool, uint32_t dev_id, uint32_t origin_dev_id, struct err *e)
{
	char text[64];

	snprintf(text, sizeof(text), "create_snap %" PRIu32 " %" PRIu32, dev_id, origin_dev_id);
	return message(pool, text, e);
}

int thin_delete(const struct thin_ref *pool, uint32_t dev_id, struct err *e)
{
	struct err inner = { 0 };
	char text[64];
	int code;

	snprintf(text, sizeof(text), "delete %" PRIu32, dev_id);
	code = message(pool, text, &inner);
	return code && code != -ENODATA ? err_set(e, code, "%s", inner.text) : 0;
}

int thin_reserve(const struct thin_ref *pool, struct err *e)
{
	return message(pool, "reserve_metadata_snap", e);
}

int thin_release(const struct thin_ref *pool, struct err *e)
{
	return message(pool, "release_metadata_snap", e);
}

int thin_read_back(const struct thin_ref *pool, uint64_t transaction_id, struct err *e)
{
	struct thin_status status;
	int code;

	if ((code = thin_status(pool, &status, e)) || (code = thin_check_mode(pool, &status, e)))
		return code;
	if (status.transaction_id != transaction_id)
		return err_set(e, -EUCLEAN,
			       "pool %s has transaction id %" PRIu64 " where %" PRIu64
			       " was expected; another program changes it",
			       pool->name, status.transaction_id, transaction_id);
	return 0;
}

int thin_finish(const struct thin_ref *pool, uint64_t from, uint64_t next, struct err *e)
{
	char text[64];
	int code;

	snprintf(text, sizeof(text), "set_transaction_id %" PRIu64 " %" PRIu64, from, next);
	code = message(pool, text, e);
	return code ? code : thin_read_back(pool, next, e);
}

int thin_volume_table(const struct thin_ref *pool, uint32_t dev_id, char table[THIN_NAME_MAX],
		      struct err *e)
{
	char name[THIN_NAME_MAX];
	struct dm_info_plain info;
	int code = dm_info(thin_name(&pool->id, THIN_POOL, name), &info, e);

	if (code)
		return code;
	if (!info.live_table)
		return err_set(e, -ENXIO, "pool %s is not active", pool->name);
	snprintf(table, THIN_NAME_MAX, "%u:%u %" PRIu32, info.major, info.minor, dev_id);
	return 0;
}

int thin_remove(const struct bvol_uuid *id, struct err *e)
{
	char name[THIN_NAME_MAX];
	struct err inner = { 0 };
	int code = dm_remove(thin_name(id, THIN_VOLUME, name), &inner);

	if (code == -EBUSY)
		return err_set(e, code,
			       "the block device %s is open; end what uses it, then try again",
			       name);
	return code ? err_set(e, code, "%s", inner.text) : 0;
}
