// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions of initiators, and logins that were refused.
 *
 * The table is what the hooks saw, nothing is kept elsewhere. When the module
 * is loaded while initiators are logged in it starts empty, and a session is
 * entered when its next command ends.
 */
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "event.h"
#include "session.h"

#define SESSIONS_MAX	65536
#define REFUSALS_MAX	256

/* Bit of bvol_session.flags: in the list of the gone, which frees it. */
#define SESSION_GONE	0

static DEFINE_HASHTABLE(sessions_by_key, 12);
static DEFINE_XARRAY(sessions);		/* by id, those of exports alone */
static LIST_HEAD(strangers);		/* without an export */
static LLIST_HEAD(gone_sessions);
static u64 last_id;
static u32 nsessions, nshown;
static unsigned int generation = 1;

/* Refused logins of one initiator at one target. */
static struct refusal {
	struct bvol_tpg tpg;
	char initiator[BVOL_WWN_MAX + 1];
	u32 reason;
	u32 count;		/* that no event stands for yet */
	unsigned long next;	/* jiffies when one may be sent, once one was */
	bool used;
	bool sent;
} refusals[REFUSALS_MAX];

static bool refusals_waiting;

static void changed(void)
{
	if (!++generation)
		generation = 1;
}

static struct bvol_session *find(unsigned long key)
{
	struct bvol_session *s;

	hash_for_each_possible_rcu(sessions_by_key, s, by_key, key,
				   lockdep_is_held(&bvol_lock))
		if (s->key == key)
			return s;
	return NULL;
}

bool bvol_session_command(unsigned long key, bool failed, u8 scsi_status)
{
	struct bvol_session *s;
	struct bvol_export *exp;

	rcu_read_lock();
	s = find(key);
	exp = s && failed ? rcu_dereference(s->export) : NULL;
	if (exp)
		bvol_export_command_error(exp, scsi_status);
	rcu_read_unlock();
	return s;
}

bool bvol_session_mark_gone(unsigned long key)
{
	struct bvol_session *s;

	rcu_read_lock();
	s = find(key);
	if (s && !test_and_set_bit(SESSION_GONE, &s->flags))
		llist_add(&s->gone, &gone_sessions);
	rcu_read_unlock();
	return s;
}

static struct bvol_export *export_of(const struct bvol_session *s)
{
	return rcu_dereference_protected(s->export, lockdep_is_held(&bvol_lock));
}

static void log_session(u32 kind, const struct bvol_session *s, const char *remark)
{
	struct bvol_event *ev = bvol_event_begin(kind);

	bvol_export_describe(export_of(s), ev);
	bvol_event_number(ev, BVOL_A_EVENT_SESSION_ID, s->id);
	bvol_event_text(ev, BVOL_A_EVENT_INITIATOR, s->initiator);
	bvol_event_text(ev, BVOL_A_EVENT_TARGET, s->tpg.target);
	bvol_event_text(ev, BVOL_A_EVENT_MESSAGE, remark);
	bvol_event_commit(ev);
}

/*
 * Show session @s as one of @exp's. Without memory for that it stays a
 * stranger, and the next export-add of the daemon tries again.
 */
static void attach(struct bvol_session *s, struct bvol_export *exp, const char *remark)
{
	lockdep_assert_held(&bvol_lock);
	if (xa_err(xa_store(&sessions, s->id, s, GFP_KERNEL)))
		return;
	list_move_tail(&s->of_export, &exp->sessions);
	exp->nsessions++;
	nshown++;
	changed();
	rcu_assign_pointer(s->export, exp);
	log_session(BVOL_EVENT_KIND_SESSION_LOGIN, s, remark);
}

static void detach(struct bvol_session *s, const char *remark)
{
	struct bvol_export *exp = export_of(s);

	lockdep_assert_held(&bvol_lock);
	log_session(BVOL_EVENT_KIND_SESSION_LOGOUT, s, remark);
	xa_erase(&sessions, s->id);
	list_move_tail(&s->of_export, &strangers);
	exp->nsessions--;
	nshown--;
	changed();
	RCU_INIT_POINTER(s->export, NULL);
}

/* Out of all tables; the caller frees it. */
static void unlink(struct bvol_session *s, const char *remark)
{
	if (export_of(s))
		detach(s, remark);
	list_del(&s->of_export);
	hash_del_rcu(&s->by_key);
	nsessions--;
}

/* Who sets the bit frees the session: this function, or reap for a hook. */
static void end(struct bvol_session *s, const char *remark)
{
	unlink(s, remark);
	if (!test_and_set_bit(SESSION_GONE, &s->flags))
		kfree_rcu(s, rcu);
}

struct llist_node *bvol_session_gone(void)
{
	return llist_del_all(&gone_sessions);
}

void bvol_session_reap(struct llist_node *gone)
{
	struct bvol_session *s, *next;

	lockdep_assert_held(&bvol_lock);
	gone = llist_reverse_order(gone);
	llist_for_each_entry_safe(s, next, gone, gone) {
		if (hash_hashed(&s->by_key))
			unlink(s, "");
		kfree_rcu(s, rcu);
	}
}

/*
 * A key that is taken already belongs to a session that has ended unseen, for
 * LIO uses the address again; a command that was met twice is the exception.
 */
