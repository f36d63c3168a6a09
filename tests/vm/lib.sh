# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034 # variables are for the scripts
#
# What the end-to-end tests share. A script sources this first and ends with `finish`; it runs in a VM
# of its own, so that the daemon uses its usual folders and nothing has to be put back.
#
#	Cases		ok, not_ok, check, need, fails, finish
#	Daemon		bvold_start, bvold_kill, bvold_stop
#	Waiting		nap, wait_for
#	Answers		get, shows, settled, same, expect_fail
#	Events		events_start, event_seen
#	Initiator	iscsi_start, login, logout, disk_of, sessions_of
#	Bytes		device_of, pattern, holds, zeros
set -u
shopt -s globstar

scratch=$(mktemp -d)
bvold_pid='' failures=0 state_before=''
socket=/run/bvol/control.sock
initiator=$(sed -n 's/^InitiatorName=//p' /etc/iscsi/initiatorname.iscsi)
portal=127.0.0.1:3260
exec {never}<> <(:)

# Cases

ok() {
	echo "ok - $*"
}

not_ok() {
	failures=$((failures + 1))
	echo "not ok - $*"
}

# check TEXT COMMAND... - a case; what COMMAND printed is shown if it fails.
check() {
	state_before=
	verdict "$@"
}

verdict() {
	local text=$1
	shift
	if "$@" >"$scratch/check" 2>&1; then
		ok "$text"
	else
		not_ok "$text"
		sed 's/^/#	/' "$scratch/check"
		return 1
	fi
}

# need TEXT COMMAND... - a case without which the others make no sense.
need() {
	check "$@" || finish
}

fails() {
	! "$@"
}

finish() {
	if [ "$failures" != 0 ] && [ -s "$scratch/bvold" ]; then
		echo "# the daemon's log:"
		tail -n 60 "$scratch/bvold" | sed 's/^/#	/'
	fi
	exit $((failures != 0))
}

# Waiting

# nap SECONDS - without a process, which takes as long as the wait itself in a VM.
nap() {
	read -rt "$1" -u "$never" || :
}

# wait_for SECONDS COMMAND... - until it is true.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		nap 0.1
	done
}

# The daemon

# The socket appears when everything is up; one that is left over says nothing.
bvold_start() {
	rm -f "$socket"
	bvold "$@" </dev/null >>"$scratch/bvold" 2>&1 &
	bvold_pid=$!
	wait_for 30 bvold_is_up || return 1
	kill -0 "$bvold_pid"
}

bvold_is_up() {
	[ -S "$socket" ] || ! kill -0 "$bvold_pid" 2>/dev/null
}

bvold_kill() {
	kill -KILL "$bvold_pid"
	{ wait "$bvold_pid"; } 2>/dev/null
	bvold_pid=
}

bvold_stop() {
	kill -TERM "$bvold_pid"
	wait "$bvold_pid"
}

# Answers

# About jq: in a VM its start takes longer than most of what is tested here.

# get FILTER <JSON - a field, or what jq makes of it; false when there is none.
get() {
	jq -er "$1"
}

# shows CONDITION COMMAND... - one of jq's, about what bvolctl answers.
shows() {
	local condition=$1
	shift
	bvolctl "$@" --json >"$scratch/answer" || return
	jq -e "$condition" "$scratch/answer" || { cat "$scratch/answer" && false; }
}

