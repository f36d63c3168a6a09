#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# space.sh - a pool is told of, grows, and fills up, while its volumes are used.
#
#	tests/vm/run --disk 300M --disk 200M --disk 200M --disk 200M -- tests/vm/space.sh [TEST...]
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mib=$((1 << 20))

# field POOL NAME - of pool show.
field() {
	bvolctl pool show "$1" --json | get ".$2"
}

# make NAME SIZE - a volume; its block device in $block.
make() {
	bvolctl volume create "$1" --size "$2" >/dev/null && block=$(device_of "$1")
}

# fill OFFSET MIB - random bytes to the volume of $block.
fill() {
	pattern "$scratch/data" "$2"
	dd if="$scratch/data" of="$block" bs=1M seek="$1" oflag=direct conv=notrunc status=none
}

whole() {
	holds "$block" 0 "$scratch/kept"
}

# pool_is NAME DATA-MIB - it has at least that much data space.
pool_is() {
	[ "$(field "$1" data_total)" -ge $(($2 * mib)) ]
}

devices_are() {
	[ "$(field "$1" 'devices | join(" ")')" = "$2" ]
}

clear_up() {
	local noun name
	for noun in export volume; do
		for name in $(bvolctl "$noun" list --json | jq -r '.[].id'); do
			bvolctl "$noun" delete "$name" >/dev/null || return
		done
	done
	bvolctl pool delete p >/dev/null
}

# What a reboot leaves of bvol's block devices: nothing.
take_down() {
	local kind name
	for kind in '-[0-9a-f]*' -pool -data -meta; do
		for name in $(dmsetup ls | awk -v end="$kind\$" '$1 ~ "^bvol-" && $1 ~ end { print $1 }'); do
			dmsetup remove "$name"
		done
	done
	! dmsetup ls | grep ^bvol-
}

# How many thresholds were told of: events with status $1 and progress $2 in the file.
told() {
	jq -s "map(select(.kind == \"pool-threshold\" and .status == \"$1\" and .progress == $2)) | length" \
		"$scratch/events"
}

# told_times SPACE PERCENT N - so many since the beginning.
told_times() {
	wait_for 10 has_told "$@" || { echo "$(told "$1" "$2") times" && false; }
}

has_told() {
	[ "$(told "$1" "$2")" = "$3" ]
}

test_refused() {
	need "a pool" bvolctl pool create p /dev/vda
	expect_fail 1 "part of pool p already" bvolctl pool extend p /dev/vda
	ln -sf vda /dev/again
	expect_fail 1 "part of pool p already" bvolctl pool extend p /dev/again
	ln -sf vdb /dev/other
	expect_fail 1 "same device" bvolctl pool extend p /dev/vdb /dev/other
	expect_fail 1 "cannot find device" bvolctl pool extend p /dev/vdb /dev/nothing
	expect_fail 1 "not the path of a device" bvolctl pool extend p /etc/passwd
	expect_fail 1 "there is no pool" bvolctl pool extend q /dev/vdb
	mkfs.ext4 -qF /dev/vdb
	expect_fail 1 "--force" bvolctl pool extend p /dev/vdb
	mkdir -p "$scratch/mount"
	mount /dev/vdb "$scratch/mount"
	expect_fail 1 "in use" bvolctl pool extend p /dev/vdb --force
	expect_fail 1 "in use" bvolctl pool extend p /dev/vdc /dev/vdb --spare --force
	umount "$scratch/mount"
	check "a small device" dmsetup create small --table "0 32768 linear /dev/vdd 0"
	expect_fail 1 "larger device" bvolctl pool extend p /dev/vdc /dev/mapper/small
	dmsetup remove small
	check "what was refused has no label" fails grep -q BVOLPOOL <(head -c 4096 /dev/vdc)
	check "another pool" bvolctl pool create other /dev/vdc
	expect_fail 1 "belongs to pool other" bvolctl pool extend p /dev/vdc --force
	expect_fail 1 "rising percentages" bvolctl pool create x /dev/vdd --warn 90,80
	expect_fail 1 "1 to 99 percent" bvolctl pool create x /dev/vdd --grow 100
	bvolctl pool delete other >/dev/null
	bvolctl pool delete p >/dev/null
	printf '0 614400 linear /dev/vda 0\n614400 409600 linear /dev/vdb 0\n1024000 409600 linear /dev/vdc 0\n' |
		dmsetup create large
	check "a pool with a large chunk" bvolctl pool create p /dev/mapper/large --chunk-size 512M --force
	expect_fail 1 "larger device" bvolctl pool extend p /dev/vdd
	check "goes" bvolctl pool delete p
	dmsetup remove large
	wipefs -qa /dev/vdb
}

