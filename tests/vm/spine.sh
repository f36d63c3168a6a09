#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job: from two raw disks to a volume that a real initiator uses, through the death of the
# daemon and the reload of the module.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

gib=$((1 << 30))
events=$scratch/events
stranger=iqn.2001-04.com.example:stranger
mnt=$scratch/mnt
copy=$scratch/copy

field() {
	bvolctl "$1" show "$2" --json | get ".$3"
}

volume_is() {
	[[ $(bvolctl volume show "$1" --json) == *"\"status\": \"$2\""* ]]
}

used_is() {
	[[ $(bvolctl pool show "$1" --json) == *"\"data_used\": $2,"* ]]
}

size_is() {
	[ "$(blockdev --getsize64 "$1")" = $(($2 * gib)) ]
}

# The daemon

test_start() {
	local module
	need "bvold starts" bvold_start
	for module in bvol dm_thin_pool target_core_mod iscsi_target_mod; do
		check "it loads $module" test -d /sys/module/$module
	done
	check "it opens its database" test -s /var/lib/bvol/bvol.db
	check "the module knows it" shows \
		".daemon_pid == $bvold_pid and .transport == \"netlink\"" info
	check "all sources of events are there" shows '(.unavailable // []) == []' info
}

test_pools() {
	mkfs.ext4 -q /dev/vda
	expect_fail 1 ext4 bvolctl pool create fast /dev/vda
	check "with --force it is overwritten" bvolctl pool create fast /dev/vda --force
	check "an empty disk needs none" bvolctl pool create slow /dev/vdb
	expect_fail 1 /dev/vda bvolctl pool create other /dev/vda
	expect_fail 1 /dev/vda bvolctl pool create other /dev/vda --force
	check "both are available, with nearly all of their 4 GiB" shows \
		"map(select(.status == \"available\" and .data_total > 3.8 * $gib)) | length == 2" pool list
	fast_used=$(field pool fast data_used)
	slow_used=$(field pool slow data_used)
}

# A volume and its export

test_volume() {
	need "a volume is created" bvolctl volume create v1 --size 1G
	check "it is available, in one of the pools" shows \
		".status == \"available\" and .size == $gib and (.pool == \"fast\" or .pool == \"slow\")" \
		volume show v1
	v1=$(field volume v1 id)
	check "a volume that nobody uses has no block device" fails field volume v1 device
	check "nothing is under way" settled
	check "the kernel is as the database wants it" same
}

