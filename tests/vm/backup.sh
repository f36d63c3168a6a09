#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# backup.sh - backups as the daemon's jobs: of a volume in use, restored, killed, cancelled, damaged.
#
#	tests/vm/run --disk 1G --disk 256M -- tests/vm/backup.sh
#
# shellcheck disable=SC2317,SC2329 # functions are called by their names
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

MIB=1048576
repo=$scratch/repo key=$scratch/key

# begin COMMAND... - its job is $job.
begin() {
	job=$(bvolctl "$@" --no-wait --json | get .job_id)
}

# job_is CONDITION - one of jq's, about $job.
job_is() {
	shows "$1" job show "$job"
}

ended() {
	job_is '.status == "done" or .status == "failed"'
}

# Nothing is on its way, all is as the database wants it, and no device is there but the pool's and volumes'.
clean() {
	settled && same || return
	[ "$(dmsetup ls | grep -c '^bvol-')" -le 6 ] || { dmsetup ls && false; }
}

# digest VOLUME - of its content, past the page cache.
digest() {
	dd if="$(device_of "$1")" bs=1M iflag=direct status=none | sha256sum
}

test_attach() {
	(umask 077 && head -c 32 /dev/urandom >"$key")
	expect_fail 1 "$repo" bvolctl repo attach r "$repo" --key-file "$key"
	need "a repository" bvolctl repo create "$repo" --key-file "$key"
	expect_fail 1 "begins with a /" bvolctl repo attach r here
	expect_fail 1 "wants a passphrase or a key file" bvolctl repo attach r "$repo"
	head -c 32 /dev/zero >"$scratch/open"
	chmod 644 "$scratch/open"
	expect_fail 1 "others can't read" bvolctl repo attach r "$repo" --key-file "$scratch/open"
	chmod 600 "$scratch/open"
	expect_fail 1 "does not open" bvolctl repo attach r "$repo" --key-file "$scratch/open"
	expect_fail 1 "no repository called" bvolctl repo attach r
	check "it is attached" shows '.name == "r" and .backups == 0 and .encrypted == 1' \
		repo attach r "$repo" --key-file "$key"
	expect_fail 1 "attached already, as r" bvolctl repo attach other "$repo" --key-file "$key"
	check "it is listed" shows 'length == 1 and .[0].name == "r"' repo list
	check "a folder is looked into without the daemon" shows 'length == 1 and .[0].path' repo list "$scratch"
	check "and a place is shown" bvolctl repo show "$repo" --key-file "$key"
	expect_fail 1 'no repository called "x"' bvolctl repo show x
	expect_fail 2 "with a / in it" bvolctl repo show r --key-file "$key"
}

# A writer over iSCSI works all the while.
test_in_use() {
	local target user secret disk answer
	need "a volume" bvolctl volume create v --size 64M
	answer=$(bvolctl export create v --initiator "$initiator" --json)
	target=$(get .target <<<"$answer") user=$(get .auth.user <<<"$answer")
	secret=$(get .auth.secret <<<"$answer")
	need "a login" login "$target" "$user" "$secret"
	disk=$(disk_of "$target")
	dd if=/dev/urandom of="$disk" bs=1M count=40 oflag=direct status=none
	check "it is in use" wait_for 10 shows '.status == "in-use"' volume show v
	before=$(digest v)
	check "it is backed up" shows ".status == \"available\" and .is_incremental == 0 and .size == 64 * $MIB and
		.zero_chunks == 384 and .volume_name == \"v\" and .repository == \"r\"" backup create v full --rate 200M
	check "it is in use as before" shows '.status == "in-use"' volume show v
	check "nothing is left of the snapshot" clean
	need "a snapshot" bvolctl snapshot create v s
	check "which is backed up too" shows '.is_incremental == 1 and .added < 100000 and .snapshot_id' \
		backup create --snapshot s snap --incremental --repository r
	dd if=/dev/urandom of="$disk" bs=64K count=1 seek=100 oflag=direct status=none
	dd if=/dev/urandom of="$disk" bs=64K count=1 seek=900 oflag=direct status=none
	after=$(digest v)
	check "what has changed since is found" shows '.is_incremental == 1 and .stored_chunks == 2 and
		.same_chunks == 639' backup create v incr --parent snap
	check "one depends on the other" shows '.has_dependent_backups == 1' backup show snap
	check "the host logs out" logout "$target"
	check "the export goes" bvolctl export delete v
}

