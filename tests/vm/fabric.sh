#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The iSCSI fabric without a daemon, with open-iscsi as the initiator and another tool's target
# beside. Two disks of 1 GiB.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016,SC2317 # eval gets its text quoted
. "$(dirname "$0")/lib.sh"

stranger=iqn.1993-08.org.debian:01:stranger
root=/sys/kernel/config/target
backstore=$root/core/iblock_25206/bvol-0b000000-0000-7000-8000-00000000000 # and the export's number
PATH=${PATH%%/daemon:*}/tests/vm:$PATH # `run` puts daemon/ of the build folder in front

t() {
	local status=0
	fabrictest "$@" >"$scratch/out" 2>&1 || status=$?
	cat "$scratch/out"
	return "$status"
}

printed() {
	grep -q -e "$1" "$scratch/out"
}

# prints PATTERN VERB... - and ends well.
prints() {
	t "${@:2}" && printed "$1"
}

# says PATTERN VERB... - and fails.
says() {
	fails t "${@:2}" && printed "$1"
}

# add N DEVICE [PORTAL] - sets target, user, secret.
add() {
	t add "$1" "$2" "$initiator" "${3:-$portal}" && read -r target user secret <"$scratch/out"
}

# enter TARGET USER SECRET - sets disk.
enter() {
	login "$@" && disk=$(disk_of "$1")
}

# refused TARGET USER SECRET [IFACE]
refused() {
	fails login "$@" && iscsiadm -m node -T "$1" -I "${4:-default}" -o delete
}

refused_without_chap() {
	local node=(iscsiadm -m node -T "$1" -p "$portal" -I default)
	"${node[@]}" -o new && fails "${node[@]}" --login && "${node[@]}" -o delete
}

# discovers IFACE
discovers() {
	iscsiadm -m discovery -t st -p "$portal" -I "$1" | tee "$scratch/out"
}

is() {
	[ "$1" = "$2" ] || { echo "$1 instead of $2" && false; }
}

within() {
	local start=$SECONDS
	"${@:2}" && [ $((SECONDS - start)) -le "$1" ]
}

# Another tool's target, and what all of it looks like.
make_foreign() {
	local tpg=$root/iscsi/iqn.2003-01.org.example:foreign/tpgt_1 so=$root/core/iblock_0/foreign
	mkdir -p "$so" "$tpg/lun/lun_0" "$tpg/acls/$initiator/lun_0"
	echo -n udev_path=/dev/vdb >"$so/control"
	echo 1 >"$so/enable"
	ln -s "$so" "$tpg/lun/lun_0/foreign"
	ln -s "$tpg/lun/lun_0" "$tpg/acls/$initiator/lun_0/lun_0"
	mkdir "$tpg/np/127.0.0.1:3270"
	echo 1 >"$tpg/enable"
}

