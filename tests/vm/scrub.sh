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
	check "which is recorded" shows '.[-1] | .what == "scrubbed" and .name == "p" and .policy == "zero" and
		.verified == 0 and .project == "" and .bytes > 200000000 and .bytes_overwritten == .bytes and
		.extents > 0 and .uid == 0 and (.done | test("overwritten with zeroes")) and
		.finished_at > .started_at' wipe list
	check "and the pool is, as nobody can have written since" pool_is scrub scrubbed
	need "a volume" bvolctl volume create v --size 16M
	check "still, as it was wiped" eval 'bvolctl volume delete v && pool_is scrub scrubbed'
	need "a volume" bvolctl volume create v --size 16M
	check "not with one that was not" eval 'bvolctl volume delete v --wipe none && pool_is scrub unscrubbed'
	check "it is scrubbed" bvolctl pool scrub p --wipe random --verify
	check "which is recorded" shows '.[-1] | .policy == "random" and .verified == 1 and .object_id == .pool_id and
		(.done | test("random bytes, read back"))' wipe list
	check "the chain holds" shows '.records == 4' wipe verify-chain
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

# scrub_begins [OPTION]... - its job is $job.
scrub_begins() {
	job=$(bvolctl pool scrub p --no-wait --json "$@" | get .job_id)
}

# job_is CONDITION - one of jq's, about $job.
job_is() {
	shows "$1" job show "$job"
}

ended() {
	job_is '.status == "done" or .status == "failed"'
}

# Twice the same within a second.
still() {
	local before
	before=$(bvolctl job show "$job" --json | get .bytes_done) && nap 1 && job_is ".bytes_done == $before"
}

# ends_within MICROSECONDS - the job.
ends_within() {
	local start=${EPOCHREALTIME/./} took
	until ended >/dev/null; do
		took=$((${EPOCHREALTIME/./} - start))
		[ "$took" -lt 20000000 ] || return 1
		nap 0.05
	done
	took=$((${EPOCHREALTIME/./} - start))
	echo "# after $((took / 1000)) ms" >&2
	[ "$took" -le "$1" ]
}

test_orders() {
	local n
	bvolctl pool set p --wipe-rate 10M >/dev/null
	n=$(bvolctl wipe list --json | get length)
	need "a scrub begins" scrub_begins
	check "it says how far it is" wait_for 30 job_is '.bytes_total > 100000000 and .bytes_done > 0'
	check "and how fast, at about the pool's rate" wait_for 20 job_is \
		'.rate > 2000000 and .rate < 20000000 and .seconds_left > 0'
	check "it is paused" shows '.paused == 1' job pause "$job"
	check "and stands still" wait_for 10 still
	check "a delete does not wait for it" eval 'make w 8M && bvolctl volume delete w'
	bvold_kill
	need "bvold starts" bvold_start
	check "it is paused still" job_is '.paused == 1 and .status == "running"'
	check "it gets a rate of its own" shows '.rate_limit == 4194304' job set "$job" --rate 4M
	check "and goes on" shows '.paused == 0' job resume "$job"
	check "from the beginning" wait_for 30 job_is '.bytes_total > 100000000 and .bytes_done > 0'
	check "it is cancelled" shows '.cancelled == 1' job cancel "$job"
	check "and ends" ends_within 3000000
	check "as failed" job_is '.status == "failed" and (.error | test("the scrub was cancelled after .* of "))'
	check "the pool is not scrubbed" pool_is scrub unscrubbed
	check "no record tells of it" shows "length == $n + 1" wipe list
	check "nothing is left of it" clean
	bvolctl pool set p --wipe-rate none >/dev/null
	need "another one begins" scrub_begins
	check "and ends" wait_for 120 ended
	check "with all of it" job_is '.status == "done" and .bytes_done == .bytes_total and .progress == 100'
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
test_orders
check "SIGTERM ends bvold" bvold_stop
finish
