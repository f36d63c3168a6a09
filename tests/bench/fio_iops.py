# SPDX-License-Identifier: LGPL-2.1-or-later
"""4k random I/O through LIO over iSCSI: with the module armed beside without it, bvold running.

The volume lies in memory, where the module's part in a command's way is largest. One fio works all
the time; what the disk has completed is read at both ends of short slices, between which the module
comes and goes. The ratio is the median of the pairs': the two slices of a pair follow each other, and
so have nearly the same of a machine that others use too.
"""
import contextlib
import glob
import os
import statistics
import subprocess
import time

import bed

PAIRS = 40
SECONDS = 1.5
SETTLE = 0.3
MODULE = "/sys/module/bvol"


def login(target, user, secret):
    node = ["iscsiadm", "-m", "node", "-T", target, "-p", bed.PORTAL]
    bed.timed(*node, "-o", "new")
    settings = {"authmethod": "CHAP", "username": user, "password": secret}
    for name, value in settings.items():
        bed.timed(*node, "-o", "update", "-n", f"node.session.auth.{name}", "-v", value)
    bed.timed(*node, "--login")


def disk():
    found = glob.glob("/sys/class/iscsi_session/session*/device/target*/*/block/*")
    return "/dev/" + os.path.basename(found[0]) if found else None


@contextlib.contextmanager
def fio(device):
    argv = [bed.path_of("fio"), "--name=bench", f"--filename={device}", "--rw=randrw", "--bs=4k",
            "--direct=1", "--ioengine=libaio", "--iodepth=16", "--time_based", "--runtime=3600",
            "--norandommap"]
    with open("/run/fio.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
        if process.poll() is not None:
            with open("/run/fio.log", encoding="utf-8") as log:
                raise bed.Failed(f"fio has ended: {log.read()}")
    finally:
        process.terminate()
        process.wait()


def completed(device):
    """Reads and writes, from Documentation/block/stat.rst."""
    with open(f"/sys/block/{os.path.basename(device)}/stat", encoding="utf-8") as f:
        fields = f.read().split()
    return int(fields[0]) + int(fields[4])


def registered(daemon):
    info = bed.bvolctl_json("info")
    return info.get("daemon_pid") == daemon.pid and info.get("exports") == 1 \
        and info.get("transport") == "netlink" and not info.get("unavailable")


def set_module(daemon, loaded):
    if os.path.exists(MODULE) == loaded:
        return
    if loaded:
        bed.timed("modprobe", "bvol")
        bed.wait_until("the module's export", lambda: registered(daemon), 30)
    else:
        bed.timed("rmmod", "bvol")


def iops(daemon, device, loaded):
    set_module(daemon, loaded)
    time.sleep(SETTLE)
    before, begin = completed(device), time.monotonic()
    time.sleep(SECONDS)
    return (completed(device) - before) / (time.monotonic() - begin)


def pair(daemon, device, turn):
    """Armed, unloaded; the first one is left as the one before has ended."""
    order = (True, False) if turn % 2 else (False, True)
    taken = {loaded: iops(daemon, device, loaded) for loaded in order}
    return taken[True], taken[False]


def measure(daemon):
    bed.timed("modprobe", "brd", "rd_nr=1", "rd_size=786432")
    bed.bvolctl("pool", "create", "memory", "/dev/ram0")
    bed.bvolctl("volume", "create", "disk", "--size", "512M", "--pool", "memory")
    export = bed.bvolctl_json("export", "create", "disk", "--initiator", initiator())
    bed.timed("modprobe", "iscsi_tcp")
    bed.timed("iscsid")
    login(export["target"], export["auth"]["user"], export["auth"]["secret"])
    bed.wait_until("the initiator's disk", disk, 60)
    device = disk()
    # Chunks that are not there yet are another thing than I/O.
    bed.timed("dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=512", "oflag=direct")
    with fio(device):
        pair(daemon, device, 1)
        pairs = [pair(daemon, device, turn) for turn in range(PAIRS)]
    set_module(daemon, True)
    bed.timed("iscsiadm", "-m", "node", "--logout")
    bed.bvolctl("export", "delete", "disk")
    bed.bvolctl("volume", "delete", "disk")
    bed.bvolctl("pool", "delete", "memory")
    return [row(pairs)]


def row(pairs):
    bed.note("armed/unloaded: " + " ".join(f"{a:.0f}/{u:.0f}" for a, u in pairs))
    armed, unloaded = (statistics.median(side) for side in zip(*pairs))
    ratio = statistics.median(a / u for a, u in pairs)
    return {"name": "fio 4k over iSCSI, module armed / unloaded", "ours": f"{armed:.0f} IOPS",
            "peer": f"{unloaded:.0f} IOPS", "ratio": f"{ratio:.3f}", "goal": ">= 0.97",
            "met": ratio >= 0.97}


def initiator():
    with open("/etc/iscsi/initiatorname.iscsi", encoding="utf-8") as f:
        return f.read().split("=", 1)[1].strip()
