#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""corpus_repo.py DIR - what fuzz_repo begins with, by Documentation/backup-format.rst."""
import pathlib
import struct
import sys

CHUNK = 65536
ID = bytes(range(1, 25))


def manifest(size, texts, runs, kind=1):
    pages = -(-size // (64 << 20))
    body = struct.pack("<IIQQ16s6QQI", kind, CHUNK, size, 1, bytes(16), 5, 4, 3, 2, 1, 99, 2, 1)
    body += struct.pack("<I", len(texts))
    for key, value in texts:
        for text in (key, value):
            body += struct.pack("<I", len(text)) + text.encode()
    return body + struct.pack("<I", pages) + runs


def index(n):
    entry = ID + struct.pack("<IIIBBH", 96, 100, 200, 1, 1, 0) + bytes(24)
    return struct.pack("<II", 2, 0) + (bytes(16) + struct.pack("<II", n, 0) + entry * n) * 2


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    ones, zero = b"\1" + ID, b"\0" + struct.pack("<I", 3)
    parts = {
        "manifest": b"\0" + manifest(5 << 26, [("name", "monday"), ("project", "p")], ones + ones + zero),
        "empty": b"\0" + manifest(0, [], b""),
        "fence": b"\0" + struct.pack("<I", 2),
        "index": b"\1" + index(3),
        "page": b"\2\1" + ones + ones + zero,
        "patch": b"\3" + struct.pack("<H", 65535) + ID + b"\2\0" + bytes(4096),
        "stored": b"\4\0" + struct.pack("<H", 9) + b"0123456789",
        "zstd": b"\4\1" + struct.pack("<H", 9) + bytes.fromhex("28b52ffd200a51000030313233343536373839"),
        "lz4": b"\4\2" + struct.pack("<H", 9) + b"\xa0" + b"0123456789",
    }
    for name, content in parts.items():
        (out / name).write_bytes(content)


main()
