// SPDX-License-Identifier: GPL-2.0
/*
 * bvol: sessions and events of exported block volumes, and the way to bvold.
 *
 * An observer and a switchboard. The data path is LIO's own; nothing here is
 * part of it.
 *
 *	export	what the daemon registered; the order of locks is stated there
 *	session	who is logged in, who was refused
 *	event	the numbered log
 *	relay	calls to the daemon and its replies
 *	lio	hooks in LIO, which feed session and export
 *	netlink	the protocol
 */
#include <linux/init.h>
#include <linux/module.h>
#include <uapi/linux/bvol.h>

#include "event.h"
#include "export.h"
#include "lio.h"
#include "netlink.h"
#include "relay.h"
#include "session.h"

static int __init bvol_init(void)
{
	int err;

	err = bvol_event_init();
	if (err)
		return err;
	err = bvol_relay_init();
	if (err)
		goto free_events;
	err = bvol_lio_init();
	if (err)
		goto stop_relay;
	/* Last: the daemon comes when it sees the family, and then all has to be there. */
	err = bvol_nl_init();
	if (err)
		goto stop_lio;
	bvol_event_open();
	return 0;

stop_lio:
	bvol_lio_stop();
	bvol_lio_drain();
	bvol_lio_exit();
stop_relay:
	bvol_relay_exit();
free_events:
	bvol_event_exit();
	return err;
}

/*
 * In phases, each of which ends a way in which another one could be entered:
 * no hook sees LIO any more; what hooks saw is entered and reported; nobody is
 * bound or waits; nothing is sent; no handler runs. Then the tables belong to
 * nobody else.
 */
static void __exit bvol_exit(void)
{
	bvol_lio_stop();
	bvol_lio_drain();
	bvol_relay_exit();
	bvol_event_close();
	bvol_nl_exit();
	bvol_session_exit();
	bvol_export_exit();
	bvol_lio_exit();
	bvol_event_exit();
}

module_init(bvol_init);
module_exit(bvol_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The bvol developers");
MODULE_DESCRIPTION("Sessions and events of exported block volumes, relay to bvold");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_GENL_FAMILY(BVOL_GENL_NAME);
