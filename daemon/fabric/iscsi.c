// SPDX-License-Identifier: LGPL-2.1-or-later
/* Plans what iscsi_target.c does in a worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codec.h"
#include "fabric/configfs.h"
#include "fabric/fabric.h"
#include "fabric/iscsi_target.h"
#include "fabric/names.h"
#include "sys/module.h"
#include "util/cleanup.h"
#include "util/log.h"

DEFINE_CLEANUP(struct configfs *, configfs_close)
DEFINE_CLEANUP(char **, configfs_list_free)

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "no memory");
}

/* Set up */

static const char *const modules[] = {
	"target_core_mod", "target_core_iblock", "iscsi_target_mod", NULL
};

static int make_dir(const char *base, const char *name, struct err *e)
{
	char path[CONFIGFS_PATH];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s%s", base, name) >= sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%s is too long a name for a directory", base);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make the directory %s: %s", path,
			       strerror(errno));
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "%s is not a directory", path);
	return 0;
}

/* While there are any, the kernel refuses another dbroot. */
static int has_backstores(struct configfs *c, struct err *e)
{
	_cleanup_(configfs_list_freep) char **names = NULL;
	int r = configfs_list(c, "core", &names, e);

	for (size_t i = 0; r >= 0 && names[i]; i++)
		if (strcmp(names[i], "alua"))
			return 1;
	return r;
}

/*
 * The kernel copies the text over the old one and relies on a newline for its
 * end, so that here there has to be one.
 */
static int set_dbroot(struct configfs *c, const char *dbroot, struct err *e)
{
	char text[CONFIGFS_PATH + 1], now[CONFIGFS_PATH];
	int r = make_dir(dbroot, "", e);

	if (r >= 0)
		r = make_dir(dbroot, "/pr", e);
	if (r >= 0)
		r = make_dir(dbroot, "/alua", e);
	if (r >= 0)
		r = configfs_read(c, "dbroot", now, sizeof(now), e);
	if (r < 0 || !strcmp(now, dbroot))
		return r;
	r = has_backstores(c, e);
	if (r > 0)
		log_notice("the kernel's target keeps reservations in %s, not in %s: it is in use "
			   "already", now, dbroot);
	if (r)
		return r < 0 ? r : 0;
	snprintf(text, sizeof(text), "%s\n", dbroot);
	r = configfs_write(c, "dbroot", text, e);
	if (r >= 0)
		r = configfs_read(c, "dbroot", now, sizeof(now), e);
	if (r < 0 || strcmp(now, dbroot))
		return err_set(e, r < 0 ? r : -EIO, "the kernel's target does not take %s for its "
			       "state (dbroot)", dbroot);
	return 0;
}

/* Nothing to clean up after a crash: each part is done or not, and done again without harm. */
static int iscsi_setup(const char *dbroot, struct err *e)
{
	_cleanup_(configfs_closep) struct configfs *c = NULL;
	const char *const *module = modules;
	int r = module_load(*module++, e);

	if (r >= 0)
		r = configfs_mount(e);
	if (r >= 0)
		r = configfs_open(CONFIGFS_ROOT, CONFIGFS_LOCK, &c, e);
	if (r >= 0)
		r = set_dbroot(c, dbroot, e);
	for (; r >= 0 && *module; module++)
		r = module_load(*module, e);
	return r;
}

/* Prepare */

static bool has_text(char *const *list, const char *text)
{
	for (; list && *list; list++)
		if (!strcmp(*list, text))
			return true;
	return false;
}

/* Make that list of export what texts are in their one spelling, each once. */
static int tidy(struct bvol_export *export, uint16_t attr, const char *const *texts,
		int (*check)(const char *text, char *ret, struct err *e), struct err *e)
{
	struct bvol_export *tidied = codec_new(&bvol_type_export);
	char text[BVOL_WWN_MAX + 1], **list = NULL;
	int r = tidied ? 0 : -ENOMEM;
	size_t n = 0;

	for (; !r && *texts; texts++) {
		r = check(*texts, text, e);
		if (r < 0 || has_text(list, text))
			continue;
		r = codec_append_list(&bvol_type_export, tidied, attr, text);
		list = attr == BVOL_A_EXPORT_PORTALS ? tidied->portals : tidied->initiators;
		n++;
	}
	if (!r)
		r = codec_set_list(&bvol_type_export, export, attr, (const char *const *)list, n);
	bvol_free(&bvol_type_export, tidied);
	return r == -ENOMEM ? no_memory(e) : r;
}

