// SPDX-License-Identifier: GPL-2.0
/*
 * The export table.
 *
 * Nothing here survives the module: after a crash or a reload the daemon
 * registers its exports again, which is silent for those that are known.
 */
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "event.h"
#include "export.h"
#include "session.h"

#define EXPORTS_MAX	65536
#define SCAN_INTERVAL	(HZ / 4)

DEFINE_MUTEX(bvol_lock);	/* exports, sessions, refused logins */

static DEFINE_HASHTABLE(exports_by_id, 12);
static DEFINE_HASHTABLE(exports_by_tpg, 12);
static DEFINE_XARRAY(exports);		/* by number, for readers in portions */
static unsigned long last_number;
static u32 nexports;
static unsigned int generation = 1;

static unsigned long errors_pending;	/* bit 0, set by hooks */
static unsigned long next_scan = INITIAL_JIFFIES;

static u32 id_hash(const u8 *id)
{
	return jhash(id, BVOL_UUID_LEN, 0);
}

static u32 tpg_hash(const struct bvol_tpg *tpg)
{
	return jhash(tpg->target, strlen(tpg->target), tpg->tpgt ^ tpg->fabric);
}

bool bvol_tpg_equal(const struct bvol_tpg *a, const struct bvol_tpg *b)
{
	return a->fabric == b->fabric && a->tpgt == b->tpgt &&
	       !strcmp(a->target, b->target);
}

static void changed(void)
{
	if (!++generation)
		generation = 1;
}

static struct bvol_export *find_id(const u8 *id)
{
	struct bvol_export *exp;

	lockdep_assert_held(&bvol_lock);
	hash_for_each_possible(exports_by_id, exp, by_id, id_hash(id))
		if (!memcmp(exp->desc.id, id, BVOL_UUID_LEN))
			return exp;
	return NULL;
}

struct bvol_export *bvol_export_find(const struct bvol_tpg *tpg)
{
	struct bvol_export *exp;

	lockdep_assert_held(&bvol_lock);
	hash_for_each_possible(exports_by_tpg, exp, by_tpg, tpg_hash(tpg))
		if (bvol_tpg_equal(&exp->desc.tpg, tpg))
			return exp;
	return NULL;
}

struct bvol_export *bvol_export_next(unsigned long from)
{
	lockdep_assert_held(&bvol_lock);
	return xa_find(&exports, &from, ULONG_MAX, XA_PRESENT);
}

u32 bvol_export_count(void)
{
	lockdep_assert_held(&bvol_lock);
	return nexports;
}

unsigned int bvol_export_generation(void)
{
	lockdep_assert_held(&bvol_lock);
	return generation;
}

void bvol_export_describe(const struct bvol_export *exp, struct bvol_event *ev)
{
	bvol_event_uuid(ev, BVOL_A_EVENT_EXPORT_ID, exp->desc.id);
	bvol_event_uuid(ev, BVOL_A_EVENT_VOLUME_ID, exp->desc.volume_id);
}

static void log_change(u32 kind, const struct bvol_export *exp)
{
	struct bvol_event *ev = bvol_event_begin(kind);

	bvol_export_describe(exp, ev);
	bvol_event_text(ev, BVOL_A_EVENT_TARGET, exp->desc.tpg.target);
	bvol_event_number(ev, BVOL_A_EVENT_SIZE, exp->desc.size);
	bvol_event_commit(ev);
}

static int update(struct bvol_export *exp, const struct bvol_export_desc *desc,
		  struct netlink_ext_ack *extack)
{
	if (memcmp(exp->desc.volume_id, desc->volume_id, BVOL_UUID_LEN) ||
	    !bvol_tpg_equal(&exp->desc.tpg, &desc->tpg) ||
	    exp->desc.lun != desc->lun) {
		NL_SET_ERR_MSG(extack, "this export has another volume, target or LUN");
		return -EEXIST;
	}
	if (exp->desc.size != desc->size) {
		exp->desc.size = desc->size;
		changed();
		log_change(BVOL_EVENT_KIND_EXPORT_RESIZED, exp);
	}
	bvol_session_adopt(exp);
	return 0;
}

