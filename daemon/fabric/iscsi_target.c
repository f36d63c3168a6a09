// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A crash leaves a prefix of what build makes or a rest of what remove leaves.
 * Neither lets anybody in, since the portal group is enabled last and disabled
 * first. Building again completes it, removing again takes the rest away.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/iscsi_target.h"
#include "fabric/names.h"
#include "util/cleanup.h"

#define ROWS(rows)	rows, sizeof(rows) / sizeof((rows)[0])
#define DIR(o, p)	{ .kind = CONFIGFS_DIR, .object = o, .path = p }
#define LINK(o, p, to)	{ .kind = CONFIGFS_LINK, .object = o, .path = p, .value = to }
#define VALUE(o, p, v, ...) \
	{ .kind = CONFIGFS_VALUE, .object = o, .path = p, .value = v, __VA_ARGS__ }
#define FIXED		.flags = CONFIGFS_FIXED
#define SHOWN(in, as)	.shown_in = in, .shown_as = as

#define BACKSTORE	ISCSI_HBA "/{backstore}"
#define TARGET		ISCSI_DIR "/{target}"
#define TPG		TARGET "/tpgt_1"
#define LUN		TPG "/lun/lun_0"
#define ACL		TPG "/acls/{initiator}"
#define CMDSN_DEPTH	"128"	/* commands an initiator may have in flight */

/* In the order of struct vars. */
enum {
	VAR_BACKSTORE, VAR_DEVICE, VAR_SERIAL, VAR_TARGET, VAR_INITIATOR, VAR_PORTAL, VAR_USER,
	VAR_SECRET, N_VARS
};

/* What all exports share; it stays when they go. */
static const struct configfs_row shared_rows[] = {
	DIR("HBA", ISCSI_HBA),
	DIR("iSCSI fabric", ISCSI_DIR),
};

/*
 * Attributes come after enable reads 1: before it the 6.1 kernel looks up the
 * queue of a device that it has not opened and panics. The size is not among
 * them: the kernel asks the block device with every READ CAPACITY and every
 * range check (iblock_get_blocks), so that an extended device is seen at once.
 * Nor is the write cache: iblock reports the device's own (a thin device has
 * one), and initiators then flush. emulate_tpws and unmap_zeroes_data stay off,
 * as they are: WRITE SAME with UNMAP is carried out as a discard, which leaves
 * the old bytes of a chunk that is covered in part. emulate_3pc goes off because
 * XCOPY reaches other LUNs.
 */
static const struct configfs_row backstore_rows[] = {
	DIR("backstore", BACKSTORE),
	VALUE("backstore's device", BACKSTORE "/control", "udev_path={device}", FIXED,
	      SHOWN(BACKSTORE "/info", "UDEV PATH: {device}  readonly: 0")),
	VALUE("backstore's serial", BACKSTORE "/wwn/vpd_unit_serial", "{serial}", FIXED,
	      SHOWN(BACKSTORE "/wwn/vpd_unit_serial", "Number: {serial}")),
	VALUE("backstore's vendor", BACKSTORE "/wwn/vendor_id", "bvol", FIXED),
	VALUE("backstore's product", BACKSTORE "/wwn/product_id", "volume", FIXED),
	VALUE("backstore's revision", BACKSTORE "/wwn/revision", "1", FIXED),
	VALUE("backstore", BACKSTORE "/enable", "1"),
	VALUE("backstore's attribute", BACKSTORE "/attrib/emulate_3pc", "0"),
	VALUE("backstore's attribute", BACKSTORE "/attrib/emulate_tpu", "1",
	      .flags = CONFIGFS_OPTIONAL),
};

/* The depth is copied into an ACL when that is made. */
static const struct configfs_row target_rows[] = {
	DIR("target", TARGET),
	DIR("portal group", TPG),
	VALUE("portal group's attribute", TPG "/attrib/authentication", "1"),
	VALUE("portal group's attribute", TPG "/attrib/generate_node_acls", "0"),
	VALUE("portal group's attribute", TPG "/attrib/demo_mode_discovery", "0"),
	VALUE("portal group's attribute", TPG "/attrib/default_cmdsn_depth", CMDSN_DEPTH),
	DIR("LUN", LUN),
	LINK("LUN's backstore", LUN "/{backstore}", BACKSTORE),
};

