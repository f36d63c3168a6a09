# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the tests of the thin provider share; they run in a VM with two disks of 2 GiB. thintest carries
# out single operations as the daemon does, on a database of its own.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

thintest=${THINTEST:-${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/thintest}
MIB=1048576
# thintest needs none of it, and each start would search it.
unset LD_LIBRARY_PATH

# One operation: its status, what it printed in $scratch/out and the sentence in $scratch/err.
t() {
	local status=0
	timeout 120 "$thintest" "$scratch/db" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	cat "$scratch/out" "$scratch/err"
	return $status
}

says() {
	! t "${@:2}" && grep -q -- "$1" "$scratch/err"
}

# t_crash N OPERATION... - the same, but it dies at its Nth change.
t_crash() {
	CRASH=$1 t "${@:2}"
}

prints() {
	t "${@:2}" && grep -q -- "$1" "$scratch/out"
}

device() {
	"$thintest" "$scratch/db" device "$@"
}

# Data bytes in use.
used() {
	"$thintest" "$scratch/db" stat "$1" | sed 's|.* data \([0-9]*\)/.*|\1|'
}

# No difference between the database and the kernel.
consistent() {
	t check "$1" && [ ! -s "$scratch/out" ]
}

sql() {
	sqlite3 "$scratch/db" "$@"
}

dm_name() {
	dmsetup ls | awk -v word="$1" '$1 ~ word { print $1 }'
}

# Block devices of volumes.
volumes() {
	dm_name '^bvol-' | grep -v -- '-\(meta\|data\|pool\)$'
}

# What a reboot leaves of bvol's devices: nothing.
reboot() {
	for _ in 1 2 3; do
		dmsetup ls | awk '/^bvol-/ { print $1 }' | while read -r name; do
			dmsetup remove "$name"
		done
	done 2>/dev/null
	[ -z "$(dm_name '^bvol-')" ]
}

# begin - a clean slate: no devices, no database, blank beginnings of the disks.
begin() {
	local disk
	reboot
	rm -f "$scratch"/db*
	for disk in /dev/vda /dev/vdb; do
		wipefs -qa $disk
		dd if=/dev/zero of=$disk bs=1M count=48 oflag=direct status=none
	done
}

fill() {
	dd if="$1" of="$2" bs=64k oflag=direct conv=notrunc,fsync status=none "${@:3}"
}

equal() {
	cmp -n "${3:-$((8 * MIB))}" "$1" "$2"
}

writable() {
	timeout 20 dd if=/dev/zero of="$1" bs=4k count=1 seek=1000 oflag=direct conv=notrunc status=none
}

# run_tests DEFAULT... -- [TEST...] - those that were asked for, else all.
run_tests() {
	local -a all=()
	local name
	while [ "$1" != -- ]; do
		all+=("$1")
		shift
	done
	shift
	[ $# -gt 0 ] || set -- "${all[@]}"
	pattern "$scratch/old" 8
	pattern "$scratch/new" 8
	for name; do
		echo "== $name ($(cut -d. -f1 /proc/uptime) s)"
		"test_$name"
	done
	begin
	finish
}
