#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# thin.sh - the thin provider on real disks: life, refusals, recovery, failing disks.
#
#	tests/vm/run --disk 2G --disk 2G -- tests/vm/thin.sh [TEST...]
#
# shellcheck disable=SC2317,SC2329,SC2016 # tests are called by their names; eval gets its text quoted
# shellcheck source-path=SCRIPTDIR source=thinlib.sh
. "$(dirname "$0")/thinlib.sh"

# Life of a volume

test_life() {
	local v s empty
	begin
	check "a pool is made" t pool-create fast 65536 0 /dev/vda
	check "and is available" prints '^available tid 0 data 0/' stat fast
	check "with the label on the disk" test "$(head -c 8 /dev/vda)" = BVOLPOOL
	check "made again, it stays" t pool-create fast 65536 0 /dev/vda
	empty=$(used fast)
	check "a volume is created" t create fast v $((64 * MIB))
	check "created again, it stays" prints 'nothing to do' create fast v $((64 * MIB))
	check "it is not active yet" test "$(device fast v)" = inactive
	check "it is activated" t activate fast v $((64 * MIB))
	v=$(device fast v)
	check "under a node of device-mapper" test -b "$v"
	check "with a link for people" test "$(readlink -f "/dev/mapper/$(volumes)")" = "$v"
	check "with its size" test "$(blockdev --getsize64 "$v")" = $((64 * MIB))
	fill "$scratch/old" "$v"

	check "a snapshot of the active volume" t create fast s $((64 * MIB)) v
	check "leaves it running" writable "$v"
	fill "$scratch/new" "$v"
	check "the snapshot is activated" t activate fast s $((64 * MIB))
	s=$(device fast s)
	check "and has what was there" equal "$scratch/old" "$s"
	check "while the volume has the new" equal "$scratch/new" "$v"
	check "a volume of the snapshot" t create fast w $((64 * MIB)) s
	check "is active" t activate fast w $((64 * MIB))
	check "with the same bytes" equal "$scratch/old" "$(device fast w)"

	check "a volume grows while it is open" eval "exec 8<$v; t activate fast v $((96 * MIB)); exec 8<&-"
	check "to its new size" test "$(blockdev --getsize64 "$v")" = $((96 * MIB))
	check "with its bytes" equal "$scratch/new" "$v"
	check "everything is as the database wants it" consistent fast

	check "a copy for the exchange" t create fast x $((64 * MIB)) s
	check "volume and copy change places" t exchange fast v x $((64 * MIB))
	check "under the same node" test "$(device fast v)" = "$v"
	check "with the old bytes" equal "$scratch/old" "$v"
	check "and the old size" test "$(blockdev --getsize64 "$v")" = $((64 * MIB))
	check "the copy has the volume's" t activate fast x $((96 * MIB))
	check "bytes" equal "$scratch/new" "$(device fast x)"
	check "everything is as the database wants it still" consistent fast

	exec 8<"$s"
	check "an open volume is not destroyed" says 'is open; end what uses it' destroy fast s
	check "other volumes go on after that" t create fast y $((8 * MIB))
	exec 8<&-
	check "a doomed one is not activated" says 'being deleted' activate fast s $((64 * MIB))
	check "a pool with volumes is not destroyed" says 'still holds' pool-destroy fast
	for name in s v w x y; do
		check "$name is destroyed" t destroy fast "$name"
	done
	check "destroyed again, nothing happens" prints 'nothing to do' destroy fast v
	check "all blocks are free again" test "$(used fast)" = "$empty"
	check "nothing differs" consistent fast
	check "the pool is destroyed" t pool-destroy fast
	check "without leaving a device" test -z "$(dm_name '^bvol-')"
	check "or a label" test "$(head -c 8 /dev/vda | tr -d '\0')" = ""
}

