#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# thin_crash.sh - the thin provider dies in front of each change that it makes, and comes back.
#
#	tests/vm/run --disk 2G --disk 2G -- tests/vm/thin_crash.sh [TEST...]
#
# shellcheck disable=SC2317,SC2329,SC2016 # tests are called by their names; eval gets its text quoted
# shellcheck source-path=SCRIPTDIR source=thinlib.sh
. "$(dirname "$0")/thinlib.sh"

# sweep REBOOT OPERATION... - crash at the first, the second, ... change; each time prepare, crash,
# recover, and see that the operation, repeated, comes to the same end.
sweep() {
	local n reboots=$1
	shift
	for ((n = 1; n < 40; n++)); do
		prepare || { echo "point $n: not prepared"; return 1; }
		t_crash "$n" "$@"
		case $? in
		0) [ "$n" -gt 2 ]; return ;;
		42) ;;
		*) echo "point $n: not a crash"; return 1 ;;
		esac
		$reboots && ! reboot && { echo "point $n: no reboot"; return 1; }
		come_back "$@" || { echo "point $n: not recovered"; return 1; }
	done
	return 1
}

come_back() {
	t pool-open fast && recovered && still_there && t "$@" , check fast && fits && ends_well
}

# A check after the last operation printed nothing.
fits() {
	! grep -v '^nothing to do' "$scratch/out"
}

# What has to hold before the operation is repeated.
recovered() {
	consistent fast
}

# Pool fast with volume v, active, with known bytes, as each operation leaves it.
begin_sweep() {
	begin
	t pool-create fast 65536 0 /dev/vda , create fast v $((64 * MIB)) , activate fast v $((64 * MIB)) &&
		fill "$scratch/old" "$(device fast v)" count=16
}

prepare_with() {
	t pool-open fast , activate fast v $((64 * MIB)) , "$@"
}

still_there() {
	t activate fast v $((64 * MIB)) && equal "$scratch/old" "$(device fast v)" "$MIB" &&
		writable "$(device fast v)"
}

test_pool() {
	local n
	local -a again=(pool-create fast 65536 1 /dev/vda /dev/vdb)
	begin
	mkfs.ext4 -qF /dev/vdb
	for ((n = 1; n < 40; n++)); do
		t_crash "$n" "${again[@]}" && break
		[ $((n % 2)) = 0 ] || reboot
		[ $((n % 3)) = 0 ] || check "a half-made pool is completed and works (point $n)" eval \
			't "${again[@]}" , create fast v $MIB , pool-open fast , check fast , activate fast v $MIB , destroy fast v && fits'
		check "and is destroyed (point $n)" eval 't pool-destroy fast && test -z "$(dm_name ^bvol-)"'
	done
	check "all points were tried" test "$n" -gt 10
	for ((n = 1; n < 20; n++)); do
		t "${again[@]}"
		t_crash "$n" pool-destroy fast && break
		check "a half-destroyed pool goes (point $n)" t pool-destroy fast
	done
	check "all points were tried" test "$n" -gt 4
}

test_create() {
	begin_sweep
	prepare() { prepare_with destroy fast c; }
	ends_well() { t activate fast c $((8 * MIB)); }
	check "create, then restart" sweep false create fast c $((8 * MIB))
	check "create, then reboot" sweep true create fast c $((8 * MIB))
	ends_well() { t activate fast c $((64 * MIB)) && equal "$scratch/old" "$(device fast c)" "$MIB"; }
	check "snapshot, then restart" sweep false create fast c $((64 * MIB)) v
	check "snapshot, then reboot" sweep true create fast c $((64 * MIB)) v
	prepare() { prepare_with create fast c $((64 * MIB)) v , activate fast c $((64 * MIB)); }
	ends_well() { prints 'nothing to do' destroy fast c; }
	check "destroy, then restart" sweep false destroy fast c
	check "destroy, then reboot" sweep true destroy fast c
	check "nothing is left" eval 't destroy fast v && test "$(used fast)" = 0'
}

# Die at the first point of an exchange where the block device has the other content.
crash_swapped() {
	local n
	for ((n = 1; n < 10; n++)); do
		prepare || return
		t_crash "$n" exchange fast c d $((64 * MIB))
		[ $? = 42 ] || return 1
		! equal "$scratch/old" "$(device fast c)" "$MIB" || return 0
		t pool-open fast
	done
	return 1
}

# Bytes of data, or of metadata, that a pool has.
total() {
	t stat "$1" && sed "s|.* $2 [0-9]*/\([0-9]*\).*|\1|" "$scratch/out"
}

