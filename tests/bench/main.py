# SPDX-License-Identifier: LGPL-2.1-or-later
"""main.py [MEASURE...] - take the measures, in the VM, and print them as a table.

Each is a file with a function measure(daemon) that returns rows of the table. Their order is that of
this list: what needs many volumes or exports comes last.
"""
import importlib
import os
import sys
import time

import bed

MEASURES = ["volume_create", "snapshot_create", "export", "fio_iops", "login", "many_volumes",
            "many_exports", "restart"]
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


def main():
    wanted = sys.argv[1:] or MEASURES
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        sys.exit(f"bench: no measure {unknown[0]}, only {', '.join(MEASURES)}")
    daemon = bed.Daemon()
    bed.note("kernel " + os.uname().release)
    bed.note(f"bvold: {daemon.start()[1]}")
    bed.bvolctl("pool", "create", "main", bed.OURS)
    bed.prepare_peers()
    rows = []
    failed = False
    for name in MEASURES:
        if name not in wanted:
            continue
        begin = time.monotonic()
        bed.note(name)
        try:
            rows += importlib.import_module(name).measure(daemon)
        except (bed.Failed, OSError) as e:
            print(f"bench: {name}: {e}", file=sys.stderr)
            failed = True
        bed.note(f"{name} took {time.monotonic() - begin:.0f} s")
    print_table(rows)
    if failed:
        with open("/run/bvold.log", encoding="utf-8") as f:
            print("".join(f.readlines()[-40:]), file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
