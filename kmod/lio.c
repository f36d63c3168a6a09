// SPDX-License-Identifier: GPL-2.0
/*
 * What is seen of LIO.
 *
 * LIO has no notifier for sessions. Probes stand on the functions that the
 * sessions of every fabric pass, and a tracepoint shows the end of each
 * command. The hooks run wherever LIO runs, also under spinlocks with
 * interrupts off: they copy what they see into a record of fixed size, and a
 * worker enters it in the tables. LIO waits for nothing but the copy.
 *
 * Half of the queue's room is kept for the ends of sessions. If even that is
 * full, the end is marked in the session's table entry, so that it can't get
 * lost but for a session which isn't entered yet.
 */
#include <linux/hash.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <scsi/iscsi_proto.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_base.h>
#include <target/target_core_fabric.h>
#include <target/iscsi/iscsi_target_core.h>

#include "event.h"
#include "lio.h"
#include "session.h"

#define CORE_MODULE	"target_core_mod"
#define ISCSI_MODULE	"iscsi_target_mod"

#define RECORDS		2048
#define MET_SLOTS	256
#define LOGIN_TEXT_MAX	8192	/* LIO's buffer of a login request */

enum record_op { LOGIN, MET, LOGOUT, REFUSED };

struct record {
	enum record_op op;
	u32 reason;		/* REFUSED: enum bvol_login_failure */
	unsigned long key;
	u64 time;
	bool failed;		/* MET: at a command that failed */
	u8 scsi_status;
	struct bvol_tpg tpg;
	char initiator[BVOL_WWN_MAX + 1];
};

static struct {
	raw_spinlock_t lock;
	struct record *records;
	unsigned int head, tail;	/* free-running */
	u64 lost;
	u64 lost_reported;
	bool lost_logout;
} queue = { .lock = __RAW_SPIN_LOCK_UNLOCKED(queue.lock) };

static atomic64_t login_failures;
static atomic64_t command_errors;

/*
 * Sessions that were met and wait in the queue, so that not each of their
 * commands queues them again. A slot that another one takes over costs a
 * superfluous record, no more.
 */
static unsigned long met[MET_SLOTS];

static void work(struct work_struct *unused);
static DECLARE_WORK(now_work, work);
static DECLARE_DELAYED_WORK(later_work, work);

static void saw_login(struct pt_regs *regs);
static void saw_logout(struct pt_regs *regs);
static void saw_listing(struct pt_regs *regs);
static void saw_refusal(struct pt_regs *regs);

enum { SESSION_ENDS, SESSION_STARTS, LISTINGS, REFUSALS };

/* An absent module is no error: its probes are armed when it comes. */
#define ABSENT	-EAGAIN

static struct probe {
	const char *module;
	const char *symbol;
	const char *source;	/* of what, for people */
	void (*saw)(struct pt_regs *regs);
	struct kprobe kprobe;
	int err;		/* 0: armed */
} probes[] = {
	[SESSION_ENDS] = { CORE_MODULE, "transport_deregister_session",
		"sessions", saw_logout },
	[SESSION_STARTS] = { CORE_MODULE, "__transport_register_session",
		"session logins", saw_login },
	[LISTINGS] = { CORE_MODULE, "target_show_dynamic_sessions",
		"idle sessions older than the module", saw_listing },
	[REFUSALS] = { ISCSI_MODULE, "iscsit_tx_login_rsp",
		"refused iSCSI logins", saw_refusal },
};

static int tracepoint_err = ABSENT;

/*
 * The next record of the queue, which is locked. NULL without room, counted as
 * lost but for the end of a session: there is another way for it.
 */
static struct record *record_new(enum record_op op, unsigned long key)
{
	struct record *r;

	lockdep_assert_held(&queue.lock);
	if (queue.head - queue.tail >= (op == LOGOUT ? RECORDS : RECORDS / 2)) {
		queue.lost += op != LOGOUT;
		return NULL;
	}
	r = &queue.records[queue.head++ % RECORDS];
	r->op = op;
	r->key = key;
	r->time = ktime_get_real_ns();
	return r;
}

