# SPDX-License-Identifier: LGPL-2.1-or-later
"""bvold with 1,000 volumes: its memory, and how often it runs while nothing is to be done."""
import os
import time

import bed

VOLUMES = 1000
IDLE_SECONDS = 10


def status(path, *names):
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            name, value = line.split(":", 1)
            if name in names:
                found[name] = int(value.split()[0])
    return [found[name] for name in names]


def wake_ups(pid):
    folder = f"/proc/{pid}/task"
    return sum(sum(status(f"{folder}/{thread}/status", "voluntary_ctxt_switches",
                          "nonvoluntary_ctxt_switches")) for thread in os.listdir(folder))


def measure(daemon):
    bed.fill_volumes(VOLUMES)
    time.sleep(5)
    before = wake_ups(daemon.pid)
    time.sleep(IDLE_SECONDS)
    woken = wake_ups(daemon.pid) - before
    rss, private = (kib / 1024 for kib in status(f"/proc/{daemon.pid}/status", "VmRSS", "RssAnon"))
    bed.note(f"of the resident memory {private:.1f} MiB are private")
    return [bed.at_most("bvold's resident memory, 1,000 volumes", rss, 24, "MiB"),
            bed.at_most(f"its wake-ups in {IDLE_SECONDS} s while idle", woken, 0, "", 0)]
