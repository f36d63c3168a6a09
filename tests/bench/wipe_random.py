# SPDX-License-Identifier: LGPL-2.1-or-later
"""One pass of random bytes, beside shred's."""
import bed
import nativebed


def measure(native):
    ours = nativebed.wipe("random", native.device, "-k")
    shred = nativebed.Side("shred", "-n1", native.device)
    times = bed.alternate(native.rounds, ours, shred)
    return [
        nativebed.at_least("random wipe of a loop device, shred -n1", times[0], times[1], 8),
        nativebed.at_least("processor time of it, shred's", ours.cpu_median(), shred.cpu_median(), None),
    ]