static bool record_take(struct record *to)
{
	unsigned long flags;
	bool any;

	raw_spin_lock_irqsave(&queue.lock, flags);
	any = queue.head != queue.tail;
	if (any)
		*to = queue.records[queue.tail++ % RECORDS];
	raw_spin_unlock_irqrestore(&queue.lock, flags);
	return any;
}

static unsigned long *met_slot(unsigned long key)
{
	return &met[hash_long(key, ilog2(MET_SLOTS))];
}

static void met_clear(unsigned long key)
{
	if (READ_ONCE(*met_slot(key)) == key)
		WRITE_ONCE(*met_slot(key), 0);
}

static unsigned long argument(struct pt_regs *regs, unsigned int n)
{
#ifdef CONFIG_HAVE_FUNCTION_ARG_ACCESS_API
	return regs_get_kernel_argument(regs, n);
#else
	return 0;	/* not reached: arm() refuses */
#endif
}

static const struct {
	const char *name;
	u32 fabric;
} fabrics[] = {
	{ "iSCSI",	BVOL_FABRIC_ISCSI },
	{ "loopback",	BVOL_FABRIC_LOOP },
	{ "vhost",	BVOL_FABRIC_VHOST },
};

static u32 fabric_of(const struct se_portal_group *tpg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fabrics); i++)
		if (!strcmp(tpg->se_tpg_tfo->fabric_name, fabrics[i].name))
			return fabrics[i].fabric;
	return BVOL_FABRIC_NONE;
}

/* A session whose end can't be seen is not entered: it would stay for ever. */
static bool wanted(const struct se_portal_group *tpg)
{
	return fabric_of(tpg) != BVOL_FABRIC_NONE && tpg->se_tpg_wwn &&
	       !READ_ONCE(probes[SESSION_ENDS].err);
}

/* The caller keeps portal group and ACL alive. */
static void describe(struct record *r, struct se_portal_group *tpg,
		     const struct se_node_acl *acl)
{
	r->tpg.fabric = fabric_of(tpg);
	r->tpg.tpgt = tpg->se_tpg_tfo->tpg_get_tag(tpg);
	strscpy(r->tpg.target,
		config_item_name(&tpg->se_tpg_wwn->wwn_group.cg_item),
		sizeof(r->tpg.target));
	strscpy(r->initiator, acl->initiatorname, sizeof(r->initiator));
}

/* Discovery sessions have no ACL and don't count. */
static void saw_login(struct pt_regs *regs)
{
	struct se_portal_group *tpg = (void *)argument(regs, 0);
	struct se_node_acl *acl = (void *)argument(regs, 1);
	unsigned long flags;
	struct record *r;

	if (!acl || !wanted(tpg))
		return;
	raw_spin_lock_irqsave(&queue.lock, flags);
	r = record_new(LOGIN, argument(regs, 2));
	if (r)
		describe(r, tpg, acl);
	raw_spin_unlock_irqrestore(&queue.lock, flags);
	schedule_work(&now_work);
}

static void saw_logout(struct pt_regs *regs)
{
	struct se_session *sess = (void *)argument(regs, 0);
	unsigned long flags, key = (unsigned long)sess;

	if (!sess->se_node_acl)
		return;
	met_clear(key);
	raw_spin_lock_irqsave(&queue.lock, flags);
	if (!record_new(LOGOUT, key) && !bvol_session_mark_gone(key)) {
		queue.lost++;
		queue.lost_logout = true;
	}
	raw_spin_unlock_irqrestore(&queue.lock, flags);
	schedule_work(&now_work);
}

