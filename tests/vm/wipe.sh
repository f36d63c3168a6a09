#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# wipe.sh - what is deleted leaves nothing on the disk, and nobody else loses a byte.
#
#	tests/vm/run --disk 512M -- tests/vm/wipe.sh
#
# Each volume is filled with lines that name its owner, so that a scan of the whole raw disk tells whose
# bytes are left. Sizes are no multiple of a chunk.
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

declare -A node

# marked OWNER MIB - so many MiB of lines of 64 bytes with the owner's name.
marked() {
	yes "$(printf %-63s "bvol-marker-$1-")" | head -c $(($2 << 20))
}

# fill VOLUME OWNER OFFSET MIB - write marked lines there, past the page cache.
fill() {
	marked "$2" "$4" >"$scratch/mark"
	dd if="$scratch/mark" of="${node[$1]}" bs=1M seek="$3" oflag=direct conv=notrunc status=none
}

# left OWNER - how many of the owner's lines the raw disk has.
left() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	LC_ALL=C grep -acF "bvol-marker-$1-" /dev/vda
}

gone() {
	local n
	n=$(left "$1")
	[ "$n" = 0 ] || { echo "$n lines of $1 are left" && false; }
}

# whole VOLUME OWNER OFFSET MIB - the lines are there as they were written.
whole() {
	marked "$2" "$4" >"$scratch/mark"
	holds "${node[$1]}" "$3" "$scratch/mark"
}

# make NAME SIZE OPTION... - a volume and its block device.
make() {
	bvolctl volume create "$1" --size "$2" "${@:3}" >/dev/null && node[$1]=$(device_of "$1")
}

# The pool's data in use, in bytes.
used() {
	bvolctl pool show p --json | get .data_used
}

clean() {
	settled && same && ! dmsetup ls | grep -- -window &&
		dmsetup status --target thin-pool | grep -Eq '/[0-9]+ [0-9]+/[0-9]+ - rw'
}

test_plain() {
	need "a volume" make v 65537K
	need "a neighbour" make n 40M
	fill v alice 0 64
	fill n bob 0 40
	check "its bytes are on the disk" fails gone alice
	check "it is deleted" bvolctl volume delete v
	check "none of them is left" gone alice
	check "the neighbour has all of his" whole n bob 0 40
	check "nothing is left of the wipe" clean
	need "with --wipe none" make v 16M
	fill v carol 0 16
	check "it is deleted" bvolctl volume delete v --wipe none
	check "the bytes stay" fails gone carol
	check "nothing is verified that is not wiped" fails bvolctl volume delete n --wipe none --verify
	need "random and verified" make v 16M
	fill v dave 0 16
	check "it is deleted" bvolctl volume delete v --wipe random --verify
	check "none of its bytes is left" gone dave
}

# dm-thin takes mappings older than a snapshot for shared for ever: a write through the device misses them.
test_history() {
	need "a volume" make v 33M
	fill v erin 0 32
	check "with a snapshot" bvolctl snapshot create v s
	check "that is deleted at once" bvolctl snapshot delete s
	check "it is deleted" bvolctl volume delete v
	check "its old bytes are gone too" gone erin
}

test_shared() {
	local before
	need "a volume" make v 48M
	fill v frank 0 48
	need "a snapshot" bvolctl snapshot create v s
	need "a clone" make c 48M --snapshot s
	fill v grace 0 8
	fill c heidi 8 8
	before=$(used)
	check "the snapshot is deleted" bvolctl snapshot delete s
	check "what the clone has of it stays" whole c frank 0 8
	check "and what the volume has" whole v frank 16 32
	check "without more space" test "$(used)" -le "$before"
	check "the clone is deleted" bvolctl volume delete c
	check "its own bytes are gone" gone heidi
	check "the volume still has what it shared" whole v frank 16 32
	check "and its own" whole v grace 0 8
	check "the volume is deleted" bvolctl volume delete v
	check "the last owner's wipe takes the shared bytes" gone frank
	check "and his own" gone grace
	check "nothing is left of the wipe" clean
}

test_revert() {
	need "a volume" make v 32M
	fill v ivan 0 32
	need "a snapshot" bvolctl snapshot create v s
	fill v judy 0 16
	check "it is reverted" bvolctl volume revert v --snapshot s
	check "what it held is gone" gone judy
	check "it holds the snapshot's" whole v ivan 0 32
	check "the snapshot goes" bvolctl snapshot delete s
	check "the volume goes" bvolctl volume delete v
	check "and all they had" gone ivan
}