# The space of a pool grows while one of its volumes is used.
test_extend() {
	local -a spare=()
	prepare() {
		begin
		t pool-create fast 65536 0 /dev/vda , create fast v $((64 * MIB)) , \
			activate fast v $((64 * MIB)) "${spare[@]}" && fill "$scratch/old" "$(device fast v)" count=16
	}
	recovered() { consistent fast; }
	ends_well() {
		[ "$(total fast data | tail -n 1)" -gt $((3000 * MIB)) ] &&
			[ "$(sql 'SELECT devices FROM pool')" = $'/dev/vda\n/dev/vdb' ] &&
			[ -z "$(sql 'SELECT spares FROM pool')" ] && t create fast w "$MIB" && reboot && t pool-open fast
	}
	check "extend, then restart" sweep false pool-extend fast 1 /dev/vdb
	check "extend, then reboot" sweep true pool-extend fast 1 /dev/vdb
	spare=("," pool-spare fast 0 /dev/vdb)
	check "a spare is added, then reboot" sweep true pool-extend fast 1 /dev/vdb
	spare=()
	ends_well() {
		[ "$(sql 'SELECT spares FROM pool')" = /dev/vdb ] && t pool-release fast /dev/vdb &&
			[ "$(head -c 8 /dev/vdb | tr -d '\0')" = "" ]
	}
	check "a spare is kept, then restart" sweep false pool-spare fast 1 /dev/vdb
}

test_metadata() {
	prepare() {
		begin
		t pool-create fast 65536 0 /dev/vda , create fast v $((64 * MIB)) , \
			activate fast v $((64 * MIB)) , crowd fast 2200 &&
			fill "$scratch/old" "$(device fast v)" count=16
	}
	recovered() { consistent fast; }
	ends_well() {
		[ "$(total fast metadata | tail -n 1)" = $((32 * MIB)) ] && reboot &&
			thin_metadata_sound && t pool-open fast
	}
	check "metadata grow, then reboot" sweep true pool-adjust fast 1
}

# How many lines of what was overwritten the disk has.
leftovers() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	LC_ALL=C grep -acF bvol-leftover /dev/mapper/small
}

# Chunks that the kernel freed as they were are overwritten, while a volume is there. On a small disk,
# because each point costs two scrubs.
test_scrub() {
	begin
	yes bvol-leftover | head -c $((2 * MIB)) >"$scratch/leftover"
	dmsetup create small --table "0 $((160 * MIB / 512)) linear /dev/vda 0"
	t pool-create fast 65536 1 /dev/mapper/small , create fast v $((64 * MIB)) , \
		activate fast v $((64 * MIB)) && fill "$scratch/old" "$(device fast v)" count=16
	prepare() {
		prepare_with create fast s $((32 * MIB)) &&
			fill "$scratch/leftover" "$(device fast v)" seek=64 &&
			t create fast c $((64 * MIB)) v , destroy fast c &&
			fill "$scratch/new" "$(device fast v)" seek=64 count=32 && [ "$(leftovers)" != 0 ]
	}
	ends_well() { [ "$(leftovers)" = 0 ] && ! device fast s | grep -v inactive; }
	check "scrub, then restart" sweep false scrub fast s
	check "scrub, then reboot" sweep true scrub fast s
	check "nothing is left" t destroy fast s , destroy fast v , pool-destroy fast
	dmsetup remove small
}

# The metadata's place on the disk is as long as the label says.
thin_metadata_sound() {
	local sectors=$((32 * MIB / 512))
	dmsetup create look --table "0 $sectors linear /dev/vda $((16 * MIB / 512))" &&
		thin_check /dev/mapper/look && dmsetup remove look
}

test_active() {
	begin_sweep
	prepare() { prepare_with create fast c $((64 * MIB)) , deactivate fast c; }
	ends_well() { test -b "$(device fast c)" && t destroy fast c; }
	check "activate, then restart" sweep false activate fast c $((64 * MIB))
	check "activate, then reboot" sweep true activate fast c $((64 * MIB))
	# The block device may have its new size or content before the database has it.
	recovered() { true; }
	prepare() { prepare_with create fast c $((64 * MIB)) , activate fast c $((64 * MIB)); }
	ends_well() { test "$(blockdev --getsize64 "$(device fast c)")" = $((80 * MIB)) && t destroy fast c; }
	check "extend, then restart" sweep false activate fast c $((80 * MIB))
	prepare() {
		prepare_with destroy fast c , destroy fast d , create fast c $((64 * MIB)) , \
			create fast d $((64 * MIB)) v , activate fast c $((64 * MIB)) &&
			fill "$scratch/new" "$(device fast c)" count=16
	}
	ends_well() {
		t activate fast c $((64 * MIB)) , activate fast d $((64 * MIB)) &&
			equal "$scratch/old" "$(device fast c)" "$MIB" &&
			equal "$scratch/new" "$(device fast d)" "$MIB" && t destroy fast c , destroy fast d
	}
	check "exchange, then restart" sweep false exchange fast c d $((64 * MIB))
	check "exchange, then reboot" sweep true exchange fast c d $((64 * MIB))
	check "an exchange that was swapped in, but not committed" crash_swapped
	check "keeps what it shows from being destroyed" says EBUSY destroy fast d
	check "given up, it goes back" t activate fast c $((64 * MIB))
	check "to its own bytes" equal "$scratch/new" "$(device fast c)" "$MIB"
	check "then it is destroyed" t destroy fast d , destroy fast c
	recovered() { consistent fast; }
}