/* A session that no table knows; the caller keeps it alive. */
static void meet(struct se_session *sess, bool failed, u8 scsi_status)
{
	struct se_portal_group *tpg = READ_ONCE(sess->se_tpg);
	unsigned long flags, key = (unsigned long)sess;
	struct record *r;

	if (!failed && READ_ONCE(*met_slot(key)) == key)
		return;
	if (!tpg || !sess->se_node_acl || !wanted(tpg))
		return;
	if (failed)
		atomic64_inc(&command_errors);
	raw_spin_lock_irqsave(&queue.lock, flags);
	r = record_new(MET, key);
	if (r) {
		r->failed = failed;
		r->scsi_status = scsi_status;
		describe(r, tpg, sess->se_node_acl);
		WRITE_ONCE(*met_slot(key), key);
	}
	raw_spin_unlock_irqrestore(&queue.lock, flags);
	schedule_work(&now_work);
}

/*
 * Somebody reads the portal group's dynamic_sessions in configfs. That keeps
 * the group alive and holds no lock yet: the moment to meet the sessions that
 * are older than this module and idle. A lock that sleeps can't be taken here.
 */
static void saw_listing(struct pt_regs *regs)
{
	struct se_portal_group *tpg = (void *)argument(regs, 0);
	struct se_session *sess;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return;
	spin_lock_irqsave(&tpg->session_lock, flags);
	list_for_each_entry(sess, &tpg->tpg_sess_list, sess_list)
		if (!bvol_session_command((unsigned long)sess, false, 0))
			meet(sess, false, 0);
	spin_unlock_irqrestore(&tpg->session_lock, flags);
}

/*
 * Errors are what an operator can act upon. Not a unit attention, which says
 * that something has happened, and the initiator repeats the command; nor that
 * an opcode or a field of a command is not supported, which is how an initiator
 * finds out what is, at each login.
 */
static bool command_failed(const struct se_cmd *cmd)
{
	const u8 *sense = cmd->sense_buffer;
	bool descriptors;
	u8 key, asc;

	if (cmd->scsi_status != SAM_STAT_CHECK_CONDITION || !sense)
		return cmd->scsi_status != SAM_STAT_GOOD;
	descriptors = (sense[0] & 0x7f) >= 0x72;
	key = sense[descriptors ? 1 : 2] & 0xf;
	asc = sense[descriptors ? 2 : 12];
	return key != UNIT_ATTENTION &&
	       !(key == ILLEGAL_REQUEST && (asc == 0x20 || asc == 0x24));
}

static void saw_command(void *unused, struct se_cmd *cmd)
{
	bool failed = command_failed(cmd);

	if (!cmd->se_sess)
		return;
	if (!bvol_session_command((unsigned long)cmd->se_sess, failed,
				  cmd->scsi_status)) {
		meet(cmd->se_sess, failed, cmd->scsi_status);
	} else if (failed) {
		atomic64_inc(&command_errors);
		schedule_work(&now_work);
	}
}

/* The value of @key in a login request, NUL-terminated pairs "key=value". */
static const char *login_value(const struct iscsi_login *login, const char *key)
{
	const struct iscsi_login_req *req = (const void *)login->req;
	const char *text = login->req_buf;
	size_t left = min_t(size_t, ntoh24(req->dlength), LOGIN_TEXT_MAX);
	size_t len = strlen(key);

	while (text && left) {
		size_t pair = strnlen(text, left);

		if (pair > len && !memcmp(text, key, len) && text[len] == '=')
			return text + len + 1;
		pair = min(pair + 1, left);
		text += pair;
		left -= pair;
	}
	return "";
}

/* A name from the wire: what no name may hold is replaced. */
static void copy_name(char *to, const char *from)
{
	size_t i;

	for (i = 0; i < BVOL_WWN_MAX && from[i]; i++)
		to[i] = from[i] > ' ' && from[i] < 0x7f ? from[i] : '?';
	to[i] = '\0';
}