test_extend() {
	need "a pool" bvolctl pool create p /dev/vda
	need "a volume" make v 240M
	fill 0 32
	cp "$scratch/data" "$scratch/kept"
	dd if=/dev/zero of="$block" bs=64k seek=1024 oflag=direct conv=notrunc status=none count=200000 &
	writer=$!
	mkfs.ext4 -qF /dev/vdb
	check "a pool is extended while it is written to" bvolctl pool extend p /dev/vdb --force
	kill "$writer"
	wait "$writer" 2>/dev/null
	check "it says for how long that held its volumes up" event_seen "$scratch/events" \
		'.kind == "pool-extended" and (.message | test("/dev/vdb added: .* stood still for at most [1-9][0-9]* ns"))'
	check "it has the space of both" pool_is p 360
	check "and says so" devices_are p "/dev/vda /dev/vdb"
	check "the bytes are there" whole
	check "the kernel is as the database wants it" same
	check "an extension is accepted" bvolctl pool extend p /dev/vdc --no-wait
	bvold_kill
	need "bvold, killed at it, starts again" bvold_start
	check "and does what it had accepted" wait_for 10 devices_are p "/dev/vda /dev/vdb /dev/vdc"
	check "another one is accepted" bvolctl pool extend p /dev/vdd --no-wait
	nap 0.1
	bvold_kill
	need "bvold, killed a little later, starts again" bvold_start
	check "and does it too" wait_for 10 devices_are p "/dev/vda /dev/vdb /dev/vdc /dev/vdd"
	check "nothing is left under way" wait_for 10 settled
	check "the bytes are there still" whole
	bvold_kill
	check "nothing runs any more" take_down
	need "bvold starts after that" bvold_start
	check "the pool has all devices" pool_is p 730
	need "the volume has a block device" device_of v
	block=$(device_of v)
	check "and its bytes" whole
	check "it goes" clear_up
	check "none of the devices has a label" fails grep -q BVOLPOOL <(head -qc 4096 /dev/vd[abcd])
}

test_spare() {
	need "a pool that is told of early" bvolctl pool create p /dev/vda --warn 40,60 --grow 50
	check "a full pool fails writes" shows '.full == "fails"' pool show p
	check "it gets two spares" bvolctl pool extend p /dev/vdb /dev/vdc --spare
	check "which are no space yet" fails pool_is p 360
	check "and with which writes wait" shows '.full == "waits" and (.spares | length) == 2' pool show p
	expect_fail 1 "a spare of pool p already" bvolctl pool extend p /dev/vdb --spare
	expect_fail 1 "belongs to pool p" bvolctl pool create q /dev/vdb --force
	need "a volume" make v 250M
	fill 0 20
	cp "$scratch/data" "$scratch/kept"
	fill 20 85
	check "a threshold is told of" told_times data 40 1
	check "it is kept what was told" wait_for 5 shows '.data_warned == 40' pool show p
	fill 105 25
	check "a spare is added" wait_for 10 devices_are p "/dev/vda /dev/vdb"
	check "with an event" event_seen "$scratch/events" \
		'.kind == "pool-extended" and (.message | test("/dev/vdb"))'
	check "the other one is kept" shows '.spares == ["/dev/vdc"]' pool show p
	check "the use has fallen below the thresholds" wait_for 10 shows '.data_warned == 0' pool show p
	fill 130 55
	check "the threshold is told of again" told_times data 40 2
	fill 185 50
	check "the last spare is added" wait_for 10 devices_are p "/dev/vda /dev/vdb /dev/vdc"
	check "a full pool fails writes now" wait_for 10 shows '.full == "fails"' pool show p
	check "the bytes are there" whole
	check "no job is left" wait_for 10 settled
	check "the kernel is as the database wants it" same
	need "bvold dies" bvold_kill
	need "bvold starts" bvold_start
	check "and knows all devices" devices_are p "/dev/vda /dev/vdb /dev/vdc"
	check "show tells of it" shows '.promised > 0 and .data_total > .data_used' pool show p
	check "it goes" clear_up
}

# mark_is PERCENT - the use at which the kernel tells of pool p.
mark_is() {
	dmsetup table --target thin-pool | awk -v percent="$1" '
		{ chunks = int($3 / $7); exit $8 != int(chunks * (100 - percent) / 100) }' ||
		{ dmsetup table --target thin-pool && false; }
}

