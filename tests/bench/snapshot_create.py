# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot of a volume that is active: bvolctl beside lvcreate -s, whole processes."""
import bed

RUNS = 15


def ours(turn):
    ms = bed.bvolctl("snapshot", "create", "origin", f"bench{turn}")
    bed.bvolctl("snapshot", "delete", f"bench{turn}")
    return ms


def theirs(turn):
    ms = bed.lvm("lvcreate", "-q", "-s", "vg/origin", "-n", f"bench{turn}")
    bed.lvm("lvremove", "-q", "-f", f"vg/bench{turn}")
    return ms


def measure(daemon):
    bed.bvolctl("volume", "create", "origin", "--size", "1G", "--pool", "main")
    rows = [bed.faster("snapshot create / lvcreate -s", *bed.alternate(RUNS, ours, theirs), 10)]
    bed.bvolctl("volume", "delete", "origin")
    return rows
