# SPDX-License-Identifier: LGPL-2.1-or-later
"""The 500th export beside the first. The first is taken before and after, for the machine may drift."""
import statistics

import bed

EXPORTS = 500
RUNS = 15


def create(volume):
    return bed.bvolctl("export", "create", volume, "--initiator", bed.INITIATOR)


def delete(volume):
    bed.bvolctl("export", "delete", volume)


def some(volume):
    """The same export again and again."""
    times = []
    for _ in range(RUNS + 1):
        times.append(create(volume))
        delete(volume)
    bed.note("ms: " + " ".join(f"{ms:.1f}" for ms in times))
    return times[1:]


def measure(daemon):
    bed.fill_volumes(EXPORTS)
    last = f"f{EXPORTS - 1}"
    first = some(last)
    for i in range(EXPORTS - 1):
        create(f"f{i}")
    many = statistics.median(some(last))
    for i in range(EXPORTS - 1):
        delete(f"f{i}")
    one = statistics.median(first + some(last))
    return [{"name": "the 500th export / the first", "ours": f"{many:.1f} ms",
             "peer": f"{one:.1f} ms", "ratio": f"{many / one:.2f}", "goal": "<= 1.2",
             "met": many / one <= 1.2}]