test_devices() {
	local v
	begin
	check "a pool of two disks" t pool-create both 131072 0 /dev/vda /dev/vdb
	check "has the space of both" prints '/41[0-9]\{8\} metadata' stat both
	check "a volume over both" t create both v $((3500 * MIB))
	check "is active" t activate both v $((3500 * MIB))
	v=$(device both v)
	dd if=/dev/zero of="$v" bs=1M count=2100 oflag=direct status=none
	fill "$scratch/old" "$v" seek=40000
	check "reboot" reboot
	check "the pool comes back" t pool-open both
	check "with its volume" t activate both v $((3500 * MIB))
	check "and its bytes" cmp -n $((8 * MIB)) -i 0:$((40000 * 65536)) "$scratch/old" "$v"
	reboot
	sql "UPDATE pool SET devices = '/dev/vdb' || char(10) || '/dev/vda'"
	check "disks that changed names are found" t pool-open both
	check "and the database learns it" test "$(sql 'SELECT devices FROM pool' | xargs)" = "/dev/vda /dev/vdb"
	check "nothing else changed" consistent both
	reboot
	sql "UPDATE pool SET devices = '/dev/vda'"
	check "a missing one is noticed" says 'number 1 of 2' pool-open both
	sql "UPDATE pool SET devices = '/dev/gone' || char(10) || '/dev/vdb'"
	modprobe loop
	head -c $((64 * MIB)) /dev/vda >"$scratch/copy"
	truncate -s 2G "$scratch/copy"
	losetup -f "$scratch/copy"
	check "a copy of a disk is not taken for it" says 'have the same label' pool-open both
	losetup -D
	check "when it is gone, the disk is" t pool-open both , activate both v $((3500 * MIB))
}

# Disks that are not taken

# refused SENTENCE DEVICE... - and the beginning of the first device stays as it is.
refused() {
	local before after
	before=$(head -c "$MIB" "$2" | cksum)
	says "$1" pool-create new 65536 "${force:-0}" "${@:2}" || return
	after=$(head -c "$MIB" "$2" | cksum)
	[ "$before" = "$after" ] || return
	t pool-destroy new || grep -q 'no pool new' "$scratch/err" || return
	[ "$before" = "$(head -c "$MIB" "$2" | cksum)" ]
}

loop() {
	truncate -s "$1" "$scratch/loop$2"
	losetup -f --show "$scratch/loop$2"
}

# One partition of 64 MiB at 1 MiB.
partition() {
	printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\0\002\0' | dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
	blockdev --rereadpt "$1"
}

test_refusals() {
	local l small force=0
	begin
	modprobe loop
	l=$(loop 512M 0) small=$(loop 32M 1)
	check "a disk that is too small" refused 'has 32.0 MiB, this pool needs at least' "$small"
	check "the same disk twice" refused 'are the same device' "$l" "$l"
	ln -sf "$l" /dev/alias
	check "also by another name" refused 'are the same device' "$l" /dev/alias
	mkfs.ext4 -q "$l"
	check "an ext4 file system" refused 'carries something (ext4 file system); use --force' "$l"
	mkdir -p /mnt/t
	mount "$l" /mnt/t
	force=1
	check "a mounted one, also with force" says 'is in use' pool-create new 65536 1 "$l"
	umount /mnt/t
	force=0
	mkfs.xfs -qf "$l"
	check "an xfs file system" refused '(xfs file system)' "$l"
	wipefs -qa "$l"
	pvcreate -qqy "$l" >/dev/null 2>&1
	check "a volume of LVM" refused '(LVM2_member signature)' "$l"
	wipefs -qa "$l"
	mkswap "$l" >/dev/null
	check "swap" refused '(swap signature)' "$l"
	wipefs -qa "$l"
	partition /dev/vdb
	check "a partition table" refused '(dos partition table)' /dev/vdb
	mkfs.ext4 -qF /dev/vdb1
	mount /dev/vdb1 /mnt/t
	force=1
	check "a disk with a mounted partition, also with force" refused 'is in use' /dev/vdb
	umount /mnt/t

	check "force takes the partitioned one" t pool-create slow 65536 1 /dev/vdb
	check "and its partitions go" test ! -e /sys/block/vdb/vdb1
	ln -sf /dev/vdb /dev/alias
	check "a disk of another pool that runs" refused 'is in use' /dev/alias
	check "by its own name" refused 'belongs to pool slow' /dev/vdb
	t create slow v $((200 * MIB)) && t activate slow v $((200 * MIB))
	check "a volume of bvol" refused "one of bvol's own" "$(device slow v)"
	reboot
	check "a disk of another pool that does not run" refused 'belongs to pool' /dev/alias
	rm "$scratch/db"
	check "a disk of a pool that no database knows" refused 'belongs to pool [0-9a-f-]*; delete' /dev/vdb
	printf x | dd of=/dev/vdb bs=1 seek=100 conv=notrunc status=none
	printf x | dd of=/dev/vdb bs=1 seek=$((512 * 1024 + 100)) conv=notrunc status=none
	check "one with a damaged label" refused 'a damaged one' /dev/vdb
	force=0
	check "a file" says 'is not the path of a device' pool-create new 65536 1 "$scratch/loop0"
	check "no path" says 'is not the path of a device' pool-create new 65536 1 vda
	check "a path with dots" says 'is not the path of a device' pool-create new 65536 1 /dev/../etc/passwd
	check "a path with a tab" says 'ASCII alone' pool-create new 65536 1 $'/dev/v\tda'
	check "a character device" says 'not a block device' pool-create new 65536 1 /dev/null
	check "a missing device" says 'cannot find device' pool-create new 65536 1 /dev/nothing
	check "an odd chunk size" says 'multiple of 64 KiB' pool-create new 65000 0 /dev/vda
	blockdev --setro "$small"
	check "a read-only disk" says 'is read-only' pool-create new 65536 1 "$small"
	check "a good disk beside a bad one stays blank" says 'damaged' pool-create new 65536 1 /dev/vda /dev/vdb
	check "really" test "$(head -c 1024 /dev/vda | tr -d '\0')" = ""
	check "a size that is no multiple of 512" eval \
		't pool-create new 65536 0 /dev/vda && says "multiple of 512" create new v 1000'
	check "a size of 0" says 'multiple of 512' create new v 0
	check "a size beyond 2^63" says 'multiple of 512' create new v 9223372036854775808
	check "a snapshot of nothing" says 'has no device' create new v "$MIB" nothing
	losetup -D
}