test_restore() {
	check "to a new volume" shows '.status == "available" and .name == "w" and .size == 67108864' \
		backup restore incr --name w
	check "as it was" test "$(digest w)" = "$after"
	check "which is not shared with anything" shows '.name == "v"' backup restore full
	check "it goes" bvolctl volume delete "$(bvolctl volume list --json | get '.[-1].id')"
	check "to another volume" shows '.status == "available"' backup restore full --volume w
	check "as it was" test "$(digest w)" = "$before"
	job=$(bvolctl job list --all --json | get '[.[] | select(.kind == "backup-restore")][-1].id')
	check "without writing what was there" job_is '.report[0] | test("^64.0 KiB written, 63.8 MiB")'
	check "it is verified" shows '.status == "done" and (.report[0] | test("641 chunks"))' backup verify incr
	need "a small volume" bvolctl volume create small --size 32M
	expect_fail 1 "too few" bvolctl backup restore full --volume small
	expect_fail 1 "for a new volume" bvolctl backup restore full --volume w --name x
	expect_fail 1 'no backup called "none"' bvolctl backup restore none
	expect_fail 1 "no pool called" bvolctl backup restore full --name y --pool q
	expect_fail 1 "volume or of a snapshot" bvolctl backup create v x --snapshot s
	expect_fail 2 "missing" bvolctl backup create v
	expect_fail 2 "a choice" bvolctl backup list --volume v --repo "$repo"
	check "it goes" bvolctl volume delete small
	check "all is in order" clean
}

# The manifest brings back what a type's database lost; and one who did not write it reads it.
test_rescan() {
	check "a stranger's backup" bvolctl backup create --from "$key" --name stranger --repo "$repo" --key-file "$key"
	check "is found by a look" shows '.backups == 4' repo attach r
	check "and listed" shows '.status == "available" and .size == 32' backup show stranger
	check "one that goes behind the daemon's back" bvolctl backup delete stranger --repo "$repo" --key-file "$key"
	check "is forgotten by the next look" shows '.backups == 3' repo attach r
	check "the repository is detached" bvolctl repo detach r
	check "with its backups" shows 'length == 0' backup list
	need "a second daemon with an empty database" second_daemon
	check "finds them all" second repo attach all "$repo" --key-file "$key"
	second backup list --json >"$scratch/found"
	check "as they were" jq -e '[.[].name] | sort == ["full", "incr", "snap"]' "$scratch/found"
	kill "$other" && wait "$other"
	check "it is attached again" shows '.backups == 3' repo attach r "$repo" --key-file "$key"
	check "and knows who followed whom" shows '.has_dependent_backups == 1 and .is_incremental == 1' backup show snap
}

second() {
	bvolctl --socket "$scratch/run2/control.sock" "$@"
}

second_daemon() {
	bvold --state "$scratch/state2" --run "$scratch/run2" --config "$scratch/second.conf" \
		>"$scratch/bvold2" 2>&1 &
	other=$!
	wait_for 30 test -S "$scratch/run2/control.sock"
}

