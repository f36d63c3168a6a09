#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# reboot.sh before|after - what is on disks outlives the machine, of which /dev/vda and /dev/vdb have
# the pools and /dev/vdc the state. "before" ends in a reset without any warning, see tests/reboot.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

disk=/mnt
state=$disk/bvol

start() {
	mount /dev/vdc $disk && bvold_start --state $state
}

make_export() {
	bvolctl export create "$1" --initiator "$initiator" --json >"$disk/$1.json"
}

# exported NAME - login with what its export said when it was created.
exported() {
	local target user secret
	target=$(get .target <"$disk/$1.json") user=$(get .auth.user <"$disk/$1.json")
	secret=$(get .auth.secret <"$disk/$1.json")
	login "$target" "$user" "$secret" && device=$(disk_of "$target")
}

# What does not change while the machine is away.
summary() {
	local noun
	for noun in pool snapshot export; do
		bvolctl $noun list --json | jq -c \
			'map([.id, .name, .status, .size, .devices, .target, .initiators, .portals])'
	done
}

before() {
	mkfs.ext4 -q /dev/vdc
	need "bvold starts with its state on a disk" start
	need "a pool" bvolctl pool create one /dev/vda
	need "another one" bvolctl pool create two /dev/vdb
	need "a volume on the first" bvolctl volume create v1 --size 512M --pool one
	need "a volume on the second" bvolctl volume create v2 --size 512M --pool two
	need "an export" make_export v1
	need "another one" make_export v2
	pattern $disk/p1 4
	pattern $disk/p2 4
	iscsi_start
	need "the initiator logs in" exported v1
	dd if=$disk/p1 of="$device" bs=1M conv=fsync status=none
	need "a snapshot" bvolctl snapshot create v1 s1
	dd if=$disk/p2 of="$device" bs=1M conv=fsync status=none
	sync -f $disk
	summary >$disk/summary
	sync -f $disk
	# The next answer is durable, though nothing is flushed after it.
	need "a last volume" bvolctl volume create last --size 256M
	need "one more is accepted" bvolctl volume create accepted --size 256M --no-wait
	need "one is to be deleted" bvolctl volume delete last --no-wait
	echo b >/proc/sysrq-trigger
	sleep 60
}

after() {
	need "bvold starts after the reset" start
	check "nothing stays half done" wait_for 20 settled
	check "the kernel is as the database wants it" same
	check "pools, snapshots and exports are what they were" diff <(summary) $disk/summary
	check "so are volumes, also one accepted to be created and one to be deleted" shows \
		'map([.name, .status]) | sort == (["accepted", "v1", "v2"] | map([., "available"]))' \
		volume list
	iscsi_start
	need "the initiator logs in with its old secret" exported v1
	check "and finds its bytes" holds "$device" 0 $disk/p2
	check "the other export is there" exported v2
	check "a volume from the snapshot has the snapshot's bytes" bvolctl volume create v3 --snapshot s1
	device=$(device_of v3)
	check "all of them" holds "$device" 0 $disk/p1
	check "sessions are seen" wait_for 5 shows 'length == 2' session list
	check "volumes are in-use" wait_for 5 shows 'map(select(.status == "in-use")) | length == 2' volume list
	check "SIGTERM ends bvold" bvold_stop
	finish
}

"$1"
