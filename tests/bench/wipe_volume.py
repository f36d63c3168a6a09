# SPDX-License-Identifier: LGPL-2.1-or-later
"""The delete of a volume, from the command to its end: a full one beside what fio gets out of such a
disk, and one of which a tenth is mapped beside dd over the same, which maps the rest first.

fio only writes, so for the row with a goal the wipe has nothing to discard either.
"""
import contextlib
import glob
import mmap
import os
import statistics
import subprocess
import threading

import bed
import nativebed

MIB = 1 << 20
SIZE = 3072		# MiB
ROUNDS = 5
LIMIT = "/dev/vg/limit"
SHAPE = ("1m", 8)


def fill(node, step):
    """Bytes other than zero in every step-th MiB."""
    buffer = mmap.mmap(-1, MIB)
    buffer.write(b"\xa5" * MIB)
    fd = os.open(node, os.O_RDWR | os.O_DIRECT)
    for at in range(0, SIZE, step):
        os.pwrite(fd, buffer, at * MIB)
    os.fsync(fd)
    os.close(fd)


def volume(name, step):
    """A volume with a block device, filled; the device's node."""
    bed.bvolctl("volume", "create", name, "--size", f"{SIZE}M", "--pool", "main")
    bed.bvolctl("export", "create", name, "--initiator", bed.INITIATOR)
    bed.bvolctl("export", "delete", name)
    node = bed.bvolctl_json("volume", "show", name)["device"]
    fill(node, step)
    return node


def full(_turn):
    volume("w", 1)
    return bed.bvolctl("volume", "delete", "w") / 1e3


def used():
    """Chunks in use in our pool."""
    text = subprocess.run([bed.path_of("dmsetup"), "status", "--target", "thin-pool"],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    return next(int(line.split()[6].split("/")[0]) for line in text.splitlines()
                if line.startswith("bvol-"))


class Growth:
    """The most that the pool grows while this is so; looked at all the while."""

    def __init__(self):
        self.most, self.before, self.ended = 0, used(), threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.ended.wait(0.01):
            self.most = max(self.most, used() - self.before)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def tenth(_turn):
    volume("w", 10)
    return bed.bvolctl("volume", "delete", "w")


def dd(_turn):
    node = volume("w", 10)
    ms = bed.timed("dd", "if=/dev/zero", f"of={node}", "bs=1M", f"count={SIZE}", "oflag=direct", "conv=fsync")
    bed.bvolctl("volume", "delete", "w")
    return ms


def set_limit(path, value):
    with open(path, "w", encoding="ascii") as f:
        f.write(value)


@contextlib.contextmanager
def no_discards():
    """The pool's data device says that it takes none, and what is stacked on it from then on too."""
    number = os.stat(glob.glob("/dev/mapper/bvol-*-data")[0]).st_rdev
    path = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/queue/discard_max_bytes"
    with open(path, encoding="ascii") as f:
        before = f.read()
    set_limit(path, "0")
    yield
    set_limit(path, before)


def beside_fio(what, goal):
    fio = nativebed.fio(LIMIT, SIZE * MIB, *SHAPE)
    ours, theirs = bed.take_turns(ROUNDS, full, fio)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs))
    return nativebed.at_least(what, statistics.median(ours), statistics.median(theirs), goal, ratio=ratio)


def measure(_daemon):
    with open(nativebed.HUGE_PAGES, "w", encoding="ascii") as f:
        f.write("16")
    bed.lvm("lvcreate", "-q", "-L", f"{SIZE}M", "-n", "limit", "vg")
    fill(LIMIT, 1)
    with no_discards():
        rows = [beside_fio(f"delete of a full volume of {SIZE >> 10} GiB, fio", 0.95)]
    rows.append(beside_fio("  with its discards", None))
    volume("w", 10)
    with Growth() as growth:
        bed.bvolctl("volume", "delete", "w")
    rows.append(bed.faster("delete of a volume mapped to 10 %, dd over it", *bed.alternate(3, tenth, dd), 9))
    rows.append(bed.at_most("  growth of the pool meanwhile", growth.most, 0, "chunks", 0))
    bed.lvm("lvremove", "-q", "-f", "vg/limit")
    return rows
