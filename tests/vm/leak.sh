#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# leak.sh [before|after] - what is deleted is on no disk any more, whatever came in between.
#
#	tests/vm/run --disk 320M -- tests/vm/leak.sh
#
# Volumes of two projects are made, filled, snapshotted, cloned, reverted and deleted at random, and
# bvold is killed in the middle of it. Their bytes are marks that say whose they are (leaktest.c), so
# that a scan of the whole raw disk finds whose are left where nobody owns them. Each volume has a file
# that models it, each snapshot too. "before" ends in a reset of the machine, see tests/reboot; it has a
# third disk for the state.
#
#	LEAK_SEED	for another run, or the same one again
#	LEAK_STEPS	how many (24)
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names; scanned takes more or none
# shellcheck disable=SC2119,SC2120
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

leaktest=${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/leaktest
seed=${LEAK_SEED:-$RANDOM}
RANDOM=$seed
steps=${LEAK_STEPS:-24}
phase=${1:-} home=$scratch/leak state=/var/lib/bvol
deaths=0 reset=false
chunk=65536

# Into number; not into a pipe, where RANDOM is another.
random() {
	number=$(((RANDOM << 15 | RANDOM) % $1))
}

# A new number, of which a name is made; the next one is the generation of what is written.
next() {
	number=$(($(<"$home/next") + 1))
	echo "$number" >"$home/next"
}

# any FOLDER - into name: one of the things that are there; false if there is none.
any() {
	local all=("$home/$1"/*)
	[ -e "${all[0]}" ] || return
	random ${#all[@]}
	name=${all[number]##*/}
}

project_of() {
	if [ $((${1#[vs]} % 2)) = 0 ]; then echo a; else echo b; fi
}

# change REQUEST... - it is done, and every sixth time the daemon dies while it does it.
change() {
	if $reset; then
		bvolctl "$@" --no-wait >/dev/null
		return
	fi
	random 6
	if [ "$number" != 0 ]; then
		bvolctl "$@" >/dev/null
		return
	fi
	bvolctl "$@" --no-wait >/dev/null || return
	random 700
	nap "$(printf 0.%03d "$number")"
	deaths=$((deaths + 1))
	bvold_kill
	bvold_start --state "$state" && wait_for 60 settled
}

# node_of VOLUME - its block device; after a restart of the machine it has none.
node_of() {
	local node
	node=/dev/mapper/bvol-$(<"$home/id/$1")
	[ -b "$node" ] || device_of "$1" >/dev/null
	echo "$node"
}

# appear VOLUME - it is there; its id is its node's name.
appear() {
	bvolctl volume show "$1" --json | get .id >"$home/id/$1"
}

# What can be done. Each keeps the models as they are to be.

do_create() {
	local size
	random 4000
	size=$(((number + 2100) * 512))
	next
	name=v$number
	change volume create "$name" --size "$size" --project "$(project_of "$name")" &&
		truncate -s "$size" "$home/volume/$name" && appear "$name"
}

do_write() {
	local volume options=() size length
	any volume || return 0
	volume=$name size=$(stat -c %s "$home/volume/$name")
	random 300000
	length=$((number + 1))
	random $((size - length))
	set -- "$number"
	[ ! -e "$home/history/$volume" ] || options=("$home/freed")
	next
	"$leaktest" fill "$(node_of "$volume")" "$home/volume/$volume" "$1" "$length" \
		"$(project_of "$volume")" "${volume#v}" "$number" "${options[@]}"
}

# Mostly over all that there was, or the pool would never give anything back.
do_overwrite() {
	local volume options=() size at
	any volume || return 0
	volume=$name size=$(stat -c %s "$home/volume/$name")
	[ ! -e "$home/history/$volume" ] || options=("$home/freed")
	next
	for ((at = 0; at < size; at += 1000003)); do
		"$leaktest" fill "$(node_of "$volume")" "$home/volume/$volume" "$at" \
			$((size - at < 1000003 ? size - at : 1000003)) "$(project_of "$volume")" \
			"${volume#v}" "$number" "${options[@]}" || return
	done
}

do_discard() {
	local volume size at
	any volume || return 0
	volume=$name size=$(stat -c %s "$home/volume/$name")
	random $((size - 400000))
	at=$number
	random 400000
	"$leaktest" discard "$(node_of "$volume")" "$home/volume/$volume" "$at" "$number" "$home/freed"
}

do_snapshot() {
	local volume
	any volume || return 0
	volume=$name
	next
	name=s$number
	change snapshot create "$volume" "$name" && cp "$home/volume/$volume" "$home/snapshot/$name" &&
		echo "$volume" >"$home/origin/$name" && touch "$home/history/$volume"
}

do_clone() {
	local snapshot
	any snapshot || return 0
	snapshot=$name
	next
	name=v$number
	change volume create "$name" --snapshot "$snapshot" --project "$(project_of "$name")" &&
		cp "$home/snapshot/$snapshot" "$home/volume/$name" && touch "$home/history/$name" &&
		appear "$name"
}

do_revert() {
	any snapshot || return 0
	set -- "$(<"$home/origin/$name")"
	change volume revert "$1" --snapshot "$name" && cp "$home/snapshot/$name" "$home/volume/$1"
}

do_unsnapshot() {
	any snapshot || return 0
	change snapshot delete "$name" && rm "$home/snapshot/$name" "$home/origin/$name"
}

do_delete() {
	any volume || return 0
	! grep -qx "$name" "$home"/origin/* || return 0
	change volume delete "$name" && rm -f "$home"/{volume,history,id}/"$name"
}

plan=(create create create write write write write overwrite overwrite discard snapshot snapshot clone
	clone revert unsnapshot unsnapshot delete delete delete)

# one STEP-NUMBER
one() {
	random ${#plan[@]}
	local step=${plan[number]}
	need "$1 $step" "do_$step"
}

# The verdict

# The first sector of the pool's data on the disk.
data_start() {
	local name words
	for name in /dev/mapper/bvol-*-data; do
		read -ra words < <(dmsetup table "$name")
		echo $((words[4] * 512))
	done
}

scanned() {
	"$leaktest" scan /dev/vda /dev/mapper/bvol-*-meta "$(data_start)" "$@"
}

# A clone of a snapshot has its bytes; it goes again at once.
snapshot_holds() {
	bvolctl volume create look --snapshot "$1" >/dev/null || return
	"$leaktest" compare "$(device_of look)" "$home/snapshot/$1" &&
		bvolctl volume delete look >/dev/null
}

test_end() {
	local all
	check "nothing stays half done" wait_for 60 settled
	check "what is on the disk is somebody's, or the kernel freed it" scanned "$home/freed"
	need "the pool is scrubbed" bvolctl pool scrub p
	check "now all that is on the disk is somebody's" scanned
	for all in "$home"/volume/*; do
		[ ! -e "$all" ] || check "volume ${all##*/} holds what it should" \
			"$leaktest" compare "$(node_of "${all##*/}")" "$all"
	done
	for all in "$home"/snapshot/*; do
		[ ! -e "$all" ] || check "snapshot ${all##*/} too" snapshot_holds "${all##*/}"
	done
	check "the kernel is as the database wants it" same
	for all in "$home"/snapshot/*; do
		[ ! -e "$all" ] || check "it goes" bvolctl snapshot delete "${all##*/}"
	done
	for all in "$home"/volume/*; do
		[ ! -e "$all" ] || check "it goes" bvolctl volume delete "${all##*/}"
	done
	check "with all deleted the disk has what the kernel freed alone" scanned "$home/freed"
	check "the pool is scrubbed" bvolctl pool scrub p
	check "the disk has no mark at all" nothing
}

nothing() {
	scanned >"$scratch/scan" && cat "$scratch/scan" && grep -q ": 0 marks that belong .* 0 faults" "$scratch/scan"
}

setup() {
	mkdir -p "$home"/{volume,history,id,snapshot,origin}
	echo 0 >"$home/next"
	need "bvold starts" bvold_start --state "$state"
	need "a pool" bvolctl pool create p /dev/vda --chunk-size $chunk
	for _ in 1 2; do
		need "a volume" do_create
		need "full" do_overwrite
	done
	need "a snapshot" do_snapshot
}

# Some seconds of marks are on the disk that nobody has: else nothing was tested.
test_sees() {
	local volume
	need "a volume" do_create
	volume=$name
	next
	need "with marks" "$leaktest" fill "$(node_of "$volume")" "$home/volume/$volume" 5 1000001 \
		"$(project_of "$volume")" "${volume#v}" "$number"
	need "it goes unwiped" bvolctl volume delete "$volume" --wipe none
	rm -f "$home"/{volume,id}/"$volume"
	check "the scan sees it" fails scanned "$home/freed"
	check "a scrub" bvolctl pool scrub p
	check "and nothing more is to be seen" scanned
}

if [ -n "$phase" ]; then
	home=/mnt/leak state=/mnt/bvol
	[ "$phase" = after ] || mkfs.ext4 -q /dev/vdc
	mount /dev/vdc /mnt
fi
echo "# LEAK_SEED=$seed"
if [ "$phase" = after ]; then
	need "bvold starts after the reset" bvold_start --state "$state"
	check "nothing stays half done" wait_for 60 settled
else
	setup
	test_sees
fi
for ((i = 1; i <= steps; i++)); do
	one "$i"
done
if [ "$phase" = before ]; then
	reset=true
	need "a last volume" do_delete
	sync -f /mnt
	random 400
	nap "$(printf 0.%03d "$number")"
	echo b >/proc/sysrq-trigger
	sleep 60
fi
test_end
check "SIGTERM ends bvold" bvold_stop
echo "# $deaths deaths, LEAK_SEED=$seed"
finish
