#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# wipejob.sh - a wipe as a job: how far it is, slower, paused, cancelled, killed, on a disk that hangs.
#
#	tests/vm/run --disk 512M -- tests/vm/wipejob.sh
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

MIB=1048576

# filled NAME MIB - a volume of that size without a hole, and nobody who has it open.
filled() {
	bvolctl volume create "$1" --size "$2M" >/dev/null &&
		dd if=/dev/zero of="$(device_of "$1")" bs=1M count="$2" oflag=direct status=none
}

# begin VOLUME [OPTION]... - delete it; its job is $job.
begin() {
	job=$(bvolctl volume delete "$@" --no-wait --json | get .job_id)
}

# job_is CONDITION - one of jq's, about $job.
job_is() {
	shows "$1" job show "$job"
}

ended() {
	job_is '.status == "done" or .status == "failed"'
}

test_progress() {
	need "a volume" filled v 96
	check "the pool gets a rate" shows '.wipe_rate == 10485760' pool set p --wipe-rate 10M
	check "and has it" shows '.wipe_rate == 10485760' pool show p
	events_start "$scratch/events"
	need "it is deleted" begin v
	check "the job says how far it is" wait_for 20 job_is ".bytes_total == 96 * $MIB and .bytes_done > 0"
	check "and how fast, and how long yet" wait_for 10 job_is ".rate > 0 and .seconds_left > 0"
	check "at about the pool's rate" wait_for 10 job_is ".rate > 2 * $MIB and .rate < 30 * $MIB"
	check "it is listed with it" shows '.[0].bytes_total > 0' job list
	check "it can be without a limit" bvolctl pool set p --wipe-rate none
	check "it ends" wait_for 60 ended
	check "all of it was done" job_is ".status == \"done\" and .bytes_done == 96 * $MIB and .progress == 100"
	check "events told of it" event_seen "$scratch/events" \
		'.kind == "job-changed" and .progress > 0 and .progress < 100 and (.message | test("of 96.0 MiB"))'
	kill "$events_pid"
}

test_orders() {
	need "a volume" filled v 64
	bvolctl pool set p --wipe-rate 4M >/dev/null
	need "it is deleted" begin v
	check "the job begins" wait_for 20 job_is '.bytes_done > 0'
	check "it is paused" shows '.paused == 1' job pause "$job"
	check "and stands still" wait_for 10 still
	check "it gets a rate of its own" shows '.rate_limit == 1048576' job set "$job" --rate 1M
	check "and goes on" shows '.paused == 0' job resume "$job"
	check "it is cancelled" shows '.cancelled == 1' job cancel "$job"
	check "and ends" wait_for 3 ended
	check "as failed" job_is '.status == "failed" and (.error | test("cancelled after .* of 64.0 MiB"))'
	check "its volume is not available again" shows \
		'.status == "error_deleting" and (.error | test("delete it again"))' volume show v
	expect_fail 1 "ended already" bvolctl job pause "$job"
	bvolctl pool set p --wipe-rate 0 >/dev/null
	check "deleted again it goes" bvolctl volume delete v
	job=$(bvolctl volume create w --size 8M --no-wait --json | get .job_id)
	wait_for 20 ended
	expect_fail 1 "ended already" bvolctl job cancel "$job"
	expect_fail 1 "there is no job" bvolctl job cancel 00000000-0000-0000-0000-000000000000
	expect_fail 2 "--rate" bvolctl job set "$job"
	expect_fail 2 "missing" bvolctl pool set p
	expect_fail 1 "can't be verified" bvolctl pool set p --wipe none --verify
	check "the pool's policy changes" shows '.wipe == "random" and .verify == 1' pool set p --wipe random --verify
	check "and back" shows '.wipe == "zero" and .verify == 0' pool set p --wipe zero --no-verify
	check "the other volume goes" bvolctl volume delete w
}

# Twice the same within a second.
still() {
	local before
	before=$(bvolctl job show "$job" --json | get .bytes_done) && nap 1 && job_is ".bytes_done == $before"
}

# What a killed daemon had done is not done again: a paused job, started again, says how much that is.
test_crash() {
	local n
	need "a volume" filled v 160
	bvolctl pool set p --wipe-rate 20M >/dev/null
	need "it is deleted" begin v
	check "half of it is wiped" wait_for 60 job_is ".bytes_done > 80 * $MIB"
	check "it is paused" bvolctl job pause "$job"
	check "and stands still" wait_for 10 still
	bvold_kill
	need "bvold starts" bvold_start
	check "the job is paused still" job_is '.paused == 1 and .status == "running"'
	check "it goes on from where it was" wait_for 20 job_is ".bytes_done >= 32 * $MIB and .bytes_total == 160 * $MIB"
	n=$(bvolctl job show "$job" --json | get .bytes_done)
	echo "# $((n / MIB)) of 160 MiB were not done again"
	bvolctl pool set p --wipe-rate none >/dev/null
	check "and ends" bvolctl job resume "$job"
	check "with all of it" wait_for 60 job_is ".status == \"done\" and .bytes_done == 160 * $MIB"
	check "nothing is left of the wipe" clean
}

clean() {
	settled && same && ! dmsetup ls | grep -- -window
}

