# SPDX-License-Identifier: LGPL-2.1-or-later
"""A killed bvold comes back to 500 exports: from exec to ready, and what it did to LIO meanwhile."""
import os
import re
import signal
import statistics

import bed

EXPORTS = 500
RUNS = 7
TRACING = "/sys/kernel/tracing"
# All ways to change something in configfs.
EDITS = ["configfs_write_iter", "configfs_mkdir", "configfs_rmdir", "configfs_symlink",
         "configfs_unlink"]


def write(name, text):
    with open(os.path.join(TRACING, name), "w", encoding="utf-8") as f:
        f.write(text)


def count_edits():
    """Arm a probe at each of EDITS; a function that says how often they were hit."""
    write("kprobe_events", "".join(f"p:bench/{function} {function}\n" for function in EDITS))
    write("events/bench/enable", "1")

    def hits():
        with open(os.path.join(TRACING, "kprobe_profile"), encoding="utf-8") as f:
            return sum(int(line.split()[1]) for line in f)
    return hits


def measure(daemon):
    bed.fill_volumes(EXPORTS)
    have = {export["volume_id"] for export in bed.bvolctl_json("export", "list")}
    for volume in bed.bvolctl_json("volume", "list")[:EXPORTS]:
        if volume["id"] not in have:
            bed.bvolctl("export", "create", volume["id"], "--initiator", bed.INITIATOR)
    hits = count_edits()
    # The probes work: an export of its own is seen.
    bed.bvolctl("volume", "create", "probe", "--size", "64M", "--pool", "main")
    bed.bvolctl("export", "create", "probe", "--initiator", bed.INITIATOR)
    bed.bvolctl("export", "delete", "probe")
    bed.bvolctl("volume", "delete", "probe")
    before = hits()
    if not before:
        raise bed.Failed("the probes in configfs see nothing")
    times = []
    for _ in range(RUNS + 1):
        daemon.stop(signal.SIGKILL)
        ms, words = daemon.start()
        bed.note(f"{ms:.0f} ms, bvold: {words}")
        if not re.fullmatch(r"ready after \d+ ms", words):
            raise bed.Failed(f"bvold is not whole: {words}")
        times.append(ms)
    edits = hits() - before
    differences = bed.bvolctl_json("diff")
    if differences:
        raise bed.Failed(f"it did not bring back everything: {differences[0]}")
    return [bed.at_most(f"restart with {EXPORTS} exports, to ready", statistics.median(times[1:]) / 1000,
                        2, "s", 2),
            bed.at_most("  edits of LIO's configfs meanwhile", edits, 0, "", 0)]