# Everything that the daemon manages and what the kernel has of it.
state() {
	local list
	for list in "pool list" "volume list" "snapshot list" "export list" "quota show" \
		"type list" "group list" "group snapshot-list"; do
		# shellcheck disable=SC2086 # words
		bvolctl $list --json || return
	done | grep -vE '"((data|metadata)_used|fill_rate|full_in|cop(y|ied_at))":' | # an initiator's writes go on meanwhile
		sed 's/,$//' # of what stands before such a line
	dmsetup table
	printf '%s\n' /sys/kernel/config/target/**
}

# No job goes on and nothing is on its way from one state to another.
settled() {
	local state
	[ "$(bvolctl job list --json)" = "[]" ] && state=$(state) || return
	[[ ! $state =~ \"status\":\ \"([a-z]*ing|error[a-z_]*)\" ]] || { echo "$state" && false; }
}

# The kernel is as the database wants it.
same() {
	bvolctl diff --json >"$scratch/diff" || return
	[ "$(<"$scratch/diff")" = "[]" ] || { cat "$scratch/diff" && false; }
}

# expect_fail STATUS PART COMMAND... - it exits with STATUS, all it prints is one line on stderr with
# PART in it (or some about its usage with status 2), and nothing has changed.
expect_fail() {
	local wanted=$1 part=$2 status=0 text
	shift 2
	text="refused: $(printf '%q ' "$@" | cut -c 1-100)"
	[ -n "$state_before" ] || state_before=$(state)
	"$@" </dev/null >"$scratch/out" 2>"$scratch/err" || status=$?
	verdict "$text" refusal "$wanted" "$status" "$part"
	head -n 1 "$scratch/err" | sed 's/^/#	/'
}

# The state after it is also the one before the next case, if that follows at once.
refusal() {
	local after
	[ "$2" = "$1" ] || { echo "status $2 instead of $1" && cat "$scratch/err" && return 1; }
	[ "$1" = 2 ] || [ "$(wc -l <"$scratch/err")" = 1 ] ||
		{ echo "not one line:" && cat "$scratch/err" && return 1; }
	[ ! -s "$scratch/out" ] || { echo "on stdout:" && cat "$scratch/out" && return 1; }
	grep -qF -e "$3" "$scratch/err" || { echo "no \"$3\" in:" && cat "$scratch/err" && return 1; }
	after=$(state)
	[ "$after" = "$state_before" ] && return
	diff <(echo "$state_before") <(echo "$after")
	state_before=$after
	return 1
}

# Events

# events_start FILE [OPTION]... - writes all events from now on into FILE.
events_start() {
	local file=$1
	shift
	bvolctl events --follow --json "$@" >"$file" 2>"$file.err" </dev/null &
	events_pid=$!
}

# event_seen FILE CONDITION - within ten seconds.
event_seen() {
	wait_for 10 has_event "$@" || { tail -n 20 "$1" && false; }
}

has_event() {
	jq -es "any(.[]; $2)" "$1" >"$scratch/event" 2>&1
}

# The initiator

# Timeouts suit an emulated machine: one that is busy is not dead.
iscsi_start() {
	modprobe iscsi_tcp && iscsid && cat >>/etc/iscsi/iscsid.conf <<-END
		node.conn[0].timeo.noop_out_interval = 30
		node.conn[0].timeo.noop_out_timeout = 30
	END
}

# stranger NAME - another initiator on this machine, to be given to login and logout.
stranger() {
	iscsiadm -m iface -I stranger -o new &&
		iscsiadm -m iface -I stranger -o update -n iface.initiatorname -v "$1"
}

# login TARGET USER SECRET [IFACE]
login() {
	local node=(iscsiadm -m node -T "$1" -p "$portal" -I "${4:-default}")
	"${node[@]}" -o new &&
		"${node[@]}" -o update -n node.session.auth.authmethod -v CHAP \
			-n node.session.auth.username -v "$2" -n node.session.auth.password -v "$3" &&
		"${node[@]}" --login
}

# logout TARGET [IFACE] - and forget it.
logout() {
	local node=(iscsiadm -m node -T "$1" -p "$portal" -I "${2:-default}")
	"${node[@]}" --logout && "${node[@]}" -o delete
}

# sessions_of TARGET - the initiator's, as folders of sysfs.
sessions_of() {
	local session
	for session in /sys/class/iscsi_session/session*; do
		[ -e "$session/targetname" ] && [ "$(<"$session/targetname")" = "$1" ] && echo "$session"
	done
}

# disk_of TARGET - its node, as soon as there is one.
disk_of() {
	wait_for 20 find_disk "$1"
}

find_disk() {
	local session disk
	for session in $(sessions_of "$1"); do
		for disk in "$session"/device/target*/*/block/*; do
			[ -b "/dev/${disk##*/}" ] && echo "/dev/${disk##*/}" && return
		done
	done
	return 1
}

# Bytes

# pattern FILE MIB - that many MiB that compress to nothing less.
pattern() {
	dd if=/dev/urandom of="$1" bs=1M count="$2" status=none
}

# device_of VOLUME - its block device, which it has from its first export on.
device_of() {
	bvolctl volume show "$1" --json | jq -e .device >/dev/null ||
		{ bvolctl export create "$1" --initiator "$initiator" && bvolctl export delete "$1"; } >/dev/null
	bvolctl volume show "$1" --json | get .device
}

# holds DEVICE MIB FILE - FILE lies there at this offset; past the page cache where it can be stale.
holds() {
	blockdev --flushbufs "$1"
	cmp -i $(($2 << 20)):0 -n "$(stat -c %s "$3")" "$1" "$3"
}

# zeros DEVICE MIB COUNT - COUNT MiB from there on are zero.
zeros() {
	blockdev --flushbufs "$1"
	cmp -i $(($2 << 20)):0 -n $(($3 << 20)) "$1" /dev/zero
}
