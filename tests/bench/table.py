# SPDX-License-Identifier: LGPL-2.1-or-later
"""table.py vm|native [MEASURE...] - which of the measures are of this kind, all or of those named.
table.py FILE... - print one table of the rows that these files have, those that are there.

Each measure is a file with a function measure(bed) that returns rows. Their order is that of these
lists: what needs many volumes or exports comes last.
"""
import json
import os
import sys

MEASURES = {
    "vm": ["volume_create", "snapshot_create", "snapshot_stall", "wipe_volume", "export",
           "fio_iops", "login", "many_volumes", "many_exports", "restart"],
    "native": ["wipe_zero", "wipe_random", "wipe_verify", "thin_metadata", "backup"],
}
COLUMNS = ["measure", "ours (median)", "peer (median)", "ratio", "goal", "met?"]


def print_table(rows):
    met = {True: "yes", False: "NO", None: "-"}
    lines = [COLUMNS] + [[r["name"], r["ours"], r["peer"], r["ratio"], r["goal"], met[r["met"]]]
                         for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    goals = [r["met"] for r in rows if r["met"] is not None]
    print(f"{sum(goals)} of {len(goals)} goals met")


def finish(rows, kind):
    """Print them, or leave them in $OUT for the table of all."""
    if "OUT" not in os.environ:
        print_table(rows)
        return
    with open(f"{os.environ['OUT']}/{kind}.json", "w", encoding="ascii") as f:
        json.dump(rows, f)


def chosen(kind, names):
    """Those of this kind among names, all if there are none; exits if one is of no kind."""
    known = [name for kinds in MEASURES.values() for name in kinds]
    for name in names:
        if name not in known:
            sys.exit(f"bench: no measure {name}, only {', '.join(known)}")
    return [name for name in MEASURES[kind] if name in names or not names]


def main():
    if sys.argv[1] in MEASURES:
        print(" ".join(chosen(sys.argv[1], sys.argv[2:])))
        return
    rows = []
    for path in filter(os.path.exists, sys.argv[1:]):
        with open(path, encoding="ascii") as f:
            rows += json.load(f)
    print_table(rows)


if __name__ == "__main__":
    main()
