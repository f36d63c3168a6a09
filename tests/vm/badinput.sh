#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What users get wrong, or try: each gets one clear sentence and changes nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

nltest=$(dirname "$(command -v bvold)")/../tests/vm/nltest
long=$(printf 'x%.0s' {1..255})
unknown=01234567-89ab-7def-8123-456789abcdef

refuse() {
	expect_fail 1 "$@"
}

misuse() {
	expect_fail 2 "$@"
}

test_setup() {
	need "bvold starts" bvold_start
	need "a pool" bvolctl pool create fast /dev/vda
	need "a volume" bvolctl volume create v1 --size 64M
	need "a snapshot" bvolctl snapshot create v1 s1
	need "an export" bvolctl export create v1 --initiator "$initiator"
	need "a second volume" bvolctl volume create v2 --size 64M
}

test_usage() {
	misuse "" bvolctl
	misuse nonsense bvolctl nonsense
	misuse "" bvolctl volume
	misuse frobnicate bvolctl volume frobnicate
	misuse NAME bvolctl volume create
	misuse --size bvolctl volume create v3
	misuse --bogus bvolctl volume create v3 --bogus
	misuse "too many" bvolctl volume show v1 v2
	misuse --size bvolctl volume create v3 --size
	refuse pigeon bvolctl volume list --transport pigeon
	misuse bogus bvold --bogus
	misuse bogus bvold bogus
}

test_names() {
	local transport
	for transport in netlink unix; do
		refuse "/" bvolctl volume create a/b --size 64M --transport $transport
		refuse "control" bvolctl volume create $'a\nb' --size 64M --transport $transport
		refuse "control" bvolctl volume create $'a\x01b' --size 64M --transport $transport
		refuse "255" bvolctl volume create "x$long" --size 64M --transport $transport
		refuse "UTF-8" bvolctl volume create $'\xff\xfe' --size 64M --transport $transport
	done
	refuse "name" bvolctl volume create "" --size 64M
	refuse "UTF-8" bvolctl volume create $'\xc0\xaf' --size 64M
	refuse "UTF-8" bvolctl volume create $'\xed\xa0\x80' --size 64M
	refuse "control" bvolctl volume create $'a\x7fb' --size 64M
	refuse "blank" bvolctl volume create " a" --size 64M
	refuse "UUID" bvolctl volume create $unknown --size 64M
	refuse "/" bvolctl snapshot create v1 ../s2
	refuse "control" bvolctl snapshot create v1 $'s\t2'
	refuse "/" bvolctl pool create a/b /dev/vdb
	refuse "255" bvolctl pool create "x$long" /dev/vdb
	refuse "/" bvolctl volume create v3 --size 64M --project a/b
	refuse "/" bvolctl quota set a/b --volumes 1
	check "255 bytes are no longer than that" bvolctl volume create "$long" --size 64M
	check "any UTF-8 is a name" bvolctl volume create "Größe 'x' \$(reboot) 漢字" --size 64M
	check "and found by it" bvolctl volume delete "Größe 'x' \$(reboot) 漢字"
	check "so is the long one" bvolctl volume delete "$long"
}

test_groups_and_types() {
	refuse "/" bvolctl group create a/b
	refuse "control" bvolctl group create $'a\nb'
	refuse '"nosuch"' bvolctl group create g --volume nosuch
	refuse "already" bvolctl group create g --volume v1 --volume v1
	refuse "255" bvolctl type create "x$long"
	refuse "control" bvolctl type create t --description $'a\x1b[31m'
	refuse "control" bvolctl type create t --property $'k=a\nb=c'
	refuse "KEY=VALUE" bvolctl type create t --property k
	refuse "255" bvolctl type create t --property "k=x$long"
	refuse '"nosuch"' bvolctl volume create v3 --size 64M --type nosuch
	refuse '"nosuch"' bvolctl volume create v3 --size 64M --group nosuch
	misuse "something to set" bvolctl type set t
	misuse --volume bvolctl group add g
	check "a group" bvolctl group create g --volume v2
	refuse "255" bvolctl group snapshot g "$long"
	refuse '"nosuch"' bvolctl group snapshot nosuch m
	check "goes" bvolctl group delete g
}

