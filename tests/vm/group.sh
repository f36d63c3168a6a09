#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Copies of volumes: of one at this moment, back to any of its snapshots, and snapshots of several
# volumes at one moment, proven by a writer that writes to two of them in turn.
#
#	tests/vm/run --disk 2G --disk 1G -- tests/vm/group.sh
#
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))
stamp=${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/stamp
events=$scratch/events

volume_is() {
	[[ $(bvolctl volume show "$1" --json) == *"\"status\": \"$2\""* ]]
}

# fill VOLUME MIB FILE - FILE onto the volume, at this offset.
fill() {
	dd if="$3" of="$(device_of "$1")" bs=1M seek="$2" oflag=direct conv=notrunc status=none
}

test_setup() {
	local i
	for i in 1 2 3 4; do
		pattern "$scratch/$i" 2
	done
	modprobe dm-mod
	need "bvold starts" bvold_start
	need "a pool" bvolctl pool create main /dev/vda
	dmsetup create disk --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
	need "another pool" bvolctl pool create other /dev/mapper/disk
	need "a volume" bvolctl volume create v --size 64M --pool main
	fill v 0 "$scratch/1"
}

test_clone() {
	local id node
	id=$(bvolctl volume show v --json | get .id)
	check "a volume is copied" bvolctl volume create c --volume v
	check "the copy knows of which" shows ".source_volume_id == \"$id\" and .size == $((64 * mib)) and \
		.pool == \"main\"" volume show c
	check "it has the bytes" holds "$(device_of c)" 0 "$scratch/1"
	check "a larger copy" bvolctl volume create d --volume v --size 96M
	node=$(device_of d)
	check "has its size" test "$(blockdev --getsize64 "$node")" = $((96 * mib))
	check "and zeros behind the end of the other" zeros "$node" 64 32
	fill v 0 "$scratch/2"
	check "what the volume gets later is not in the copy" holds "$node" 0 "$scratch/1"
	fill c 0 "$scratch/3"
	check "nor the other way round" holds "$(device_of v)" 0 "$scratch/2"
	expect_fail 1 "can't have less" bvolctl volume create e --volume v --size 32M
	expect_fail 1 "another pool" bvolctl volume create e --volume v --pool other
	expect_fail 1 "not from both" bvolctl volume create e --volume v --snapshot v
	expect_fail 1 "no volume" bvolctl volume create e --volume none
	check "the first volume goes" bvolctl volume delete c
	check "the copy of a copy" bvolctl volume create e --volume d
	check "outlives it" bvolctl volume delete d
	check "with its bytes" holds "$(device_of e)" 0 "$scratch/1"
	check "until it is deleted" bvolctl volume delete e
	check "the kernel is as the database wants it" same
}

# Snapshots of 1, 2 and 3 at the start of v, the last one of a larger volume; then back and forth.
test_revert() {
	local node
	fill v 0 "$scratch/1"
	bvolctl snapshot create v s1 >/dev/null
	fill v 0 "$scratch/2"
	bvolctl snapshot create v s2 >/dev/null
	check "the volume is extended" bvolctl volume extend v --size 96M
	fill v 0 "$scratch/3"
	fill v 80 "$scratch/4"
	bvolctl snapshot create v s3 >/dev/null
	fill v 0 "$scratch/4"

	check "back to the oldest of three snapshots" bvolctl volume revert v --snapshot s1
	node=$(device_of v)
	check "the volume has its bytes" holds "$node" 0 "$scratch/1"
	check "its own size" test "$(blockdev --getsize64 "$node")" = $((96 * mib))
	check "which it also says" shows ".size == $((96 * mib))" volume show v
	check "and zeros behind the snapshot's end" zeros "$node" 64 32
	check "the later snapshots are there" shows 'map(.name) | sort == ["s1", "s2", "s3"]' snapshot list
	check "forward to the middle one" bvolctl volume revert v --snapshot s2
	check "the volume has its bytes" holds "$node" 0 "$scratch/2"
	check "the oldest is deleted" bvolctl snapshot delete s1
	check "forward to the last one" bvolctl volume revert v --snapshot s3
	check "the volume has its bytes" holds "$node" 0 "$scratch/3"
	check "also behind the old end" holds "$node" 80 "$scratch/4"
	check "back to the middle one" bvolctl volume revert v --snapshot s2
	check "the last one is deleted" bvolctl snapshot delete s3
	check "and the middle one" bvolctl snapshot delete s2
	check "the volume has its bytes" holds "$node" 0 "$scratch/2"
	check "snapshots never had a block device" test "$(dmsetup ls | wc -l)" = 8
	check "the kernel is as the database wants it" same
}

# Groups

test_members() {
	local ids
	for i in a b; do
		need "volume $i" bvolctl volume create $i --size 16M --pool main
	done
	bvolctl volume create o --size 16M --pool other >/dev/null
	need "a group of both" bvolctl group create g --volume a --volume b
	ids=$(bvolctl volume list --json | jq -c 'map(select(.name == "a" or .name == "b").id)')
	check "it has them" shows ".status == \"available\" and .pool == \"main\" and .volumes == $ids" \
		group show g
	check "a volume is made in it" bvolctl volume create m --size 16M --group g
	check "it lies in the others' pool" shows '.pool == "main" and .group_id != null' volume show m
	check "it leaves" bvolctl group remove g --volume m
	check "and comes back" shows '.volumes | length == 3' group add g --volume m
	expect_fail 1 "already" bvolctl group add g --volume m
	expect_fail 1 "another pool" bvolctl group add g --volume o
	expect_fail 1 "another pool" bvolctl volume create n --size 16M --group g --pool other
	expect_fail 1 "already" bvolctl group create h --volume o --volume m
	expect_fail 1 "member of group g" bvolctl volume delete m
	expect_fail 1 "project" bvolctl volume create n --size 16M --group g --project p
	check "it goes when it is no member" eval 'bvolctl group remove g --volume m && bvolctl volume delete m'
	expect_fail 1 "no member" bvolctl group remove g --volume o
	check "a group without volumes" bvolctl group create empty
	expect_fail 1 "has no volumes" bvolctl group snapshot empty x
	check "is deleted" bvolctl group delete empty
}

writer_start() {
	local a b
	a=$(device_of a) b=$(device_of b)
	"$stamp" write "$a" "$b" >"$scratch/last" 2>"$scratch/error" &
	writer=$!
	nap 0.5
}

suspended() {
	dmsetup info -c --noheadings -o suspended,name | grep -i '^suspended'
}

# has_parts NAME - the group snapshot is there, with a snapshot of each volume.
has_parts() {
	shows '.status == "available" and (.snapshots | length == 2)' group snapshot-show "$1"
}

test_moments() {
	local i
	events_start "$events"
	nap 1
	writer_start
	for i in 1 2 3 4 5 6 7 8; do
		check "group snapshot $i while a writer goes on" bvolctl group snapshot g m$i
	done
	check "each has a snapshot of each" has_parts m8
	check "they are called like the whole and their volumes" shows \
		'map(select(.group_snapshot_id != null) | .name) | sort | .[0:2] == ["m1-a", "m1-b"]' snapshot list
	check "how long the volumes stood still is known" shows \
		'map(select(.group_snapshot_id != null and .pause > 0)) | length == 16' snapshot list
	check "and told" event_seen "$events" '.kind == "snapshot-changed" and .status == "available" and
		(.message // "" | test("stood still for [0-9]+ ns"))'
	check "the volumes go on" fails suspended
	check "one part of a moment is deleted" bvolctl snapshot delete m8-a
	check "the other is left" shows '.snapshots | length == 1' group snapshot-show m8
	check "with it the whole goes" bvolctl snapshot delete m8-b
	expect_fail 1 "no group snapshot" bvolctl group snapshot-show m8
	check "another whole is deleted at once" bvolctl group snapshot-delete m7
	check "with its parts" shows 'map(select(.group_snapshot_id != null)) | length == 12' snapshot list
	expect_fail 1 "group snapshots" bvolctl group delete g
}

# The daemon dies anywhere in it: volumes go on, and a moment is there wholly or was never accepted.
test_deaths() {
	local i client
	for i in 00 02 04 07 11 16; do
		bvolctl group snapshot g k$i --no-wait >/dev/null 2>&1 &
		client=$!
		nap 0.$i
		bvold_kill
		wait "$client"
		need "after its death bvold starts" bvold_start
		check "nothing stays half done" wait_for 10 settled
		check "no volume stands still" fails suspended
		check "the kernel is as the database wants it" same
		! bvolctl group snapshot-show k$i >/dev/null 2>&1 || check "what was accepted is whole" has_parts k$i
	done
	check "the writer has gone on" kill -0 "$writer"
}

# peek ID - the newest number on a device, read through a device-mapper device of our own.
peek() {
	local dev
	dev=$(sqlite3 /var/lib/bvol/bvol.db "SELECT dev_id FROM thin_dev WHERE id = '$1'")
	dmsetup create peek --readonly --table "0 $((16 * mib / 512)) thin $(readlink -f "$pool") $dev" || return
	"$stamp" read /dev/mapper/peek
	dmsetup remove peek
}

one_moment() {
	local a b
	a=$(peek "$1") && b=$(peek "$2") || return
	echo "$a and $b"
	[ "$a" -gt 0 ] && { [ "$a" = "$b" ] || [ "$a" = $((b + 1)) ]; }
}

test_consistency() {
	local pool moment a b n=0
	kill -TERM "$writer"
	check "the writer had no error" wait "$writer"
	pool=/dev/mapper/bvol-$(bvolctl pool show main --json | get .id)-pool
	bvolctl group snapshot-list --json | jq -r '.[] | [.name] + .snapshots | @tsv' >"$scratch/moments"
	check "SIGTERM ends bvold" bvold_stop
	while read -r moment a b; do
		n=$((n + 1))
		check "$moment is of one moment" one_moment "$a" "$b" </dev/null
	done <"$scratch/moments"
	check "there were enough" test $n -ge 6
	need "bvold starts" bvold_start
}

# A disk hangs with a write on one member: the other one goes on all the same, and so does the other pool.
test_hang() {
	local job node
	bvolctl volume create o2 --size 16M --pool other >/dev/null
	need "a group on a disk that hangs" bvolctl group create gh --volume o --volume o2
	fill o 0 "$scratch/1"
	fill o2 0 "$scratch/1"
	nap 2 # the kernel commits its metadata every second: without anything to commit it asks no disk
	node=$(device_of o2)
	dmsetup suspend --noflush --nolockfs disk
	dd if="$scratch/2" of="$node" bs=64k count=1 oflag=direct conv=notrunc status=none &
	job=$!
	nap 0.5
	check "its snapshot is accepted" bvolctl group snapshot gh x --no-wait
	nap 2
	check "volumes are listed meanwhile" timeout 5 bvolctl volume list
	check "and shown, without what the disk does not tell" timeout 5 bvolctl volume show o
	check "the other pool works" timeout 10 bvolctl group snapshot g last
	check "after some seconds nobody stands still for it" wait_for 20 fails suspended_volumes
	check "the write waits for its disk alone" kill -0 $job
	dmsetup resume disk
	check "the disk is back: so is the write" wait $job
	check "the job ends" wait_for 20 shows 'length == 0' job list
	check "and has failed for that" shows '.status == "error" and (.error | test("not come to an end"))' \
		group snapshot-show x
	check "its parts with it" shows 'map(select(.status == "error")) | length == 2' snapshot list
	check "it is deleted" bvolctl group snapshot-delete x
	check "and taken anew" bvolctl group snapshot gh x
	check "the kernel is as the database wants it" same
}

suspended_volumes() {
	suspended | grep bvol-
}

# Types

# traces WORD - how often it is on the pool's disk.
traces() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	head -c 400M /dev/vda | LC_ALL=C grep -acF "$1"
}

# of_type TYPE WORD - a volume of it is filled with this word, and deleted.
of_type() {
	bvolctl volume create t --size 4M --pool main ${1:+--type "$1"} >/dev/null || return
	yes "$(printf %-63s "$2")" | dd of="$(device_of t)" bs=64k count=64 iflag=fullblock oflag=direct status=none
	bvolctl volume delete t "${@:3}" >/dev/null
}

test_types() {
	check "a type that leaves the bytes" bvolctl type create kept --property bvol:wipe=none --description "as it is"
	check "one of the other pool" bvolctl type create far --private --property volume_backend_name=other
	check "they are shown" shows 'map([.name, .public, .extra_specs]) == [["kept", 1, ["bvol:wipe=none"]],
		["far", 0, ["volume_backend_name=other"]]]' type list
	expect_fail 1 "already" bvolctl type create kept
	expect_fail 1 "none, discard, zero or random" bvolctl type set kept --property bvol:wipe=shred
	expect_fail 1 "no extra spec bvol:wpie" bvolctl type create x --property bvol:wpie=zero
	expect_fail 1 "not both" bvolctl type create x --public --private
	expect_fail 1 "no extra spec" bvolctl type unset far --property bvol:wipe
	check "a volume of the other pool's type" shows '.pool == "other" and .type == "far"' \
		volume create f --size 16M --type far
	check "its copy is of its type" shows '.type == "far" and .pool == "other"' volume create f2 --volume f
	expect_fail 1 "not the pool of its type" bvolctl volume create x --size 16M --type far --pool main
	expect_fail 1 "2 volumes are of type far" bvolctl type delete far
	expect_fail 1 "2 volumes are of type far" bvolctl type set far --property a=b
	expect_fail 1 "2 volumes are of type far" bvolctl type unset far --property volume_backend_name
	check "its name may change" shows '.name == "away" and .public == 1' type set far --name away --public
	check "the volume shows it" shows '.type == "away"' volume show f
	bvolctl volume delete f2 >/dev/null
	bvolctl volume delete f >/dev/null
	check "without volumes its properties may" shows '.extra_specs == ["volume_backend_name=main", "a=b"]' \
		type set away --property volume_backend_name=main --property a=b
	check "or go" shows '.extra_specs == ["a=b"]' type unset away --property volume_backend_name

	of_type "" pool-says
	check "what the pool wipes is gone" test "$(traces pool-says)" = 0
	of_type kept type-says
	check "what a type keeps is there" test "$(traces type-says)" != 0
	of_type kept user-says --wipe zero
	check "what the user asks for goes above the type" test "$(traces user-says)" = 0
	check "a type without volumes is deleted" bvolctl type delete away
	check "and the other one" bvolctl type delete kept
}