static const struct configfs_row acl_rows[] = {
	DIR("ACL", ACL),
	VALUE("CHAP name", ACL "/auth/userid", "{user}"),
	VALUE("CHAP secret", ACL "/auth/password", "{secret}", .flags = CONFIGFS_SECRET),
	DIR("mapped LUN", ACL "/lun_0"),
	LINK("mapped LUN", ACL "/lun_0/lun_0", LUN),
};

static const struct configfs_row portal_rows[] = {
	DIR("portal", TPG "/np/{portal}"),
};

static const struct configfs_row enable_rows[] = {
	VALUE("portal group", TPG "/enable", "1"),
};

DEFINE_CLEANUP(char **, configfs_list_free)

/* What the tables need of one export. */
struct vars {
	struct configfs_var var[N_VARS + 1];
	char backstore[ISCSI_BACKSTORE], serial[BVOL_UUID_TEXT];
};

char *iscsi_target_backstore(const struct bvol_export *export, char ret[ISCSI_BACKSTORE])
{
	strcpy(ret, ISCSI_PREFIX);
	bvol_uuid_text(&export->id, ret + strlen(ISCSI_PREFIX));
	return ret;
}

static void vars_init(struct vars *v, const struct bvol_export *export, const char *device)
{
	const struct configfs_var var[N_VARS + 1] = {
		[VAR_BACKSTORE] = { "backstore", v->backstore },
		[VAR_DEVICE] = { "device", device },
		[VAR_SERIAL] = { "serial", v->serial },
		[VAR_TARGET] = { "target", export->target },
		[VAR_INITIATOR] = { "initiator", NULL },
		[VAR_PORTAL] = { "portal", NULL },
		[VAR_USER] = { "user", export->auth ? export->auth->user : NULL },
		[VAR_SECRET] = { "secret", export->auth ? export->auth->secret : NULL },
	};

	memcpy(v->var, var, sizeof(var));
	iscsi_target_backstore(export, v->backstore);
	bvol_uuid_text(&export->volume_id, v->serial);
}

/* A path of the tables with its variables filled in. */
static int path_of(const char *template, const struct vars *v, char path[CONFIGFS_PATH],
		   struct err *e)
{
	int r = configfs_expand(template, v->var, true, path, CONFIGFS_PATH);

	return r < 0 ? err_set(e, r, "a name in %s is not fit for configfs", template) : 0;
}

/* Ends the sessions and waits until they have; new logins find no portal group. */
static int disable(struct configfs *c, const char *tpg, struct err *e)
{
	char path[CONFIGFS_PATH], enabled[8];
	int r = configfs_join(path, tpg, "enable", e);

	if (r >= 0)
		r = configfs_read(c, path, enabled, sizeof(enabled), e);
	if (r == -ENOENT)
		return 0;
	return r < 0 || !strcmp(enabled, "0") ? r : configfs_write(c, path, "0", e);
}

/*
 * Takes away what was made in a portal group: ACLs first, which hold on to LUNs.
 * It waits until the LUN's I/O has ended, and for the portal's thread beside it.
 */
static int clear_group(struct configfs *c, const char *tpg, struct err *e)
{
	char acls[CONFIGFS_PATH], lun[CONFIGFS_PATH], np[CONFIGFS_PATH];
	int r = configfs_join(acls, tpg, "acls", e);

	if (r >= 0)
		r = configfs_join(lun, tpg, "lun", e);
	if (r >= 0)
		r = configfs_join(np, tpg, "np", e);
	if (r >= 0)
		r = configfs_remove(c, acls, e);
	return r < 0 ? r : configfs_remove_both(c, lun, np, e);
}

