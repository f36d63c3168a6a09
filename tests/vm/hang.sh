#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The disk of one pool hangs: the other pool's users notice nothing, lists answer, and when the disk
# comes back all goes on.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

# The disk under pool slow is a dm device of ours, which a suspend stops completely.
hang() {
	dmsetup suspend --noflush --nolockfs disk
}

go_on() {
	dmsetup resume disk
}

# quick SECONDS COMMAND... - it succeeds within that time.
quick() {
	local limit=$1 start=$EPOCHREALTIME
	shift
	"$@" || return
	start=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	echo "$start ms"
	[ "$start" -lt $((limit * 1000)) ]
}

volume_is() {
	[[ $(bvolctl volume show "$1" --json) == *"\"status\": \"$2\""* ]]
}

job_waits() {
	shows "map(select(.status == \"running\")) | length == $1" job list
}

test_setup() {
	modprobe dm-mod
	need "bvold starts" bvold_start
	dmsetup create disk --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
	need "a pool on a disk that never hangs" bvolctl pool create fast /dev/vda
	need "a pool on one that will" bvolctl pool create slow /dev/mapper/disk
	check "a volume there" bvolctl volume create s1 --size 256M --pool slow
	check "another volume there" bvolctl volume create s0 --size 256M --pool slow
	bvolctl export create s1 --initiator "$initiator" >/dev/null
}

test_other_pool() {
	local i
	hang
	check "a volume on the hung disk is accepted" \
		bvolctl volume create s2 --size 256M --pool slow --no-wait
	nap 2
	check "its job waits" job_waits 1
	for i in 1 2 3 4 5; do
		check "volume $i on the other disk is created" \
			quick 3 bvolctl volume create "f$i" --size 256M --pool fast
	done
	check "and has all that volumes have: a snapshot" quick 3 bvolctl snapshot create f1 fs1
	check "an export" quick 3 bvolctl export create f1 --initiator "$initiator"
	check "an end" quick 3 bvolctl volume delete f2
	check "volumes are listed" quick 2 bvolctl volume list
	check "jobs are listed" quick 2 bvolctl job list
	check "pools are listed, with the old numbers of the hung one" quick 3 shows \
		'map(select(.data_total > 0)) | length == 2' pool list
	check "a volume without a wish is created all the same" quick 4 bvolctl volume create any --size 64M
	check "more than one job can hang" bvolctl volume delete s0 --no-wait
	expect_fail 1 "does not answer" bvolctl snapshot create s1 ss1
	check "the export of the hung disk can be deleted" quick 5 bvolctl export delete s1
}

test_go_on() {
	go_on
	check "the disk is back: its jobs end" wait_for 20 settled
	check "the volume is there" volume_is s2 available
	check "the other one has gone" fails bvolctl volume show s0
	check "snapshots are taken again" bvolctl snapshot create s1 ss1
	check "the kernel is as the database wants it" same
}

# A process that hangs in the kernel can't be killed: the next daemon waits for its end.
test_killed() {
	hang
	check "a volume on the hung disk is accepted" \
		bvolctl volume create s3 --size 256M --pool slow --no-wait
	nap 1
	kill -KILL "$bvold_pid"
	nap 1
	check "no second daemon works while the first one can't die" fails timeout 20 bvold
	go_on
	wait "$bvold_pid" 2>/dev/null
	need "when it is dead, the next one starts" bvold_start
	check "and does what was accepted" wait_for 10 settled
	check "the volume is there" volume_is s3 available
	check "the kernel is as the database wants it" same
}

# Hung already when the daemon starts.
test_start() {
	bvold_kill
	hang
	check "a daemon starts while a disk hangs" quick 20 bvold_start
	check "and serves the other pool" quick 3 bvolctl volume create f6 --size 256M --pool fast
	expect_fail 1 "brought up" bvolctl volume create s5 --size 256M --pool slow
	expect_fail 1 "brought up" bvolctl volume delete s3
	go_on
	check "the disk is back: so is its pool" wait_for 20 settled
	check "what was refused has not happened" volume_is s3 available
	check "a volume is created there" wait_for 10 bvolctl volume create s4 --size 256M --pool slow
	check "the kernel is as the database wants it" same
	check "SIGTERM ends bvold" bvold_stop
}

test_setup
test_other_pool
test_go_on
test_killed
test_start
finish
