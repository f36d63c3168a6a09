#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The kernel module against a real LIO, a real initiator and a daemon made of nltest. CYCLES: how
# often it is reloaded under I/O (200).
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016,SC2317 # eval gets its text quoted
. "$(dirname "$0")/lib.sh"
trap "" PIPE

PATH=${PATH%%/daemon:*}/tests/vm:$PATH # `run` puts daemon/ of the build folder in front
t=$scratch
chmod 755 "$t"
iscsi=/sys/kernel/config/target/iscsi
core=/sys/kernel/config/target/core
iqn=iqn.2025-01.org.example:
secret=secretsecret12

# seen FILE REGEX [TIMES] - the lines of an output that match.
seen() {
	[ "$(grep -cE "$2" "$t/$1.out")" -ge "${3:-1}" ]
}

seen_exactly() {
	[ "$(grep -cE "$2" "$t/$1.out")" = "$3" ] || { tail -n 5 "$t/$1.out" && false; }
}

# soon SECONDS FILE REGEX [TIMES]
soon() {
	wait_for "$1" seen "${@:2}" || { tail -n 5 "$t/$2.out" && false; }
}

# start NAME - an nltest that takes commands by `tell NAME` until `stop NAME`.
declare -A pids fds
start() {
	local fd
	rm -f "$t/$1.in"
	mkfifo "$t/$1.in"
	: >"$t/$1.out"
	nltest <"$t/$1.in" >"$t/$1.out" 2>&1 &
	pids[$1]=$!
	exec {fd}>"$t/$1.in"
	fds[$1]=$fd
}

# tell NAME COMMAND - give a command and wait for its "ok" or "error", which is printed.
tell() {
	local before
	before=$(grep -cE '^(ok|error)' "$t/$1.out")
	echo "$2" >&"${fds[$1]}"
	wait_for 20 seen "$1" '^(ok|error)' $((before + 1)) || echo "no answer"
	grep -E '^(ok|error)' "$t/$1.out" | tail -n 1
}

# Others may have inherited the pipe, so that closing it were not enough.
stop() {
	local fd=${fds[$1]}
	echo quit >&"$fd"
	exec {fd}>&-
	wait "${pids[$1]}"
} 2>/dev/null

# ask COMMAND... - a client's answers to one command after the other.
ask() {
	printf '%s\n' "$@" | timeout 30 nltest 2>&1
}

# matches TEXT REGEX
matches() {
	[[ $1 =~ $2 ]] || { echo "$1" && false; }
}

answers() {
	matches "$(ask "$1")" "$2"
}

told() {
	matches "$(tell "$1" "$2")" "$3"
}

# field COMMAND NAME [REGEX] - of the first line that matches.
field() {
	ask "$1" | grep -E "${3:-.}" | grep -oE " $2=[^ ]*" | head -n 1 | cut -d= -f2
}

# total REGEX - what the counts of such events add up to.
total() {
	grep -E "$1" "$t/listener.out" | grep -oE 'count=[0-9]+' | cut -d= -f2 | paste -sd+ | bc
}

# backstore NAME [DEVICE] - on a block device or else on a RAM disk of 32 MiB.
backstore() {
	local dev=$core/rd_mcp_0/$1 control=rd_pages=8192
	[ -z "${2:-}" ] || dev=$core/iblock_0/$1 control=udev_path=$2
	mkdir -p "$dev"
	echo "$control" >"$dev/control"
	echo 1 >"$dev/enable"
	echo "$dev"
}

# target NAME BACKSTORE - for this initiator alone.
target() {
	local tpg=$iscsi/$iqn$1/tpgt_1
	local acl=$tpg/acls/$initiator
	mkdir -p "$tpg" "$tpg/np/$portal" "$tpg/lun/lun_0" "$acl/lun_0"
	ln -s "$2" "$tpg/lun/lun_0/store"
	ln -s "$tpg/lun/lun_0" "$acl/lun_0/lun"
	printf user >"$acl/auth/userid"
	printf %s $secret >"$acl/auth/password"
	echo 1 >"$tpg/enable"
}

remove_target() {
	local tpg=$iscsi/$iqn$1/tpgt_1
	local acl=$tpg/acls/$initiator
	echo 0 >"$tpg/enable"
	rm "$acl/lun_0/lun" "$tpg/lun/lun_0/store"
	rmdir "$acl/lun_0" "$acl" "$tpg/lun/lun_0" "$tpg/np/$portal" "$tpg" "${tpg%/*}"
}

