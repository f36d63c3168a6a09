# SPDX-License-Identifier: LGPL-2.1-or-later
"""An export, made and deleted again: bvolctl (two processes) beside what makes the same of LIO by

	targetcli, one command each	as in its manual page
	targetcli, a batch		the same commands in one process
	python3-rtslib			one process that is written for it

The same is a backstore, a target with its portal group, a LUN, an ACL with CHAP and a portal. None of
the peers saves what it did, though bvold does.
"""
import os

import bed

RUNS = 11
SLOW_RUNS = 5
TARGET = "iqn.2001-04.com.example:peer"
DEVICE = "/dev/vg/origin"
TPG = f"/iscsi/{TARGET}/tpg1"
MAKE = [
    f"/backstores/block create name=peer dev={DEVICE}",
    f"/iscsi create {TARGET}",
    f"{TPG} set attribute authentication=1",
    f"{TPG}/portals create 127.0.0.1 3260",
    f"{TPG}/luns create /backstores/block/peer",
    f"{TPG}/acls create {bed.INITIATOR}",
    f"{TPG}/acls/{bed.INITIATOR} set auth userid=peer password=secret-of-peer",
]
DROP = [
    f"/iscsi delete {TARGET}",
    "/backstores/block delete peer",
]
SETTINGS = ["auto_add_default_portal=false", "auto_save_on_exit=false"]


def ours(turn):
    return (bed.bvolctl("export", "create", "exported", "--initiator", bed.INITIATOR) +
            bed.bvolctl("export", "delete", "exported"))


def targetcli(turn):
    return sum(bed.timed("targetcli", *command.split()) for command in MAKE + DROP)


def batch(turn):
    with open("/run/batch", "w", encoding="utf-8") as f:
        f.write("\n".join(MAKE + DROP + ["exit", ""]))
    ms = bed.timed("targetcli", stdin="/run/batch")
    with open("/run/bench.log", encoding="utf-8") as f:
        text = f.read()
    # It goes on after an error and exits with 0.
    if f"Deleted Target {TARGET}" not in text or "Deleted storage object peer" not in text:
        raise bed.Failed(f"targetcli: {text}")
    return ms


def rtslib(turn):
    here = os.path.dirname(os.path.realpath(__file__))
    return bed.timed("/usr/bin/python3", os.path.join(here, "rtslib_export.py"), TARGET, DEVICE,
                     bed.INITIATOR)


def measure(daemon):
    bed.bvolctl("volume", "create", "exported", "--size", "1G", "--pool", "main")
    # targetcli does not start without a system bus to ask for other backstores.
    os.makedirs("/run/dbus", exist_ok=True)
    bed.timed("dbus-daemon", "--system")
    for setting in SETTINGS:
        bed.timed("targetcli", "set", "global", setting)
    mine, one_by_one, in_batch = bed.alternate(SLOW_RUNS, ours, targetcli, batch)
    mine_again, library = bed.alternate(RUNS, ours, rtslib)
    bed.bvolctl("volume", "delete", "exported")
    return [
        bed.faster("export create + delete / targetcli", mine, one_by_one, 50),
        bed.faster("  the same / targetcli in one batch", mine, in_batch, None),
        bed.faster("  the same / one python3-rtslib process", mine_again, library, 8),
    ]
