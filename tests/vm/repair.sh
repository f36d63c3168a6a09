#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# repair.sh - pools whose metadata are damaged are mended; what can't be saved is named before anything is lost.
#
#	tests/vm/run --disk 512M --disk 256M -- tests/vm/repair.sh
#
# shellcheck disable=SC2317,SC2329,SC2119 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

MIB=1048576
metatest=${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/metatest
places=(16 32) # MiB; where the first disk's metadata and their spare begin, which change roles
place=0

# What a reboot leaves: the daemon and all of its dm devices have gone.
down() {
	bvold_stop
	dm_gone
}

dm_gone() {
	for _ in 1 2 3; do
		dmsetup ls | awk '/^bvol-/ { print $1 }' | xargs -rn 1 dmsetup remove
	done 2>/dev/null
	! dmsetup ls | grep bvol-
}

# number BLOCK OFFSET [BYTES] - a number in a block of the first disk's metadata.
number() {
	dd if=/dev/vda bs=1 skip=$((places[place] * MIB + $1 * 4096 + $2)) count="${3:-8}" status=none |
		od -An -tu"${3:-8}" | tr -d ' '
}

# damage BLOCK - a byte of it becomes another; twice is as before.
damage() {
	local at=$((places[place] * MIB + $1 * 4096 + 100)) byte
	byte=$(dd if=/dev/vda bs=1 skip="$at" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # a byte
	printf "\\x$(printf %02x $((byte ^ 255)))" |
		dd of=/dev/vda bs=1 seek="$at" count=1 conv=notrunc,fsync status=none
	blockdev --flushbufs /dev/vda
}

# As the kernel does after a failed write.
mark() {
	dmsetup create look --table "0 32768 linear /dev/vda $((places[place] * 2048))" &&
		"$metatest" /dev/mapper/look 0 mark >/dev/null && dmsetup remove look
}

# leaf INDEX - block of the mappings of the device with this index; its tree is one node.
leaf() {
	local node
	node=$(number 0 320)
	number "$node" $((32 + 8 * $(number "$node" 20 4) + 8 * $1))
}

keep() {
	dd if=/dev/vda of="$scratch/$1" bs=1M skip="${places[place]}" count=16 iflag=direct status=none
}

# The damaged metadata lie in the spare place as they were, but for the mark that the kernel may have left
# in the superblock when the pool was taken down.
kept() {
	cmp -n $((16 * MIB - 4096)) -i "$((places[1 - place] * MIB + 4096)):4096" /dev/vda "$scratch/$1"
}

# A repair of the first pool went through, so that its places have changed.
mended() {
	blockdev --flushbufs /dev/vda
	place=$((1 - place))
}

available() {
	shows '.status == "available" and has("error") == false' pool show "$1"
}

opened() {
	wait_for 30 available "$1"
}

whole() {
	holds "$(device_of v)" 0 "$scratch/new" && holds "$(device_of v)" 2 "$scratch/old2" &&
		holds "$(device_of w)" 0 "$scratch/w"
}

# The snapshot's bytes, seen through a copy of it.
snapshot_whole() {
	bvolctl volume create c --snapshot s && holds "$(device_of c)" 0 "$scratch/old" &&
		bvolctl volume delete c --wipe none
}

set_up() {
	need "bvold starts" bvold_start
	need "a pool" bvolctl pool create p /dev/vda
	need "a volume" bvolctl volume create v --size 64M --pool p
	need "another" bvolctl volume create w --size 32M --pool p
	pattern "$scratch/old" 4
	pattern "$scratch/new" 2
	pattern "$scratch/w" 3
	dd if="$scratch/old" of="$scratch/old2" bs=1M skip=2 status=none
	dd if="$scratch/old" of="$(device_of v)" bs=1M oflag=direct conv=fsync status=none
	dd if="$scratch/w" of="$(device_of w)" bs=1M oflag=direct conv=fsync status=none
	need "a snapshot" bvolctl snapshot create v s
	dd if="$scratch/new" of="$(device_of v)" bs=1M oflag=direct conv=fsync status=none
	check "nothing is wrong with the pool" bvolctl pool check p
	expect_fail 1 "nothing is wrong with pool p" bvolctl pool repair p
}

# is STATE - of everything.
is() {
	[ "$(state)" = "$1" ]
}

# After the job bvold looks at the pool once more, for which the metadata's device is there for a moment.
beyond_repair() {
	local before status=0
	before=$(state)
	bvolctl pool repair p >"$scratch/out" 2>"$scratch/err" || status=$?
	[ "$status" = 1 ] && [ ! -s "$scratch/out" ] && [ "$(wc -l <"$scratch/err")" = 1 ] &&
		grep -qF "nothing was changed" "$scratch/err" && wait_for 5 is "$before" && return
	cat "$scratch/out" "$scratch/err"
	diff <(echo "$before") <(state)
	return 1
}

test_superblock() {
	need "all goes down" down
	damage 0
	keep superblock
	need "bvold starts with a damaged superblock" bvold_start
	check "that pool is refused" shows '.status == "error"' pool show p
	check "what can't be mended is refused, and all is as it was" beyond_repair
	check "the metadata are as they were" cmp <(dd if=/dev/vda bs=1M skip=16 count=16 iflag=direct status=none) "$scratch/superblock"
	need "all goes down" down
	damage 0
	need "bvold starts with the superblock as it was" bvold_start
	check "the pool is available" opened p
	check "nothing is wrong with it" bvolctl pool check p
	check "its volumes are whole" whole
	check "its snapshot too" snapshot_whole
	check "all is as the database wants it" same
}

test_space_map() {
	need "all goes down" down
	damage "$(number 0 80)"
	need "bvold starts with a damaged space map" bvold_start
	dd if=/dev/zero of="$(device_of w)" bs=1M seek=20 count=1 oflag=direct status=none 2>/dev/null
	check "the kernel writes it no more" wait_for 20 shows '.status != "available"' pool show p
	keep map
	check "the pool is mended, and nothing is lost" bvolctl pool repair p
	mended
	check "it is available" opened p
	check "nothing is wrong with it" bvolctl pool check p
	check "its volumes are whole" whole
	check "the damaged metadata are kept" kept map
	check "it can be written" bvolctl volume create x --size 16M --pool p
	check "and emptied" bvolctl volume delete x
}

test_mappings() {
	need "all goes down" down
	damage "$(leaf 0)"
	need "bvold starts with a damaged leaf of mappings" bvold_start
	check "the pool comes up" opened p
	check "the check tells it" fails bvolctl pool check p
	exec {reader}<"$(device_of w)"
	expect_fail 1 "is open" bvolctl pool repair p
	exec {reader}<&-
	check "what would be lost is named" named 'chunks of volume "v"; nothing was changed'
	check "the pool serves as before" opened p
	check "the other volume too" holds "$(device_of w)" 0 "$scratch/w"
	check "it is mended when that may be lost" bvolctl pool repair p --force
	mended
	check "and available" opened p
	check "nothing is wrong with it" bvolctl pool check p
	check "the volume says what it lost" shows '.status == "error" and (.error | test("could not save"))' volume show v
	check "the other one is whole" holds "$(device_of w)" 0 "$scratch/w"
	check "the snapshot too" snapshot_whole
	check "the rest can go" eval 'bvolctl snapshot delete s && bvolctl volume delete v'
	check "nothing is left of it" eval 'bvolctl pool check p && same'
}

named() {
	! bvolctl pool repair p 2>"$scratch/err" && grep -F "$1" "$scratch/err"
}

# A disk whose writes fail from now on, or no more.
weak() {
	local n
	n=$(blockdev --getsz /dev/vdb)
	dmsetup suspend --noflush weak && dmsetup load weak --table "0 $n $*" && dmsetup resume weak
}

test_failed_write() {
	dmsetup create weak --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
	need "a pool on a weak disk" bvolctl pool create q /dev/mapper/weak
	need "a volume" bvolctl volume create y --size 16M --pool q
	dd if="$scratch/w" of="$(device_of y)" bs=1M oflag=direct conv=fsync status=none
	weak flakey /dev/vdb 0 0 100 1 error_writes
	check "a create that can't be recorded fails" fails bvolctl volume create z --size 16M --pool q
	check "the pool is read-only, and says what helps" shows '.status == "read-only" and
		(.error | test("bvolctl pool repair"))' pool show q
	check "its volume can be read" holds "$(device_of y)" 0 "$scratch/w"
	weak linear /dev/vdb 0
	check "it is mended without a loss" bvolctl pool repair q
	check "it is available" opened q
	check "its volume is whole" holds "$(device_of y)" 0 "$scratch/w"
	check "it works again" bvolctl volume create z2 --size 16M --pool q
	check "nothing is wrong with it" bvolctl pool check q
}

test_kill() {
	local delay
	for delay in $delays; do
		down >/dev/null
		mark
		check "bvold starts with a pool that needs a check" bvold_start
		bvolctl pool repair p --no-wait >/dev/null
		nap "$delay"
		bvold_kill
		check "bvold comes back after a kill $delay s into a repair" bvold_start
		wait_for 60 jobless || not_ok "its job ends"
		available p >/dev/null || bvolctl pool repair p >/dev/null
		check "the pool is mended, sooner or later" opened p
		blockdev --flushbufs /dev/vda
		find_place
		check "its volume is whole" holds "$(device_of w)" 0 "$scratch/w"
	done
	check "nothing is wrong with it" bvolctl pool check p
}

jobless() {
	[ "$(bvolctl job list --json)" = "[]" ]
}

# The label says which of the two places has the metadata.
find_place() {
	place=$(dd if=/dev/vda bs=1 skip=1120 count=1 status=none | od -An -tu1 | tr -d ' ')
}

delays="0.2 0.6"
[ -z "${NIGHT:-}" ] || delays="0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1 1.1 1.3 1.6"
set_up
[ $# -gt 0 ] || set -- superblock space_map failed_write mappings kill
for name; do
	echo "== $name ($SECONDS s)"
	"test_$name"
done
check "SIGTERM ends bvold" bvold_stop
finish
