# SPDX-License-Identifier: LGPL-2.1-or-later
"""A login, as a subscriber hears of it: login_lag.c."""
import statistics

import bed

RUNS = 31


def measure(daemon):
    bed.bvolctl("volume", "create", "login", "--size", "64M", "--pool", "main")
    export = bed.bvolctl_json("export", "create", "login", "--initiator", bed.INITIATOR)
    with open("/run/secret", "w", encoding="utf-8") as f:
        f.write(export["auth"]["secret"] + "\n")
    bed.timed("login_lag", bed.PORTAL, export["target"], bed.INITIATOR, export["auth"]["user"],
              str(RUNS + 1), stdin="/run/secret")
    with open("/run/bench.log", encoding="utf-8") as f:
        lags = [int(line) / 1e6 for line in f.read().split()][1:]
    bed.note("ms: " + " ".join(f"{ms:.2f}" for ms in lags))
    bed.bvolctl("export", "delete", "login")
    bed.bvolctl("volume", "delete", "login")
    return [bed.at_most("session-login heard after the login returned", statistics.median(lags), 5,
                        "ms", 2)]
