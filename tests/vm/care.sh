#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# care.sh - pools are checked, and what is damaged is refused while all else serves.
#
#	tests/vm/run --disk 512M --disk 512M -- tests/vm/care.sh
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

metadata=$((16 << 20)) # where the first disk's begin

# What a reboot leaves: the daemon and all dm devices have gone.
down() {
	bvold_stop
	for _ in 1 2 3; do
		dmsetup ls | awk '/^bvol-/ { print $1 }' | xargs -rn 1 dmsetup remove
	done 2>/dev/null
	! dmsetup ls | grep bvol-
}

# number BLOCK OFFSET - a number of 8 bytes in a block of the first disk's metadata.
number() {
	dd if=/dev/vda bs=1 skip=$((metadata + $1 * 4096 + $2)) count=8 status=none | od -An -tu8 | tr -d ' '
}

# damage BLOCK - a byte of it becomes another; twice is as before.
damage() {
	local at=$((metadata + $1 * 4096 + 100)) byte
	byte=$(dd if=/dev/vda bs=1 skip=$at count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # a byte
	printf "\\x$(printf %02x $((byte ^ 255)))" |
		dd of=/dev/vda bs=1 seek=$at count=1 conv=notrunc,fsync status=none
	blockdev --flushbufs /dev/vda
}

# It reads directly, which not every kernel's tmpfs can.
thin_check_says() {
	local status
	dmsetup create look --readonly --table "0 32768 linear /dev/vda 32768" || return
	thin_check /dev/mapper/look 2>&1
	status=$?
	dmsetup remove look
	return $status
}

finds() {
	! bvolctl pool check p >"$scratch/found" && grep "$1" "$scratch/found"
}

test_check() {
	local root
	need "bvold starts" bvold_start
	need "a pool" bvolctl pool create p /dev/vda
	need "another pool" bvolctl pool create q /dev/vdb
	need "a volume" bvolctl volume create v --size 64M --pool p
	pattern "$scratch/bytes" 8
	dd if="$scratch/bytes" of="$(device_of v)" bs=1M oflag=direct status=none
	need "a snapshot" bvolctl snapshot create v s
	check "nothing is wrong with the pool" bvolctl pool check p
	check "nor with an empty one" bvolctl pool check q
	check "nothing is left of the check" same
	need "all goes down" down
	check "thin_check is of the same opinion" thin_check_says
	damage 0
	need "bvold starts with a damaged superblock" bvold_start
	check "that pool is refused, and says why" shows '.status == "error" and
		(.error | test("not started: block 0 .* checksum"))' pool show p
	check "the other one serves" bvolctl volume create w --size 16M --pool q
	check "nothing new comes to the first" fails bvolctl volume create x --size 16M --pool p
	check "the check tells the block" finds "damaged  *pool .*block 0 "
	check "thin_check is of the same opinion" grep "bad checksum" <(thin_check_says)
	check "nothing of the refused pool is left" fails grep -q . <(dmsetup ls | grep -c -- "-meta" | grep -v 1)
	need "all goes down" down
	damage 0
	root=$(number 0 320)
	damage "$root"
	need "bvold starts with a damaged list of devices" bvold_start
	check "that pool is refused" shows '.status == "error" and (.error | test("block '"$root"' "))' pool show p
	check "the check tells the block" finds "damaged .*block $root "
	need "all goes down" down
	damage "$root"
	need "bvold starts with all as it was" bvold_start
	check "the pool is available" shows '.status == "available" and has("error") == false' pool show p
	check "its volume is whole" holds "$(device_of v)" 0 "$scratch/bytes"
	check "nothing is wrong" bvolctl pool check p
}

test_check
check "SIGTERM ends bvold" bvold_stop
finish
