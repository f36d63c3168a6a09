# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash source-path=SCRIPTDIR source=lib.sh
#
# What the tests of wipes share: volumes filled with lines that name their owner, and a look at the whole
# raw disk for whose lines are left.
#
#	Volumes		make, fill, whole, node[VOLUME]
#	Disk		left, gone
#	Pool		used, pool_is, clean
. "$(dirname "$0")/lib.sh"

declare -A node

# marked OWNER MIB - so many MiB of lines of 64 bytes with the owner's name.
marked() {
	yes "$(printf %-63s "bvol-marker-$1-")" | head -c $(($2 << 20))
}

# fill VOLUME OWNER OFFSET MIB - write marked lines there, past the page cache.
fill() {
	marked "$2" "$4" >"$scratch/mark"
	dd if="$scratch/mark" of="${node[$1]}" bs=1M seek="$3" oflag=direct conv=notrunc status=none
}

# left OWNER - how many of the owner's lines the raw disk has.
left() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	LC_ALL=C grep -acF "bvol-marker-$1-" /dev/vda
}

gone() {
	local n
	n=$(left "$1")
	[ "$n" = 0 ] || { echo "$n lines of $1 are left" && false; }
}

# whole VOLUME OWNER OFFSET MIB - the lines are there as they were written.
whole() {
	marked "$2" "$4" >"$scratch/mark"
	holds "${node[$1]}" "$3" "$scratch/mark"
}

# make NAME SIZE OPTION... - a volume and its block device.
make() {
	bvolctl volume create "$1" --size "$2" "${@:3}" >/dev/null && node[$1]=$(device_of "$1")
}

# The pool's data in use, in bytes.
used() {
	bvolctl pool show p --json | get .data_used
}

clean() {
	settled && same && ! dmsetup ls | grep -- -window &&
		dmsetup status --target thin-pool | grep -Eq '/[0-9]+ [0-9]+/[0-9]+ - rw'
}

# pool_is FIELD VALUE
pool_is() {
	[ "$(bvolctl pool show p --json | jq -r ".$1")" = "$2" ]
}