test_end() {
	local moment
	while read -r moment; do
		bvolctl group snapshot-delete "$moment" >/dev/null || not_ok "$moment is deleted"
	done < <(bvolctl group snapshot-list --json | jq -r '.[].name')
	check "all snapshots are gone" shows 'length == 0' snapshot list
	check "the group goes" bvolctl group delete g
	check "and leaves its volumes" shows '.group_id == null' volume show a
	check "which are deleted" bvolctl volume delete a
	check "the kernel is as the database wants it" same
}

# What they map: 2 MiB of four shared with a snapshot, which has 1 MiB that v has written anew since.
test_mapped() {
	bvolctl volume create u --size 64M --pool main >/dev/null
	check "an empty volume maps nothing" shows '.mapped == 0 and .exclusive == 0 and .shared == 0' volume show u
	fill u 0 "$scratch/1"
	fill u 8 "$scratch/2"
	check "what was written is mapped, and its own" shows \
		".mapped == $((4 * mib)) and .exclusive == $((4 * mib)) and .shared == 0" volume show u
	bvolctl snapshot create u us >/dev/null
	check "a snapshot shares it all" shows \
		".mapped == $((4 * mib)) and .exclusive == 0 and .shared == $((4 * mib))" snapshot show us
	fill u 8 "$scratch/3"
	fill u 16 "$scratch/3"
	check "until the volume is written to" shows \
		".mapped == $((6 * mib)) and .exclusive == $((4 * mib)) and .shared == $((2 * mib))" volume show u
	check "then the snapshot has its own" shows \
		".mapped == $((4 * mib)) and .exclusive == $((2 * mib)) and .shared == $((2 * mib))" snapshot show us
	check "lists don't look" shows 'map(select(has("mapped"))) == []' volume list
	bvolctl snapshot delete us >/dev/null
	check "they go" bvolctl volume delete u
}

test_setup
test_mapped
test_clone
test_revert
test_members
test_moments
test_deaths
test_consistency
test_hang
test_types
test_end
check "SIGTERM ends bvold" bvold_stop
finish
