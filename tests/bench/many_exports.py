# SPDX-License-Identifier: LGPL-2.1-or-later
"""The 500th export beside the first.

Minutes lie between the two, in which a machine that others use too becomes faster or slower. So beside
each export a volume is made, to which exports are nothing: the ratio is divided by how many times longer
that takes at the 500th. The first export is taken before and after.

A volume's first export gives it its block device too, so each run takes a volume of its own.
"""
import statistics

import bed

EXPORTS = 500
RUNS = 16


def create(volume):
    return bed.bvolctl("export", "create", f"f{volume}", "--initiator", bed.INITIATOR)


def delete(volume):
    bed.bvolctl("export", "delete", f"f{volume}")


def control():
    ms = bed.bvolctl("volume", "create", "control", "--size", "64M", "--pool", "main")
    bed.bvolctl("volume", "delete", "control")
    return ms


def some(begin):
    """One export at a time, of RUNS volumes, each with its control; the first one warms up."""
    times = []
    for volume in range(begin, begin + RUNS):
        times.append((create(volume), control()))
        delete(volume)
    bed.note("ms, beside a volume's: " + " ".join(f"{ms:.0f}/{other:.0f}" for ms, other in times))
    return times[1:]


def medians(times):
    return [statistics.median(side) for side in zip(*times)]


def measure(daemon):
    bed.fill_volumes(EXPORTS - 1 + 3 * RUNS)
    first = some(EXPORTS - 1)
    for volume in range(EXPORTS - 1):
        create(volume)
    many, drift = medians(some(EXPORTS - 1 + RUNS))
    for volume in range(EXPORTS - 1):
        delete(volume)
    one, other = medians(first + some(EXPORTS - 1 + 2 * RUNS))
    drift /= other
    bed.note(f"the machine's drift is {drift:.2f}")
    ratio = many / one / drift
    return [{"name": "the 500th export / the first", "ours": f"{many:.1f} ms",
             "peer": f"{one:.1f} ms", "ratio": f"{ratio:.2f}", "goal": "<= 1.2",
             "met": ratio <= 1.2}]