static u32 refusal_reason(const struct iscsit_conn *conn, u8 class, u8 detail)
{
	if (class == ISCSI_STATUS_CLS_TARGET_ERR)
		/* LIO says "unavailable" of a target that it doesn't know. */
		return detail == ISCSI_LOGIN_STATUS_SVC_UNAVAILABLE && !conn->tpg ?
			BVOL_LOGIN_FAILURE_UNKNOWN_TARGET : BVOL_LOGIN_FAILURE_OTHER;
	switch (detail) {
	case ISCSI_LOGIN_STATUS_AUTH_FAILED:
		return BVOL_LOGIN_FAILURE_AUTHENTICATION;
	case ISCSI_LOGIN_STATUS_TGT_FORBIDDEN:
		return BVOL_LOGIN_FAILURE_NOT_AUTHORIZED;
	case ISCSI_LOGIN_STATUS_TGT_NOT_FOUND:
	case ISCSI_LOGIN_STATUS_TGT_REMOVED:
		return BVOL_LOGIN_FAILURE_UNKNOWN_TARGET;
	default:
		return BVOL_LOGIN_FAILURE_OTHER;
	}
}

/*
 * A login response with an error. A second one for the same login repeats the
 * first. The first request names the target. Later requests do not, and the
 * portal group is held; LIO may have let go of it when the error is the target's.
 */
static void saw_refusal(struct pt_regs *regs)
{
	struct iscsit_conn *conn = (void *)argument(regs, 0);
	struct iscsi_login *login = conn->conn_login;
	struct iscsit_session *sess = conn->sess;
	struct se_node_acl *acl = sess && sess->se_sess ? sess->se_sess->se_node_acl : NULL;
	const char *target = login_value(login, "TargetName");
	const char *name = acl ? acl->initiatorname : login_value(login, "InitiatorName");
	bool held = argument(regs, 1) != ISCSI_STATUS_CLS_TARGET_ERR;
	struct iscsi_portal_group *tpg = held ? conn->tpg : NULL;
	unsigned long flags;
	struct record *r;

	if (login->login_failed || (sess && sess->sess_ops && sess->sess_ops->SessionType))
		return;
	if (!*target && tpg && tpg->tpg_tiqn)
		target = (const char *)tpg->tpg_tiqn->tiqn;
	atomic64_inc(&login_failures);
	raw_spin_lock_irqsave(&queue.lock, flags);
	r = record_new(REFUSED, 0);
	if (r) {
		r->reason = refusal_reason(conn, argument(regs, 1), argument(regs, 2));
		r->tpg.fabric = BVOL_FABRIC_ISCSI;
		r->tpg.tpgt = tpg ? tpg->tpgt : 0;
		copy_name(r->tpg.target, target);
		copy_name(r->initiator, name);
		/* As LIO does; the name in an ACL is spelt like that already. */
		string_lower(r->initiator, r->initiator);
	}
	raw_spin_unlock_irqrestore(&queue.lock, flags);
	schedule_work(&now_work);
}

static void lose_one(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&queue.lock, flags);
	queue.lost++;
	raw_spin_unlock_irqrestore(&queue.lock, flags);
}

/* Enter a record in the tables. */
static void enter(const struct record *r)
{
	switch (r->op) {
	case LOGIN:
	case MET:
		if (!bvol_session_login(r->key, &r->tpg, r->initiator, r->time,
					r->op == MET)) {
			lose_one();
			break;
		}
		met_clear(r->key);
		if (r->op == MET && r->failed)
			bvol_session_command(r->key, true, r->scsi_status);
		break;
	case LOGOUT:
		bvol_session_logout(r->key);
		break;
	case REFUSED:
		bvol_login_failed(&r->tpg, r->initiator, r->reason);
		break;
	}
}

/*
 * Say how many records were lost. Among them may be the end of a session: then
 * nobody knows which ones are left, and all have to be met again.
 */
