# SPDX-License-Identifier: LGPL-2.1-or-later
"""A volume, from nothing to available: bvolctl beside lvcreate -V, whole processes."""
import bed

RUNS = 15


def ours(turn):
    ms = bed.bvolctl("volume", "create", f"bench{turn}", "--size", "1G", "--pool", "main")
    bed.bvolctl("volume", "delete", f"bench{turn}")
    return ms


def theirs(turn):
    ms = bed.lvm("lvcreate", "-q", "-V", "1G", "--thinpool", "pool", "-n", f"bench{turn}", "vg")
    bed.lvm("lvremove", "-q", "-f", f"vg/bench{turn}")
    return ms


def measure(daemon):
    return [bed.faster("volume create / lvcreate -V", *bed.alternate(RUNS, ours, theirs), 10)]