# The table of recover.c, by hand

test_recovery() {
	local pool meta
	begin
	t pool-create fast 65536 0 /dev/vda && t create fast v $((8 * MIB))
	pool=$(dm_name pool)
	check "nothing was going on" t pool-open fast
	dmsetup message "$pool" 0 "set_transaction_id 1 5"
	check "the pool is ahead: quarantine" says 'quarantined: its transaction id is 5, the database has 1' pool-open fast
	check "diff tells it too" prints 'transaction id 1 wanted, 5 found' check fast
	check "and nothing is created" says 'nothing was done' create fast w $((8 * MIB))
	t destroy fast w
	check "nor destroyed" says 'nothing was done' destroy fast v
	dmsetup message "$pool" 0 "set_transaction_id 5 0"
	check "the pool is behind: quarantine" says 'quarantined: its transaction id is 0' pool-open fast
	dmsetup message "$pool" 0 "set_transaction_id 0 1"
	check "as they belong together" t pool-open fast
	check "the doomed one is gone" prints 'nothing to do' destroy fast v
	check "everything fits" consistent fast

	dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct conv=notrunc status=none
	check "one copy of the label is enough" t pool-open fast
	reboot
	check "also after a reboot" t pool-open fast
	reboot
	dd if=/dev/zero of=/dev/vda bs=4k count=1 seek=128 oflag=direct conv=notrunc status=none
	check "without a label nothing starts" says 'has lost the label' pool-open fast
	check "no device" test -z "$(dm_name '^bvol-')"

	begin
	t pool-create fast 65536 0 /dev/vda
	reboot
	dd if=/dev/zero of=/dev/vda bs=4k count=1 seek=4096 oflag=direct conv=notrunc status=none
	check "blank metadata is noticed" eval \
		't create fast v 1048576; ! t pool-open fast || says quarantined pool-open fast || prints "tid 0" stat fast'
	reboot
	dd if=/dev/urandom of=/dev/vda bs=4k count=16 seek=4096 oflag=direct conv=notrunc status=none
	check "damaged metadata does not start" says 'could not' pool-open fast
	check "and says so" prints '^error .*not active' stat fast
	check "nothing of it runs" test -z "$(dm_name pool)"

	begin
	t pool-create fast 65536 0 /dev/vda && t create fast v $((8 * MIB))
	reboot
	meta="0 32768 linear /dev/vda 32768"
	dmsetup create m --table "$meta"
	dmsetup create d --table "0 4096000 linear /dev/vda 98304"
	dmsetup create p --table "0 4096000 thin-pool /dev/mapper/m /dev/mapper/d 128 0 1 read_only"
	check "a pool of another program on the same disk is noticed" says 'is in use' pool-open fast
	dmsetup remove p
	dmsetup remove d
	dmsetup remove m
	check "when it is gone, ours starts" t pool-open fast
}

# Failing disks