test_sizes() {
	local size
	for size in 0 0G -1 -1G 1.5G 1,5G 9223372036854775808 18446744073709551616 9999999999999999999999 \
		8192P 10X "" G " 1G" 1e9 0x100; do
		refuse size bvolctl volume create v3 --size "$size"
	done
	refuse 512 bvolctl volume create v3 --size 1000
	refuse "can take" bvolctl volume create v3 --size 100T
	refuse "can take" bvolctl volume create v3 --size 8191P
	refuse "can take" bvolctl volume create v3 --size 100T --pool fast --transport unix
	refuse "more than" bvolctl volume extend v2 --size 64M
	refuse "more than" bvolctl volume extend v2 --size 1M
	refuse size bvolctl volume extend v2 --size 0
	refuse 512 bvolctl volume extend v2 --size 67108865
	refuse "can take" bvolctl volume extend v2 --size 100T
	refuse "can't have less" bvolctl volume create v3 --snapshot s1 --size 1M
	refuse chunk bvolctl pool create bad /dev/vdb --chunk-size 1000
	refuse chunk bvolctl pool create bad /dev/vdb --chunk-size 3G
	refuse reserve bvolctl pool create bad /dev/vdb --reserve 101
	refuse over-subscription bvolctl pool create bad /dev/vdb --over-subscription 1
	refuse "" bvolctl quota set p --volumes -2
	refuse "" bvolctl quota set p --gigabytes 99999999999999999999
}

test_unknown() {
	refuse '"nosuch"' bvolctl volume show nosuch
	refuse $unknown bvolctl volume show $unknown
	refuse '"nosuch"' bvolctl volume delete nosuch --transport unix
	refuse '"nosuch"' bvolctl volume extend nosuch --size 1G
	refuse '"nosuch"' bvolctl volume revert v2 --snapshot nosuch
	refuse '"nosuch"' bvolctl volume revert nosuch --snapshot s1
	refuse '"nosuch"' bvolctl volume create v3 --size 1G --pool nosuch
	refuse '"nosuch"' bvolctl volume create v3 --snapshot nosuch
	refuse '"nosuch"' bvolctl snapshot create nosuch s2
	refuse '"nosuch"' bvolctl snapshot delete nosuch
	refuse '"nosuch"' bvolctl snapshot list --volume nosuch
	refuse '"nosuch"' bvolctl pool show nosuch
	refuse '"nosuch"' bvolctl pool delete nosuch
	refuse '"nosuch"' bvolctl export create nosuch --initiator "$initiator"
	refuse '"nosuch"' bvolctl export show nosuch
	refuse v2 bvolctl export show v2
	refuse v2 bvolctl export delete v2
	refuse nosuch bvolctl job show nosuch
	refuse $unknown bvolctl job show $unknown
	refuse "/etc/nosuch" bvold --config /etc/nosuch
}

test_ambiguous() {
	local first second
	check "a volume" bvolctl volume create twin --size 64M
	check "another one of this name" bvolctl volume create twin --size 64M
	first=$(bvolctl volume list --json | get 'map(select(.name == "twin"))[0].id')
	second=$(bvolctl volume list --json | get 'map(select(.name == "twin"))[1].id')
	refuse "$first" bvolctl volume show twin
	refuse "$second" bvolctl volume delete twin
	refuse "UUID" bvolctl export create twin --initiator "$initiator"
	check "the UUID says which" bvolctl volume delete "$first"
	check "then the name does" bvolctl volume delete twin
	refuse fast bvolctl pool create fast /dev/vdb
}

test_states() {
	refuse export bvolctl volume delete v1
	refuse "" bvolctl volume revert v1 --snapshot s1
	refuse already bvolctl export create v1 --initiator "$initiator"
	refuse s1 bvolctl volume revert v2 --snapshot s1
	refuse volumes bvolctl pool delete fast
	refuse "initiator name" bvolctl export create v2 --initiator nonsense
	refuse "initiator name" bvolctl export create v2 --initiator iqn.2001-04.com.example:../../x
	refuse portal bvolctl export create v2 --initiator "$initiator" --portal nonsense
	refuse portal bvolctl export create v2 --initiator "$initiator" --portal 127.0.0.1:0
	refuse portal bvolctl export create v2 --initiator "$initiator" --portal 10.255.255.1:3260
	refuse fabric bvolctl export create v2 --initiator "$initiator" --fabric pigeon
	refuse loop bvolctl export create v2 --initiator "$initiator" --fabric loop
	check "quotas are set" bvolctl quota set poor --volumes 0
	refuse poor bvolctl volume create v3 --size 64M --project poor
}

