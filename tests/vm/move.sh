#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# move.sh - pools go to another node, come back after the database was lost, and are refused.
#
#	tests/vm/run --disk 512M --disk 512M -- tests/vm/move.sh [TEST...]
#
# shellcheck disable=SC2317,SC2329,SC2016,SC2034,SC2119 # tests are called by their names; eval gets its text quoted
# shellcheck source-path=SCRIPTDIR source=movelib.sh
. "$(dirname "$0")/movelib.sh"

test_journey() {
	local all
	node a
	need "a pool with volumes, a type, a group and snapshots" furnish
	check "soon it carries a copy of its rows" wait_for 40 copied fast
	all=$(content)
	bvolctl export create plain --initiator "$initiator" >/dev/null
	expect_fail 1 'volume plain is exported' bvolctl pool export fast
	bvolctl export delete plain >/dev/null
	exec 8<"/dev/mapper/bvol-$(id_of volume plain)"
	check "with a volume open it stays" eval '! bvolctl pool export fast 2>"$scratch/why"'
	check "says which" grep -q "is open; delete its export or unmount it" "$scratch/why"
	check "and is as it was" shows '.status == "available"' pool show fast
	exec 8<&-
	check "it serves" bvolctl volume create later --size 8M
	bvolctl volume delete later >/dev/null
	check "then it is handed over" shows '.status == "exported"' pool export fast
	check "nothing of it runs" no_devices
	check "or is in the database" eval '[ "$(bvolctl pool list --json)$(bvolctl volume list --json)$(bvolctl snapshot list --json)$(bvolctl group list --json)" = "[][][][]" ]'
	check "which is idle" settled
	expect_fail 1 'belongs to pool' bvolctl pool create other /dev/vda

	node b
	expect_fail 2 'DEVICE' bvolctl pool import
	expect_fail 1 'is not the path of a device' bvolctl pool import fast
	expect_fail 1 'cannot find device' bvolctl pool import /dev/vdz
	expect_fail 2 '/dev/vdb' bvolctl pool import /dev/vda /dev/vdb
	check "another node takes it, by its second disk" bvolctl pool import /dev/vdb
	check "with all that was in it" eval '[ "$(content)" = "$all" ]'
	check "and its bytes" eval '[ "$(thin 1 "$pool" sum)" = "$before" ]'
	check "nothing differs" same
	expect_fail 1 'belongs to pool fast, which is here already' bvolctl pool import /dev/vda
	check "it serves" eval 'bvolctl volume create more --size 8M && bvolctl snapshot delete before && bvolctl volume extend plain --size 16M'
	check "and carries a new copy" wait_for 40 copied fast

	node a
	expect_fail 1 'belongs to node' bvolctl pool import /dev/vda
	check "by force it is this node's" bvolctl pool import /dev/vda --force --name quick
	check "under the name it was given" shows '.status == "available" and .name == "quick"' pool show quick
	check "with what it got meanwhile" shows '.size == 16777216' volume show plain
	check "which the other one notices" node b
	check "and leaves it alone" shows '.status == "error" and (.error | test("belongs to node"))' pool show fast
	check "until it forgets it" bvolctl pool export fast
	node a
	check "while the one that has it goes on" shows '.status == "available"' pool show quick
	check "nothing differs here" same
}