test_set() {
	need "a pool" bvolctl pool create p /dev/vda
	need "with a spare" bvolctl pool extend p /dev/vdb --spare
	check "the kernel tells at first at 70 percent" mark_is 70
	expect_fail 1 "rising percentages" bvolctl pool set p --warn 90,80
	expect_fail 1 "1 to 99 percent" bvolctl pool set p --grow 100
	need "a volume" make v 240M
	fill 0 70
	cp "$scratch/data" "$scratch/kept"
	check "thresholds are changed" shows '.warn == "22,51"' pool set p --warn 22,51
	check "the kernel is told of it" wait_for 10 mark_is 22
	check "one that is passed already is told of" told_times data 22 1
	fill 70 70
	check "the next one is when it is reached" told_times data 51 1
	check "both were told of once" told_times data 22 1
	check "the spare is there still" shows '.spares == ["/dev/vdb"]' pool show p
	check "a lower use is to add it" shows '.grow == 45' pool set p --grow 45
	check "so it is added" wait_for 15 devices_are p "/dev/vda /dev/vdb"
	check "nothing is left under way" wait_for 10 settled
	check "no thresholds at all" shows '.warn == "none"' pool set p --warn none
	check "the kernel tells for the spares" wait_for 10 mark_is 45
	bvold_kill
	need "bvold starts" bvold_start
	check "it is kept" shows '.warn == "none" and .grow == 45' pool show p
	check "the bytes are there" whole
	check "the kernel is as the database wants it" same
	check "it goes" clear_up
}

# seconds_of COMMAND... - how long it took, in whole seconds, into $took.
timed() {
	local start=$EPOCHREALTIME
	"$@" || return
	took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000000))
}

within() {
	timed "${@:2}" && { [ "$took" -le "$1" ] || { echo "$took s" && false; }; }
}

# The pool is full to the brim, and a writer hangs on it, or fails.
full_pool() {
	need "a volume that is to be deleted" make w 64M
	fill 0 20
	need "a volume that takes the rest" make v 250M
	dd if=/dev/zero of="$block" bs=1M count=200 oflag=direct status=none
	bvolctl export create v --initiator "$initiator" --json >"$scratch/export"
	target=$(get .target <"$scratch/export")
	need "an initiator logs in" login "$target" "$(get .auth.user <"$scratch/export")" \
		"$(get .auth.secret <"$scratch/export")"
	disk=$(disk_of "$target")
	dd if=/dev/zero of="$disk" bs=1M seek=200 oflag=direct status=none 2>/dev/null &
	writer=$!
	check "that it is full is told of" wait_for 60 has_event "$scratch/events" ".kind == \"pool-threshold\" and
		.progress == 100 and .pool_id == \"$(field p id)\""
	check "a create is refused" fails bvolctl volume create z --size 64M
	check "a snapshot is refused" fails bvolctl snapshot create v s
	check "a volume is deleted" within 4 bvolctl volume delete w
	check "the export goes at once" within 4 bvolctl export delete v
	wait "$writer" 2>/dev/null
	logout "$target" >/dev/null 2>&1
	check "so does the volume" bvolctl volume delete v
	check "no job is left" wait_for 10 settled
	check "the pool works again" make v 64M
	fill 0 8
	check "the kernel is as the database wants it" same
	check "it goes" clear_up
}

test_full() {
	need "a pool" bvolctl pool create p /dev/vda --reserve 5
	full_pool
}

# The spare is taken away before it is needed: writes must not wait for it.
test_full_waiting() {
	dmsetup create gone --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
	need "a pool" bvolctl pool create p /dev/vda --reserve 5 --grow 99
	need "with a spare" bvolctl pool extend p /dev/mapper/gone --spare
	dmsetup remove gone
	wipefs -qa /dev/vdb
	dd if=/dev/zero of=/dev/vdb bs=1M count=1 oflag=direct status=none
	full_pool
	check "that the spare is lost was told" event_seen "$scratch/events" \
		'.kind == "pool-extended" and (.message | test("no spare any more"))'
}