foreign_state() {
	(cd $root && find core/iblock_0 iscsi/iqn.2003-01.org.example:foreign | sort &&
		cat iscsi/iqn.2003-01.org.example:foreign/tpgt_1/{enable,attrib/*} \
			core/iblock_0/foreign/{enable,info,attrib/*,wwn/vpd_unit_serial}) | md5sum
}

nothing_of_ours() {
	! compgen -G "$root/iscsi/iqn.2026-*" && ! compgen -G "$root/core/iblock_*/bvol-*"
}

connection_errors() {
	dmesg | grep -c "detected conn error"
}

test_setup() {
	umount /sys/kernel/config
	need "setup loads the modules and mounts configfs" t setup /var/lib/bvol-target
	check "dbroot is set" is "$(cat "$root/dbroot")" /var/lib/bvol-target
	check "with the folders that the kernel writes to" \
		test -d /var/lib/bvol-target/pr -a -d /var/lib/bvol-target/alua
	t setup /srv/target >/dev/null
	check "a shorter dbroot takes the place of a longer one" is "$(cat "$root/dbroot")" /srv/target
	make_foreign
	foreign=$(foreign_state)
	check "dbroot in use" t setup /var/lib/bvol-target
	check "stays" is "$(cat "$root/dbroot")" /srv/target
}

test_logins() {
	local queue
	dmsetup create one --table "0 1048576 linear /dev/vda 0"
	need "add" add 1 /dev/dm-0 "$portal,[::1]:3260"
	check "it is whole" t check 1
	stranger "$stranger" >/dev/null
	check "no login without CHAP" refused_without_chap "$target"
	check "no login with a wrong secret" refused "$target" "$user" "${secret}x"
	check "no login with a wrong name" refused "$target" "${user}x" "$secret"
	check "no login as another initiator" refused "$target" "$user" "$secret" stranger
	check "another initiator does not even discover it" \
		eval '! discovers stranger | grep "$target"'
	check "its own one does, with both portals" eval 'discovers default &&
		printed "^$portal,1 $target" && printed "^.::1.:3260,1 $target"'
	iscsiadm -m node -T "$target" -o delete >/dev/null
	need "login with the secret" enter "$target" "$user" "$secret"
	queue=/sys/block/${disk##*/}/queue
	check "the disk has the device's size" is "$(blockdev --getsize64 "$disk")" 536870912
	check "it says whose it is" is "$(xargs <"$queue/../device/vendor")" bvol
	check "its serial is the volume" \
		grep -qa 0a000000-0000-7000-8000-000000000001 "$queue/../device/vpd_pg80"
	check "it can discard" test "$(cat "$queue/discard_max_bytes")" -gt 0
	check "it has a write cache" is "$(cat "$queue/write_cache")" "write back"
	check "the session is seen" prints "^$initiator $target$" sessions 1
}

# In use: nothing of what follows may be noticed by this one.
start_io() {
	(while [ ! -e "$scratch/stop" ]; do
		dd if=/dev/urandom of="$disk" bs=64k count=32 oflag=direct || exit 1
	done) 2>"$scratch/dd" &
	io=$!
	session=$(sessions_of "$target")
	errors=$(connection_errors)
}

test_adoption() {
	local tpg=$root/iscsi/$target/tpgt_1
	check "adding what is there changes nothing" prints "^0 edits$" again 1
	echo 1 >"${backstore}1/attrib/emulate_3pc"
	check "a difference is found" says "^differs .*/emulate_3pc: wanted 0, found 1$" check 1
	check "and repaired by one edit" prints "^1 edits$" again 1
	mkdir -p "$tpg/acls/$stranger/lun_0" "$tpg/np/127.0.0.1:3261"
	ln -s "$tpg/lun/lun_0" "$tpg/acls/$stranger/lun_0/lun_0"
	check "an ACL too much is found" says "^extra ACL .*$stranger" check 1
	check "and a portal" printed "^extra portal .*:3261"
	t again 1 >/dev/null
	check "both go" test ! -e "$tpg/acls/$stranger" -a ! -e "$tpg/np/127.0.0.1:3261"
	echo -n guess >"$tpg/acls/$initiator/auth/password"
	check "a wrong secret is found" says "^differs CHAP secret" check 1
	check "and not shown" eval '! printed guess && ! printed "$secret"'
	t again 1 >/dev/null
	check "and repaired" t check 1
}

test_neighbours() {
	local first=$target other
	dmsetup create two --table "0 204800 linear /dev/vda 1048576"
	check "a second export" add 2 /dev/dm-1
	other=$target target=$first
	check "both are whole" t check 1 2
	check "an unknown one is reported" says "^extra target .*000002: no export" check 1
	check "one goes" t remove 2
	check "altogether" test ! -e "$root/iscsi/$other" -a ! -e "${backstore}2"
	check "the other stays" t check 1
	check "a crash in front of any edit is made good" \
		t crash 2 /dev/dm-1 "$initiator,$stranger" "$portal,127.0.0.1:3262"
	cat "$scratch/out"
	check "all the time the first one's session went on" kill -0 "$io"
	check "without a new login" is "$(sessions_of "$target")" "$session"
	check "or an error" is "$(connection_errors)" "$errors"
}

test_extend() {
	dmsetup suspend one
	dmsetup load one --table "0 1048576 linear /dev/vda 0
1048576 204800 linear /dev/vda 1400000"
	dmsetup resume one
	iscsiadm -m node -T "$target" --rescan >/dev/null
	check "an extended device is seen after a rescan" \
		is "$(blockdev --getsize64 "$disk")" 641728512
	touch "$scratch/stop"
	check "no I/O has failed" wait "$io"
}

test_remove_in_use() {
	dd if="$disk" of=/dev/null bs=1M iflag=direct 2>/dev/null &
	nap 0.2
	check "removing ends a session that is in use" within 5 t remove 1
	check "nothing of it is left" nothing_of_ours
	check "removing what is not there is no error" t remove 1
	logout "$target" >/dev/null
	wait
	check "no login finds it" refused "$target" "$user" "$secret"
	check "its device is free" dmsetup remove one
}

# A device that does not answer holds up the removal of its own export, and nothing else.
test_hung() {
	local hung remover
	dmsetup create one --table "0 204800 linear /dev/vda 0"
	add 1 /dev/dm-0 >/dev/null
	hung=$target
	check "login to a device that will hang" enter "$target" "$user" "$secret"
	dmsetup suspend --noflush --nolockfs one
	dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null &
	nap 0.5
	fabrictest remove 1 &
	remover=$!
	nap 1
	check "meanwhile another export is added" within 10 add 2 /dev/dm-1
	check "and used" enter "$target" "$user" "$secret"
	logout "$target" >/dev/null
	check "and removed" within 10 t remove 2
	check "while the removal waits" kill -0 "$remover"
	dmsetup resume one
	check "it ends when the device answers" wait "$remover"
	check "with nothing left" nothing_of_ours
	logout "$hung" >/dev/null
	wait
	dmsetup remove one
}

test_errors() {
	mkfs.ext4 -q /dev/dm-1
	mount /dev/dm-1 /mnt
	check "a mounted device is refused" \
		says "/dev/dm-1 cannot be exported, it is in use" add 3 /dev/dm-1 "$initiator" "$portal"
	umount /mnt
	check "a missing one too" \
		says "No such file or directory" add 3 /dev/missing "$initiator" "$portal"
	check "a portal with a foreign address too" \
		says "10.9.9.9:3260 (Cannot assign" add 3 /dev/dm-1 "$initiator" 10.9.9.9:3260
	busybox nc -l -p 3999 >/dev/null &
	nap 0.5
	check "one that is taken too" says "127.0.0.1:3999: Address already in use; another program" \
		add 3 /dev/dm-1 "$initiator" 127.0.0.1:3999
	kill $!
	check "a wrong initiator name too" \
		says "is not an initiator name" add 3 /dev/dm-1 iqn.1993-08.org.debian:01:a/b "$portal"
	t remove 3
	check "what a refused export left goes" nothing_of_ours
	add 3 /dev/dm-1 >/dev/null
	dmsetup create three --table "0 204800 linear /dev/vda 0"
	add 3 /dev/dm-0 >/dev/null
	check "a backstore of another device is made anew" \
		grep "UDEV PATH: /dev/dm-0 " "${backstore}3/info"
	t remove 3
}

test_lock() {
	local start=$SECONDS
	exec 9>/run/targetcli.lock
	flock -x 9
	check "another tool's lock is waited for" add 3 /dev/dm-1
	check "but not for ever" test $((SECONDS - start)) -ge 4 -a $((SECONDS - start)) -le 10
	flock -s 9
	check "and not when it is shared" within 3 t remove 3
	exec 9>&-
}

test_cost() {
	modprobe null_blk nr_devices=200 gb=1 memory_backed=1 discard=1
	check "200 exports" t time 200 /dev/nullb "$initiator" "$portal"
	cat "$scratch/out"
	check "leave nothing" nothing_of_ours
}

# A session whose target has gone should not be waited for long.
cat >>/etc/iscsi/iscsid.conf <<-END
	node.session.timeo.replacement_timeout = 2
	node.session.initial_login_retry_max = 1
	node.conn[0].timeo.logout_timeout = 2
	node.conn[0].timeo.login_timeout = 5
END
iscsi_start
for test in setup logins; do
	test_$test
done
start_io
for test in adoption neighbours extend remove_in_use hung errors lock cost; do
	test_$test
done
check "the other tool's target was not touched" is "$(foreign_state)" "$foreign"
finish
