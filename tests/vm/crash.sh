#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bvold is killed at many moments of everything that it changes. After each restart what it had
# accepted is done, what it had not is done or not there at all, nothing is left over, and the same
# request works.
#
# The life of a volume is walked through over and over, and the daemon dies once in every step: after
# a random time, or before the k-th of one kind of system call of one thread, on every third occasion
# once more while it starts again. The first round kills nobody: it counts the calls.
#
#	CRASH_SEED	for another run, or the same one again
#	CRASH_SECONDS	how long after that (100); a night is better
#	CRASH_STEP, CRASH_POINT		one step and one point of death, as they are printed
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

seed=${CRASH_SEED:-$RANDOM}
RANDOM=$seed
budget=${CRASH_SECONDS:-100}
calls=ioctl,openat,write,pwrite64,fdatasync,fsync,mkdirat,symlinkat,unlinkat,unlink,sendto
mib=$((1 << 20))
deaths=0

# The steps of a life, each a request of its own.
steps=(clone extend snapshot revert export unexport unsnapshot copy moment unmoment uncopy delete pool unpool)
declare -A request=(
	[clone]="volume create c --snapshot keep"
	[extend]="volume extend c --size 96M"
	[snapshot]="snapshot create c x"
	[revert]="volume revert c --snapshot x"
	[export]="export create c --initiator $initiator"
	[unexport]="export delete c"
	[unsnapshot]="snapshot delete x"
	[copy]="volume create d --volume c"
	[moment]="group snapshot g m"
	[unmoment]="group snapshot-delete m"
	[uncopy]="volume delete d"
	[delete]="volume delete c"
	[pool]="pool create third /dev/vdc"
	[unpool]="pool delete third"
)
declare -A points # by step: all "CALL K" that the first round has seen

# What is there

# has NOUN NAME LINE... - there is one, and these are among its lines.
has() {
	local answer line
	answer=$(bvolctl "$1" show "$2" 2>/dev/null) || return
	for line in "${@:3}"; do
		[[ $'\n'$answer$'\n' == *$'\n'"$line"$'\n'* ]] || return
	done
}

# none NOUN NAME - that is what the daemon says, if it says anything.
none() {
	local answer
	! answer=$(bvolctl "$1" show "$2" 2>&1) && [[ $answer == *"there is no $1"* ]]
}

# volume_c MIB FILE - it is available, of that size, and begins with these bytes.
volume_c() {
	local node
	has volume c "status: available" "size: $1.0M ($(($1 * mib)) bytes)" || return
	node=$(device_of c)
	[ "$(blockdev --getsize64 "$node")" = $(($1 * mib)) ] && holds "$node" 0 "$2"
}

exported() {
	has export c "status: available" && compgen -G "/sys/kernel/config/target/iscsi/iqn.*" >/dev/null
}

unexported() {
	! bvolctl export show c >/dev/null 2>&1 && ! compgen -G "/sys/kernel/config/target/iscsi/iqn.*"
}

# whole, no_moment - the group snapshot has both of its snapshots, or there is none.
whole() {
	local answer
	answer=$(bvolctl group snapshot-show m 2>/dev/null) &&
		[[ $answer == *"status: available"* && $answer == *"snapshots: "*,* ]]
}

no_moment() {
	local answer
	! answer=$(bvolctl group snapshot-show m 2>&1) && [[ $answer == *"there is no group snapshot"* ]]
}

# finished STEP, untouched STEP - the step is done wholly, or not at all.
finished() {
	case $1 in
	clone) volume_c 64 "$scratch/a" ;;
	extend) volume_c 96 "$scratch/a" ;;
	snapshot) has snapshot x "status: available" ;;
	revert) volume_c 96 "$scratch/a" ;;
	export) exported ;;
	unexport) unexported ;;
	unsnapshot) none snapshot x ;;
	copy) has volume d "status: available" ;;
	moment) whole ;;
	unmoment) no_moment ;;
	uncopy) none volume d ;;
	delete) none volume c ;;
	pool) has pool third "status: available" ;;
	unpool) none pool third ;;
	esac
}