test_metadata_errors() {
	local n
	n=$(blockdev --getsz /dev/vdb)
	begin
	dmsetup create weak --table "0 $n linear /dev/vdb 0"
	weak() {
		dmsetup suspend --noflush weak && dmsetup load weak --table "0 $n $*" && dmsetup resume weak
	}
	t pool-create fast 65536 0 /dev/mapper/weak && t create fast v $((8 * MIB)) &&
		t activate fast v $((8 * MIB))
	fill "$scratch/old" "$(device fast v)"
	weak flakey /dev/vdb 0 0 100 1 error_writes
	check "a create that the kernel could not record fails" says 'read-only: a write of its metadata failed\|refused the message' create fast w $((8 * MIB))
	check "the pool says so" prints '^read-only .*needs a check' stat fast
	check "what is there can be read" equal "$scratch/old" "$(device fast v)"
	check "nothing more is tried" says 'read-only' destroy fast w
	weak linear /dev/vdb 0
	check "also when the disk is well again" says 'needs a check' create fast x $((8 * MIB))
	check "and after a restart" says 'needs a check' pool-open fast
	t deactivate fast v
	reboot
	check "and after a reboot" says 'needs a check' pool-open fast
	reboot
	dmsetup create m --table "0 32768 linear /dev/mapper/weak 32768"
	check "a check clears it" thin_check --clear-needs-check-flag /dev/mapper/m
	dmsetup remove m
	check "then the pool opens" t pool-open fast
	check "with the volume" t activate fast v $((8 * MIB))
	check "and its bytes" equal "$scratch/old" "$(device fast v)"
	check "and without the failed ones" consistent fast
	check "it works again" t create fast y $((8 * MIB))
	reboot
	dmsetup remove weak
}

test_full() {
	local v
	begin
	t pool-create fast 65536 0 /dev/vda && t create fast v $((4096 * MIB)) && t activate fast v $((4096 * MIB))
	v=$(device fast v)
	check "writes end when the pool is full" eval '! dd if=/dev/zero of=$v bs=1M oflag=direct status=none 2>/dev/null'
	check "it is still available" prints '^available .* data \([0-9]*\)/\1 ' stat fast
	check "a snapshot can still be made" t create fast s $((4096 * MIB)) v
	check "and deleted" t destroy fast s
	check "the volume is deleted" t destroy fast v
	check "all is free" test "$(used fast)" = 0
	t create fast w $((8 * MIB)) && t activate fast w $((8 * MIB))
	check "and can be written" writable "$(device fast w)"
}

# A hung disk holds up its own pool alone.
test_hung() {
	local n pid
	n=$(blockdev --getsz /dev/vdb)
	begin
	dmsetup create weak --table "0 $n linear /dev/vdb 0"
	t pool-create slow 65536 0 /dev/mapper/weak && t pool-create fast 65536 0 /dev/vda
	dmsetup suspend weak
	t hung slow fast &
	pid=$!
	for _ in {1..60}; do
		grep -q '^second pool done' "$scratch/out" && break
		sleep 0.5
	done
	check "the other pool works" grep -q '^second pool done, the first hangs' "$scratch/out"
	dmsetup resume weak
	wait "$pid"
	check "the hung one goes on when the disk does" grep -q '^first pool done' "$scratch/out"
	check "its volume is there" eval 'consistent slow && t activate slow hung-volume 1048576'
	reboot
	dmsetup remove weak
}

# Snapshots under load: no write fails, and the volume is never left suspended.
test_load() {
	local v i pid
	begin
	t pool-create fast 65536 0 /dev/vda && t create fast v $((256 * MIB)) && t activate fast v $((256 * MIB))
	v=$(device fast v)
	mkfs.ext4 -q "$v"
	mkdir -p /mnt/t
	mount "$v" /mnt/t
	(while [ ! -e "$scratch/stop" ]; do dd if=/dev/urandom of=/mnt/t/file bs=64k count=32 conv=fsync status=none || exit 1; done) &
	pid=$!
	for i in 1 2 3; do
		check "snapshot $i of a mounted file system" t create fast "s$i" $((256 * MIB)) v
	done
	touch "$scratch/stop"
	check "no write failed" wait "$pid"
	rm "$scratch/stop"
	umount /mnt/t
	t activate fast s3 $((256 * MIB))
	check "the snapshot's file system is sound" eval 'fsck.ext4 -fn "$(device fast s3)" >"$scratch/out" 2>&1'
	for i in 1 2 3; do
		t destroy fast "s$i"
	done
	check "all fits" consistent fast
}