# pool_on DEVICE PART - no pool is made on it.
pool_on() {
	refuse "$2" bvolctl pool create other "$1"
}

test_devices() {
	local mapper
	mkfs.ext4 -q /dev/vdb
	pool_on /dev/vdb ext4
	mount /dev/vdb /mnt
	pool_on /dev/vdb "in use"
	refuse "in use" bvolctl pool create other /dev/vdb --force
	check "the mounted file system is not touched" touch /mnt/file
	umount /mnt
	wipefs -qa /dev/vdb
	mkswap /dev/vdb >/dev/null
	pool_on /dev/vdb swap
	wipefs -qa /dev/vdb
	printf 'n\np\n1\n\n\nw\n' | busybox fdisk /dev/vdb >/dev/null 2>&1
	pool_on /dev/vdb dos
	wipefs -qa /dev/vdb
	pvcreate -qq --config 'devices { use_devicesfile = 0 }' /dev/vdb >/dev/null 2>&1
	pool_on /dev/vdb LVM
	wipefs -qa /dev/vdb
	pool_on /dev/vda fast
	refuse fast bvolctl pool create other /dev/vda --force
	refuse "same" bvolctl pool create other /dev/vdb /dev/vdb
	blockdev --setro /dev/vdb
	pool_on /dev/vdb read-only
	blockdev --setrw /dev/vdb
	pool_on /dev/nosuch "/dev/nosuch"
	pool_on /dev/null "block device"
	pool_on /etc/passwd "/etc/passwd"
	pool_on vdb vdb
	pool_on /dev/../etc/passwd "device"
	pool_on $'/dev/v\ndb' "line feed"
	pool_on "/dev/$long" "255"
	mapper=$(device_of v2) state_before=
	pool_on "$mapper" "bvol"
	for mapper in /dev/mapper/bvol-*; do
		pool_on "$mapper" ""
	done
	check "a small disk" dmsetup create small --table "0 1024 linear /dev/vdb 0"
	pool_on /dev/mapper/small small
	dmsetup remove small
	check "after all that the disk still makes a pool" bvolctl pool create other /dev/vdb
	check "which goes again" bvolctl pool delete other
}

test_daemons() {
	refuse "another bvold" bvold
	refuse "another bvold" bvold --state /tmp/elsewhere --run /tmp/elsewhere.run
	mkdir -m 777 /tmp/open
	refuse /tmp/open bvold --state /tmp/open
	ln -s /var/lib/bvol /tmp/link
	refuse /tmp/link bvold --state /tmp/link
	echo nonsense >/tmp/bad.conf
	refuse /tmp/bad.conf:1 bvold --config /tmp/bad.conf
	check "the first one goes on" bvolctl volume list
	check "its socket is still there" bvolctl volume list --transport unix
}

# Users

nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# A user namespace of his own, in which he is root; with a network namespace of his own.
mapped() {
	nobody unshare -Ur "$@"
}

test_users() {
	local who
	for who in nobody mapped; do
		refuse "run as root or join the group" $who bvolctl volume list
		refuse "CAP_NET_ADMIN" $who bvolctl volume list --transport netlink
		refuse "" $who bvolctl volume list --transport unix
		refuse "" $who bvolctl session list
		refuse "" $who bvolctl events
		refuse "" $who bvolctl events --follow
		refuse "" $who bvolctl info
		refuse "" $who bvolctl volume delete v2
	done
	refuse "" mapped unshare -n bvolctl volume delete v2
	refuse "" mapped unshare -n bvolctl info --transport netlink
	refuse "root" nobody bvold
	verdict "the state is not for everyone" fails nobody cat /var/lib/bvol/bvol.db
	verdict "nor in a namespace of his own" fails mapped cat /var/lib/bvol/bvol.db
}

# Messages that no client of ours sends

# answered LINE PART - nltest gets an error or a reply with PART in it, and nothing has changed.
answered() {
	[ -n "$state_before" ] || state_before=$(state)
	echo "$1" | timeout 20 "$nltest" 2>&1 | tr '\0' ' ' | sed 's/[^[:print:]]//g' >"$scratch/err"
	: >"$scratch/out"
	verdict "malformed: $1" refusal 1 1 "$2"
}

test_malformed() {
	answered "raw do 9" "missing"
	answered "raw do 9 3:u32=6" "missing"
	answered "raw do 3" "only the bound daemon"
	answered "bind other" "EBUSY"
	answered "raw do 10" "only the bound daemon"
	answered "raw do 4" "only the bound daemon"
	answered "raw do 99" "EOPNOTSUPP"
	answered "big 30000" "EMSGSIZE"
	check "bvold goes on" bvolctl volume list
	check "frames that are none end a connection of the socket, and no more" garbage
	check "bvold goes on" bvolctl volume list --transport unix
}

