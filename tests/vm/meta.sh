#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# meta.sh [FIRST COUNT] - the reader of a pool's metadata beside thin_dump and thin_delta, about random
# pools that the kernel made: 20 of them, 200 with NIGHT=1. See metapools.c.
#
#	tests/vm/run --disk 64M -- tests/vm/meta.sh
set -eu
count=${NIGHT:+200}
modprobe -a dm-thin-pool dm-zero
unset LD_LIBRARY_PATH
exec "${BVOL_BUILD:-$(dirname "$0")/../../build}/tests/vm/metapools" /dev/vda "${1:-0}" "${2:-${count:-20}}"