static int close_groups(struct configfs *c, const char *target, struct err *e)
{
	_cleanup_(configfs_list_freep) char **names = NULL;
	char tpg[CONFIGFS_PATH];
	size_t i;
	int r = configfs_list(c, target, &names, e);

	for (i = 0; r >= 0 && names[i]; i++) {
		if (strncmp(names[i], "tpgt_", 5))
			continue;
		r = configfs_join(tpg, target, names[i], e);
		if (r >= 0)
			r = disable(c, tpg, e);
		if (r >= 0)
			r = clear_group(c, tpg, e);
	}
	return r;
}

static int tear_down(struct configfs *c, const struct vars *v, struct err *e)
{
	char target[CONFIGFS_PATH], backstore[CONFIGFS_PATH];
	int r = path_of(TARGET, v, target, e);

	if (r >= 0)
		r = path_of(BACKSTORE, v, backstore, e);
	if (r >= 0)
		r = close_groups(c, target, e);
	if (r >= 0)
		r = configfs_remove_both(c, target, backstore, e);
	return r;
}

int iscsi_target_remove(struct configfs *c, const struct bvol_export *export, struct err *e)
{
	struct vars v;

	vars_init(&v, export, NULL);
	return tear_down(c, &v, e);
}

static bool is_kept(const char *name, const char *const *keep)
{
	for (; *keep; keep++)
		if (!strcmp(name, *keep))
			return true;
	return false;
}

typedef int (*each_extra)(struct configfs *c, const struct configfs_row *row, const char *path,
			  void *data, struct err *e);

/* What the target holds beyond its tables. */
static int find_extra(struct configfs *c, const struct configfs_row *row, const char *prefix,
		      const char *const *keep, const struct vars *v, each_extra each, void *data,
		      struct err *e)
{
	_cleanup_(configfs_list_freep) char **names = NULL;
	char path[CONFIGFS_PATH], child[CONFIGFS_PATH];
	size_t i;
	int r = path_of(row->path, v, path, e);

	if (r >= 0)
		r = configfs_list(c, path, &names, e);
	for (i = 0; r >= 0 && names[i]; i++) {
		if (strncmp(names[i], prefix, strlen(prefix)) || is_kept(names[i], keep))
			continue;
		r = configfs_join(child, path, names[i], e);
		if (r >= 0)
			r = each(c, row, child, data, e);
	}
	return r;
}

/* ACLs first: they hold on to LUNs. */
static int find_extras(struct configfs *c, const struct bvol_export *export, const struct vars *v,
		       each_extra each, void *data, struct err *e)
{
	static const char *const lun[] = { "lun_0", NULL }, *const tpg[] = { "tpgt_1", NULL };
	const struct {
		struct configfs_row row;
		const char *prefix;
		const char *const *keep;
	} parts[] = {
		{ DIR("ACL", TPG "/acls"), "",
		  (const char *const *)export->initiators },
		{ DIR("LUN", TPG "/lun"), "lun_", lun },
		{ DIR("portal", TPG "/np"), "",
		  (const char *const *)export->portals },
		{ DIR("portal group", TARGET), "tpgt_", tpg },
	};
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = find_extra(c, &parts[i].row, parts[i].prefix, parts[i].keep, v, each, data, e);
	return r;
}

/* The target is ours alone: an ACL or a portal that the export lacks must not stay. */
static int drop_extra(struct configfs *c, const struct configfs_row *row, const char *path,
		      void *data, struct err *e)
{
	return configfs_remove(c, path, e);
}

/*
 * A backstore that serves another device is not repaired but made anew with
 * its target, which ends the sessions: nobody may read on there.
 */
static int add_backstore(struct configfs *c, const struct vars *v, struct err *e)
{
	struct err inner = { };
	int r = configfs_apply(c, ROWS(backstore_rows), v->var, &inner);

	if (r == -ESTALE) {
		err_clear(&inner);
		r = tear_down(c, v, &inner);
		if (r >= 0)
			r = configfs_apply(c, ROWS(backstore_rows), v->var, &inner);
	}
	if (r == -EBUSY)
		return err_set(e, r, "%s cannot be exported, it is in use by something else: a "
			       "mount, a device-mapper device or another target",
			       v->var[VAR_DEVICE].value);
	return r < 0 ? err_set(e, r, "%s", inner.text) : 0;
}