bool bvol_session_login(unsigned long key, const struct bvol_tpg *tpg,
			const char *initiator, u64 since, bool met)
{
	struct bvol_session *s = find(key);
	struct bvol_export *exp;

	lockdep_assert_held(&bvol_lock);
	if (s && met)
		return true;
	if (s)
		end(s, "");
	if (nsessions == SESSIONS_MAX)
		return false;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return false;
	s->key = key;
	s->id = ++last_id;
	s->since = since;
	s->tpg = *tpg;
	strscpy(s->initiator, initiator, sizeof(s->initiator));
	list_add_tail(&s->of_export, &strangers);
	nsessions++;
	exp = bvol_export_find(tpg);
	if (exp)
		attach(s, exp, met ? "seen at its first command" : "");
	hash_add_rcu(sessions_by_key, &s->by_key, key);
	return true;
}

void bvol_session_logout(unsigned long key)
{
	struct bvol_session *s = find(key);

	lockdep_assert_held(&bvol_lock);
	if (s)
		end(s, "");
}

void bvol_session_forget(void)
{
	struct bvol_session *s;
	struct hlist_node *tmp;
	int bucket;

	lockdep_assert_held(&bvol_lock);
	hash_for_each_safe(sessions_by_key, bucket, tmp, s, by_key)
		end(s, "out of sight");
}

void bvol_session_adopt(struct bvol_export *exp)
{
	struct bvol_session *s, *next;

	lockdep_assert_held(&bvol_lock);
	list_for_each_entry_safe(s, next, &strangers, of_export)
		if (bvol_tpg_equal(&s->tpg, &exp->desc.tpg))
			attach(s, exp, "logged in before the export was registered");
}

void bvol_session_release(struct bvol_export *exp)
{
	struct bvol_session *s, *next;

	lockdep_assert_held(&bvol_lock);
	list_for_each_entry_safe(s, next, &exp->sessions, of_export)
		detach(s, "the export was withdrawn");
}

struct bvol_session *bvol_session_next(u64 from)
{
	unsigned long id = from;

	lockdep_assert_held(&bvol_lock);
	return xa_find(&sessions, &id, ULONG_MAX, XA_PRESENT);
}

u32 bvol_session_count(void)
{
	lockdep_assert_held(&bvol_lock);
	return nshown;
}

unsigned int bvol_session_generation(void)
{
	lockdep_assert_held(&bvol_lock);
	return generation;
}

static void log_refusals(struct refusal *r)
{
	struct bvol_event *ev = bvol_event_begin(BVOL_EVENT_KIND_LOGIN_FAILED);
	struct bvol_export *exp = bvol_export_find(&r->tpg);

	if (exp)
		bvol_export_describe(exp, ev);
	bvol_event_text(ev, BVOL_A_EVENT_INITIATOR, r->initiator);
	bvol_event_text(ev, BVOL_A_EVENT_TARGET, r->tpg.target);
	bvol_event_number(ev, BVOL_A_EVENT_REASON, r->reason);
	bvol_event_number(ev, BVOL_A_EVENT_COUNT, r->count);
	bvol_event_commit(ev);
	r->count = 0;
	r->next = jiffies + HZ;
	r->sent = true;
}

static bool refusal_is(const struct refusal *r, const struct bvol_tpg *tpg,
		       const char *initiator)
{
	return bvol_tpg_equal(&r->tpg, tpg) && !strcmp(r->initiator, initiator);
}

/* One that owes no event may be taken over as soon as its second is over. */
static bool refusal_idle(const struct refusal *r)
{
	return !r->used || (!r->count && time_after_eq(jiffies, r->next));
}

/*
 * The entry of this pair. With none left the first one counts for all: an
 * event without names, so that inventing names neither floods the log nor
 * hides the refusals.
 */
static struct refusal *refusal_of(const struct bvol_tpg *tpg, const char *initiator)
{
	struct refusal *r, *idle = NULL;

	for (r = refusals + 1; r < refusals + REFUSALS_MAX; r++) {
		if (r->used && refusal_is(r, tpg, initiator))
			return r;
		if (!idle && refusal_idle(r))
			idle = r;
	}
	if (!idle)
		return refusals;
	memset(idle, 0, sizeof(*idle));
	idle->used = true;
	idle->tpg = *tpg;
	strscpy(idle->initiator, initiator, sizeof(idle->initiator));
	return idle;
}

static bool refusal_report(struct refusal *r)
{
	if (!r->count)
		return false;
	if (r->sent && time_before(jiffies, r->next))
		return true;
	log_refusals(r);
	return false;
}

void bvol_login_failed(const struct bvol_tpg *tpg, const char *initiator, u32 reason)
{
	struct bvol_export *exp = bvol_export_find(tpg);
	struct refusal *r = refusal_of(tpg, initiator);

	lockdep_assert_held(&bvol_lock);
	if (exp)
		exp->login_failures++;
	r->reason = r == refusals ? BVOL_LOGIN_FAILURE_OTHER : reason;
	r->count++;
	refusals_waiting |= refusal_report(r);
}

bool bvol_login_report(void)
{
	struct refusal *r;

	lockdep_assert_held(&bvol_lock);
	if (!refusals_waiting)
		return false;
	refusals_waiting = false;
	for (r = refusals; r < refusals + REFUSALS_MAX; r++)
		refusals_waiting |= refusal_report(r);
	return refusals_waiting;
}

/* No hook runs any more, and the worker has reaped what they left. */
void bvol_session_exit(void)
{
	struct bvol_session *s;
	struct hlist_node *tmp;
	int bucket;

	hash_for_each_safe(sessions_by_key, bucket, tmp, s, by_key)
		kfree(s);
	xa_destroy(&sessions);
}