test_orders() {
	begin backup create v slow --rate 2M
	check "a job says how far it is" wait_for 30 job_is ".bytes_done > 0 and .bytes_total == 64 * $MIB"
	check "it is paused" shows '.paused == 1' job pause "$job"
	check "and stands still" wait_for 10 still
	check "its volume says what is done to it" shows '.status == "backing-up"' volume show v
	expect_fail 1 "is backing-up" bvolctl backup create v again
	expect_fail 1 "is backing-up" bvolctl volume extend v --size 1G
	expect_fail 1 "wait for it" bvolctl repo detach r
	first=$job
	begin repo gc r
	check "another one waits for it and says so" wait_for 10 job_is '.status == "queued" and (.waiting | test("backup-create"))'
	check "it is cancelled" bvolctl job cancel "$job"
	check "without its turn" wait_for 3 job_is '.status == "failed"'
	job=$first
	check "the first one is cancelled too" bvolctl job cancel "$job"
	check "and ends" wait_for 20 ended
	check "as failed" job_is '.status == "failed" and .cancelled == 1'
	check "the backup is none" shows '.status == "error" and (.error | test("cancelled"))' backup show slow
	check "its volume is available" shows '.status == "available"' volume show v
	check "nothing is left of the snapshot" wait_for 10 clean
	check "it is forgotten" bvolctl backup delete slow
}

still() {
	local now
	now=$(bvolctl job show "$job" --json | get .bytes_done) && nap 1 && job_is ".bytes_done == $now"
}

# What is in packs that were finished, of 32 MiB each, serves the job when it goes on.
test_kill() {
	local size i
	need "a larger volume" bvolctl volume create big --size 112M
	dd if=/dev/urandom of="$(device_of big)" bs=1M count=112 oflag=direct status=none
	begin backup create big large --rate 12M
	check "most of it is read" wait_for 60 job_is ".bytes_done > 75 * $MIB"
	check "it is paused" bvolctl job pause "$job"
	bvold_kill
	size=$(du -sm "$repo" | cut -f 1)
	need "bvold starts" bvold_start
	check "the job is paused still" job_is '.paused == 1 and .status == "running"'
	check "it goes on" bvolctl job resume "$job"
	check "to its end" wait_for 60 job_is '.status == "done"'
	check "what was stored is not stored again" test $(($(du -sm "$repo" | cut -f 1) - size)) -lt 80
	echo "# $size MiB before, $(du -sm "$repo" | cut -f 1) after, of 112 that are new"
	check "nothing is left of the snapshot" wait_for 10 clean
	check "it goes" eval 'bvolctl backup delete large && bvolctl volume delete big'
	dd if=/dev/urandom of="$(device_of v)" bs=1M count=40 oflag=direct status=none
	before=$(digest v)
	check "another backup" bvolctl backup create v killed
	for i in 1 4 8; do
		begin backup create v "k$i" --incremental
		nap 0.$i
		bvold_kill
		need "bvold starts" bvold_start
		check "the job ends after a kill at 0.$i s" wait_for 60 ended
		check "with a backup" shows '.status == "available"' backup show "k$i"
		check "and nothing else" wait_for 10 clean
	done
	begin backup restore killed --volume w --rate 12M
	check "half of it is restored" wait_for 60 job_is ".bytes_done > 10 * $MIB"
	bvold_kill
	need "bvold starts" bvold_start
	check "the restore ends" wait_for 60 ended
	check "well" job_is '.status == "done"'
	check "with all bytes" test "$(digest w)" = "$before"
	check "all is in order" clean
}