enter() {
	login "$iqn$1" user $secret
}

leave() {
	logout "$iqn$1"
}

# refused NAME SECRET [IFACE]
refused() {
	fails login "$iqn$1" user "$2" "${3:-default}" &&
		iscsiadm -m node -T "$iqn$1" -I "${3:-default}" -o delete
}

test_relay() {
	local start pid
	start daemon
	check "a daemon binds" told daemon "bind 1.2.3" ^ok
	check "info names it" answers info "daemon-pid=${pids[daemon]} daemon-version='1.2.3'"
	check "a second daemon is refused, and told who is the first" \
		answers "bind 2" "error EBUSY process ${pids[daemon]} is"
	check "a call comes back with the caller's uid and pid" \
		eval 'ask "call 3 echo-a" >"$t/call.out" & wait $!; grep -q "^reply uid=0 pid=[0-9]* echo-a" "$t/call.out"'
	check "the acknowledgement is never overtaken" \
		eval '! for i in {1..50}; do echo "call 3 echo-$i"; done | nltest | grep -E "overtook|error"'
	setpriv --reuid 65534 --clear-groups --inh-caps +net_admin --ambient-caps +net_admin \
		nltest <<<"call 3 echo-b" >"$t/uid.out" &
	pid=$!
	wait $pid
	check "uid and pid can't be made up" seen uid "^reply uid=65534 pid=$pid "
	check "a payload of 24576 bytes is taken" answers "big 24576" ^ok
	check "a longer one is not" answers "big 24577" "error EMSGSIZE the payload is too long"
	check "closing the client's socket ends its calls" wait_for 30 answers info pending-calls=0
	start client
	for _ in {1..32}; do tell client "send 1 hang" >/dev/null; done
	check "a client may wait for 32 calls, not for more" \
		told client "send 1 hang" "error EBUSY too many calls of this client"
	check "they are counted" answers info pending-calls=32
	start waiter
	echo "call 1 hang" >&"${fds[waiter]}"
	wait_for 30 answers info pending-calls=33
	start=${EPOCHREALTIME/./}
	kill -9 "${pids[daemon]}"
	soon 30 waiter ^error
	start=$((${EPOCHREALTIME/./} - start))
	check "a dead daemon's callers hear of it within a second (after $((start / 1000)) ms)" \
		eval 'seen waiter "error ECONNRESET bvold has gone" && [ $start -lt 1000000 ]'
	check "all of them" wait_for 30 seen_exactly client "late error ECONNRESET" 32
	stop client
	stop waiter
	check "nobody waits any more" answers info pending-calls=0
	check "without a daemon a call fails at once" answers "call 1 echo" "error ENOTCONN bvold is not running"
	stop daemon 2>/dev/null
	start daemon
	check "the next daemon binds" told daemon "bind 1.2.4" ^ok
	check "a reply that nobody waits for" told daemon "raw do 10 2:U=99 4:b=4" "error ENOENT nobody waits"
	check "daemon-up and daemon-down are in the log" \
		eval '[[ $(ask events) == *daemon-up*1.2.3*daemon-down*1.2.3*daemon-up*1.2.4* ]]'
}