untouched() {
	case $1 in
	clone) none volume c ;;
	extend) volume_c 64 "$scratch/a" ;;
	snapshot) none snapshot x ;;
	revert) volume_c 96 "$scratch/b" ;;
	export) unexported ;;
	unexport) exported ;;
	unsnapshot) has snapshot x "status: available" ;;
	copy) none volume d ;;
	moment) no_moment ;;
	unmoment) whole ;;
	uncopy) has volume d "status: available" ;;
	delete) volume_c 96 "$scratch/a" ;;
	pool) none pool third ;;
	unpool) has pool third "status: available" ;;
	esac
}

# As many dm devices as there have to be: three a pool, one a volume that has been exported.
devices() {
	local pools volumes found
	pools=$(bvolctl pool list --json | get length)
	volumes=$(bvolctl volume list --json | get 'map(select(.device)) | length')
	found=$(dmsetup ls)
	[ "$(wc -l <<<"$found")" = $((3 * pools + volumes)) ] ||
		{ echo "wrong dm devices:" && echo "$found" && false; }
}

# Death

# trace_start OPTION... - strace looks at all threads of the daemon that runs.
trace_start() {
	strace -f -qq -p "$bvold_pid" -e trace=$calls "$@" 2>"$scratch/strace" &
	tracer=$!
	wait_for 10 traced
}

traced() {
	local status
	for status in /proc/"$bvold_pid"/task/*/status; do
		! grep -q '^TracerPid:	0$' "$status" || return 1
	done
}

# A signal that comes just when the daemon dies may be lost on strace, which waits for ever then.
trace_stop() {
	kill "$tracer" 2>/dev/null
	wait_for 5 tracer_ended 2>/dev/null || kill -KILL "$tracer"
	wait "$tracer" 2>/dev/null
}

tracer_ended() {
	! kill -0 "$tracer" 2>/dev/null
}

# "12345 ioctl(5, ..." by thread and call into "ioctl 1", "ioctl 2", ...
count_points() {
	sed -n 's/^\([0-9]*\) *\([a-z0-9]*\)(.*/\1 \2/p' "$1" | sort | uniq -c |
		awk '$1 > most[$3] { most[$3] = $1 } END { for (c in most) for (k = 1; k <= most[c]; k++)
			print c, k }'
}