/* CHAP: initiators take a name of 63 characters at most. */
static int draw_secret(struct bvol_export *export, struct err *e)
{
	char user[] = "bvol-12345678", secret[NAMES_SECRET + 1];
	struct bvol_auth *auth = codec_new(&bvol_type_auth);
	int r;

	if (!auth)
		return no_memory(e);
	bvol_free(&bvol_type_auth, export->auth);
	codec_set(export, BVOL_A_EXPORT_AUTH, auth, auth);
	r = names_random(user + 5, 8, e);
	if (r >= 0)
		r = names_random(secret, NAMES_SECRET, e);
	if (r < 0)
		return r;
	if (codec_set_string(&bvol_type_auth, auth, BVOL_A_AUTH_METHOD, "CHAP") < 0 ||
	    codec_set_string(&bvol_type_auth, auth, BVOL_A_AUTH_USER, user) < 0 ||
	    codec_set_string(&bvol_type_auth, auth, BVOL_A_AUTH_SECRET, secret) < 0)
		r = no_memory(e);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

static int iscsi_prepare(const struct fabric_config *config, struct bvol_export *export,
			 struct err *e)
{
	const char *const *initiators = (const char *const *)export->initiators;
	const char *const *portals = (const char *const *)export->portals;
	char target[BVOL_WWN_MAX + 1], id[BVOL_UUID_TEXT];
	int r = names_prefix(config->iqn_prefix, e);

	if (r < 0)
		return r;
	if (!initiators || !*initiators)
		return err_set(e, -EINVAL, "an export needs an initiator that may log in; name the "
			       "host's, which stands in its /etc/iscsi/initiatorname.iscsi");
	if (!portals || !*portals)
		portals = config->portals;
	if (!portals || !*portals)
		return err_set(e, -EINVAL, "no portal is configured on this node; name one, as "
			       "10.0.0.1:3260");
	r = tidy(export, BVOL_A_EXPORT_INITIATORS, initiators, names_initiator, e);
	if (r >= 0)
		r = tidy(export, BVOL_A_EXPORT_PORTALS, portals, names_portal, e);
	if (r < 0)
		return r;
	snprintf(target, sizeof(target), "%s:%s", config->iqn_prefix,
		 bvol_uuid_text(&export->id, id));
	if (codec_set_string(&bvol_type_export, export, BVOL_A_EXPORT_TARGET, target) < 0)
		return no_memory(e);
	codec_set(export, BVOL_A_EXPORT_FABRIC, fabric, BVOL_FABRIC_ISCSI);
	codec_set(export, BVOL_A_EXPORT_TPGT, tpgt, 1);
	codec_set(export, BVOL_A_EXPORT_LUN, lun, 0);
	return draw_secret(export, e);
}

/* Add and remove */

struct iscsi_action {
	struct action action;
	struct bvol_export *export;
	char *device;
};

static void export_free(struct bvol_export *export)
{
	if (export && export->auth && export->auth->secret)
		explicit_bzero(export->auth->secret, strlen(export->auth->secret));
	bvol_free(&bvol_type_export, export);
}

static void iscsi_action_free(struct action *action)
{
	struct iscsi_action *a = (struct iscsi_action *)action;

	export_free(a->export);
	free(a->device);
	free(a);
}

static int plan(const struct bvol_export *export, const char *device,
		int (*act)(struct action *, struct err *), struct action **ret, struct err *e)
{
	struct iscsi_action *a = calloc(1, sizeof(*a));

	if (!a)
		return no_memory(e);
	a->action.act = act;
	a->action.free = iscsi_action_free;
	a->export = codec_copy(&bvol_type_export, export);
	a->device = device ? strdup(device) : NULL;
	if (!a->export || (device && !a->device)) {
		iscsi_action_free(&a->action);
		return no_memory(e);
	}
	*ret = &a->action;
	return 0;
}

static int act_add(struct action *action, struct err *e)
{
	struct iscsi_action *a = (struct iscsi_action *)action;
	_cleanup_(configfs_closep) struct configfs *c = NULL;
	int r = configfs_open(CONFIGFS_ROOT, CONFIGFS_LOCK, &c, e);

	return r < 0 ? r : iscsi_target_build(c, a->export, a->device, e);
}

static int iscsi_add(const struct bvol_export *export, const char *node, struct action **ret,
		     struct err *e)
{
	if (strncmp(node, "/dev/", 5) || strpbrk(node, ", \t\n"))
		return err_set(e, -EINVAL, "a block device has to lie in /dev to be exported");
	if (!export->target || !export->initiators || !export->portals || !export->auth ||
	    !export->auth->user || !export->auth->secret)
		return err_set(e, -EINVAL, "the record of this export is not complete");
	return plan(export, node, act_add, ret, e);
}

/* Without a target core there are no targets. */
static int act_remove(struct action *action, struct err *e)
{
	struct iscsi_action *a = (struct iscsi_action *)action;
	_cleanup_(configfs_closep) struct configfs *c = NULL;
	struct err inner = { };
	int r = configfs_open(CONFIGFS_ROOT, CONFIGFS_LOCK, &c, &inner);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(e, r, "%s", inner.text);
	return iscsi_target_remove(c, a->export, e);
}

static int iscsi_remove(const struct bvol_export *export, struct action **ret, struct err *e)
{
	if (!export->target)
		return err_set(e, -EINVAL, "the record of this export is not complete");
	return plan(export, NULL, act_remove, ret, e);
}

/* Look: differences and sessions */

struct look {
	union {
		struct action action;
		struct fabric_check check;
		struct fabric_sessions sessions;
	};
	struct bvol_export **exports;
	char **devices;		/* with holes where the device is not known */
	size_t n;
	char *prefix;
	/* Owns what is found. */
	struct bvol_response *found;
	/* Where act is: the export, and what it misses as a whole. */
	const struct bvol_export *export;
	char gone[CONFIGFS_PATH];
};

static void look_free(struct action *action)
{
	struct look *l = (struct look *)action;
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (l->exports)
			export_free(l->exports[i]);
		if (l->devices)
			free(l->devices[i]);
	}
	free(l->exports);
	free(l->devices);
	free(l->prefix);
	bvol_free(&bvol_type_response, l->found);
	free(l);
}