# Two volumes at one moment: all copies or none, wherever it ends, and both go on.
test_group() {
	begin_sweep
	t create fast w $((64 * MIB)) , activate fast w $((64 * MIB))
	prepare() {
		prepare_with activate fast w $((64 * MIB)) , destroy fast c , destroy fast d &&
			fill "$scratch/old" "$(device fast w)" count=16
	}
	recovered() { consistent fast && all_or_none; }
	ends_well() {
		t activate fast w $((64 * MIB)) , activate fast c $((64 * MIB)) , activate fast d $((64 * MIB)) &&
			writable "$(device fast w)" && equal "$scratch/old" "$(device fast c)" "$MIB" &&
			equal "$scratch/old" "$(device fast d)" "$MIB"
	}
	check "a group, then restart" sweep false copy fast $((64 * MIB)) c v d w
	check "a group, then reboot" sweep true copy fast $((64 * MIB)) c v d w
	check "nothing is left" eval 't destroy fast v , destroy fast w , destroy fast c , destroy fast d &&
		test "$(used fast)" = 0'
	recovered() { consistent fast; }
}

# The metadata have as many devices as the database, and these are v and w with or without both copies.
all_or_none() {
	local n
	n=$(sql 'SELECT count(*) FROM thin_dev')
	[ "$n" = 2 ] || [ "$n" = 4 ]
}

# Half down it is brought up again, or taken down to the end.
test_stop() {
	local n
	begin_sweep
	t create fast s $((64 * MIB)) v
	for ((n = 1; n < 40; n++)); do
		t activate fast v $((64 * MIB)) , activate fast s $((64 * MIB))
		t_crash "$n" pool-stop fast
		case $? in
		0) break ;;
		42) ;;
		*) check "it dies (point $n)" false ;;
		esac
		[ $((n % 2)) = 0 ] || check "half down it goes down (point $n)" eval \
			't pool-stop fast && test -z "$(dm_name ^bvol-)"'
		check "and comes up (point $n)" eval 't pool-open fast && still_there'
	done
	check "all points were tried" test "$n" -gt 5
	check "it comes up" t pool-open fast
	check "as it was" eval 'still_there && consistent fast'
}

# mark [SECTORS] - leave the metadata as the kernel does after a failed write; the label says in which of
# its two places they are.
mark() {
	local swapped sectors=${1:-$((16 * MIB / 512))}
	swapped=$(dd if=/dev/vda bs=1 skip=1120 count=1 status=none | od -An -tu1 | tr -d ' ')
	dmsetup create look --table "0 $sectors linear /dev/vda $(((16 * MIB + swapped * 64 * MIB) / 512))" &&
		"${thintest%thintest}metatest" /dev/mapper/look 0 mark >/dev/null && dmsetup remove look
}

# A repair goes on wherever it was cut off: before the swap the mark is still there.
test_repair() {
	local -a again=(pool-mend fast 0 "," pool-swap fast "," pool-open fast)
	begin_sweep
	prepare() { prepare_with activate fast v $((64 * MIB)) && reboot && mark; }
	come_back() {
		t pool-open fast || { grep -q 'need a check' "$scratch/err" && t "${again[@]}"; } || return
		[ "$(sql 'SELECT mended FROM thin_pool')" = 0 ] || t pool-swap fast , pool-open fast || return
		consistent fast && still_there
	}
	check "a repair, then restart" sweep false "${again[@]}"
	check "a repair, then reboot" sweep true "${again[@]}"
	begin_sweep
	t crowd fast 2200 , pool-extend fast 0 /dev/vdb
	check "metadata grow" t pool-adjust fast 1
	check "to twice their length" test "$(total fast metadata | tail -n 1)" = $((32 * MIB))
	reboot
	mark $((32 * MIB / 512))
	check "they are repaired" t "${again[@]}"
	check "and as long as before" test "$(total fast metadata | tail -n 1)" = $((32 * MIB))
	check "and again" eval 'reboot && mark $((32 * MIB / 512)) && t "${again[@]}" && still_there'
	check "all is as it was" consistent fast
}

run_tests pool create active group extend metadata scrub stop repair -- "$@"