# With udevd running the link is made once and goes, and nobody else opens our devices.
test_udev() {
	local name
	begin
	/lib/systemd/systemd-udevd --daemon || return
	udevadm trigger && udevadm settle
	unset DM_DISABLE_UDEV
	t pool-create fast 65536 0 /dev/vda && t create fast v $((8 * MIB))
	check "a volume beside udevd" t activate fast v $((8 * MIB))
	udevadm settle
	name=$(volumes)
	check "its link" test "$(readlink -f "/dev/mapper/$name")" = "$(device fast v)"
	check "is not scanned" eval 'udevadm info -q property "$(device fast v)" | grep -q DM_UDEV_DISABLE_OTHER_RULES_FLAG=1'
	check "it is destroyed" t destroy fast v
	udevadm settle
	check "and its link" test ! -e "/dev/mapper/$name"
	check "so is the pool" t pool-destroy fast
	udevadm settle
	check "with all links" test -z "$(compgen -G '/dev/mapper/bvol-*')"
	udevadm control --exit
	export DM_DISABLE_UDEV=1
}

# Between a snapshot's wipe and its end the volume lets go of chunks that the snapshot then has alone. The
# last round has to wipe them too: what is left on the disk is what the volume itself maps.
test_wipe() {
	local job node
	begin
	yes "$(printf %-63s old-line)" | head -c $((32 * MIB)) >"$scratch/old"
	yes "$(printf %-63s new-line)" | head -c $((8 * MIB)) >"$scratch/new"
	t pool-create fast 65536 0 /dev/vda && t create fast v $((32 * MIB)) , activate fast v $((32 * MIB))
	node=$(device fast v)
	fill "$scratch/old" "$node"
	t create fast s $((32 * MIB)) v
	check "a wipe of what is shared writes nothing" t wipe fast s
	(timeout 120 "$thintest" "$scratch/db" wipe fast s , await "$scratch/gate" , destroy fast s) &
	job=$!
	wait_for 60 test -e "$scratch/gate"
	fill "$scratch/new" "$node"
	rm "$scratch/gate"
	check "the snapshot is wiped and destroyed" wait "$job"
	check "nothing of what only it had is left" test "$(lines old-line)" = $((24 * 16384))
	check "the volume has its bytes" equal "$scratch/new" "$node" $((8 * MIB))
	check "all of them" cmp -i $((8 * MIB)) "$scratch/old" "$node"
	check "it holds still no more" writable "$node"
	t deactivate fast v
	check "the volume is wiped and destroyed" t wipe fast v , destroy fast v
	check "nothing is left of its first bytes" test "$(lines old-line)" = 0
	check "nor of the others" test "$(lines new-line)" = 0
	check "all fits" consistent fast
	check "no window stays" test -z "$(dm_name -window$)"
}

# How many such lines the first 400 MiB of the pool's disk have.
lines() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	head -c 400M /dev/vda | LC_ALL=C grep -acF "$1"
}

# A pool is taken down as a whole or not at all.
test_stop() {
	local v
	begin
	t pool-create fast 65536 0 /dev/vda , create fast v $((64 * MIB)) , create fast s $((64 * MIB)) v , \
		activate fast v $((64 * MIB)) , activate fast s $((64 * MIB)) , pool-create other 65536 0 /dev/vdb , \
		create other o $((8 * MIB)) , activate other o $((8 * MIB))
	v=$(device fast v)
	fill "$scratch/old" "$v"
	exec 8<"$v"
	check "a pool with an open volume is not stopped" says 'is open; delete its export or unmount it' pool-stop fast
	check "and goes on as it was" consistent fast
	check "the open one" writable "$v"
	check "and the other" writable "$(device fast s)"
	exec 8<&-
	exec 8<"/dev/mapper/$(dm_name 'meta$' | head -n 1)"
	check "nor one that another program reads" says 'open by another program' pool-stop fast , pool-stop other
	exec 8<&-
	for name in $(dm_name 'pool$'); do
		dmsetup message "$name" 0 reserve_metadata_snap
	done
	check "otherwise it is" t pool-stop fast
	check "once more" t pool-stop fast
	check "none of its devices is left" test "$(dm_name ^bvol- | wc -l)" = 4
	check "another pool goes on" writable "$(device other o)"
	check "it comes up again" t pool-open fast , activate fast v $((64 * MIB)) , activate fast s $((64 * MIB))
	check "with what the volumes had" equal "$scratch/old" "$(device fast v)" $((3 * MIB))
	check "nothing differs" consistent fast
}

run_tests life devices refusals recovery metadata_errors full hung load udev wipe stop -- "$@"