static struct look *look_new(struct bvol_export *const *exports, const char *const *devices,
			     int (*act)(struct action *, struct err *), struct err *e)
{
	struct look *l = calloc(1, sizeof(*l));
	size_t i, n = 0;
	bool ok;

	while (exports && exports[n])
		n++;
	if (!l || !(l->exports = calloc(n + 1, sizeof(*l->exports))) ||
	    !(l->devices = calloc(n + 1, sizeof(*l->devices))))
		goto no_memory;
	l->action.act = act;
	l->action.free = look_free;
	l->n = n;
	l->found = codec_new(&bvol_type_response);
	ok = l->found;
	for (i = 0; ok && i < n; i++) {
		l->exports[i] = codec_copy(&bvol_type_export, exports[i]);
		if (devices && devices[i])
			l->devices[i] = strdup(devices[i]);
		ok = l->exports[i] && (!devices || !devices[i] || l->devices[i]);
	}
	if (ok)
		return l;
no_memory:
	if (l)
		look_free(&l->action);
	no_memory(e);
	return NULL;
}

static int add_difference(struct look *l, const char *status, const char *object,
			  const char *name, const char *message)
{
	const struct bvol_type *type = &bvol_type_difference;
	struct bvol_difference *d = codec_new(type);

	if (!d)
		return -ENOMEM;
	codec_set(d, BVOL_A_DIFFERENCE_LAYER, layer, BVOL_LAYER_CONFIGFS);
	if (l->export)
		codec_set(d, BVOL_A_DIFFERENCE_ID, id, l->export->id);
	if (codec_set_string(type, d, BVOL_A_DIFFERENCE_STATUS, status) < 0 ||
	    codec_set_string(type, d, BVOL_A_DIFFERENCE_OBJECT, object) < 0 ||
	    codec_set_string(type, d, BVOL_A_DIFFERENCE_NAME, name) < 0 ||
	    codec_set_string(type, d, BVOL_A_DIFFERENCE_MESSAGE, message) < 0) {
		bvol_free(type, d);
		return -ENOMEM;
	}
	return codec_append_nest(&bvol_type_response, l->found, BVOL_A_RESPONSE_DIFFERENCE, d);
}

