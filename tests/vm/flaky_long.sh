#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# flaky_long.sh - flaky.sh for each write of each operation.
NIGHT=1 exec "$(dirname "$0")/flaky.sh"
