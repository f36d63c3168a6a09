#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# scrub.sh - what the kernel freed as it was is overwritten by a scrub, under writers and kills.
#
#	tests/vm/run --disk 320M -- tests/vm/scrub.sh
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=wipelib.sh
. "$(dirname "$0")/wipelib.sh"

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
	need "a neighbour" make n 40M
	fill n bob 0 40
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
test_scrub
check "SIGTERM ends bvold" bvold_stop
finish
