# SPDX-License-Identifier: LGPL-2.1-or-later
"""4k random I/O through LIO over iSCSI: with the module armed beside without it, bvold running.

The volume lies in memory, where the module's part in a command's way is largest.
"""
import glob
import json
import os
import statistics
import subprocess

import bed

PAIRS = 12
SECONDS = 4
KINDS = ("randread", "randwrite")
MODULE = "/sys/module/bvol"


def tell(*argv):
    bed.timed(*argv)


def login(target, user, secret):
    node = ["iscsiadm", "-m", "node", "-T", target, "-p", bed.PORTAL]
    tell(*node, "-o", "new")
    settings = {"authmethod": "CHAP", "username": user, "password": secret}
    for name, value in settings.items():
        tell(*node, "-o", "update", "-n", f"node.session.auth.{name}", "-v", value)
    tell(*node, "--login")


def disk():
    found = glob.glob("/sys/class/iscsi_session/session*/device/target*/*/block/*")
    return "/dev/" + os.path.basename(found[0]) if found else None


def fio(kind, device):
    argv = ["fio", "--name=bench", f"--filename={device}", f"--rw={kind}", "--bs=4k", "--direct=1",
            "--ioengine=libaio", "--iodepth=16", "--time_based", f"--runtime={SECONDS}",
            "--norandommap", "--output-format=json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise bed.Failed(done.stdout.decode())
    text = done.stdout.decode()
    job = json.loads(text[text.index("{"):])["jobs"][0]
    return job["read" if kind == "randread" else "write"]["iops"]


def registered(daemon):
    info = bed.bvolctl_json("info")
    return info.get("daemon_pid") == daemon.pid and info.get("exports") == 1 \
        and info.get("transport") == "netlink" and not info.get("unavailable")


def set_module(daemon, loaded):
    if os.path.exists(MODULE) == loaded:
        return
    if loaded:
        tell("modprobe", "bvol")
        bed.wait_until("the module's export", lambda: registered(daemon), 30)
    else:
        tell("rmmod", "bvol")


def take(daemon, device, loaded, into):
    set_module(daemon, loaded)
    for kind in KINDS:
        into[kind, loaded].append(fio(kind, device))


def measure(daemon):
    tell("modprobe", "brd", "rd_nr=1", "rd_size=786432")
    bed.bvolctl("pool", "create", "memory", "/dev/ram0")
    bed.bvolctl("volume", "create", "disk", "--size", "512M", "--pool", "memory")
    export = bed.bvolctl_json("export", "create", "disk", "--initiator", initiator())
    tell("modprobe", "iscsi_tcp")
    tell("iscsid")
    login(export["target"], export["auth"]["user"], export["auth"]["secret"])
    bed.wait_until("the initiator's disk", disk, 60)
    device = disk()
    # Chunks that are not there yet are another thing than I/O.
    tell("dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=512", "oflag=direct")
    iops = {(kind, loaded): [] for kind in KINDS for loaded in (True, False)}
    for loaded in (True, False):
        take(daemon, device, loaded, {key: [] for key in iops})
    for pair in range(PAIRS):
        for loaded in (False, True) if pair % 2 == 0 else (True, False):
            take(daemon, device, loaded, iops)
    set_module(daemon, True)
    tell("iscsiadm", "-m", "node", "--logout")
    bed.bvolctl("export", "delete", "disk")
    bed.bvolctl("volume", "delete", "disk")
    bed.bvolctl("pool", "delete", "memory")
    return [row(kind, iops[kind, True], iops[kind, False]) for kind in KINDS]


def row(kind, armed, unloaded):
    bed.note(f"{kind} armed:    " + " ".join(f"{n:.0f}" for n in armed))
    bed.note(f"{kind} unloaded: " + " ".join(f"{n:.0f}" for n in unloaded))
    mine, other = statistics.median(armed), statistics.median(unloaded)
    return {"name": f"fio 4k {kind} over iSCSI, armed / unloaded", "ours": f"{mine:.0f} IOPS",
            "peer": f"{other:.0f} IOPS", "ratio": f"{mine / other:.3f}", "goal": ">= 0.97",
            "met": mine / other >= 0.97}


def initiator():
    with open("/etc/iscsi/initiatorname.iscsi", encoding="utf-8") as f:
        return f.read().split("=", 1)[1].strip()