/* What lies below a missing directory goes without saying. */
static int report(const struct configfs_row *row, enum configfs_state state, const char *path,
		  const char *wanted, const char *found, void *data)
{
	static const char *const words[] = {
		[CONFIGFS_DIFFERS] = "differs",
		[CONFIGFS_MISSING] = "missing",
		[CONFIGFS_EXTRA] = "extra",
	};
	struct look *l = data;
	size_t len = strlen(l->gone);
	char message[256];

	if (len && !strncmp(path, l->gone, len) && path[len] == '/')
		return 0;
	if (state == CONFIGFS_MISSING && row->kind == CONFIGFS_DIR)
		snprintf(l->gone, sizeof(l->gone), "%s", path);
	if (found)
		snprintf(message, sizeof(message), "wanted %s, found %s", wanted, found);
	else if (state == CONFIGFS_EXTRA)
		snprintf(message, sizeof(message), "the export does not have it");
	else if (wanted)
		snprintf(message, sizeof(message), "wanted %s", wanted);
	else
		snprintf(message, sizeof(message), "wanted");
	return add_difference(l, words[state], row->object, path, message);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in dir that begin with prefix and are none of wanted, which is sorted. */
static int report_unknown(struct look *l, struct configfs *c, const char *object, const char *dir,
			  const char *prefix, char **wanted, struct err *e)
{
	_cleanup_(configfs_list_freep) char **names = NULL;
	char path[CONFIGFS_PATH];
	size_t i;
	int r = configfs_list(c, dir, &names, e);

	for (i = 0; r >= 0 && names[i]; i++) {
		if (strncmp(names[i], prefix, strlen(prefix)) ||
		    bsearch(&names[i], wanted, l->n, sizeof(*wanted), compare_texts))
			continue;
		r = configfs_join(path, dir, names[i], e);
		if (r >= 0)
			r = add_difference(l, "extra", object, path,
					   "no export of this node has it");
	}
	return r;
}

static int report_all_unknown(struct look *l, struct configfs *c, struct err *e)
{
	_cleanup_free_ char **targets = calloc(l->n + 1, sizeof(*targets));
	_cleanup_free_ char **backstores = calloc(l->n + 1, sizeof(*backstores));
	_cleanup_free_ char *texts = calloc(l->n + 1, ISCSI_BACKSTORE);
	size_t i;
	int r;

	if (!targets || !backstores || !texts)
		return -ENOMEM;
	for (i = 0; i < l->n; i++) {
		targets[i] = l->exports[i]->target;
		backstores[i] = iscsi_target_backstore(l->exports[i], texts + i * ISCSI_BACKSTORE);
	}
	qsort(targets, l->n, sizeof(*targets), compare_texts);
	qsort(backstores, l->n, sizeof(*backstores), compare_texts);
	l->export = NULL;
	r = report_unknown(l, c, "target", ISCSI_DIR, l->prefix, targets, e);
	return r < 0 ? r : report_unknown(l, c, "backstore", ISCSI_HBA, ISCSI_PREFIX, backstores, e);
}

static int act_check(struct action *action, struct err *e)
{
	struct look *l = (struct look *)action;
	_cleanup_(configfs_closep) struct configfs *c = NULL;
	size_t i;
	int r = configfs_open(CONFIGFS_ROOT, NULL, &c, e);

	for (i = 0; r >= 0 && i < l->n; i++) {
		l->export = l->exports[i];
		l->gone[0] = '\0';
		r = iscsi_target_compare(c, l->export, l->devices[i], report, l, e);
	}
	if (r >= 0)
		r = report_all_unknown(l, c, e);
	if (r >= 0 && l->found->difference)
		l->check.differences = l->found->difference;
	return r == -ENOMEM ? no_memory(e) : r;
}

static int iscsi_check(const struct fabric_config *config, struct bvol_export *const *exports,
		       const char *const *nodes, struct fabric_check **ret, struct err *e)
{
	static struct bvol_difference *none[] = { NULL };
	struct look *l = look_new(exports, nodes, act_check, e);

	if (!l)
		return -ENOMEM;
	l->check.differences = none;
	if (asprintf(&l->prefix, "%s:", config->iqn_prefix) < 0) {
		l->prefix = NULL;
		look_free(&l->action);
		return no_memory(e);
	}
	*ret = &l->check;
	return 0;
}

/*
 * The kernel shows the newest session of an initiator; one that has more than
 * one at a time is told apart by the module alone.
 */
static int add_session(struct look *l, const struct bvol_export *export, const char *text)
{
	const char *id = strstr(text, "LIO Session ID: "), *name = strstr(text, "InitiatorName: ");
	const struct bvol_type *type = &bvol_type_session;
	char initiator[BVOL_WWN_MAX + 1];
	struct bvol_session *s;

	if (!id || !name || !strstr(text, "TARG_SESS_STATE_LOGGED_IN") ||
	    sscanf(name, "InitiatorName: %223s", initiator) != 1)
		return 0;
	s = codec_new(type);
	if (!s)
		return -ENOMEM;
	codec_set(s, BVOL_A_SESSION_ID, id, strtoul(id + strlen("LIO Session ID: "), NULL, 10));
	codec_set(s, BVOL_A_SESSION_STATUS, status, BVOL_SESSION_STATUS_ACTIVE);
	codec_set(s, BVOL_A_SESSION_FABRIC, fabric, BVOL_FABRIC_ISCSI);
	codec_set(s, BVOL_A_SESSION_EXPORT_ID, export_id, export->id);
	codec_set(s, BVOL_A_SESSION_VOLUME_ID, volume_id, export->volume_id);
	if (codec_set_string(type, s, BVOL_A_SESSION_INITIATOR, initiator) < 0 ||
	    codec_set_string(type, s, BVOL_A_SESSION_TARGET, export->target) < 0) {
		bvol_free(type, s);
		return -ENOMEM;
	}
	return codec_append_nest(&bvol_type_response, l->found, BVOL_A_RESPONSE_SESSION, s);
}

/* Sessions belong to ACLs; there are no others, because the targets make none by themselves. */
static int act_sessions(struct action *action, struct err *e)
{
	struct look *l = (struct look *)action;
	_cleanup_(configfs_closep) struct configfs *c = NULL;
	char text[4097], **initiator;
	size_t i;
	int r = configfs_open(CONFIGFS_ROOT, NULL, &c, e);

	for (i = 0; r >= 0 && i < l->n; i++) {
		iscsi_target_recall(c, l->exports[i]);
		initiator = l->exports[i]->initiators;
		for (; r >= 0 && initiator && *initiator; initiator++) {
			r = iscsi_target_session(c, l->exports[i], *initiator, text, sizeof(text),
						 e);
			if (r == -ENOENT)
				r = 0;
			else if (r >= 0)
				r = add_session(l, l->exports[i], text);
		}
	}
	if (r >= 0 && l->found->session)
		l->sessions.sessions = l->found->session;
	return r == -ENOMEM ? no_memory(e) : r;
}

static int iscsi_sessions(struct bvol_export *const *exports, struct fabric_sessions **ret,
			  struct err *e)
{
	static struct bvol_session *none[] = { NULL };
	struct look *l = look_new(exports, NULL, act_sessions, e);

	if (!l)
		return -ENOMEM;
	l->sessions.sessions = none;
	*ret = &l->sessions;
	return 0;
}

const struct fabric_ops fabric_iscsi = {
	.name = "iscsi",
	.fabric = BVOL_FABRIC_ISCSI,
	.modules = modules,
	.setup = iscsi_setup,
	.prepare = iscsi_prepare,
	.add = iscsi_add,
	.remove = iscsi_remove,
	.check = iscsi_check,
	.sessions = iscsi_sessions,
};
