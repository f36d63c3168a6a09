# SPDX-License-Identifier: LGPL-2.1-or-later
"""The 500th export beside the first. The first is taken before and after, for the machine may drift.

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


def some(begin):
    """One export at a time, of RUNS volumes; the first one warms up."""
    times = []
    for volume in range(begin, begin + RUNS):
        times.append(create(volume))
        delete(volume)
    bed.note("ms: " + " ".join(f"{ms:.1f}" for ms in times))
    return times[1:]


def measure(daemon):
    bed.fill_volumes(EXPORTS - 1 + 3 * RUNS)
    first = some(EXPORTS - 1)
    times = [create(volume) for volume in range(EXPORTS - 1)]
    bed.note("ms on the way, by hundreds: " +
             " ".join(f"{statistics.median(times[i:i + 100]):.1f}" for i in range(0, len(times), 100)))
    many = statistics.median(some(EXPORTS - 1 + RUNS))
    for volume in range(EXPORTS - 1):
        delete(volume)
    one = statistics.median(first + some(EXPORTS - 1 + 2 * RUNS))
    return [{"name": "the 500th export / the first", "ours": f"{many:.1f} ms",
             "peer": f"{one:.1f} ms", "ratio": f"{many / one:.2f}", "goal": "<= 1.2",
             "met": many / one <= 1.2}]