# A writer lets go of chunks that the snapshot then has alone, all the while it is deleted. What he lets
# go of after the snapshot's end is the pool's, and the kernel's own affair: thin.sh tells the two apart.
test_writer() {
	local writer
	need "a volume" make v 64M
	fill v mallory 0 64
	need "a snapshot" bvolctl snapshot create v s
	(marked oscar 64 | dd of="${node[v]}" bs=64K oflag=direct iflag=fullblock conv=notrunc status=none) &
	writer=$!
	check "it is deleted under a writer" bvolctl snapshot delete s
	wait "$writer"
	check "the writer's bytes are there" whole v oscar 0 64
	check "nothing is left of the wipe" clean
	check "the volume goes" bvolctl volume delete v
}

test_kill() {
	local i
	for i in 1 2 3 4; do
		need "a volume" make v 48M
		fill v peggy 0 48
		bvolctl volume delete v --no-wait >/dev/null
		nap 0.$((i * 7 % 10))
		bvold_kill
		need "bvold starts" bvold_start
		check "the delete is finished (round $i)" wait_for 20 settled
		check "nothing is left of the volume" gone peggy
		check "nor of the wipe" clean
	done
	check "the neighbour has all of his" whole n bob 0 40
}

# pool_is FIELD VALUE
pool_is() {
	[ "$(bvolctl pool show p --json | jq -r ".$1")" = "$2" ]
}

# Only where no volume has a block device nothing can have been given back since.
test_state() {
	check "a new pool is not scrubbed" pool_is scrub unscrubbed
	check "and never was" pool_is scrubbed_at null
	check "it is scrubbed" bvolctl pool scrub p
	check "and is, as nobody can have written since" pool_is scrub scrubbed
	need "a volume" bvolctl volume create v --size 16M
	check "still, as it was wiped" eval 'bvolctl volume delete v && pool_is scrub scrubbed'
	need "a volume" bvolctl volume create v --size 16M
	check "not with one that was not" eval 'bvolctl volume delete v --wipe none && pool_is scrub unscrubbed'
	check "it is scrubbed" bvolctl pool scrub p --wipe random --verify
	need "a volume with a block device" make v 16M
	check "which may write and discard" pool_is scrub unscrubbed
	check "it goes" bvolctl volume delete v
	check "a scrub overwrites, nothing else" expect_fail 1 "zero or random" bvolctl pool scrub p --wipe discard
}

# overwritten VOLUME OLD NEW MIB - what the volume held before a snapshot lies about in the pool.
overwritten() {
	fill "$1" "$2" 0 "$4"
	need "a snapshot" bvolctl snapshot create "$1" s
	need "that goes" bvolctl snapshot delete s
	fill "$1" "$3" 0 "$4"
	check "what was overwritten is on the disk" fails gone "$2"
}

test_scrub() {
	local before writer i
	need "a volume" make v 64M
	overwritten v trent ursula 64
	before=$(used)
	check "the pool is scrubbed" bvolctl pool scrub p
	check "now it is gone" gone trent
	check "the volume has all of his" whole v ursula 0 64
	check "the neighbour too" whole n bob 0 40
	check "nothing is left of the scrub" clean
	check "and the pool as full as before" test "$(used)" = "$before"
	overwritten v victor walter 64
	(marked xavier 64 | dd of="${node[v]}" bs=64K oflag=direct iflag=fullblock conv=notrunc status=none) &
	writer=$!
	check "it is scrubbed under a writer" bvolctl pool scrub p
	wait "$writer"
	check "what was free is gone" gone victor
	check "the writer's bytes are there" whole v xavier 0 64
	for i in 1 2 3; do
		overwritten v "yvonne$i" "zoe$i" 32
		bvolctl pool scrub p --no-wait >/dev/null
		check "one at a time" refused_or_done "being scrubbed" bvolctl pool scrub p --no-wait
		nap 0.$((i * 3))
		bvold_kill
		need "bvold starts" bvold_start
		check "the scrub is finished (round $i)" wait_for 60 settled
		check "nothing is left of what was overwritten" gone "yvonne$i"
		check "nor of the scrub" clean
		check "the volume has all of his" whole v "zoe$i" 0 32
	done
	check "the neighbour has all of his" whole n bob 0 40
	check "the volume goes" bvolctl volume delete v
}

# It is refused with this sentence, unless the first one was faster.
refused_or_done() {
	local part=$1
	shift
	"$@" >"$scratch/out" 2>&1 || grep -qF "$part" "$scratch/out"
}

need "bvold starts" bvold_start
need "a pool" bvolctl pool create p /dev/vda
test_state
test_plain
test_history
test_shared
test_revert
test_writer
test_kill
test_scrub
check "SIGTERM ends bvold" bvold_stop
finish
