#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# flaky.sh - a pool's disk fails from the k-th write on, for each k of an operation: what was acknowledged
# is there, what was refused is not, and nothing is lost.
#
#	tests/vm/run --disk 256M -- tests/vm/flaky.sh
#
# With NIGHT=1 each k of every operation; else each k of the first one and some of the others'.
#
# shellcheck disable=SC2317,SC2329,SC2119 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

weakdisk=${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/weakdisk
most=60 # no operation writes more often

# order WORDS - to the disk; how many writes came, and how many failed, since the last.
order() {
	echo "$*" >&"${disk_in}" && read -rt 60 _ broken <&"${disk_out}"
}

exists() {
	bvolctl "$1" show "$2" >"$scratch/show" 2>&1
}

is() {
	grep -q "^status: *$1$" "$scratch/show"
}

available() {
	bvolctl pool show p >"$scratch/pool" && grep -q '^status: *available$' "$scratch/pool"
}

jobless() {
	[ "$(bvolctl job list --json)" = "[]" ]
}

# said FILE - its last line, as a part of one.
said() {
	tail -n 1 "$1"
}

# A pool that the kernel writes no more is mended; one that it does is not touched.
come_back() {
	bvold_kill
	bvold_start || { why="bvold does not start" && return 1; }
	if ! available; then
		bvolctl pool repair p >"$scratch/repair" 2>&1 ||
			{ why="no repair: $(said "$scratch/repair")" && return 1; }
		repairs=$((repairs + 1))
	fi
	wait_for 60 available || { why="the pool stays $(grep -E '^(status|error):' "$scratch/pool" | xargs)" && return 1; }
	wait_for 60 jobless || { why="a job does not end: $(bvolctl job list | tail -n 1)" && return 1; }
}

# The operations: what is done, what has to be then, and what to be there if it was refused.
create() { bvolctl volume create n --size 8M --pool p; }
create_done() { exists volume n && is available; }
create_undone() { ! exists volume n || is error; }
create_reset() { ! exists volume n || bvolctl volume delete n --wipe none; }

snapshot() { bvolctl snapshot create v n; }
snapshot_done() { exists snapshot n && is available; }
snapshot_undone() { ! exists snapshot n || is error; }
snapshot_reset() { ! exists snapshot n || bvolctl snapshot delete n --wipe none; }

delete() { bvolctl volume delete n --wipe none; }
delete_done() { ! exists volume n; }
delete_undone() { ! exists volume n || is available || is error_deleting; }
delete_reset() {
	if exists volume n; then
		is available && return
		bvolctl volume delete n --wipe none || return
	fi
	create
}

# The volume's bytes. After a repair it has its device again when it is asked for.
intact() {
	local device
	device=$(device_of v) && holds "$device" 0 "$scratch/bytes"
}

# once OPERATION K - sets broken, and why when it is not as it has to be.
once() {
	local status=0
	why=''
	"$1_reset" >"$scratch/reset" 2>&1 || { why="no reset: $(said "$scratch/reset")" && return 1; }
	order arm "$2"
	timeout 100 "$BASH" -c "$(declare -f "$1"); $1" >"$scratch/said" 2>&1 || status=$?
	order heal
	[ "$status" != 124 ] || { why="it hangs" && return 1; }
	come_back || return 1
	if [ "$status" = 0 ]; then
		"$1_done" || { why="acknowledged, but: $(xargs <"$scratch/show")" && return 1; }
	else
		"$1_undone" || { why="refused ($(said "$scratch/said")), but: $(xargs <"$scratch/show")" && return 1; }
	fi
	# Nothing but a pool that is stuck is a reason to refuse.
	[ "$status" = 0 ] || grep -q 'bvolctl pool repair' "$scratch/said" ||
		{ why="refused, but not with what helps: $(said "$scratch/said")" && return 1; }
	intact >"$scratch/intact" 2>&1 || { why="the volume's bytes: $(said "$scratch/intact")" && return 1; }
}

# sweep OPERATION STEP - from the first write on, until none of its writes fails.
sweep() {
	local k
	repairs=0 broken=-1
	for ((k = 0; k < most && broken != 0; k += $2)); do
		once "$1" "$k" || { echo "writes fail from number $k on: $why" && return 1; }
	done
	bvolctl pool check p && same || return 1
	echo "# $1: writes fail from $((k / $2 - 1)) places on, $repairs repairs, $SECONDS s" >&3
	[ "$broken" = 0 ]
}

start_disk() {
	modprobe nbd nbds_max=1 max_part=0 && wait_for 10 test -b /dev/nbd0 || return
	coproc DISK { exec "$weakdisk" /dev/nbd0 /dev/vda; }
	disk_out=${DISK[0]} disk_in=${DISK[1]}
	read -rt 30 word <&"$disk_out" && [ "$word" = ready ]
}

exec 3>&1
need "a disk that can fail" start_disk
need "bvold starts" bvold_start
need "a pool" bvolctl pool create p /dev/nbd0
need "a volume" bvolctl volume create v --size 16M --pool p
pattern "$scratch/bytes" 3
dd if="$scratch/bytes" of="$(device_of v)" bs=1M oflag=direct conv=fsync status=none
step=4 which='some writes'
[ -z "${NIGHT:-}" ] || step=1 which='each write'
check "a create, from each write on" sweep create 1
check "a snapshot, from $which on" sweep snapshot "$step"
check "a delete, from $which on" sweep delete "$step"
check "SIGTERM ends bvold" bvold_stop
finish