garbage() {
	python3 -c '
import random, socket, sys
random.seed(1)
for length in (0, 1, 15, 16, 19, 20, 24, 100, 4096, 25600, 60000):
    for _ in range(5):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(sys.argv[1])
        s.settimeout(5)
        message = bytearray(random.randbytes(length))
        if length >= 20:
            message[0:4] = length.to_bytes(4, "little")
            message[16] = random.choice((7, 9))
        s.send(message)
        s.close()
' "$socket"
}

# A pool without room

test_full() {
	local node
	dmsetup create disk --table "0 524288 linear /dev/vdb 0"
	wipefs -qa /dev/mapper/disk
	need "a pool of 256 MiB" bvolctl pool create tiny /dev/mapper/disk
	need "a volume as large" bvolctl volume create big --size 200M --pool tiny
	need "and another" bvolctl volume create more --size 200M --pool tiny
	node=$(device_of big)
	dd if=/dev/zero of="$node" bs=1M oflag=direct status=none
	node=$(device_of more)
	verdict "writing ends when the pool is full" fails dd if=/dev/zero of="$node" bs=1M oflag=direct
	refuse "tiny" bvolctl volume create v3 --size 64M --pool tiny
	refuse "tiny" bvolctl snapshot create big s2
	refuse "tiny" bvolctl volume extend big --size 250M
	check "exports work" bvolctl export create big --initiator "$initiator"
	check "and go" bvolctl export delete big
	check "what is wished to lie anywhere lies elsewhere" bvolctl volume create v3 --size 64M
	check "volumes are deleted" bvolctl volume delete more
	check "which makes room" bvolctl volume create more --size 50M --pool tiny
	check "a snapshot is taken again" bvolctl snapshot create more s2
	check "the kernel is as the database wants it" same
	check "all goes" bvolctl snapshot delete s2
	check "one by one" bvolctl volume delete more
	check "to the end" bvolctl volume delete big
	check "the pool is deleted" bvolctl pool delete tiny
	dmsetup remove disk
}

test_no_daemon() {
	bvold_kill
	refuse "not running" bvolctl volume list
	refuse "not running" bvolctl volume list --transport netlink
	refuse "not running" bvolctl volume list --transport unix
	refuse "not running" bvolctl volume create v4 --size 64M
	check "the module's sessions are listed" bvolctl session list
	check "its events too" shows_events
	check "and its state" shows '.daemon_pid == null' info
}

shows_events() {
	bvolctl events --json >"$scratch/events" && has_event "$scratch/events" '.kind == "daemon-down"'
}

# The file is there, but not a module: as with a kernel for which none was built.
test_no_module() {
	local ko target user secret
	rmmod bvol
	ko=$(modinfo -n bvol)
	: >"$scratch/empty"
	mount --bind "$scratch/empty" "$ko"
	need "bvold starts without the module" bvold_start
	refuse "module" bvolctl volume list --transport netlink
	check "clients use the socket" shows '.transport == "unix"' info
	events_start "$scratch/followed"
	nap 1
	check "all is as before" bvolctl volume create v4 --size 64M
	check "events come from bvold" event_seen "$scratch/followed" \
		'.kind == "volume-changed" and .status == "available"'
	iscsi_start
	target=$(bvolctl export show v1 --secrets --json | tee "$scratch/export" | get .target)
	user=$(get .auth.user <"$scratch/export") secret=$(get .auth.secret <"$scratch/export")
	check "initiators log in" login "$target" "$user" "$secret"
	check "sessions are listed" shows "map(.initiator) == [\"$initiator\"]" session list
	check "the volume is in-use" wait_for 5 shows '.status == "in-use"' volume show v1
	check "the initiator logs out" logout "$target"
	umount "$ko"
	modprobe bvol
	check "a module that comes later is found" wait_for 5 shows ".daemon_pid == $bvold_pid" info \
		--transport netlink
	check "the kernel is as the database wants it" same
}

test_setup
test_usage
test_names
test_groups_and_types
test_sizes
test_unknown
test_ambiguous
test_states
test_devices
test_daemons
test_users
test_malformed
test_full
test_no_daemon
test_no_module
finish
