# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups beside restic and borg: an image in memory of zeroes, text, repeats and what does not compress."""
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile
import time
import zlib

import bed
import nativebed

MIB = 1 << 20
BLOCK = 65536


def words(rng, n):
    """Text that compresses three times or so."""
    dictionary = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(3000)]
    out = b" ".join(rng.choices(dictionary, k=n // 5 + 8))
    return out[:n]


def make_image(path, mib):
    """By MiB: a quarter is a hole, a tenth repeats, the rest is half text, half random."""
    rng = random.Random(4)
    texts = [words(rng, MIB) for _ in range(24)]
    with open(path, "wb") as image:
        for _ in range(mib):
            die = rng.random()
            if die < .25:
                image.seek(MIB, os.SEEK_CUR)
            elif die < .35:
                image.write(texts[0])
            elif die < .675:
                # Shifted by some bytes and salted, so that no two are alike.
                text = bytearray(rng.choice(texts))
                cut = rng.randrange(MIB)
                text = text[cut:] + text[:cut]
                for at in range(0, MIB, 4096):
                    text[at:at + 16] = rng.randbytes(16)
                image.write(text)
            else:
                image.write(rng.randbytes(MIB))
        image.truncate(mib * MIB)


def change(path, unit, seed):
    """One in a hundred units becomes random: their offsets."""
    rng = random.Random(seed)
    size = os.path.getsize(path)
    offsets = [at * unit for at in sorted(rng.sample(range(size // unit), size // unit // 100))]
    with open(path, "r+b") as image:
        for at in offsets:
            image.seek(at)
            image.write(rng.randbytes(unit))
    return offsets


def stored(folder):
    return sum(p.stat().st_size for p in pathlib.Path(folder).rglob("*") if p.is_file())


def watch(process):
    """MiB that it had in memory at most. What wait4() says begins with our own, before the exec."""
    peak = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
                peak = max([peak] + [int(line.split()[1]) for line in f if line.startswith("VmHWM:")])
        except OSError:
            pass
        time.sleep(.01)
    return peak / 1024


class Tool:
    """Seconds, processor time, memory and growth of each run."""

    def __init__(self, top, image):
        self.top, self.image, self.n = top, image, 0
        self.repo = None
        self.env = dict(os.environ, RESTIC_PASSWORD="x", BORG_PASSPHRASE="x", XDG_CACHE_HOME=f"{top}/cache",
                        BORG_BASE_DIR=f"{top}/borg-base", BORG_RELOCATED_REPO_ACCESS_IS_OK="yes",
                        BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")

    def run(self, *argv, cwd=None, words=""):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as given:
            given.write(words.encode())
            given.seek(0)
            with subprocess.Popen([str(a) for a in argv], env=self.env, cwd=cwd, stdin=given, stdout=out,
                                  stderr=subprocess.STDOUT) as process:
                peak = watch(process)
            wall = time.monotonic() - begin
            out.seek(0)
            text = out.read()
        if process.returncode:
            raise bed.Failed(f"{argv}: {text.decode(errors='replace')[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"s": wall, "cpu": cpu, "rss": peak, "text": text.decode(errors="replace")}

    def fresh(self):
        """A repository of its own for each full backup; the old one goes."""
        if self.repo:
            shutil.rmtree(self.repo)
        self.n += 1
        self.repo = f"{self.top}/{type(self).__name__}-{self.n}"
        self.make()

    def grow(self, call, *args):
        before = stored(self.repo)
        figures = call(*args)
        figures["stored"] = stored(self.repo) - before
        return figures


class Bvol(Tool):
    options = ()

    def make(self):
        key = pathlib.Path(self.top, "key")
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(32))
        self.key = ["--key-file", key]
        self.last = None
        self.run("bvolctl", "repo", "create", self.repo, *self.key, *self.options)

    def backup(self):
        name = f"b{time.monotonic_ns()}"
        parent = ["--parent", self.last] if self.last else []
        figures = self.run("bvolctl", "backup", "create", "--from", self.image, "--name", name, "--repo",
                           self.repo, *self.key, "--json", *parent)
        self.last = json.loads(figures["text"])["id"]
        return figures

    def backup_known(self, offsets):
        """Of which it is known, as of a thin device, that these blocks have changed since the last one."""
        figures = self.run("backup_known", self.image, self.repo, self.key[1], self.last,
                           f"b{time.monotonic_ns()}", words="".join(f"{at} {BLOCK}\n" for at in offsets))
        self.last = figures["text"].strip()
        return figures

    def restore(self):
        to = f"{self.top}/restored"
        figures = self.run("bvolctl", "backup", "restore", self.last, "--repo", self.repo, *self.key, "--to", to)
        if subprocess.run(["cmp", "-s", to, self.image], check=False).returncode:
            raise bed.Failed("what was restored is not what was backed up")
        os.unlink(to)
        return figures

    def check(self):
        return self.run("bvolctl", "repo", "scrub", self.repo, *self.key)


class Restic(Tool):
    def make(self):
        self.run("restic", "init", "-r", self.repo, "--repository-version", "2")

    def backup(self):
        return self.run("restic", "-r", self.repo, "backup", self.image, "--force")

    def restore(self):
        to = f"{self.top}/restored-restic"
        figures = self.run("restic", "-r", self.repo, "restore", "latest", "--target", to)
        shutil.rmtree(to)
        return figures

    def check(self):
        return self.run("restic", "-r", self.repo, "check", "--read-data")


class Borg(Tool):
    def make(self):
        self.run("borg", "init", "-e", "none", self.repo)
        self.last = None

    def backup(self):
        self.last = f"b{time.monotonic_ns()}"
        return self.run("borg", "create", "--files-cache", "disabled", f"{self.repo}::{self.last}", self.image)

    def restore(self):
        to = f"{self.top}/restored-borg"
        os.mkdir(to)
        figures = self.run("borg", "extract", f"{self.repo}::{self.last}", cwd=to)
        shutil.rmtree(to)
        return figures


def cinder_algorithm(image, to):
    """Read 32 KiB, SHA-256 it, deflate objects of 50 MiB, one after the other."""
    begin = time.monotonic()
    with open(image, "rb") as source:
        for n in iter(int, 1):
            data = source.read(50 * MIB)
            if not data:
                break
            for at in range(0, len(data), 32768):
                hashlib.sha256(data[at:at + 32768]).hexdigest()
            hashlib.md5(data, usedforsecurity=False).hexdigest()
            with open(f"{to}/{n}", "wb") as out:
                out.write(zlib.compress(data))
            os.unlink(f"{to}/{n}")
    return time.monotonic() - begin


def median(rows, key):
    values = sorted(r[key] for r in rows)
    return values[len(values) // 2]


def turns(native, tools, call):
    figures = {type(t).__name__: [] for t in tools}
    for _ in range(max(1, native.rounds // 2)):
        for tool in tools:
            figures[type(tool).__name__].append(call(tool))
    return figures


def fresh_backup(tool):
    tool.fresh()
    return tool.grow(tool.backup)


def changed(native, tools):
    """Rounds in which one block in a hundred has changed: what each tool does then."""
    figures = {type(t).__name__: [] for t in tools}
    for turn in range(max(1, native.rounds // 2)):
        change(tools[0].image, BLOCK, turn)
        for tool in tools:
            figures[type(tool).__name__].append(tool.grow(tool.backup))
    return figures


def known(native, ours):
    """The same, alternately knowing what has changed and finding it out: seconds."""
    figures = {True: [], False: []}
    for turn in range(2 * native.rounds):
        offsets = change(ours.image, BLOCK, 100 + turn)
        figures[turn % 2 == 0].append(ours.backup_known(offsets) if turn % 2 == 0 else ours.backup())
    return median(figures[True], "s"), median(figures[False], "s")


def sparse(top, mib):
    """1 TiB with this much of data, and that alone: ratio of times, and memory of the large one."""
    tool = Bvol(top, f"{top}/sparse")
    rng = random.Random(9)
    results = []
    for size in (mib * MIB, 1 << 40):
        with open(tool.image, "wb") as image:
            image.truncate(size)
            for i in range(mib):
                image.seek(i * (size // mib))
                image.write(rng.randbytes(MIB))
        tool.fresh()
        results.append(tool.backup())
    os.unlink(tool.image)
    return results


def measure(native):
    mib = native.bytes // MIB
    at_least = nativebed.at_least
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="bvol-bench-") as top:
        image = f"{top}/image"
        make_image(image, mib)
        ours, restic, borg = tools = [Bvol(top, image), Restic(top, image), Borg(top, image)]
        full = turns(native, tools, fresh_backup)
        cinder = cinder_algorithm(image, top)

        def ratio(name, figures, peer, goal):
            return at_least(name, median(figures["Bvol"], "s"), median(figures[peer], "s"), goal)

        rows = [ratio("backup, full: restic", full, "Restic", 4.5), ratio("backup, full: borg", full, "Borg", 3),
                at_least("backup, full: Cinder's algorithm", median(full["Bvol"], "s"), cinder, 18),
                at_least("backup, stored: restic", median(full["Bvol"], "stored") / MIB,
                         median(full["Restic"], "stored") / MIB, 1, "MiB", 0),
                at_least("backup, CPU per GiB", median(full["Bvol"], "cpu") * 1024 / mib, 2.2, 1, "s/GiB"),
                at_least("backup, memory", median(full["Bvol"], "rss"), 64 + 48 * mib / 64 / 1024, 1, "MiB", 0)]
        checks = turns(native, [ours, restic], lambda t: t.check())
        rows.append(ratio("scrub: restic check --read-data", checks, "Restic", 6))
        restores = turns(native, tools, lambda t: t.restore())
        rows += [ratio("restore: restic", restores, "Restic", 5), ratio("restore: borg", restores, "Borg", 1.4)]
        again = [ours.grow(ours.backup) for _ in range(native.rounds)]
        rows.append(at_least("backup, the same again: stored", max(median(again, "stored") / MIB, .001),
                             median(full["Bvol"], "stored") / MIB, 1000, "MiB", 3))
        # Holes are not read, and do not count.
        rows.append(at_least("backup, unchanged: data at 6 GB/s", median(again, "s"),
                             os.stat(image).st_blocks * 512 / 6e9, 1))
        rows.append(ratio("backup, 1 % of 64 KiB changed: restic", changed(native, tools), "Restic", 9))
        rows.append(at_least("the same, changes known: found by hashes", *known(native, ours), 10))
        for tool in [restic, borg]:
            tool.backup()
        change(image, 4096, 1000)
        pages = {type(t).__name__: [t.grow(t.backup)] for t in tools}
        rows += [ratio("backup, 1 % of 4 KiB changed: restic", pages, "Restic", None),
                 at_least("backup, 1 % of 4 KiB changed: growth", pages["Bvol"][0]["stored"] / MIB,
                          100 * mib / 4096, 1, "MiB", 1),
                 at_least("the same: restic's growth", pages["Bvol"][0]["stored"] / MIB,
                          pages["Restic"][0]["stored"] / MIB, None, "MiB", 1),
                 at_least("the same: borg's growth", pages["Bvol"][0]["stored"] / MIB,
                          pages["Borg"][0]["stored"] / MIB, None, "MiB", 1)]
        ours.restore()
        for tool in tools:
            shutil.rmtree(tool.repo)
        os.unlink(image)
        dense, large = sparse(top, min(mib, 1024))
        rows += [at_least("backup of 1 TiB with 1 GiB in it: s", large["s"], dense["s"], .9),
                 at_least("backup of 1 TiB: memory", large["rss"], dense["rss"], .9, "MiB", 0)]
    return rows