test_bad_messages() {
	local before after bad
	before=$(ask exports events info)
	while read -r bad; do
		[ -n "$bad" ] || continue
		check "refused: ${bad#*>}" eval "[[ \$(tell daemon '${bad%>*}') =~ ^error\ (EINVAL|ERANGE)\ .{8} ]]"
	done <<-END
		raw do 3 1:b=16>export-add with an id alone
		raw do 3 2:b=15>an id of 15 bytes
		raw do 3 2:b=17>an id of 17 bytes
		raw do 3 2:b=16 5:b=16 4:u=9 6:s=iqn.a 7:u=1 8:u=0 9:U=512>an unknown fabric
		raw do 3 2:b=16 5:b=16 4:u=0 6:s=iqn.a 7:u=1 8:u=0 9:U=512>no fabric
		raw do 3 2:b=16 5:b=16 4:u=1 6:s=iqn.a 7:u=65536 8:u=0 9:U=512>tpgt 65536
		raw do 3 2:b=16 5:b=16 4:u=1 6:s=iqn.a 7:u=1 8:u=0 9:U=0>size 0
		raw do 3 2:b=16 5:b=16 4:u=1 6:s= 7:u=1 8:u=0 9:U=512>an empty target
		raw do 3 2:b=16 5:b=16 4:u=1 6:s=iqn.a$(printf '\001') 7:u=1 8:u=0 9:U=512>a target with a control character
		raw do 3 2:b=16 5:b=16 4:u=1 6:t=iqn.a 7:u=1 8:u=0 9:U=512>a target without its NUL
		raw do 3 2:b=16 5:b=16 4:u=1 6:s=iqn.$(printf %0220d 0) 7:u=1 8:u=0 9:U=512>a target of 224 bytes
		raw do 3 2:b=16 5:b=16 4:u=1 6:s=iqn.a 7:u=1 8:u=0 9:U=512 10:s=x>an attribute that is not for export-add
		raw do 3 2:b=16 5:b=16 4:u=1 6:s=iqn.a 7:u=1 8:u=0 9:u=512>a size of 4 bytes
		raw do 3 99:u=1>an unknown attribute
		raw do 4 1:b=16>export-del without an id
		raw do 1 7:u=1>info with an attribute
		raw dump 5 2:b=16>an export dump with an attribute
		raw dump 6 2:U=1>a session dump with an attribute
		raw dump 7 2:u=1>an event dump since 4 bytes
		raw do 2>daemon-bind without a version
		raw do 9 3:u=1>a call without a payload
		raw do 10 4:b=4>a reply without a cookie
		raw do 11 5:s=x>notify without a kind
		raw do 11 4:u=4>notify of a session-login
		raw do 11 4:u=14 18:u=101>a progress of 101
	END
	after=$(ask exports events info)
	check "refused messages change nothing" test "$before" = "$after"
	check "a verb that does not exist" told daemon "raw do 99" "error EOPNOTSUPP"
	check "export-add of another than the daemon" answers "add 9 9 1 iqn.z 1 0 512" "error EPERM only the bound"
	check "export-del of another than the daemon" answers "del 9" "error EPERM only the bound"
	check "notify of another than the daemon" answers "notify 14 x 1 y" "error EPERM only the bound"
	check "a reply of another than the daemon" answers "raw do 10 2:U=1 4:b=4" "error EPERM only the bound"
}

test_exports() {
	local i
	check "an export is registered" told daemon "add 1 101 1 ${iqn}one 1 0 33554432" ^ok
	check "again: silently" told daemon "add 1 101 1 ${iqn}one 1 0 33554432" ^ok
	check "its id with another volume" told daemon "add 1 102 1 ${iqn}one 1 0 33554432" "error EEXIST this export"
	check "its id with another target" told daemon "add 1 101 1 ${iqn}two 1 0 33554432" "error EEXIST this export"
	check "its target with another id" told daemon "add 2 101 1 ${iqn}one 1 0 33554432" "error EEXIST another"
	check "with another size" told daemon "add 1 101 1 ${iqn}one 1 0 67108864" ^ok
	told daemon "add 2 102 1 ${iqn}two 1 0 33554432" ^ok
	told daemon "add 3 103 1 ${iqn}bad 1 0 33554432" ^ok
	told daemon "add 4 104 2 naa.5001405000000001 1 0 33554432" ^ok
	told daemon "add 5 105 3 naa.5001405000000002 1 0 33554432" ^ok
	told daemon "add 6 106 1 ${iqn}six 1 0 33554432" ^ok
	check "an export is withdrawn" told daemon "del 6" ^ok
	check "once" told daemon "del 6" "error ENOENT no such export"
	check "five are left, in order" eval '[ "$(ask exports | grep -oE "export id=[0-9]" | xargs)" = \
		"export id=1 export id=2 export id=3 export id=4 export id=5" ]'
	for i in {10..250}; do
		echo "add $i $i 1 ${iqn}many$i 1 0 512" >&"${fds[daemon]}"
	done
	check "246 exports are listed" wait_for 20 eval '[ "$(ask exports | grep -c ^export)" = 246 ]'
	start reader
	echo "slow exports 2" >&"${fds[reader]}"
	soon 30 reader ^resting
	for i in {10..250}; do
		echo "del $i" >&"${fds[daemon]}"
	done
	check "a change under a dump interrupts it" soon 30 reader "^(interrupted|export!)"
	soon 30 reader ^ok
	stop reader
	check "and five are left" wait_for 20 eval '[ "$(ask exports | grep -c ^export)" = 5 ]'
	check "listeners saw added, resized and removed" eval \
		'soon 30 listener "export-removed.*export-id=6 " &&
		 seen_exactly listener "export-added.*export-id=1 " 1 &&
		 seen_exactly listener "export-resized.*export-id=1 .*size=67108864" 1'
	echo 1 >/sys/kernel/tracing/events/bvol/bvol_event/enable
	check "notify is logged and sent" eval 'told daemon "notify 14 running 42 half-done" ^ok &&
		soon 30 listener "job-changed.*status=.running. progress=42 message=.half-done."'
	check "and traced" grep -q "bvol_event: [0-9]* job-changed export 0.*status .running. half-done" \
		/sys/kernel/tracing/trace
	echo 0 >/sys/kernel/tracing/events/bvol/bvol_event/enable
}

