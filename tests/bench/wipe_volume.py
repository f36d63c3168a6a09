# SPDX-License-Identifier: LGPL-2.1-or-later
"""The delete of a volume, from the command to its end: a full one beside what fio gets out of such a
disk, and one of which a tenth is mapped beside dd over the same, which maps the rest first. Of the full
one also what lies between the beginning of its wipe and the end of its record, which is all but the command
and the end of its block device.

fio only writes, so the pool's disk says that it takes no discards.
"""
import datetime
import glob
import mmap
import os
import statistics
import subprocess
import threading

import bed
import nativebed

MIB = 1 << 20
SIZE = 2048		# MiB
ROUNDS = 3
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


def recorded():
    """Seconds from the beginning to the end of the last wipe, by its record."""
    record = bed.bvolctl_json("wipe", "list")[-1]
    begin, end = (datetime.datetime.fromisoformat(record[name].rstrip("Z"))
                  for name in ("started_at", "finished_at"))
    return (end - begin).total_seconds()


class Full:
    """A turn: the whole delete; what of it the wipe was is kept."""

    def __init__(self):
        self.wipes = []

    def __call__(self, turn):
        volume("w", 1)
        seconds = bed.bvolctl("volume", "delete", "w") / 1e3
        if turn:
            self.wipes.append(recorded())
        return seconds


def used():
    """Chunks in use in our pool."""
    name = os.path.basename(glob.glob("/dev/mapper/bvol-*-pool")[0])
    text = subprocess.run([bed.path_of("dmsetup"), "status", name], stdout=subprocess.PIPE,
                          check=True).stdout.decode()
    return int(text.split()[5].split("/")[0])


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


def take_no_discards():
    """So says the pool's data device from now on, and what is stacked on it."""
    number = os.stat(glob.glob("/dev/mapper/bvol-*-data")[0]).st_rdev
    path = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/queue/discard_max_bytes"
    with open(path, "w", encoding="ascii") as f:
        f.write("0")


def beside_fio():
    fio, full = nativebed.fio(LIMIT, SIZE * MIB, *SHAPE), Full()
    ours, theirs = bed.take_turns(ROUNDS, full, fio)
    return [nativebed.at_least(name, statistics.median(one), statistics.median(theirs), 0.95,
                               ratio=statistics.median(b / a for a, b in zip(one, theirs)))
            for name, one in ((f"delete of a full volume of {SIZE >> 10} GiB, fio", ours),
                              ("  its wipe alone", full.wipes))]


def measure(_daemon):
    with open(nativebed.HUGE_PAGES, "w", encoding="ascii") as f:
        f.write("16")
    bed.lvm("lvcreate", "-q", "-L", f"{SIZE}M", "-n", "limit", "vg")
    fill(LIMIT, 1)
    take_no_discards()
    rows = beside_fio()
    volume("w", 10)
    with Growth() as growth:
        bed.bvolctl("volume", "delete", "w")
    rows.append(bed.faster("delete of a volume mapped to 10 %, dd over it", *bed.alternate(2, tenth, dd), 9))
    rows.append(bed.at_most("  growth of the pool meanwhile", growth.most, 0, "chunks", 0))
    bed.lvm("lvremove", "-q", "-f", "vg/limit")
    return rows
