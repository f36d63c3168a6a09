#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# repair_long.sh - the daemon dies at many moments of a repair.
NIGHT=1 exec "$(dirname "$0")/repair.sh" kill