test_sessions() {
	check "login" enter one
	check "session-login names initiator, target, export and volume" soon 30 listener \
		"session-login.*volume-id=101 export-id=1.*initiator='$initiator' target='${iqn}one'"
	check "session-get has the session" answers sessions \
		"session id=[0-9]+ status=0 fabric=1 initiator='$initiator' target='${iqn}one' export-id=1 volume-id=101"
	check "export-get counts it" answers exports "export id=1 .* sessions=1"
	check "the initiator reads" eval 'dd if="$(disk_of "${iqn}one")" of=/dev/null bs=1M count=8 iflag=direct'
	check "logout" leave one
	check "session-logout with the same session id" eval 'soon 30 listener session-logout &&
		[ "$(grep -E "session-(login|logout)" "$t/listener.out" | grep -oE "session-id=[0-9]*" | uniq | wc -l)" = 1 ]'
	check "no session is left" fails answers sessions "session id"
	check "what an initiator asks at its login is no error" \
		test "$(field exports command-errors 'id=1 ')" = 0
	for _ in 1 2; do enter one && leave one; done >/dev/null 2>&1
	soon 30 listener session-logout 3
	check "one logout for each login" eval \
		'seen_exactly listener session-login 3 && seen_exactly listener session-logout 3'
}

test_refusals() {
	check "a stranger can't log in" refused one $secret stranger
	check "login-failed: not authorized" soon 30 listener \
		"login-failed.*volume-id=101 export-id=1 initiator='${iqn}stranger' target='${iqn}one' reason=2 count=1"
	check "nobody logs in with a wrong secret" refused two wrongwrongwrong
	check "login-failed: authentication" soon 30 listener \
		"login-failed.*export-id=2 initiator='$initiator' target='${iqn}two' reason=3"
	check "an unknown target" refused none $secret
	check "login-failed: unknown target" soon 30 listener \
		"login-failed.*initiator='$initiator' target='${iqn}none' reason=1"
	for _ in 1 2 3; do refused one $secret stranger; done >/dev/null 2>&1
	nap 2
	check "events and the export count the same refusals" \
		test "$(total login-failed.*stranger)" = "$(field exports login-failures 'id=1 ')"
	check "events and info count the same refusals" \
		test "$(total login-failed)" = "$(field info login-failures)"
	check "discovery is no session" eval \
		'iscsiadm -m discovery -t st -o nonpersistent -p $portal | grep -q "${iqn}two" &&
		 nap 0.5 && seen_exactly listener session-login 3'
}

test_command_errors() {
	local disk
	enter bad >/dev/null 2>&1
	disk=$(disk_of "${iqn}bad")
	for _ in 1 2 3; do
		dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
		nap 0.3
	done
	check "command-error" soon 30 listener "command-error.*volume-id=103 export-id=3.*scsi-status=2"
	nap 2
	check "events and the export count the same errors" \
		test "$(total 'command-error.*export-id=3')" = "$(field exports command-errors 'id=3 ')"
	leave bad >/dev/null 2>&1
}