test_lost() {
	blank
	node c
	need "a pool" furnish
	check "is copied" wait_for 40 copied fast
	bvolctl volume create young --size 8M >/dev/null
	nap 5
	all=$(content)
	need "the database is lost" lose_database
	check "all comes back" bvolctl pool import /dev/vda
	check "also the youngest" eval '[ "$(content)" = "$all" ]'
	check "nothing differs" same
	check "with its bytes" eval '[ "$(thin 1 "$pool" sum)" = "$before" ]'

	# The copy of a moment before what follows.
	wait_for 40 copied fast >/dev/null
	dd if=/dev/vda of="$scratch/rows" bs=1M skip=1 count=15 iflag=direct status=none
	bvolctl volume create unknown --size 8M >/dev/null
	# Before it: two volumes, their three snapshots, young.
	number=7
	check "a volume that no copy knows" thin "$number" "$pool" fill
	bvolctl snapshot delete before >/dev/null
	bvolctl volume delete young >/dev/null
	bvold_kill
	rm -rf "$state"
	dd if="$scratch/rows" of=/dev/vda bs=1M seek=1 oflag=direct conv=notrunc status=none
	need "the database is lost again" bvold_start
	events_start "$scratch/events"
	check "with an older copy too" bvolctl pool import /dev/vda
	check "it comes back as what it is" shows '.size == 4194304 and .status == "available"' volume show "recovered-$number"
	check "with its bytes" eval '[ "$(thin "$number" "$pool" sum)" = "$before" ]'
	check "what is gone stays gone" fails bvolctl volume show young
	check "and that is told" event_seen "$scratch/events" '.kind == "pool-changed" and (.message // "" | test("volume young is not in the pool any more"))'
	check "nothing differs" same
	check "new volumes have new devices" bvolctl volume create fresh --size 8M

	bvold_kill
	rm -rf "$state"
	dd if=/dev/zero of=/dev/vda bs=1M seek=1 count=15 oflag=direct conv=notrunc status=none
	bvold_start
	check "without any copy" bvolctl pool import /dev/vda --name saved
	check "all devices come back" eval '[ "$(bvolctl volume list --json | jq -r ".[].name" | grep -c ^recovered-)" -ge 6 ]'
	check "nothing differs even so" same
	wait_for 40 copied saved >/dev/null
	bvold_kill
	rm -rf "$state"
	dd if=/dev/urandom of=/dev/vda bs=1M seek=1 count=15 oflag=direct conv=notrunc status=none
	bvold_start
	check "what is no copy is none" bvolctl pool import /dev/vda
	bvold_stop
	bvold_pid=
}

# flip DISK OFFSET - a byte of it becomes another; twice is as before.
flip() {
	local byte
	byte=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059 # a byte
	printf "\\x$(printf %02x $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc,fsync status=none
	blockdev --flushbufs "$1"
}

test_refused() {
	local all index metadata=$((16 * MIB + 100))
	blank
	node e
	need "a pool" furnish
	check "is copied" wait_for 40 copied fast
	all=$(content)
	check "is handed over" bvolctl pool export fast
	state_before=

	# What the kernel alone reads before the pool runs: the index of its own space map.
	index=$(dd if=/dev/vda bs=1 skip=$((16 * MIB + 208)) count=8 status=none | od -An -tu8 | tr -d ' ')
	flip /dev/vda $((16 * MIB + index * 4096 + 100))
	check "an import that fails when the pool is brought up" eval '! bvolctl pool import /dev/vda 2>"$scratch/why"'
	check "says why" grep -q "can't be put together" "$scratch/why"
	check "leaves no pool" eval '[ "$(bvolctl pool list --json)" = "[]" ]'
	check "nor devices" no_devices
	check "nor half of anything" settled
	flip /dev/vda $((16 * MIB + index * 4096 + 100))

	flip /dev/vda 100
	flip /dev/vda $((524288 + 100))
	expect_fail 1 'the label of device /dev/vda is damaged' bvolctl pool import /dev/vda
	expect_fail 1 'number 1 of the pool on device /dev/vdb is missing' bvolctl pool import /dev/vdb
	flip /dev/vda 100
	flip /dev/vda $((524288 + 100))
	blockdev --setro /dev/vdb
	expect_fail 1 'read-only' bvolctl pool import /dev/vda
	blockdev --setrw /dev/vdb
	bvolctl pool import /dev/vda >"$scratch/first" 2>&1 &
	bvolctl pool import /dev/vdb >"$scratch/second" 2>&1
	wait $!
	check "of two at a time one is refused" eval 'grep -qE "being imported|is here already" "$scratch/first" "$scratch/second"'
	check "and the other works" eval '[ "$(content)" = "$all" ]'
	check "it is handed over again" bvolctl pool export fast

	flip /dev/vda "$metadata"
	check "a pool with damaged metadata" bvolctl pool import /dev/vda
	check "comes as such" shows '.status == "error" and (.error | test("superblock|block 0"))' pool show fast
	check "with what should be in it" eval '[ "$(content)" = "$all" ]'
	flip /dev/vda "$metadata"
	bvold_stop
	bvold_start
	check "once it is whole" shows '.status == "available"' pool show fast
	check "it works" eval 'same && [ "$(thin 1 "$pool" sum)" = "$before" ]'
	bvold_stop
	bvold_pid=
}

run=("$@")
[ $# -gt 0 ] || run=(journey lost refused)
for name in "${run[@]}"; do
	echo "== $name ($(cut -d. -f1 /proc/uptime) s)"
	"test_$name"
done
finish
