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
# shellcheck source-path=SCRIPTDIR source=wipelib.sh
. "$(dirname "$0")/wipelib.sh"

leaktest=${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/leaktest

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

# busy VOLUME BLOCKS - a writer that reads back what it wrote, in the background.
busy() {
	"$leaktest" busy "${node[$1]}" "$scratch/end" "$2" >"$scratch/busy.$1" 2>&1 &
	writers[$1]=$!
}

# no_growth COMMAND... - the pool has at no time more chunks in use than before.
no_growth() {
	local sampler status=0 words
	rm -f "$scratch/still"
	while [ ! -e "$scratch/still" ]; do
		dmsetup status --target thin-pool
	done >"$scratch/samples" &
	sampler=$!
	wait_for 10 test -s "$scratch/samples"
	"$@" || status=$?
	touch "$scratch/still"
	wait "$sampler"
	while read -ra words; do
		echo "${words[6]%/*}"
	done <"$scratch/samples" >"$scratch/used"
	[ "$(sort -n "$scratch/used" | tail -n 1)" = "$(head -n 1 "$scratch/used")" ] ||
		{ sort -n "$scratch/used" | uniq -c && return 1; }
	return "$status"
}

# Everybody beside a volume writes and verifies all the while: one that has nothing in common with it, its
# origin, and two clones of the same snapshot.
test_neighbours() {
	local -A writers=()
	local name
	need "an origin" make o 24M
	fill o alice 0 24
	need "a snapshot" bvolctl snapshot create o s
	for name in c d e; do
		need "a clone" make "$name" 24M --snapshot s
		fill "$name" "clone-$name" 8 4
	done
	need "a stranger" make t 16M
	fill t tess 0 16
	need "another one" make u 24M
	fill u uma 0 24
	check "a delete takes no space" no_growth bvolctl volume delete u
	check "nor does that of a clone" no_growth bvolctl volume delete e
	for name in o c d t; do
		busy "$name" 4096
	done
	need "a victim" make u 24M
	fill u victor 0 24
	check "a clone is deleted beside them" delete_busy d
	check "a stranger" bvolctl volume delete u
	check "the snapshot" bvolctl snapshot delete s
	touch "$scratch/end"
	for name in o c t; do
		check "no block of $name has changed meanwhile" verified "$name"
	done
	check "what the deleted ones had is gone" eval 'gone victor && gone clone-d && gone clone-e'
	check "nothing is left of the wipes" clean
	for name in o c t; do
		check "it goes" bvolctl volume delete "$name"
	done
}

# Its own writer ends first, or its block device could not go.
delete_busy() {
	nap 1
	kill "${writers[$1]}" && { wait "${writers[$1]}" || :; } && bvolctl volume delete "$1"
}

verified() {
	wait "${writers[$1]}" || { cat "$scratch/busy.$1" && false; }
}

need "bvold starts" bvold_start
need "a pool" bvolctl pool create p /dev/vda
test_plain
test_history
test_shared
test_revert
test_writer
test_kill
test_neighbours
check "SIGTERM ends bvold" bvold_stop
finish
