# SPDX-License-Identifier: LGPL-2.1-or-later
"""main.py [MEASURE...] - take the measures that need a VM, in it; see table.py."""
import importlib
import os
import sys
import time

import bed
import table

def main():
    daemon = bed.Daemon()
    bed.note("kernel " + os.uname().release)
    bed.note(f"bvold: {daemon.start()[1]}")
    bed.bvolctl("pool", "create", "main", bed.OURS)
    bed.prepare_peers()
    rows = []
    failed = False
    for name in table.chosen("vm", sys.argv[1:]):
        begin = time.monotonic()
        bed.note(name)
        try:
            rows += importlib.import_module(name).measure(daemon)
        except (bed.Failed, OSError) as e:
            print(f"bench: {name}: {e}", file=sys.stderr)
            failed = True
        bed.note(f"{name} took {time.monotonic() - begin:.0f} s")
    table.finish(rows, "vm")
    if failed:
        with open("/run/bvold.log", encoding="utf-8") as f:
            print("".join(f.readlines()[-40:]), file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
