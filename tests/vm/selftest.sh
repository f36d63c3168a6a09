#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# selftest.sh [6.1|6.12]... - proves that `run` keeps its promises, on both kernels by default.
# shellcheck disable=SC2016 # what runs in the VM is quoted for the shell there
set -u

run=$(dirname "$(realpath "$0")")/run
build=${BVOL_BUILD:-$(dirname "$run")/../../build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# check NAME TEST... - count a test; a failed one shows what the last run printed.
check() {
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok      $kernel: $name"
	else
		failed=$((failed + 1))
		echo "FAILED  $kernel: $name"
		sed 's/^/	/' "$scratch/stdout" "$scratch/stderr"
	fi
}

# vm OPTION... -- COMMAND... - leaves status, $scratch/stdout and $scratch/stderr.
vm() {
	status=0
	"$run" --kernel "$kernel" "$@" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
}

printed() {
	grep -q -e "$2" "$scratch/$1"
}

test_usage() {
	vm --disk 12q -- true
	check "a bad size is refused in a sentence" test $status = 2
	vm --nodes 0 -- true
	check "bad arguments give status 2 and the usage" eval "[ $status = 2 ] && printed stderr ^usage"
	BVOL_DMESG_ALLOW='(' vm -- true
	check "so does an expression that is none" test $status = 2
	"$run" >"$scratch/stdout" 2>"$scratch/stderr"
	check "and so does no command" test $? = 2
}

# One boot proves all that can be seen from inside a healthy machine.
test_inside() {
	local mark=/etc/bvol-selftest.$$ out=$scratch/out
	truncate -s 96M "$scratch/kept"
	OUT=$out WORD='two words' vm --disk 1G --disk "$scratch/kept" --disk 64M -- bash -c '
		touch "$1"
		echo "release $(uname -r) cwd $PWD word $WORD uid $(id -u)"
		echo "sizes $(blockdev --getsize64 /dev/vda /dev/vdb /dev/vdc | xargs)"
		echo marked >/dev/vdb
		echo "to stderr" >/dev/stderr
		mkdir "$OUT/sub" && echo kept >"$OUT/sub/file"
		for m in dm-thin-pool target_core_mod iscsi_target_mod tcm_loop vhost_scsi nvmet-tcp \
			iscsi_tcp sd_mod scsi_debug dm-flakey dm-log-writes; do
			modprobe $m && [ -d /sys/module/${m//-/_} ] || echo "no module $m"
		done
		echo "disks of scsi_debug: $(ls -d /sys/block/sd?)"
		[ -c /dev/mapper/control ] && dmsetup create t --table "0 2048 linear /dev/vda 0" &&
			[ -b /dev/mapper/t ] && echo dm works
		mkdir /sys/kernel/config/target/iscsi && echo configfs works
		iscsi-iname >/dev/null && grep ^InitiatorName=iqn /etc/iscsi/initiatorname.iscsi
		ping -c 1 127.0.0.1 >/dev/null || busybox ping -c 1 127.0.0.1 >/dev/null && echo lo is up
		echo "bvol.ko at $(modinfo -n bvol 2>&1)"
		sleep 1000 & # what is left running must not hold the machine up
		exit 42' x "$mark"
	check "the status of COMMAND comes back" test $status = 42
	check "it runs in the caller's folder and environment, as root" \
		printed stdout "^release ${kernel/./\\.}\..* cwd $PWD word two words uid 0"
	check "disks come in order, with their sizes" printed stdout '^sizes 1073741824 100663296 67108864$'
	check "a disk that is a file is kept" grep -q ^marked "$scratch/kept"
	check "stderr comes apart, and can be opened again" printed stderr '^to stderr$'
	check "OUT comes back" grep -q kept "$out/sub/file"
	check "the machine's root is not written" test ! -e "$mark"
	check "all modules load" eval '! printed stdout "^no module"'
	check "a SCSI disk gets its node" printed stdout '^disks of scsi_debug: /sys/block/sda'
	check "device-mapper works without udev" printed stdout '^dm works'
	check "configfs is mounted" printed stdout '^configfs works'
	check "there is an initiator name" printed stdout ^InitiatorName=iqn
	[ ! -e "$build/kmod/$kernel/bvol.ko" ] ||
		check "the built bvol.ko is found" printed stdout '^bvol.ko at /lib/modules/.*/bvol.ko'
	check "loopback is up" printed stdout '^lo is up'
}

test_complaints() {
	local fake='echo "<4>WARNING: CPU: 0 PID: 1 at a/test.c:1 f+0x1/0x2" >/dev/kmsg'
	vm -- sh -c "$fake"
	check "a kernel WARNING fails the run" test $status = 99
	check "and is shown" printed stderr 'WARNING: CPU: 0 PID: 1 at a/test.c'
	BVOL_DMESG_ALLOW='at a/test\.c' vm -- sh -c "$fake"
	check "an expected one is allowed" test $status = 0
	vm -- sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
	check "a panic fails the run" test $status = 99
	vm -- sh -c 'echo b >/proc/sysrq-trigger; sleep 60'
	check "a machine that goes down early gives 98" test $status = 98
}

test_timeout() {
	OUT=$scratch/late vm --timeout 45 -- sh -c 'echo early >$OUT/file; echo before; sleep 1000'
	check "time that is up gives 124" test $status = 124
	check "what was printed until then is there" printed stdout ^before
	check "so is OUT" grep -q early "$scratch/late/file"
	check "and the kernel's log" printed stderr '^\[ .*Run /init'
}

# An interrupted run takes its machine and its folder with it.
test_interrupt() {
	mkdir "$scratch/tmp"
	TMPDIR=$scratch/tmp env --default-signal=INT "$run" --kernel "$kernel" -- sleep 1000 \
		>"$scratch/stdout" 2>"$scratch/stderr" &
	local pid=$! status=0
	until compgen -G "$scratch/tmp/*/n1/started" >/dev/null; do
		sleep 0.5
	done
	kill -INT $pid
	wait $pid || status=$?
	check "an interrupted run ends at once" test $status = 130
	check "and leaves nothing" eval '! pgrep -f "$scratch/tmp" && rmdir "$scratch/tmp"'
}

test_nodes() {
	OUT=$scratch/nodes vm --nodes 2 --disk 32M --mem 1G -- bash -c '
		other=$((3 - NODE))
		for _ in {1..60}; do
			busybox ping -c 1 -W 1 10.77.0.$other >/dev/null && echo "reached node $other" && break
		done
		blockdev --getsize64 /dev/vda
		echo $NODE >$OUT/name
		exit $((NODE - 1))'
	check "two nodes reach each other" eval \
		'printed stdout "^n1: reached node 2" && printed stdout "^n2: reached node 1"'
	check "each has its disk" test "$(grep -c ': 33554432$' "$scratch/stdout")" = 2
	check "each has its OUT" test "$(cat "$scratch"/nodes/n?/name | xargs)" = "1 2"
	check "the failure of one is the run's" test $status = 1
}

[ $# -gt 0 ] || set -- 6.1 6.12
for kernel; do
	test_usage
	test_inside
	test_complaints
	test_timeout
	test_interrupt
	test_nodes
	rm -rf "${scratch:?}"/*
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
