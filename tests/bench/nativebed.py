# SPDX-License-Identifier: LGPL-2.1-or-later
"""What native measures stand on: a full file, a loop device on another one, programs with a stop-watch.

	Bed     the file and the device, made when they are asked for; for a with statement
	Side    a program that wipes one of them, for bed.alternate; keeps its processor time
	fio     the same of fio: what the device can take
"""
import functools
import json
import os
import statistics
import subprocess
import tempfile
import time

import bed

MIB = 1 << 20
HUGE_PAGES = "/proc/sys/vm/nr_hugepages"


def output_of(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise bed.Failed(f"{' '.join(argv)}: {done.stdout.decode(errors='replace').strip()[-2000:]}")
    return done.stdout.decode(errors="replace")


class Bed:
    """Blocks are allocated and written once, so that nobody measures the allocation."""

    def __init__(self, mib, rounds):
        self.bytes, self.rounds = mib * MIB, rounds
        self.files = []
        self.devices = []
        with open(HUGE_PAGES, encoding="ascii") as f:
            self.huge_pages = f.read()

    def __enter__(self):
        with open(HUGE_PAGES, "w", encoding="ascii") as f:
            f.write("16")
        return self

    def __exit__(self, *_):
        for device in self.devices:
            subprocess.run(["losetup", "-d", device], check=False)
        for path in self.files:
            os.unlink(path)
        with open(HUGE_PAGES, "w", encoding="ascii") as f:
            f.write(self.huge_pages)

    @functools.cached_property
    def file(self):
        return self.full(self.bytes)

    @functools.cached_property
    def device(self):
        return self.loop(self.bytes)

    def full(self, size):
        """A file of random bytes."""
        fd, path = tempfile.mkstemp(dir=os.environ.get("TMPDIR", "/var/tmp"), prefix="bvol-bench-")
        self.files.append(path)
        os.posix_fallocate(fd, 0, size)
        some = os.urandom(4 * MIB)
        for at in range(0, size, len(some)):
            os.pwrite(fd, some[:size - at], at)
        os.fsync(fd)
        os.close(fd)
        return path

    def loop(self, size):
        """A device on such a file, with direct I/O below."""
        device = output_of("losetup", "--show", "-f", "--direct-io=on", self.full(size)).strip()
        self.devices.append(device)
        return device


class Side:
    """Seconds of one run; seconds() takes them from what was printed, None: those of the process."""

    def __init__(self, *argv, seconds=None):
        self.argv, self.seconds = argv, seconds
        self.cpu = []

    def __call__(self, turn):
        with tempfile.TemporaryFile() as out:
            begin = time.monotonic()
            with subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as process:
                status, usage = os.wait4(process.pid, 0)[1:]
                process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.monotonic() - begin
            out.seek(0)
            text = out.read().decode(errors="replace")
        if status:
            raise bed.Failed(f"{' '.join(self.argv)}: {text.strip()[-2000:]}")
        if turn:
            self.cpu.append(usage.ru_utime + usage.ru_stime)
        return self.seconds(text) if self.seconds else wall

    def cpu_median(self):
        return statistics.median(self.cpu)


def wipe(policy, path, *options, inner=False):
    """Ours; inner: its own stop-watch, without the start of the process but with the flush."""
    def seconds(text):
        words = text.split("bytes ", 1)[1].split()
        return float(words[words.index("seconds") + 1])
    return Side("wipe", *options, policy, path, seconds=seconds if inner else None)


def fio(path, size, block, depth):
    """A pass of sequential writes from huge pages, timed by fio itself, whose start takes long."""
    def seconds(text):
        job = json.loads(text[text.index("{"):])["jobs"][0]
        return job["write"]["runtime"] / 1e3
    return Side("fio", "--name=limit", f"--filename={path}", "--rw=write", f"--bs={block}",
                f"--iodepth={depth}", f"--size={size}", "--ioengine=io_uring", "--direct=1",
                "--iomem=mmaphuge", "--fixedbufs", "--registerfiles", "--zero_buffers", "--end_fsync=1",
                "--output-format=json", seconds=seconds)


def at_least(name, ours, peer, goal, unit="s", precision=2, ratio=None):
    """Times, or anything of which less is better: how many times less than the peer's (None: told only)."""
    ratio = ratio or peer / ours
    return {"name": name, "ours": f"{ours:.{precision}f} {unit}", "peer": f"{peer:.{precision}f} {unit}",
            "ratio": f"{ratio:.2f}x", "goal": f">= {goal}x" if goal else "",
            "met": ratio >= goal if goal else None}
