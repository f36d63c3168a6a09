# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2119 # variables are for the scripts
#
# What the tests of moving pools share; they run in a VM with two disks of 512 MiB. A node is a machine-id
# and a state directory; one machine plays several of them in turn.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

state=/var/lib/bvol
MIB=1048576

# node NAME - the machine is this node from now on.
node() {
	[ -z "$bvold_pid" ] || bvold_stop
	bvold_pid=
	[ ! -d "$state" ] || [ -z "${node_now:-}" ] || { rm -rf "$state.$node_now" && mv "$state" "$state.$node_now"; }
	node_now=$1 state_before=
	rm -rf "$state"
	[ ! -d "$state.$1" ] || mv "$state.$1" "$state"
	printf '%s' "$1" | sha256sum | cut -c 1-32 >/etc/machine-id
	bvold_start
}

# lose_database - what is left when only the pool's disks are.
lose_database() {
	bvold_kill
	rm -rf "$state"
	bvold_start
}

# thin DEVICE-NUMBER POOL-ID COMMAND... - with the content of a device of a running pool at /dev/mapper/peek.
thin() {
	local id=$1 pool=$2 status=0
	shift 2
	dmsetup create peek --table "0 16384 thin /dev/mapper/bvol-$pool-pool $id" || return
	"$@" || status=$?
	dmsetup remove --retry peek
	return "$status"
}

sum() {
	head -c $((4 * MIB)) /dev/mapper/peek | sha256sum
}

fill() {
	dd if="$scratch/bytes" of=/dev/mapper/peek bs=64k oflag=direct conv=fsync status=none
}

id_of() {
	bvolctl "$1" show "$2" --json | get .id
}

# What users know of a pool's content, without what a move may change.
content() {
	local list
	for list in "volume list" "snapshot list" "type list" "group list" "group snapshot-list"; do
		# shellcheck disable=SC2086 # words
		bvolctl $list --json | jq -c '[.[] | del(.device, .updated_at, .pause)] | sort_by(.id)'
	done
}

copied() {
	shows '.copy == "current"' pool show "$1"
}

no_devices() {
	! dmsetup ls | grep '^bvol-'
}

blank() {
	local disk
	[ -z "$bvold_pid" ] || bvold_stop
	bvold_pid='' node_now=''
	dmsetup remove_all
	for disk in /dev/vda /dev/vdb; do
		dd if=/dev/zero of="$disk" bs=1M count=20 oflag=direct status=none
	done
	rm -rf "$state" "$state".*
}

# A pool with something of everything.
furnish() {
	pattern "$scratch/bytes" 4
	bvolctl pool create fast /dev/vda /dev/vdb --wipe none &&
		bvolctl type create gold --property tier=1 &&
		bvolctl volume create plain --size 8M &&
		bvolctl volume create typed --size 16M --type gold &&
		bvolctl group create both --volume typed --volume plain || return
	pool=$(id_of pool fast)
	thin 1 "$pool" fill || return
	bvolctl snapshot create plain before && bvolctl group snapshot both moment || return
	before=$(thin 1 "$pool" sum)
}