static void report_lost(void)
{
	unsigned long flags;
	struct bvol_event *ev;
	bool logout;
	u64 lost;

	raw_spin_lock_irqsave(&queue.lock, flags);
	lost = queue.lost - queue.lost_reported;
	queue.lost_reported = queue.lost;
	logout = queue.lost_logout;
	queue.lost_logout = false;
	raw_spin_unlock_irqrestore(&queue.lock, flags);
	if (logout)
		bvol_session_forget();
	if (!lost)
		return;
	ev = bvol_event_begin(BVOL_EVENT_KIND_RECORDS_LOST);
	bvol_event_number(ev, BVOL_A_EVENT_COUNT, min_t(u64, lost, U32_MAX));
	bvol_event_commit(ev);
}

/*
 * What was queued before a session was marked as gone is entered before it is
 * reaped, else a record of its commands would bring it back.
 */
static void work(struct work_struct *unused)
{
	struct llist_node *gone;
	struct record r;
	bool waiting;

	mutex_lock(&bvol_lock);
	do {
		gone = bvol_session_gone();
		while (record_take(&r))
			enter(&r);
		bvol_session_reap(gone);
	} while (gone);
	report_lost();
	waiting = bvol_export_report();
	waiting |= bvol_login_report();
	mutex_unlock(&bvol_lock);
	if (waiting)
		schedule_delayed_work(&later_work, HZ / 10);
}

static int saw(struct kprobe *kprobe, struct pt_regs *regs)
{
	container_of(kprobe, struct probe, kprobe)->saw(regs);
	return 0;
}

static int probe_symbol(struct kprobe *kprobe)
{
	if (!IS_ENABLED(CONFIG_HAVE_FUNCTION_ARG_ACCESS_API))
		return -EOPNOTSUPP;
	return register_kprobe(kprobe);
}

static DEFINE_MUTEX(probes_lock);	/* init against the module notifier */

static void arm(const char *module, bool loaded)
{
	struct probe *p;
	int err;

	mutex_lock(&probes_lock);
	for (p = probes; p < probes + ARRAY_SIZE(probes); p++) {
		if (strcmp(p->module, module) || !p->err)
			continue;
		p->kprobe = (struct kprobe) {
			.symbol_name = p->symbol,
			.pre_handler = saw,
		};
		err = probe_symbol(&p->kprobe);
		WRITE_ONCE(p->err, err == -ENOENT && !loaded ? ABSENT : err);
	}
	mutex_unlock(&probes_lock);
}

static void disarm(const char *module)
{
	struct probe *p;

	mutex_lock(&probes_lock);
	for (p = probes; p < probes + ARRAY_SIZE(probes); p++) {
		if (strcmp(p->module, module))
			continue;
		if (!p->err)
			unregister_kprobe(&p->kprobe);
		WRITE_ONCE(p->err, ABSENT);
	}
	mutex_unlock(&probes_lock);
}

static int module_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *mod = data;

	if (action == MODULE_STATE_COMING)
		arm(mod->name, true);
	else if (action == MODULE_STATE_GOING)
		disarm(mod->name);
	return NOTIFY_OK;
}

static struct notifier_block module_notifier = { .notifier_call = module_event };

/*
 * Whether a module, or what was built in instead of it, is there: @symbol is
 * one that it exports to others and therefore always has.
 */
static bool present(const char *symbol)
{
	static struct kprobe kprobe;
	int err;

	kprobe = (struct kprobe) {
		.symbol_name = symbol,
		.flags = KPROBE_FLAG_DISABLED,
	};
	err = probe_symbol(&kprobe);
	if (!err)
		unregister_kprobe(&kprobe);
	return !err;
}

#ifdef CONFIG_TRACEPOINTS
static void tracepoint_add(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "target_cmd_complete"))
		tracepoint_err = tracepoint_probe_register(tp, saw_command, NULL);
}

static void tracepoint_remove(struct tracepoint *tp, void *unused)
{
	if (strcmp(tp->name, "target_cmd_complete"))
		return;
	if (!tracepoint_err)
		tracepoint_probe_unregister(tp, saw_command, NULL);
	tracepoint_err = ABSENT;
}

