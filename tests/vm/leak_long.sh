#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# leak_long.sh - leak.sh for a night.
LEAK_STEPS=${LEAK_STEPS:-400} exec "$(dirname "$0")/leak.sh"