# Fabrics without a network: the nexus is the session.
test_other_fabrics() {
	local fabric module naa id
	while read -r fabric module naa id; do
		modprobe "$module"
		mkdir -p "/sys/kernel/config/target/$fabric/$naa/tpgt_1"
		echo "naa.600140500000000$id" >"/sys/kernel/config/target/$fabric/$naa/tpgt_1/nexus"
		check "$fabric: login" soon 30 listener \
			"session-login.*export-id=$id.*initiator='naa.600140500000000$id' target='$naa'"
		echo NULL >"/sys/kernel/config/target/$fabric/$naa/tpgt_1/nexus"
		check "$fabric: logout" soon 30 listener "session-logout.*export-id=$id"
		for _ in {1..300}; do
			echo "naa.600140500000000$id"
			echo NULL
		done | while read -r line; do
			echo "$line" >"/sys/kernel/config/target/$fabric/$naa/tpgt_1/nexus"
		done
		check "$fabric: 300 more sessions" eval 'soon 10 listener "session-logout.*export-id=$id " 301 &&
			seen_exactly listener "session-login.*export-id=$id" 301 && answers info lost=0'
		check "$fabric: login and logout take turns" eval '[ "$(grep "session.*export-id=$id" "$t/listener.out" |
			grep -oE "session-log(in|out)" | paste -sd" \n" | sort -u)" = "session-login session-logout" ]'
		rmdir "/sys/kernel/config/target/$fabric"{"/$naa/tpgt_1","/$naa",}
	done <<-END
		loopback tcm_loop naa.5001405000000001 4
		vhost vhost_scsi naa.5001405000000002 5
	END
	modprobe -r tcm_loop vhost_scsi
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps -all --bounding-set -all "$@"
}

test_privileges() {
	local verb
	for verb in info exports sessions "events 1" "bind x" "call 1 x" "add 9 9 1 iqn.n 1 0 512" "del 1" \
		"notify 14 a 1 b" "raw do 10 2:U=1 4:b=4" listen; do
		check "uid 65534 gets nothing: $verb" \
			eval '[[ $(as_nobody timeout 10 nltest <<<"$verb") == "error EPERM"* ]]'
	done
	check "nor in a user namespace of its own" eval \
		'[[ $(setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Ur timeout 10 nltest <<<info) == "error EPERM"* ]]'
	check "nor does it listen from there" eval \
		'[[ $(setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Ur timeout 10 nltest <<<listen) == "error EPERM"* ]]'
	check "with a network namespace there is no family" eval \
		'[[ $(setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn timeout 10 nltest <<<info) == "error no family"* ]]'
}

test_log() {
	local last
	# shellcheck disable=SC2034 # eval uses it
	last=$(field info log-last)
	check "the whole log is read" eval '[ "$(ask events | grep -c ^event)" = "$last" ]'
	check "numbers have no gap, and listeners got them all" eval \
		'ask events | grep -oE "seq=[0-9]+" >"$t/log"; grep -oE "^event seq=[0-9]+" "$t/listener.out" |
		 cut -d" " -f2 >"$t/heard"; cmp -s "$t/log" <(seq -f seq=%.0f 1 "$last") &&
		 cmp -s "$t/heard" <(tail -n "$(wc -l <"$t/heard")" "$t/log")'
	check "from a number on" eval '[ "$(ask "events $((last - 2))" | grep -c ^event)" = 3 ]'
	check "from beyond the end: nothing" eval '[ "$(ask "events $((last + 1))")" = ok ]'
	yes "notify 14 running 1 x" 2>/dev/null | head -n 5000 >&"${fds[daemon]}"
	soon 60 daemon '^ok' 5000
	check "a full log keeps its last 4096" eval \
		'ask events >"$t/full.out"; seen_exactly full ^event 4096 &&
		 [ "$(tail -n 2 "$t/full.out" | grep -oE " seq=[0-9]+")" = " seq=$(field info log-last)" ] &&
		 [ "$(head -n 1 "$t/full.out" | grep -oE " seq=[0-9]+")" = " seq=$(field info log-first)" ]'
	check "what is gone is skipped" eval '[ "$(ask "events 1" | grep -c ^event)" = 4096 ]'
}