static int insert(const struct bvol_export_desc *desc, struct netlink_ext_ack *extack)
{
	struct bvol_export *exp;
	int err;

	exp = kzalloc(sizeof(*exp), GFP_KERNEL);
	if (!exp)
		return -ENOMEM;
	exp->desc = *desc;
	exp->number = last_number + 1;
	exp->next_report = jiffies;
	INIT_LIST_HEAD(&exp->sessions);
	err = xa_err(xa_store(&exports, exp->number, exp, GFP_KERNEL));
	if (err) {
		kfree(exp);
		return err;
	}
	last_number = exp->number;
	hash_add(exports_by_id, &exp->by_id, id_hash(exp->desc.id));
	hash_add(exports_by_tpg, &exp->by_tpg, tpg_hash(&exp->desc.tpg));
	nexports++;
	changed();
	log_change(BVOL_EVENT_KIND_EXPORT_ADDED, exp);
	bvol_session_adopt(exp);
	return 0;
}

static int add(const struct bvol_export_desc *desc, struct netlink_ext_ack *extack)
{
	struct bvol_export *exp = find_id(desc->id);

	if (exp)
		return update(exp, desc, extack);
	if (bvol_export_find(&desc->tpg)) {
		NL_SET_ERR_MSG(extack, "another export has this target and portal group");
		return -EEXIST;
	}
	if (nexports == EXPORTS_MAX) {
		NL_SET_ERR_MSG(extack, "the table of exports is full");
		return -ENOSPC;
	}
	return insert(desc, extack);
}

int bvol_export_add(const struct bvol_export_desc *desc,
		    struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&bvol_lock);
	err = add(desc, extack);
	mutex_unlock(&bvol_lock);
	return err;
}

/*
 * Report the errors that no event stands for yet, at most once a second
 * unless @now. True when some have to wait.
 */
static bool report(struct bvol_export *exp, bool now)
{
	u64 errors = atomic64_read(&exp->command_errors);
	struct bvol_event *ev;

	if (errors == exp->reported_errors)
		return false;
	if (!now && time_before(jiffies, exp->next_report))
		return true;
	ev = bvol_event_begin(BVOL_EVENT_KIND_COMMAND_ERROR);
	bvol_export_describe(exp, ev);
	bvol_event_number(ev, BVOL_A_EVENT_COUNT,
			  min_t(u64, errors - exp->reported_errors, U32_MAX));
	bvol_event_number(ev, BVOL_A_EVENT_SCSI_STATUS,
			  READ_ONCE(exp->scsi_status));
	bvol_event_commit(ev);
	exp->reported_errors = errors;
	exp->next_report = jiffies + HZ;
	return false;
}

/*
 * The table is searched for errors a few times a second at most, however many
 * there are. A hook that sets the bit after it was cleared is seen next time.
 */
bool bvol_export_report(void)
{
	struct bvol_export *exp;
	unsigned long number;
	bool waiting = false;

	lockdep_assert_held(&bvol_lock);
	if (!test_bit(0, &errors_pending))
		return false;
	if (time_before(jiffies, next_scan))
		return true;
	clear_bit(0, &errors_pending);
	smp_mb__after_atomic();		/* pairs with the one below */
	xa_for_each(&exports, number, exp)
		waiting |= report(exp, false);
	if (waiting)
		set_bit(0, &errors_pending);
	next_scan = jiffies + SCAN_INTERVAL;
	return waiting;
}

void bvol_export_command_error(struct bvol_export *exp, u8 scsi_status)
{
	WRITE_ONCE(exp->scsi_status, scsi_status);
	atomic64_inc(&exp->command_errors);
	smp_mb__after_atomic();		/* count first, then the bit */
	set_bit(0, &errors_pending);
}

/*
 * Once out of the tables and without sessions an export is out of reach for
 * all but a hook that found it through a session a moment ago, hence the
 * grace period.
 */
static void remove(struct bvol_export *exp)
{
	hash_del(&exp->by_id);
	hash_del(&exp->by_tpg);
	xa_erase(&exports, exp->number);
	nexports--;
	changed();
	kfree_rcu(exp, rcu);
}

int bvol_export_del(const u8 *id, struct netlink_ext_ack *extack)
{
	struct bvol_export *exp;

	mutex_lock(&bvol_lock);
	exp = find_id(id);
	if (exp) {
		report(exp, true);
		bvol_session_release(exp);
		log_change(BVOL_EVENT_KIND_EXPORT_REMOVED, exp);
		remove(exp);
	} else {
		NL_SET_ERR_MSG(extack, "no such export is registered");
	}
	mutex_unlock(&bvol_lock);
	return exp ? 0 : -ENOENT;
}

/* All sessions are gone and no hook runs any more. */
void bvol_export_exit(void)
{
	struct bvol_export *exp;
	unsigned long number;

	mutex_lock(&bvol_lock);
	xa_for_each(&exports, number, exp)
		remove(exp);
	mutex_unlock(&bvol_lock);
	xa_destroy(&exports);
}
