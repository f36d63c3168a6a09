# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a writer stands still while its volume is snapshotted: bvolctl beside the bare ioctls.

One program writes all the time, each block durable before the next; the longest write between two
signals is the stall, with the copies that the first writes after a snapshot cost. Both sides take turns
on the same volume of the same pool. Then a volume gets 200 snapshots, with a write before each.
"""
import contextlib
import os
import signal
import statistics
import subprocess
import time

import bed

RUNS = 25
SNAPSHOTS = 200
# Of each end of the row of snapshots.
EDGE = 10
# Ids that the daemon does not come to give.
RAW_ID = 16000000


def device_of(volume):
    """It has one from its first export on."""
    bed.bvolctl("export", "create", volume, "--initiator", bed.INITIATOR)
    bed.bvolctl("export", "delete", volume)
    return bed.bvolctl_json("volume", "show", volume)["device"]


def output(*argv):
    done = subprocess.run([bed.path_of(argv[0]), *argv[1:]], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise bed.Failed(f"{' '.join(argv)} failed")
    return done.stdout.decode()


class Writer:
    """The longest write, in ms, since it was asked last."""

    def __init__(self, device):
        self.process = subprocess.Popen([bed.path_of("stall"), "write", device, "3600"],
                                        stdout=subprocess.PIPE, text=True)

    def longest(self):
        self.process.send_signal(signal.SIGUSR1)
        line = self.process.stdout.readline()
        if not line:
            raise bed.Failed("the writer has ended")
        return int(line) / 1e6


@contextlib.contextmanager
def writer(device):
    one = Writer(device)
    time.sleep(2)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def stall(write, take, drop):
    """A turn: nothing but the snapshot lies between the two questions."""
    def side(turn):
        write.longest()
        take(turn)
        time.sleep(0.1)
        ms = write.longest()
        drop(turn)
        time.sleep(0.3)
        return ms
    return side


def stalls():
    volume = bed.bvolctl_json("volume", "show", "stall")
    pool, origin = f"bvol-{volume['pool_id']}-pool", f"bvol-{volume['id']}"
    number = output("dmsetup", "table", origin).split()[-1]
    with writer(volume["device"]) as write:
        ours = stall(write, lambda turn: bed.bvolctl("snapshot", "create", "stall", f"s{turn}"),
                     lambda turn: bed.bvolctl("snapshot", "delete", f"s{turn}", "--wipe", "none"))
        raw = stall(write, lambda turn: bed.timed("stall", "snap", pool, origin,
                                                  str(RAW_ID + turn), number),
                    lambda turn: bed.timed("stall", "drop", pool, str(RAW_ID + turn)))
        quiet = stall(write, lambda turn: time.sleep(0.2), lambda turn: None)
        medians = bed.alternate(RUNS, ours, raw, quiet)
    bed.note(f"without any snapshot the longest write takes {medians[2]:.1f} ms")
    # At most twice the peer's.
    return bed.faster("longest write while a snapshot is taken / suspend, create_snap, resume",
                      medians[0], medians[1], 0.5)


def many(device):
    """Medians of the first snapshots of a volume, and of the last ones."""
    times = []
    fd = os.open(device, os.O_WRONLY | os.O_SYNC)
    try:
        for i in range(SNAPSHOTS):
            os.pwrite(fd, bytes([i]) * 65536, i * 65536)
            times.append(bed.bvolctl("snapshot", "create", "many", f"m{i}"))
    finally:
        os.close(fd)
    first, last = statistics.median(times[:EDGE]), statistics.median(times[-EDGE:])
    bed.note(f"snapshots: {first:.1f} ms each at first, {last:.1f} ms at last")
    return bed.at_most(f"{SNAPSHOTS} snapshots of a volume: the last / the first", last / first, 1.2,
                       "", 2)


def measure(daemon):
    for name in "stall", "many":
        bed.bvolctl("volume", "create", name, "--size", "128M", "--pool", "main")
    device_of("stall")
    rows = [stalls(), many(device_of("many"))]
    for i in range(SNAPSHOTS):
        bed.bvolctl("snapshot", "delete", f"m{i}", "--wipe", "none")
    for name in "stall", "many":
        bed.bvolctl("volume", "delete", name)
    return rows
