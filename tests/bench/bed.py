# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the measures stand on: the daemon, the peers, and processes with a stop-watch.

	bvolctl, bvolctl_json   ours
	Daemon                  bvold, started and awaited the way systemd does it
	lvm, targetcli          the peers
	timed                   milliseconds of a whole process, from spawn to exit
	alternate               the same of several sides, turn and turn about
"""
import json
import os
import signal
import socket
import statistics
import subprocess
import time

STATE = "/run/disk/bvol"
NOTIFY = "/run/notify"
INITIATOR = "iqn.2001-04.com.example:bench"
PORTAL = "127.0.0.1:3260"
OURS = "/dev/vda"
THEIRS = "/dev/vdb"
# Nobody answers lvm's cookies here: it makes its nodes itself.
LVM_CONFIG = "activation{udev_sync=0 udev_rules=0}"


class Failed(Exception):
    """A measure that could not be taken."""


def path_of(program):
    for folder in os.environ["PATH"].split(":"):
        if os.access(os.path.join(folder, program), os.X_OK):
            return os.path.join(folder, program)
    raise Failed(f"there is no program {program}")


def timed(*argv, stdin="/dev/null"):
    """Run argv; its whole life in ms, from before the spawn to after the wait."""
    path = path_of(argv[0])
    log = "/run/bench.log"
    files = [(os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
             (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
             (os.POSIX_SPAWN_DUP2, 1, 2)]
    begin = time.monotonic_ns()
    pid = os.posix_spawn(path, argv, os.environ, file_actions=files)
    status = os.waitpid(pid, 0)[1]
    end = time.monotonic_ns()
    if status:
        with open(log, encoding="utf-8", errors="replace") as f:
            raise Failed(f"{' '.join(argv)} failed: {f.read().strip()[-2000:]}")
    return (end - begin) / 1e6


def take_turns(rounds, *sides):
    """Each side's times, a list for each, after a round that warms up; the order changes every time."""
    times = [[] for _ in sides]
    for turn in range(rounds + 1):
        order = list(range(len(sides)))
        if turn % 2:
            order.reverse()
        for i in order:
            ms = sides[i](turn)
            if turn:
                times[i].append(ms)
    for i, one in enumerate(times):
        note(f"side {i}: " + " ".join(f"{ms:.1f}" for ms in one))
    return times


def alternate(rounds, *sides):
    """Medians of the times of sides that take turns."""
    return [statistics.median(one) for one in take_turns(rounds, *sides)]


def note(text):
    """For who wants to see how the runs spread; no part of the table."""
    print(f"# {text}")


# Ours

def bvolctl(*args):
    return timed("bvolctl", *args)


def bvolctl_json(*args):
    done = subprocess.run([path_of("bvolctl"), *args, "--json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failed(f"bvolctl {' '.join(args)}: {done.stderr.decode().strip()}")
    return json.loads(done.stdout)


def wait_until(what, condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what} does not come about in {seconds} s")
        time.sleep(0.2)


class Daemon:
    """bvold; ready when it tells so, as systemd would be told."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(NOTIFY)
        self.socket.settimeout(120)
        self.pid = 0

    def start(self):
        """Milliseconds from exec to READY=1, and its own words with it."""
        log = os.open("/run/bvold.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        argv = [path_of("bvold"), "--state", STATE]
        begin = time.monotonic_ns()
        self.pid = os.posix_spawn(argv[0], argv, {**os.environ, "NOTIFY_SOCKET": NOTIFY},
                                  file_actions=[(os.POSIX_SPAWN_DUP2, log, 1),
                                                (os.POSIX_SPAWN_DUP2, log, 2)])
        os.close(log)
        while True:
            text = self.socket.recv(4096).decode()
            if "READY=1" in text:
                break
        end = time.monotonic_ns()
        status = [line[7:] for line in text.splitlines() if line.startswith("STATUS=")]
        return (end - begin) / 1e6, "".join(status)

    def stop(self, signo=signal.SIGTERM):
        os.kill(self.pid, signo)
        os.waitpid(self.pid, 0)
        self.pid = 0


def fill_volumes(count, size="64M"):
    """As many volumes as count, named f0, f1, ..."""
    have = sum(v["name"].startswith("f") for v in bvolctl_json("volume", "list"))
    times = [bvolctl("volume", "create", f"f{i}", "--size", size, "--pool", "main", "--no-wait")
             for i in range(have, count)]
    if len(times) > 40:
        note(f"volumes made: {statistics.median(times[:20]):.1f} ms each at first, "
             f"{statistics.median(times[-20:]):.1f} ms at last")
    wait_until("volumes", lambda: all(v["status"] == "available"
                                      for v in bvolctl_json("volume", "list")))


# Peers

def lvm(*args):
    return timed("lvm", *args, "--config", LVM_CONFIG)


def prepare_peers():
    lvm("pvcreate", "-q", THEIRS)
    lvm("vgcreate", "-q", "vg", THEIRS)
    lvm("lvcreate", "-q", "--type", "thin-pool", "-L", "12G", "--chunksize", "64k", "-Zy",
        "--poolmetadatasize", "64M", "-n", "pool", "vg")
    lvm("lvcreate", "-q", "-V", "1G", "--thinpool", "pool", "-n", "origin", "vg")


# Rows of the table

def faster(name, ours, peer, goal, unit="ms"):
    """A peer beside ours: how many times faster, at least goal times (None: told only)."""
    ratio = peer / ours
    return {"name": name, "ours": f"{ours:.1f} {unit}", "peer": f"{peer:.1f} {unit}",
            "ratio": f"{ratio:.1f}x", "goal": f">= {goal}x" if goal else "",
            "met": ratio >= goal if goal else None}


def at_most(name, ours, goal, unit, precision=1):
    return {"name": name, "ours": f"{ours:.{precision}f} {unit}".strip(), "peer": "", "ratio": "",
            "goal": f"<= {goal} {unit}" if goal else "0", "met": ours <= goal}