# Into point; not into a pipe, where RANDOM is another.
random_point() {
	local lines
	mapfile -t lines <<<"${points[$1]}"
	point=${lines[RANDOM % ${#lines[@]}]}
	[ $((RANDOM % 3)) != 0 ] || point="after $((RANDOM % 300)) ms"
	point=${CRASH_POINT:-$point}
}

# The daemon is dead, or it will not come so far: its client has got what it waited for.
over() {
	! kill -0 "$bvold_pid" || { [ "$1" = --wait ] && ! kill -0 "$client"; }
}

# die STEP POINT WAIT - the request is made and the daemon dies; accepted tells if it had said yes.
die() {
	local call k status=0
	read -r call k _ <<<"$2"
	[ "$call" = after ] || trace_start -o /dev/null -e inject="$call:signal=KILL:when=$k"
	# shellcheck disable=SC2086 # words
	bvolctl ${request[$1]} "$3" --json >"$scratch/answer" 2>"$scratch/error" </dev/null &
	client=$!
	if [ "$call" = after ]; then
		nap "$(printf 0.%03d "$k")"
	else
		wait_for 3 over "$3" 2>/dev/null
		trace_stop
	fi
	bvold_kill 2>/dev/null
	accepted=false
	[ "$3" = --no-wait ] || return 0
	wait "$client" || status=$?
	[ "$status" != 0 ] || accepted=true
}

# A client that waits sees the daemon come back and its job end.
client_ends() {
	local status=0
	[ "$1" != --no-wait ] || return 0
	wait "$client" || status=$?
	[ "$status" != 0 ] || accepted=true
	[ "$status" = 0 ] || fails grep "waiting for it" "$scratch/error"
}

# die_starting CALL K - once more, while it finishes or undoes.
die_starting() {
	rm -f "$socket"
	strace -f -qq -o /dev/null -e trace=$calls -e inject="$1:signal=KILL:when=$2" \
		bvold >>"$scratch/bvold" 2>&1 &
	tracer=$!
	wait_for 15 starting_ended
	kill -KILL $(pgrep -P $tracer)
	wait $tracer
} 2>/dev/null

starting_ended() {
	[ -S "$socket" ] || ! kill -0 "$tracer"
}

# Everything that has to be true after any death. $1: step, $2: the client's option.
invariants() {
	# shellcheck disable=SC2119 # its arguments are no one's here
	bvold_start || { echo "bvold does not start" && return 1; }
	client_ends "$2" || return
	wait_for 15 settled || { echo "something stays half done" && return 1; }
	same || return
	devices || return
	holds "$base" 0 "$scratch/b" || { echo "the bytes of another volume changed" && return 1; }
	finished "$1" && return
	! $accepted || { echo "accepted, but not done" && cat "$scratch/error" && return 1; }
	untouched "$1" || { echo "half done" && return 1; }
	# shellcheck disable=SC2086 # words
	bvolctl ${request[$1]} >/dev/null || { echo "can't be repeated" && return 1; }
	finished "$1"
}

# What the next step needs beside this one.
prepare() {
	[ "$1" = revert ] || return 0
	dd if="$scratch/b" of="$(device_of c)" bs=1M oflag=direct status=none
}

# Rounds

count_round() {
	local step
	for step in "${steps[@]}"; do
		prepare "$step"
		trace_start -o "$scratch/calls"
		# shellcheck disable=SC2086 # words
		need "$step: works" bvolctl ${request[$step]}
		trace_stop
		need "$step: is done" finished "$step"
		points[$step]=$(count_points "$scratch/calls")
	done
}

round() {
	local step point wait again call
	local -a call_list
	IFS=, read -ra call_list <<<$calls
	for step in "${steps[@]}"; do
		[ $SECONDS -lt $end ] || [ "$step" != clone ] || return 1
		prepare "$step"
		if [ -n "${CRASH_STEP:-}" ] && [ "$CRASH_STEP" != "$step" ]; then
			# shellcheck disable=SC2086 # words
			bvolctl ${request[$step]} >/dev/null
			continue
		fi
		random_point "$step"
		wait=--wait again=
		[ $((RANDOM % 2)) = 0 ] || wait=--no-wait
		call=${call_list[RANDOM % ${#call_list[@]}]}
		again=$((RANDOM % 12 + 1))
		die "$step" "$point" $wait
		deaths=$((deaths + 1))
		if [ $((RANDOM % 3)) = 0 ]; then
			die_starting "$call" $again
			point+=" and at the start at $call $again"
		fi
		need "$step $wait, death at $point" invariants "$step" $wait
	done
}

# The pools' metadata is sound and knows no device but those of the database.
test_metadata() {
	local device id
	check "SIGTERM ends bvold" bvold_stop
	for device in $(dmsetup ls --target thin | cut -f1) $(dmsetup ls --target thin-pool | cut -f1); do
		dmsetup remove "$device"
	done
	for device in /dev/mapper/bvol-*-meta; do
		id=${device#*/bvol-} id=${id%-meta}
		check "the metadata is sound" thin_check "$device"
		thin_ls --no-headers -o DEV "$device" | tr -d ' ' | sort >"$scratch/found"
		sqlite3 /var/lib/bvol/bvol.db "SELECT dev_id FROM thin_dev WHERE pool_id = '$id'" | sort \
			>"$scratch/wanted"
		check "it has the devices of the database and no other" diff "$scratch/found" "$scratch/wanted"
	done
}

test_setup() {
	echo "# CRASH_SEED=$seed"
	pattern "$scratch/a" 1
	pattern "$scratch/b" 1
	need "bvold starts" bvold_start
	need "a pool" bvolctl pool create first /dev/vda
	need "a volume" bvolctl volume create base --size 64M
	base=$(device_of base)
	dd if="$scratch/a" of="$base" bs=1M oflag=direct status=none
	need "a snapshot" bvolctl snapshot create base keep
	dd if="$scratch/b" of="$base" bs=1M oflag=direct status=none
	need "a volume beside it" bvolctl volume create side --size 16M --pool first
	need "a group of both" bvolctl group create g --volume base --volume side
}

test_setup
count_round
end=$((SECONDS + budget))
while round; do :; done
test_metadata
echo "# $deaths deaths in $SECONDS s, CRASH_SEED=$seed"
finish