# One chunk of the last backup is not what it was.
test_damage() {
	local pack
	dd if=/dev/urandom of="$(device_of v)" bs=1M count=2 seek=50 oflag=direct status=none
	check "a backup" bvolctl backup create v hit --incremental
	pack=$(find "$repo/packs" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
	printf 'XXXXXXXX' | dd of="$pack" bs=1 seek=5000 conv=notrunc status=none
	check "is not restored when it is damaged" fails bvolctl backup restore hit --volume w
	check "nor is its volume available" shows '.status == "error_restoring" and (.error | test("chunk"))' volume show w
	check "the backup says why" shows '.status == "available" and (.error | test("chunk"))' backup show hit
	check "verify finds it" fails bvolctl backup verify hit
	check "scrub too" shows '.status == "done" and (.report | length > 1) and
		(.report[0] | test("1 damaged|2 damaged"))' repo scrub r
	check "others are restored over it" shows '.status == "available"' backup restore killed --volume w
	check "with all bytes" test "$(digest w)" = "$before"
	check "what is damaged is stored again" bvolctl backup create v healed
	check "and then both are whole" bvolctl backup verify hit
	check "which is told" shows '.error == null' backup show hit
}

# Root writes also to what is read-only, but not to a file system that is.
test_readonly() {
	mkdir "$scratch/mnt"
	need "a repository's folder of its own" mount --bind "$repo" "$scratch/mnt"
	mount -o remount,bind,ro "$scratch/mnt"
	check "it is detached" bvolctl repo detach r
	check "and attached where nobody writes" shows '.backups == 9' repo attach r "$scratch/mnt" --key-file "$key"
	check "no backup is made there" fails bvolctl backup create v never
	check "and it says why" shows '.status == "error" and (.error | test("Read-only"))' backup show never
	check "but restored" bvolctl backup restore killed --volume w
	check "nor is one deleted" fails bvolctl backup delete killed
	check "which is said" shows '.status == "error_deleting" and (.error | test("Read-only"))' backup show killed
	bvolctl repo detach r >/dev/null
	umount "$scratch/mnt"
	check "it is attached again" bvolctl repo attach r "$repo" --key-file "$key"
	mv "$repo" "$repo.away"
	check "one that has gone fails the job" fails bvolctl backup create v never
	check "a look says what is wrong" fails bvolctl repo attach r
	check "which is kept" shows '.error | length > 10' repo show r
	mv "$repo.away" "$repo"
	check "it is back" shows '.error == null' repo attach r
	check "the failed one goes" bvolctl backup delete never
	check "its volume is as before" shows '.status == "available"' volume show v
	check "all is in order" clean
}

# A repository on a disk that hangs holds up its job, and nobody else.
test_hang() {
	dmsetup create slow --table "0 $(blockdev --getsz /dev/vdb) linear /dev/vdb 0"
	need "a disk for a repository" mkfs.ext4 -q /dev/mapper/slow
	mkdir "$scratch/slow"
	mount /dev/mapper/slow "$scratch/slow"
	bvolctl repo create "$scratch/slow/repo" --no-encryption >/dev/null
	need "it is attached" bvolctl repo attach slow "$scratch/slow/repo"
	begin backup create v hung --repository slow --rate 4M
	check "a backup begins" wait_for 30 job_is '.bytes_done > 0'
	dmsetup suspend --noflush --nolockfs slow
	bvolctl job set "$job" --rate none >/dev/null
	nap 3
	check "the daemon answers while the disk hangs" bvolctl volume list
	check "other repositories work" bvolctl backup verify killed
	check "the job is cancelled" bvolctl job cancel "$job"
	check "and the volume is free again" wait_for 4 shows '.status == "available"' volume show v
	check "the backup is none" shows '.status == "error"' backup show hung
	dmsetup resume slow
	check "the job is undone when the disk is back" wait_for 20 ended
	check "nothing is left of the snapshot" wait_for 10 clean
	check "the backup's row goes" bvolctl backup delete hung
	check "so does the repository's" bvolctl repo detach slow
	umount "$scratch/slow"
	dmsetup remove slow
}

test_delete() {
	local name
	for name in full snap incr; do
		check "$name is deleted" bvolctl backup delete "$name"
	done
	check "which frees space" shows '.status == "done" and (.report[0] | test("packs deleted"))' repo gc r
	check "what is left is whole" bvolctl backup verify killed
	check "the snapshot goes" bvolctl snapshot delete s
	check "the volumes go" eval 'bvolctl volume delete v && bvolctl volume delete w'
	check "the repository is forgotten" bvolctl repo detach r
	check "the pool goes" bvolctl pool delete p
}

need "bvold starts" bvold_start
need "the initiator starts" iscsi_start
need "a pool" bvolctl pool create p /dev/vda
printf '[module]\nuse = no\n' >"$scratch/second.conf"
test_attach
test_in_use
test_restore
test_rescan
test_orders
test_kill
test_damage
test_readonly
test_hang
test_delete
check "SIGTERM ends bvold" bvold_stop
finish