# What is under way on a disk that hangs may still be written when the space has another owner.
test_hang() {
	need "a volume" filled v 64 && need "another" filled n 8
	bvolctl pool set p --wipe-rate 4M >/dev/null
	need "it is deleted" begin v
	check "the job begins" wait_for 20 job_is '.bytes_done > 0'
	dmsetup suspend --noflush --nolockfs disk
	bvolctl pool set p --wipe-rate none >/dev/null
	nap 2
	check "the daemon answers" bvolctl volume list
	check "it is cancelled" bvolctl job cancel "$job"
	check "and ends, though the disk does not answer" wait_for 5 ended
	check "and says so" job_is '.error | test("disk does not answer")'
	begin v --wipe none
	check "the space is not given out meanwhile" wait_for 10 ended
	check "for the reason" job_is '.error | test("writes under way")'
	dmsetup resume disk
	check "it goes when the disk is back" wait_for 20 bvolctl volume delete v
	check "nothing is left of the wipe" clean
}

# The device of a scrub is there as long as the disk has writes of it.
test_hanging_scrub() {
	bvolctl pool set p --wipe-rate 4M >/dev/null
	job=$(bvolctl pool scrub p --no-wait --json | get .job_id)
	check "a scrub begins" wait_for 20 job_is '.bytes_done > 0'
	dmsetup suspend --noflush --nolockfs disk
	bvolctl pool set p --wipe-rate none >/dev/null
	nap 2
	check "it is cancelled" bvolctl job cancel "$job"
	check "and ends, though the disk does not answer" wait_for 5 ended
	check "and says so" job_is '.error | test("the scrub was cancelled.*disk does not answer")'
	dmsetup resume disk
	check "the next one takes away what it left" wait_for 20 bvolctl pool scrub p
	check "nothing is left of the scrubs" clean
}

# record OBJECT CONDITION - the record of what had this UUID.
record() {
	shows "$2" wipe show "$1"
}

id_of() {
	bvolctl "$1" show "$2" --json | get .id
}

# What was done is said for each kind, and nothing that was not.
test_records() {
	local v s head n database=/var/lib/bvol/bvol.db
	need "a volume" filled v 8
	v=$(id_of volume v)
	need "a snapshot" bvolctl snapshot create v s
	s=$(id_of snapshot s)
	dd if=/dev/urandom of="$(device_of v)" bs=1M count=4 oflag=direct status=none
	check "it is reverted" bvolctl volume revert v --snapshot s
	check "which is recorded" record "$v" ".what == \"reverted\" and .bytes_overwritten == 4 * $MIB"
	check "the snapshot goes" bvolctl snapshot delete s --wipe random --verify
	check "which is recorded" record "$s" '.what == "snapshot" and .name == "s" and .policy == "random" and
		.bytes == 0 and (.done | test("nothing had to be wiped"))'
	n=$(bvolctl wipe list --json | get length)
	check "the volume goes" bvolctl volume delete v --wipe random --verify
	check "with a record more" shows "length == $n + 1" wipe list
	check "that says all" shows ".[-1] | .what == \"volume\" and .object_id == \"$v\" and .name == \"v\" and
		.project and .pool == \"p\" and .devices == [\"/dev/mapper/disk\"] and .policy == \"random\" and
		.verified == 1 and .extents > 0 and .bytes == 8 * $MIB and .bytes_overwritten == .bytes and
		(.done | test(\"8.0 MiB overwritten with random bytes, read back\")) and .uid == 0 and
		.finished_at >= .started_at" wipe list
	need "a volume that is not wiped" filled v 8
	check "goes" bvolctl volume delete v --wipe none
	check "and so it says" shows '.[-1] | .policy == "none" and .bytes_overwritten == 0 and .verified == 0 and
		(.done | test("not wiped"))' wipe list
	need "one that is discarded only" filled v 8
	check "goes" bvolctl volume delete v --wipe discard
	check "and so it says" shows '.[-1] | .policy == "discard" and .bytes_overwritten == 0 and
		.bytes_discarded == .bytes and .bytes > 0' wipe list
	check "the chain holds" shows ".records == $n + 3" wipe verify-chain
	head=$(bvolctl wipe verify-chain --json | get .head)
	check "and has its head" bvolctl wipe verify-chain --head "$head"
	expect_fail 1 "no record has the hash" bvolctl wipe verify-chain --head "${head//[0-9]/0}"
	expect_fail 1 "there is no record" bvolctl wipe show v
	bvold_stop
	python3 - "$database" <<-'END'
		import sqlite3, sys
		with sqlite3.connect(sys.argv[1]) as database:
		    database.execute("update proof set bytes_overwritten = 1 where policy = 'none'")
	END
	need "bvold starts" bvold_start
	expect_fail 1 "is not as it was written; the $((n + 1)) before fit" bvolctl wipe verify-chain
}

modprobe dm-mod
need "bvold starts" bvold_start
dmsetup create disk --table "0 $(blockdev --getsz /dev/vda) linear /dev/vda 0"
need "a pool" bvolctl pool create p /dev/mapper/disk
test_progress
test_orders
test_crash
test_hang
test_hanging_scrub
test_records
check "SIGTERM ends bvold" bvold_stop
finish
