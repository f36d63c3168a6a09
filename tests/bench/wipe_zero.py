# SPDX-License-Identifier: LGPL-2.1-or-later
"""Zeroes over a device that is full: beside the best that fio gets out of it, and beside dd."""
import bed
import nativebed

# fio's best shape is not the same on all devices.
SHAPES = [("1m", 8), ("2m", 4), ("512k", 16)]


def measure(native):
    return [row for what, path in (("loop device", native.device), ("file", native.file))
            for row in on(native, what, path)]


def on(native, what, path):
    ours = nativebed.wipe("zero", path, "-k", inner=True)
    dd = nativebed.Side("dd", "if=/dev/zero", f"of={path}", "bs=1M", f"count={native.bytes >> 20}",
                        "oflag=direct", "conv=notrunc,fsync")
    limits = [nativebed.fio(path, native.bytes, *shape) for shape in SHAPES]
    times = bed.alternate(native.rounds, ours, dd, *limits)
    return [
        nativebed.at_least(f"zero wipe of a {what}, best fio", times[0], min(times[2:]), 0.95),
        nativebed.at_least(f"zero wipe of a {what}, dd bs=1M direct", times[0], times[1], 2),
        nativebed.at_least(f"processor time of it, dd's ({what})", ours.cpu_median(), dd.cpu_median(), 5,
                           precision=3),
    ]