/* Also called for each module that is there when the notifier comes or goes. */
static int tracepoint_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct tp_module *tpm = data;
	struct tracepoint *tp;
	unsigned int i;

	if (strcmp(tpm->mod->name, CORE_MODULE))
		return NOTIFY_OK;
	if (action == MODULE_STATE_COMING)
		tracepoint_err = -ENOENT;
	for (i = 0; i < tpm->mod->num_tracepoints; i++) {
		tp = tracepoint_ptr_deref(tpm->mod->tracepoints_ptrs + i);
		if (action == MODULE_STATE_COMING)
			tracepoint_add(tp, NULL);
		else if (action == MODULE_STATE_GOING)
			tracepoint_remove(tp, NULL);
	}
	return NOTIFY_OK;
}

static struct notifier_block tracepoint_notifier = { .notifier_call = tracepoint_event };

static int tracepoint_init(void)
{
	for_each_kernel_tracepoint(tracepoint_add, NULL);
	return register_tracepoint_module_notifier(&tracepoint_notifier);
}

static void tracepoint_stop(void)
{
	unregister_tracepoint_module_notifier(&tracepoint_notifier);
	for_each_kernel_tracepoint(tracepoint_remove, NULL);
	tracepoint_synchronize_unregister();
}
#else
static int tracepoint_init(void)
{
	tracepoint_err = -EOPNOTSUPP;
	return 0;
}

static void tracepoint_stop(void)
{
}
#endif

bool bvol_lio_unavailable(unsigned int n, char *buf, size_t size)
{
	const char *source = "command errors", *symbol = "target_cmd_complete";
	int err = READ_ONCE(tracepoint_err);

	if (n < ARRAY_SIZE(probes)) {
		source = probes[n].source;
		symbol = probes[n].symbol;
		err = READ_ONCE(probes[n].err);
	}
	if (n > ARRAY_SIZE(probes))
		return false;
	buf[0] = '\0';
	if (err == -EOPNOTSUPP)
		snprintf(buf, size, "%s are not seen: this kernel has no probes", source);
	else if (err && err != ABSENT)
		snprintf(buf, size, "%s are not seen: cannot probe %s (error %d)",
			 source, symbol, -err);
	return true;
}

void bvol_lio_counters(struct bvol_lio_counters *counters)
{
	unsigned long flags;

	counters->login_failures = atomic64_read(&login_failures);
	counters->command_errors = atomic64_read(&command_errors);
	raw_spin_lock_irqsave(&queue.lock, flags);
	counters->lost = queue.lost;
	raw_spin_unlock_irqrestore(&queue.lock, flags);
}

int bvol_lio_init(void)
{
	unsigned int i;
	int err;

	queue.records = vcalloc(RECORDS, sizeof(*queue.records));
	if (!queue.records)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i].err = ABSENT;
	err = register_module_notifier(&module_notifier);
	if (err)
		goto free;
	err = tracepoint_init();
	if (err)
		goto unregister;
	arm(CORE_MODULE, present("target_register_template"));
	arm(ISCSI_MODULE, present("iscsit_register_transport"));
	return 0;

unregister:
	unregister_module_notifier(&module_notifier);
free:
	vfree(queue.records);
	return err;
}

/*
 * The notifiers go first, so that no probe comes back. Unregistering waits for
 * hooks that run.
 */
void bvol_lio_stop(void)
{
	unregister_module_notifier(&module_notifier);
	tracepoint_stop();
	disarm(CORE_MODULE);
	disarm(ISCSI_MODULE);
}

void bvol_lio_drain(void)
{
	cancel_work_sync(&now_work);
	cancel_delayed_work_sync(&later_work);
	work(NULL);
	cancel_delayed_work_sync(&later_work);
}

void bvol_lio_exit(void)
{
	vfree(queue.records);
}