# writes_of DISK - how many an initiator's disk has done, and how many it waits for. A thin device does
# not count what waits for space.
writes_of() {
	local ended flying name=${1##*/}
	read -r _ _ _ _ ended _ <"/sys/block/$name/stat"
	read -r _ flying <"/sys/block/$name/inflight"
	echo "$ended done, $flying under way"
}

# hangs DISK - it has writes under way, and none comes to its end in a second.
hangs() {
	local before
	before=$(writes_of "$1")
	nap 1
	echo "$before, then $(writes_of "$1")"
	[ "$(writes_of "$1")" = "$before" ] && [[ $before != *" 0 under way" ]]
}

# sleeps PROCESS - it waits for a block device, now and a second later.
sleeps() {
	local state
	for _ in 1 2; do
		state=$(sed 's/.*) //' "/proc/$1/stat") || return
		echo "$state"
		[ "${state%% *}" = D ] || return
		nap 1
	done
}

# unexported VOLUME - while writes of $disk hang, in at most two seconds of the machine's clock.
unexported() {
	local before start=${EPOCHREALTIME/./} took
	before=$(writes_of "$disk")
	bvolctl export delete "$1" >/dev/null || return
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	echo "# $before; the export is gone after $took ms" >&3
	[[ $before != *" 0 under way" ]] && [ "$took" -le 2000 ]
}

# In a full pool writes wait, because its spare does not answer. The kernel would end the wait after
# 60 s; here it has more patience, so that nothing but the end of the export can.
test_full_hanging() {
	local neighbour writer other
	dmsetup create slow --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
	need "a pool" bvolctl pool create p /dev/vda --reserve 5 --grow 99
	need "with a spare" bvolctl pool extend p /dev/mapper/slow --spare
	echo 900 >/sys/module/dm_thin_pool/parameters/no_space_timeout
	need "a neighbour" make n 64M
	fill 0 20
	neighbour=$block
	need "a volume" make v 250M
	fill 0 8
	cp "$scratch/data" "$scratch/kept"
	dd if=/dev/zero of="$block" bs=1M seek=8 count=192 oflag=direct status=none
	bvolctl export create v --initiator "$initiator" --json >"$scratch/export"
	target=$(get .target <"$scratch/export")
	need "an initiator logs in" login "$target" "$(get .auth.user <"$scratch/export")" \
		"$(get .auth.secret <"$scratch/export")"
	disk=$(disk_of "$target")
	dmsetup suspend --noflush --nolockfs slow
	dd if=/dev/zero of="$disk" bs=1M seek=200 oflag=direct status=none 2>/dev/null &
	writer=$!
	check "that it is full is told of" wait_for 120 has_event "$scratch/events" ".kind == \"pool-threshold\" and
		.progress == 100 and .pool_id == \"$(field p id)\""
	dd if="$scratch/kept" of="$neighbour" bs=64k seek=512 count=16 oflag=direct status=none &
	other=$!
	check "writes wait" shows '.full == "waits"' pool show p
	check "the initiator's hangs" wait_for 60 hangs "$disk"
	check "the neighbour's too" wait_for 60 sleeps "$other"
	exec 3>&1
	check "the export goes at once" unexported v
	exec 3>&-
	check "the neighbour's write waits still" sleeps "$other"
	check "the volume has its bytes" whole
	check "and the table that it had" same
	dmsetup resume slow
	check "the spare is added" wait_for 30 devices_are p "/dev/vda /dev/mapper/slow"
	check "the neighbour's write comes to a good end" wait "$other"
	check "with its bytes" cmp -i $((32 * mib)):0 -n "$mib" "$neighbour" "$scratch/kept"
	wait "$writer" 2>/dev/null
	logout "$target" >/dev/null 2>&1
	check "the volume can be written to again" dd if=/dev/zero of="$block" bs=1M seek=200 count=8 \
		oflag=direct status=none
	check "no job is left" wait_for 10 settled
	left_by_a_crash
	check "it goes" clear_up
	echo 60 >/sys/module/dm_thin_pool/parameters/no_space_timeout
	dmsetup remove slow
}

# The daemon dies while the block device fails everything.
left_by_a_crash() {
	local sectors
	sectors=$(blockdev --getsz "$block")
	bvold_kill
	dmsetup reload "$block" --table "0 $sectors error" && dmsetup suspend "$block" && dmsetup resume "$block"
	check "a volume that fails everything" fails dd if="$block" of=/dev/null bs=64k count=1 iflag=direct status=none
	need "bvold starts" bvold_start
	check "has its own table after the start" same
	check "and its bytes" whole
}

# The disk of a pool is not there when the daemon starts, but later.
test_late() {
	local table
	# Not from its beginning: the label would be found there.
	table="0 $(($(blockdev --getsz /dev/vda) - 2048)) linear /dev/vda 2048"
	dmsetup create late --table "$table"
	need "a pool" bvolctl pool create p /dev/mapper/late
	need "a volume" make v 64M
	fill 0 8
	cp "$scratch/data" "$scratch/kept"
	check "the daemon ends" bvold_stop
	check "nothing runs any more" take_down
	dmsetup remove late
	need "bvold starts without the disk" bvold_start
	check "the pool has an error" shows '.status == "error" and (.error | test("late"))' pool show p
	dmsetup create late --table "$table"
	check "the disk appears and the pool is up" wait_for 10 shows '.status == "available"' pool show p
	need "its volume has a block device" device_of v
	block=$(device_of v)
	check "with its bytes" whole
	check "the kernel is as the database wants it" same
	check "it goes" clear_up
	dmsetup remove late
}

need "bvold starts" bvold_start
need "an initiator" iscsi_start
echo "node.session.timeo.replacement_timeout = 5" >>/etc/iscsi/iscsid.conf
events_start "$scratch/events"
[ $# -gt 0 ] || set -- refused extend spare set full full_waiting full_hanging late
for name; do
	echo "== $name ($(cut -d. -f1 /proc/uptime) s)"
	"test_$name"
done
kill "$events_pid" 2>/dev/null
check "SIGTERM ends bvold" bvold_stop
finish
