#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# move_crash.sh - bvold is killed at one call after the other while a pool is exported and imported.
#
#	tests/vm/run --disk 512M --disk 512M -- tests/vm/move_crash.sh
#
# After each death the daemon starts again, and the pool is here with all that was in it, or nobody's and
# can be had: never half.
#
# shellcheck disable=SC2317,SC2329,SC2119 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=movelib.sh
. "$(dirname "$0")/movelib.sh"

# die CALL K COMMAND... - the daemon dies at the Kth such call of one of its threads, or it does not come so far.
die() {
	local call=$1 k=$2 client tracer
	shift 2
	strace -f -qq -o /dev/null -p "$bvold_pid" -e trace="$call" -e inject="$call:signal=KILL:when=$k" &
	tracer=$!
	wait_for 10 traced
	"$@" >"$scratch/out" 2>&1 </dev/null &
	client=$!
	wait_for 15 over "$client"
	kill "$tracer" 2>/dev/null
	wait_for 5 fails kill -0 "$tracer" 2>/dev/null || kill -KILL "$tracer"
	bvold_kill 2>/dev/null
	kill "$client" 2>/dev/null
	wait "$tracer" "$client" 2>/dev/null
	bvold_start
}

traced() {
	! grep -q '^TracerPid:	0$' "/proc/$bvold_pid/status"
}

over() {
	! kill -0 "$bvold_pid" 2>/dev/null || ! kill -0 "$1" 2>/dev/null
}

whole() {
	[ "$(content)" = "$all" ] || { content && false; } || return
	shows '.status == "available"' pool show fast && same && [ "$(thin 1 "$pool" sum)" = "$before" ]
}

# Here and whole, or nobody's and nothing of it is left.
here_or_gone() {
	wait_for 20 settled || return
	if bvolctl pool show fast >/dev/null 2>&1; then
		whole
	else
		[ "$(bvolctl volume list --json)" = "[]" ] && no_devices
	fi
}

is_here() {
	bvolctl pool show fast >/dev/null 2>&1
}

node a
need "a pool with something of everything" furnish
wait_for 40 copied fast >/dev/null
all=$(content)
for point in "ioctl 2" "ioctl 6" "ioctl 12" "ioctl 20" "pwrite64 1" "pwrite64 2" "pwrite64 3" "pwrite64 4" \
	"pwrite64 6" "fsync 1" "fsync 2" "fsync 3" "fsync 4" "fdatasync 1" "fdatasync 2" "fdatasync 3"; do
	# shellcheck disable=SC2086 # two words
	die $point bvolctl pool export fast
	need "export, death at $point: here or gone" here_or_gone
	is_here && ! bvolctl pool export fast >/dev/null && not_ok "it can't be exported any more"
	# shellcheck disable=SC2086 # two words
	die $point bvolctl pool import /dev/vdb
	need "import, death at $point: here or gone" here_or_gone
	is_here || need "it can be had" bvolctl pool import /dev/vdb
	need "whole" whole
done
finish
