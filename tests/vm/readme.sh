#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The README's first hour, typed as it is written, from the first pool to the last. Two disks.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# What stands in the README's blocks of shell, with the disks of this machine.
commands() {
	sed -n '/^### Pools and a volume/,/^### With a host of its own/p' "$(dirname "$0")/../../README.md" |
		awk -v fence='```' '$0 == fence "sh" { inside = 1; next } $0 == fence { inside = 0 } inside' |
		sed -e 's,/dev/sdb,/dev/vda,' -e 's,/dev/sdc,/dev/vdb,'
}

need "bvold starts" bvold_start
need "the initiator starts" iscsi_start
commands >"$scratch/commands"
cd "$scratch" || exit 1
check "the README has commands" grep -q 'bvolctl pool create' commands
check "each of them works" bash -eux commands
check "nothing is left under way" settled
check "the kernel is as the database wants it" same
check "bvold stops" bvold_stop
finish