# The initiator stays logged in and busy all the time.
test_reload() {
	local status=0 cycle broken io dumps
	broken=$(dmesg | grep -c "detected conn error")
	enter one >/dev/null 2>&1
	fio --name=io --filename="$(disk_of "${iqn}one")" --direct=1 --rw=randrw --bs=4k --iodepth=8 \
		--ioengine=libaio --time_based --runtime=3600 --size=16M --verify=crc32c \
		--verify_backlog=64 >"$t/fio.log" 2>&1 &
	io=$!
	start reader
	echo "slow events 2" >&"${fds[reader]}"
	soon 30 reader ^resting
	check "a dump in flight keeps the module" fails rmmod bvol
	stop reader
	check "rmmod under I/O" wait_for 5 rmmod bvol
	stop daemon
	stop listener
	check "insmod under I/O" modprobe bvol
	start daemon
	start listener
	tell listener listen >/dev/null
	tell daemon "bind 3" >/dev/null
	tell daemon "add 1 101 1 ${iqn}one 1 0 33554432" >/dev/null
	check "the session is seen again at its next command" soon 30 listener \
		"session-login.*initiator='$initiator' target='${iqn}one' message='(seen at its first command|logged in before.*)'"
	nap 0.5
	check "once" eval 'seen_exactly listener session-login 1 && answers sessions "session id.*${iqn}one"'
	stop daemon
	stop listener
	while :; do ask info exports sessions events; done >/dev/null 2>&1 &
	dumps=$!
	for ((cycle = 0; cycle < CYCLES; cycle++)); do
		until rmmod bvol 2>"$t/rmmod"; do
			grep -qE "in use|temporarily unavailable" "$t/rmmod" || { cat "$t/rmmod"; status=1; break 2; }
		done
		modprobe bvol || { status=1; break; }
	done
	check "$CYCLES reloads under I/O and dumps" test $status = 0 -a $cycle = "$CYCLES"
	{ kill $dumps; wait $dumps; } 2>/dev/null
	check "I/O goes on" kill -0 $io
	kill -INT $io
	wait $io
	check "without an error" grep -q "io: .*err= 0" "$t/fio.log"
	check "and the session never broke" test "$(dmesg | grep -c "detected conn error")" = "$broken"
}

# After the reload: sessions that are idle, and those that are older than their export.
test_idle() {
	rmmod bvol
	nap 1
	modprobe bvol
	start daemon
	start listener
	tell listener listen >/dev/null
	tell daemon "bind 4" >/dev/null
	tell daemon "add 1 101 1 ${iqn}one 1 0 33554432" >/dev/null
	check "an idle session is not known" fails answers sessions "session id"
	cat "$iscsi/${iqn}one/tpgt_1/dynamic_sessions" >/dev/null
	check "but met when dynamic_sessions is read" wait_for 30 answers sessions "session id.*${iqn}one"
	tell daemon "del 1" >/dev/null
	check "withdrawing the export ends its sessions first" eval 'soon 30 listener export-removed &&
		grep -oE "kind=(session-logout|export-removed)" "$t/listener.out" | xargs |
		grep -q "kind=session-logout kind=export-removed"'
	tell daemon "add 1 101 1 ${iqn}one 1 0 33554432" >/dev/null
	check "and they come back with it" soon 30 listener \
		"session-login.*message='logged in before the export was registered'"
	leave one >/dev/null 2>&1
	check "and end once" eval 'soon 30 listener session-logout 2; seen_exactly listener session-logout 2'
}

# LIO goes and comes while the module stays.
test_lio_reload() {
	local name
	for name in one two bad; do remove_target $name; done
	rmdir "$iscsi/discovery_auth" "$iscsi" "$core"/*/* "$core"/{rd_mcp_0,iblock_0} 2>/dev/null
	check "LIO can be unloaded under the module" modprobe -r iscsi_target_mod \
		target_core_user target_core_pscsi target_core_file target_core_iblock target_core_mod
	modprobe iscsi_target_mod
	mkdir -p "$iscsi"
	target one "$(backstore one)"
	: >"$t/listener.out"
	check "login after LIO was loaded again" enter one
	check "is seen" soon 30 listener "session-login.*target='${iqn}one'"
	check "logout" leave one
	check "is seen, too" soon 30 listener "session-logout.*target='${iqn}one'"
	check "info misses nothing" eval 'fails answers info unavailable && answers info lost=0'
}

CYCLES=${CYCLES:-200}
check "the module loads before LIO" eval 'modprobe bvol && [ ! -d /sys/module/target_core_mod ]'
check "and misses nothing yet" fails answers info unavailable
rmmod bvol
check "a log of 63 events is refused" fails modprobe bvol log_size=63
check "one of 64 is not" eval 'modprobe bvol log_size=64 && answers info log-size=64'
rmmod bvol
modprobe bvol
start listener
check "root listens to events" told listener listen ^ok

iscsi_start
echo "node.session.initial_login_retry_max = 1" >>/etc/iscsi/iscsid.conf
stranger "${iqn}stranger" >/dev/null
modprobe -a iscsi_target_mod target_core_iblock
mkdir -p "$iscsi"
dmsetup create bad --table "0 65536 error"
target one "$(backstore one)"
target two "$(backstore two)"
target bad "$(backstore bad /dev/mapper/bad)"
check "LIO came, nothing is missing" fails answers info unavailable

test_relay
test_exports
test_bad_messages
test_sessions
test_refusals
test_command_errors
test_other_fabrics
test_privileges
test_log
test_reload
test_idle
test_lio_reload
finish