test_export() {
	iscsi_start && stranger $stranger
	events_start "$events"
	nap 1
	need "an export is created" shows \
		".portals == [\"$portal\"] and .lun == 0 and .initiators == [\"$initiator\"]" \
		export create v1 --initiator "$initiator"
	target=$(get .target <"$scratch/answer")
	user=$(get .auth.user <"$scratch/answer")
	secret=$(get .auth.secret <"$scratch/answer")
	v1_node=$(device_of v1)
	check "the volume has a block device of its size" size_is "$v1_node" 1
	check "it asks for CHAP with a secret" test ${#secret} -ge 12
	check "which is not shown again" shows '.auth.secret == null' export show v1
	check "nor in the list" shows '.[0].auth.secret == null' export list
	check "but when it is asked for" shows ".auth.secret == \"$secret\"" export show v1 --secrets
}

test_logins() {
	check "the login without a secret fails" fails login_open
	check "with a wrong one too" fails login "$target" "$user" wrong-secret-12
	check "and as another initiator" fails login "$target" "$user" "$secret" stranger
	check "none of them has a session" test -z "$(sessions_of "$target")"
	need "the initiator logs in with the secret" login "$target" "$user" "$secret"
	disk=$(disk_of "$target")
	need "and gets a disk of 1 GiB" size_is "$disk" 1
	session=$(sessions_of "$target")
}

login_open() {
	iscsiadm -m node -T "$target" -p "$portal" -o new &&
		iscsiadm -m node -T "$target" -p "$portal" --login
}

test_events() {
	check "export-added is told" event_seen "$events" \
		".kind == \"export-added\" and .volume_id == \"$v1\" and .target == \"$target\""
	check "session-login, with the initiator's name" event_seen "$events" \
		".kind == \"session-login\" and .initiator == \"$initiator\" and .volume_id == \"$v1\""
	check "login-failed for the stranger" event_seen "$events" \
		".kind == \"login-failed\" and .initiator == \"$stranger\" and .reason == \"not-authorized\""
	check "login-failed for the wrong secret" event_seen "$events" \
		".kind == \"login-failed\" and .initiator == \"$initiator\" and .reason == \"authentication\""
	check "the volume becomes in-use" wait_for 5 volume_is v1 in-use
	check "session list shows the session" shows "map([.initiator, .target, .volume_id]) == \
		[[\"$initiator\", \"$target\", \"$v1\"]]" session list
	session_id=$(get '.[0].id' <"$scratch/answer")
}

# Data

fio_start() {
	fio --name=verify --filename="$mnt/fio" --size=48M --bs=16k --rw=randwrite --iodepth=8 \
		--direct=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 --verify_backlog=256 \
		"$@" >"$scratch/fio" 2>&1 &
	fio_pid=$!
	nap 2
}

fio_ends() {
	wait "$fio_pid" || { cat "$scratch/fio" && false; }
}

# It ends with the signal's status, so the verdict is in what it says.
fio_stops() {
	kill -INT "$fio_pid"
	wait "$fio_pid"
	grep -q 'err= 0:' "$scratch/fio" || { cat "$scratch/fio" && false; }
}

test_snapshot() {
	pattern "$scratch/before" 8
	pattern "$scratch/after" 8
	mkdir "$mnt"
	need "a file system is made on the disk" mkfs.ext4 -q "$disk"
	mount "$disk" "$mnt"
	cp "$scratch/before" "$mnt/before"
	sync -f "$mnt"
	fio_start
	check "a snapshot is taken while fio writes" bvolctl snapshot create v1 s1
	check "fio goes on" kill -0 $fio_pid
	check "and finds all its data" fio_ends
	cp "$scratch/after" "$mnt/after"
	sync -f "$mnt"
	s1=$(field snapshot s1 id)
	check "the snapshot knows its volume" shows \
		"map([.id, .volume_id, .size]) == [[\"$s1\", \"$v1\", $gib]]" snapshot list --volume v1
}

# One copy goes through an export of its own, the other stays here to compare with.
test_copies() {
	local target user secret disk
	mkdir "$copy"
	need "a volume is made from the snapshot" bvolctl volume create v2 --snapshot s1
	need "and another one" bvolctl volume create v3 --snapshot s1
	v3_node=$(device_of v3)
	check "they know where they come from" shows \
		"map(select(.snapshot_id == \"$s1\" and .size == $gib)) | length == 2" volume list
	bvolctl export create v2 --initiator "$initiator" --json >"$scratch/export"
	target=$(get .target <"$scratch/export") user=$(get .auth.user <"$scratch/export")
	secret=$(get .auth.secret <"$scratch/export")
	need "the copy has an export of its own" login "$target" "$user" "$secret"
	disk=$(disk_of "$target")
	check "through it come the snapshot's bytes, all of them" cmp "$disk" "$v3_node"
	check "it mounts" mount "$disk" "$copy"
	check "it has what was there before the snapshot" cmp "$copy/before" "$scratch/before"
	check "and nothing that came after it" test ! -e "$copy/after"
	umount "$copy"
	check "the initiator logs out of it" logout "$target"
	check "its export goes" bvolctl export delete v2
}

test_extend() {
	check "the volume is extended while attached" bvolctl volume extend v1 --size 2G
	check "and is in-use again" volume_is v1 in-use
	iscsiadm -m session -R >/dev/null
	check "the initiator sees 2 GiB after its rescan" size_is "$disk" 2
	check "the file system grows" resize2fs "$disk"
	check "export-resized is told" event_seen "$events" \
		".kind == \"export-resized\" and .volume_id == \"$v1\" and .size == $((2 * gib))"
	check "what was there stays" cmp "$mnt/after" "$scratch/after"
}

# The daemon dies while fio runs

io_errors() {
	cat "/sys/block/${disk##*/}/device/ioerr_cnt"
}

no_logout() {
	[ "$(sessions_of "$target")" = "$session" ] &&
		! has_event "$events" ".kind == \"session-logout\" and .target == \"$target\""
}

test_kill() {
	local errors verb
	errors=$(io_errors)
	fio_start --time_based --runtime=600
	bvold_kill
	check "events --follow tells that the daemon died" event_seen "$events" '.kind == "daemon-down"'
	check "sessions are listed without it" shows 'length == 1' session list
	need "it starts again" bvold_start
	check "and adopts what runs" same
	check "the session is the one of before" shows ".[0].id == $session_id" session list
	check "the volume is in-use still" volume_is v1 in-use
	for verb in "volume create v4 --size 256M" "snapshot create v1 s2" "volume extend v1 --size 3G" \
		"snapshot delete s2" "volume delete v4"; do
		# shellcheck disable=SC2086 # words
		check "accepted: $verb" bvolctl $verb --no-wait
		bvold_kill
		need "bvold, killed at that, starts again" bvold_start
		check "nothing stays half done" wait_for 10 settled
		check "the kernel is as the database wants it" same
	done
	check "what was accepted was done" test \
		"$(bvolctl volume list --json | jq -c 'map([.name, .size])|sort')" = \
		"[[\"v1\",$((3 * gib))],[\"v2\",$gib],[\"v3\",$gib]]"
	check "and the snapshot went" shows 'map(.name) == ["s1"]' snapshot list
	check "fio has not noticed" kill -0 $fio_pid
	check "and finds all its data" fio_stops
	check "no I/O error" test "$(io_errors)" = "$errors"
	check "no new login" no_logout
	check "the stream of events has gone on" event_seen "$events" '.kind == "daemon-up"'
}

test_module() {
	local status=0 errors
	errors=$(io_errors)
	fio_start --time_based --runtime=600
	rmmod bvol 2>/dev/null || status=$?
	check "rmmod while exported does no harm to I/O" kill -0 $fio_pid
	if [ $status = 0 ]; then
		check "without the module bvolctl works over the socket" shows '.transport == "unix"' info
		check "the volume is in-use still" volume_is v1 in-use
		check "sessions are listed" shows ".[0].initiator == \"$initiator\"" session list
		modprobe bvol
	fi
	check "bvold registers again by itself" wait_for 5 shows \
		".daemon_pid == $bvold_pid and .exports == 1" info --transport netlink
	check "the module finds the session" wait_for 5 shows \
		".[0].initiator == \"$initiator\"" session list --transport netlink
	check "the kernel is as the database wants it" same
	check "fio finds all its data" fio_stops
	check "no I/O error" test "$(io_errors)" = "$errors"
	check "no new login" test "$(sessions_of "$target")" = "$session"
}

# Neither I/O nor a login tells the module of a session: bvold has to.
test_idle() {
	sync
	rmmod bvol && modprobe bvol
	check "a module that comes late sees an idle session" wait_for 10 shows \
		".[0].initiator == \"$initiator\"" session list --transport netlink
	check "its volume is in-use" volume_is v1 in-use
}

# The end

test_logout() {
	pattern "$scratch/noise" 1
	umount "$mnt"
	check "the snapshot holds zeros at 1023 MiB" zeros "$v3_node" 1023 1
	dd if="$scratch/noise" of="$disk" bs=1M seek=1023 oflag=direct status=none
	dd if="$scratch/noise" of="$disk" bs=1M seek=1500 oflag=direct status=none
	check "what the initiator writes there is on the volume" holds "$v1_node" 1023 "$scratch/noise"
	expect_fail 1 v1 bvolctl volume revert v1 --snapshot s1
	check "the initiator logs out" logout "$target"
	check "session-logout is told" event_seen "$events" \
		".kind == \"session-logout\" and .initiator == \"$initiator\" and .target == \"$target\""
	check "the volume is available" wait_for 5 volume_is v1 available
	check "the export is deleted" bvolctl export delete v1
	check "export-removed is told" event_seen "$events" ".kind == \"export-removed\""
	check "nothing of it is left" test ! -e "/sys/kernel/config/target/iscsi/$target"
}

test_revert() {
	mount "$v1_node" "$mnt"
	check "it is not reverted under a mounted file system" fails bvolctl volume revert v1 --snapshot s1
	umount "$mnt"
	check "but left as it is" volume_is v1 available
	check "the volume is reverted" bvolctl volume revert v1 --snapshot s1
	v1_node=$(device_of v1)
	check "it has the snapshot's bytes" cmp -n $gib "$v1_node" "$v3_node"
	check "also where that held zeros" zeros "$v1_node" 1023 1
	check "and zeros beyond the snapshot's end" zeros "$v1_node" 1500 1
	check "it keeps its size" size_is "$v1_node" 3
}

test_delete() {
	expect_fail 1 snapshot bvolctl volume delete v1
	check "the snapshot is deleted" bvolctl snapshot delete s1
	check "then the volume" bvolctl volume delete v1
	check "the copies live on" mount "$(device_of v2)" "$copy"
	check "with all their data" cmp "$copy/before" "$scratch/before"
	umount "$copy"
	check "until they are deleted" bvolctl volume delete v2
	check "one by one" bvolctl volume delete v3
	check "the used blocks of pool fast are back" wait_for 10 used_is fast "$fast_used"
	check "and those of pool slow" wait_for 10 used_is slow "$slow_used"
	check "nothing stays half done" settled
	check "pool fast is deleted" bvolctl pool delete fast
	check "and pool slow" bvolctl pool delete slow
	check "no dm device is left" test "$(dmsetup ls)" = "No devices found"
	check "their disks are free for others" mkfs.ext4 -q /dev/vda
	check "SIGTERM ends bvold" bvold_stop
}

test_start
test_pools
test_volume
test_export
test_logins
test_events
test_snapshot
test_copies
test_extend
test_kill
test_module
test_idle
test_logout
test_revert
test_delete
finish
