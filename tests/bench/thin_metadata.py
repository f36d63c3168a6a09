# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading a pool's metadata, as a part of the daemon, beside the tools that print it.

The metadata lies in memory where that can be read past the page cache, as all of them do, else in
$TMPDIR: what is measured is work of the processor.
"""
import os
import tempfile

import bed
import nativebed

MAPPINGS = 4 << 20
# Changes of a thousandth: how many chunks in a row, whether the trees share nodes, and the goal.
DIFFERENCES = [("0.1 % changed, 16 chunks in a row", "16", "shared", 50),
               ("0.1 % changed, each chunk elsewhere", "1", "shared", None),
               ("the same, with no node in common", "1", "apart", 5)]


def folder():
    """Memory, if it can be opened like a device."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as probe:
        try:
            os.close(os.open(probe.name, os.O_RDONLY | os.O_DIRECT))
            return "/dev/shm"
        except OSError:
            return None


def numbers(text):
    words = text.split()
    return {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}


def reader(file, question, found):
    """Its own stop-watch, without the start of a process; what it says of the run goes into found."""
    def seconds(text):
        lines = text.splitlines()
        found.update(numbers(lines[-1]))
        return float(lines[0]) / 1e3
    return nativebed.Side("meta_read", file, question, "1", seconds=seconds)


def compare(native, what, file, question, peer, goal):
    found = {}
    ours, theirs = bed.alternate(native.rounds, reader(file, question, found), nativebed.Side(*peer, file))
    bed.note(f"{what}: {found}")
    return found, [bed.faster(what, ours * 1e3, theirs * 1e3, goal),
                   bed.at_most("  memory of the process", found["memory"] / 1024, 32, "MiB")]


def difference(native, file, what, length, trees, goal):
    made = numbers(nativebed.output_of("meta_image", file, str(MAPPINGS), "1", length, trees))
    found, rows = compare(native, f"difference, {what}", file, "diff",
                          ["thin_delta", "--thin1", "1", "--thin2", "2"], goal)
    if trees == "shared":
        rows.append(bed.at_most(f"  blocks read for {made['leaves']} leaves not shared", found["blocks"],
                                3 * made["leaves"] + made["levels"], "", 0))
    return rows


def measure(native):
    rows = []
    with tempfile.TemporaryDirectory(dir=folder()) as path:
        file = os.path.join(path, "metadata")
        for one in DIFFERENCES:
            rows += difference(native, file, *one)
        rows += compare(native, "all mappings of one device", file, "mapped",
                        ["thin_dump", "--dev-id", "1"], 5)[1]
    return rows
