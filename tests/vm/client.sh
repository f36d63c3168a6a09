#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bvolctl and libbvol against the real module: an event stream that is overrun, whose log moves past
# it or begins anew, and the ways to the daemon with the module, without it, and as another user.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

linktest=${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/linktest
log=$scratch/log

# A daemon that only makes events

daemon_start() {
	coproc daemon { "$linktest" bind; }
	# shellcheck disable=SC2154 # coproc sets it
	maker=$daemon_PID
	read -rt 20 -u "${daemon[0]}" line && [ "$line" = bound ]
}

daemon_stop() {
	eval "exec ${daemon[1]}>&-"
	wait "$maker"
}

# make_events N
make_events() {
	echo "$1" >&"${daemon[1]}" && read -rt 60 -u "${daemon[0]}" line && [ "$line" = "done" ]
}

# The stream

follow() {
	events_start "$log" --since 1 --transport netlink
}

last_of() {
	tail -n 1 "$log" | get .seq
}

log_last() {
	bvolctl info --json | get .log_last
}

# Everything that the log got, up to now.
caught_up() {
	wait_for 60 ends_with "$(log_last)"
}

ends_with() {
	[ "$(last_of)" = "$1" ]
}

# whole FIRST - the numbers from FIRST on, without a gap.
whole() {
	[ "$(jq .seq "$log" | tail -n "+$1" | head -n 1)" = "$1" ] &&
		jq -s "[.[].seq] | . == [range(1; length + 1)]" "$log" | grep -q true
}

# The lines of the log and the events reported lost make up all numbers.
adds_up() {
	local first last
	read -r first last < <(sed -n 's/.*events \([0-9]*\) to \([0-9]*\) were lost.*/\1 \2/p' \
		"$log.err") && [ -n "$last" ] &&
		jq -s "[.[].seq] | . == [range(1; $first)] + [range($last + 1; $(last_of) + 1)]" \
			"$log" | grep -q true
}

test_stream() {
	modprobe bvol
	need "a daemon binds" daemon_start
	follow
	make_events 100
	check "a stream gets every event" caught_up
	check "in order" whole 1
	kill -STOP "$events_pid"
	make_events 3500
	kill -CONT "$events_pid"
	check "what overran the socket is read from the log" caught_up
	check "without a gap" whole 1
	check "and nothing is reported lost" fails test -s "$log.err"
	kill -STOP "$events_pid"
	make_events 12000
	kill -CONT "$events_pid"
	check "what the log has dropped is missing" caught_up
	check "and is reported, number by number" adds_up
	check "a call is answered by the daemon" fails bvolctl volume list
	check "the daemon's own listener hears them too" daemon_stop
}

test_reload() {
	local before
	"$linktest" watch >"$scratch/watch" &
	watcher=$!
	wait_for 10 grep -q watching "$scratch/watch"
	before=$(wc -l <"$log")
	check "the module goes under a stream" rmmod bvol
	nap 1
	check "nobody's asking brings it back" fails test -d /sys/module/bvol
	modprobe bvol
	check "who watches learns that it is back" wait_for 10 grep -q came "$scratch/watch"
	kill $watcher
	need "a daemon binds again" daemon_start
	make_events 50
	check "the stream goes on with the new log" caught_up
	check "from its first event" test "$(tail -n "+$((before + 1))" "$log" | head -n 1 | get .seq)" = 1
	check "and says that events may be lost" grep -q "an unknown number" "$log.err"
	kill "$events_pid"
	daemon_stop
}

# Ways to the daemon

as_nobody() {
	setpriv --reuid 65534 --regid "$1" --clear-groups "${@:2}"
}

test_transports() {
	groupadd -f bvol
	gid=$(getent group bvol | cut -d: -f3)
	need "bvold starts" bvold_start
	check "root talks over netlink" shows '.transport == "netlink"' info
	check "or over the socket" shows '.transport == "unix"' info --transport unix
	check "the group over the socket" as_nobody "$gid" bvolctl volume list
	expect_fail 1 "CAP_NET_ADMIN" as_nobody 65534 bvolctl volume list
	expect_fail 1 "CAP_NET_ADMIN" as_nobody "$gid" bvolctl volume list --transport netlink
	expect_fail 1 "group bvol" as_nobody 65534 bvolctl volume list --transport unix
	expect_fail 1 "bvol" as_nobody 65534 unshare -Urn bvolctl volume list
	expect_fail 1 "not loaded" unshare -n bvolctl volume list --transport netlink
	rmmod bvol
	check "without the module over the socket" shows '.transport == "unix"' info
	check "asking did not load it" fails test -d /sys/module/bvol
	expect_fail 1 "not loaded" bvolctl volume list --transport netlink
	check "sessions too" bvolctl session list
	modprobe bvol
	check "with it again over netlink" wait_for 10 shows '.transport == "netlink" and .daemon_pid' info
}

# A daemon that leaves the module alone.
test_unserved() {
	bvold_stop
	printf '[module]\nuse = no\n' >"$scratch/conf"
	bvold_start --config "$scratch/conf"
	check "a module that nobody serves is passed over" shows '.transport == "unix"' info
	bvold_stop
	bvold_start
}

test_output() {
	check "a full disk is named" says "No space left" bash -c 'bvolctl info >/dev/full'
	bvolctl info --json | head -n 1 >"$scratch/first"
	check "a reader may leave early" test "${PIPESTATUS[0]}" = 0 -o "${PIPESTATUS[0]}" = 141
}

test_no_daemon() {
	bvold_stop
	state_before=$(state)
	check "a daemon that stopped is named" says "bvold is not running" bvolctl volume list
	check "sessions come from the module" bvolctl session list
	check "and so does its part of info" shows '.daemon_pid == null' info
	rmmod bvol
	check "neither module nor socket" says "neither the bvol kernel module nor" bvolctl volume list
}

says() {
	local part=$1
	shift
	"$@" 2>"$scratch/err"
	[ $? = 1 ] && grep -qF "$part" "$scratch/err"
}

test_stream
test_reload
test_transports
test_unserved
test_output
test_no_daemon
finish