/* Whatever is wrong with a portal, the kernel says EINVAL; so we ask a socket of our own. */
static int add_portal(struct configfs *c, struct vars *v, const char *portal, struct err *e)
{
	struct err inner = { };
	int r, why;

	v->var[VAR_PORTAL].value = portal;
	r = configfs_apply(c, ROWS(portal_rows), v->var, &inner);
	if (r >= 0)
		return 0;
	why = names_portal_try(portal);
	return err_set(e, r, "configfs refused the portal %s: %s; %s", portal,
		       strerror(why < 0 ? -why : -r),
		       why == -EADDRINUSE ? "another program listens there, choose another port" :
		       "choose another one");
}

int iscsi_target_build(struct configfs *c, const struct bvol_export *export, const char *device,
		       struct err *e)
{
	struct vars v;
	char **p;
	int r;

	vars_init(&v, export, device);
	r = configfs_apply(c, ROWS(shared_rows), v.var, e);
	if (r >= 0)
		r = add_backstore(c, &v, e);
	if (r >= 0)
		r = configfs_apply(c, ROWS(target_rows), v.var, e);
	if (r >= 0)
		r = find_extras(c, export, &v, drop_extra, NULL, e);
	for (p = export->initiators; r >= 0 && *p; p++) {
		v.var[VAR_INITIATOR].value = *p;
		r = configfs_apply(c, ROWS(acl_rows), v.var, e);
	}
	for (p = export->portals; r >= 0 && *p; p++)
		r = add_portal(c, &v, *p, e);
	if (r >= 0)
		r = configfs_apply(c, ROWS(enable_rows), v.var, e);
	return r;
}

struct reporter {
	configfs_each each;
	void *data;
};

static int report_extra(struct configfs *c, const struct configfs_row *row, const char *path,
			void *data, struct err *e)
{
	const struct reporter *reporter = data;

	return reporter->each(row, CONFIGFS_EXTRA, path, NULL, NULL, reporter->data);
}

int iscsi_target_compare(struct configfs *c, const struct bvol_export *export, const char *device,
			 configfs_each each, void *data, struct err *e)
{
	struct reporter reporter = { each, data };
	struct vars v;
	char **p;
	int r;

	vars_init(&v, export, device);
	r = configfs_compare(c, ROWS(backstore_rows), v.var, each, data, e);
	if (!r)
		r = configfs_compare(c, ROWS(target_rows), v.var, each, data, e);
	for (p = export->initiators; !r && p && *p; p++) {
		v.var[VAR_INITIATOR].value = *p;
		r = configfs_compare(c, ROWS(acl_rows), v.var, each, data, e);
	}
	for (p = export->portals; !r && p && *p; p++) {
		v.var[VAR_PORTAL].value = *p;
		r = configfs_compare(c, ROWS(portal_rows), v.var, each, data, e);
	}
	if (!r)
		r = configfs_compare(c, ROWS(enable_rows), v.var, each, data, e);
	return r ? r : find_extras(c, export, &v, report_extra, &reporter, e);
}

/* What it shows is of no interest here: the module sees that it is read. */
void iscsi_target_recall(struct configfs *c, const struct bvol_export *export)
{
	char path[CONFIGFS_PATH], text[2];
	struct vars v;

	vars_init(&v, export, NULL);
	if (!path_of(TPG "/dynamic_sessions", &v, path, NULL))
		configfs_read(c, path, text, sizeof(text), NULL);
}

int iscsi_target_session(struct configfs *c, const struct bvol_export *export,
			 const char *initiator, char *buf, size_t len, struct err *e)
{
	char path[CONFIGFS_PATH];
	struct vars v;
	int r;

	vars_init(&v, export, NULL);
	v.var[VAR_INITIATOR].value = initiator;
	r = path_of(ACL "/info", &v, path, e);
	return r < 0 ? r : configfs_read(c, path, buf, len, e);
}
