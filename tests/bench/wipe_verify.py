# SPDX-License-Identifier: LGPL-2.1-or-later
"""Zeroes that are all read back: beside nwipe's, and beside dd followed by cmp.

Debian's nwipe writes through the page cache in small pieces: it gets a smaller device, or nobody
would wait for it.
"""
import bed
import nativebed

NWIPE_BYTES = 256 << 20


def measure(native):
    small = native.loop(NWIPE_BYTES)
    nwipe = nativebed.Side("nwipe", "--autonuke", "--nogui", "--nowait", "--method=zero", "--noblank",
                           "--verify=last", small)
    beside = bed.alternate(native.rounds, nativebed.wipe("zero", small, "-kv"), nwipe)
    count = native.bytes >> 20
    script = (f"dd if=/dev/zero of={native.device} bs=1M count={count} oflag=direct conv=fsync"
              f" && cmp -n {native.bytes} {native.device} /dev/zero")
    ours = nativebed.wipe("zero", native.device, "-kv")
    times = bed.alternate(native.rounds, ours, nativebed.Side("sh", "-c", script))
    return [
        nativebed.at_least("zero wipe, verified, nwipe (256 MiB)", *beside, 4),
        nativebed.at_least("zero wipe, verified, dd and cmp", *times, None),
    ]
