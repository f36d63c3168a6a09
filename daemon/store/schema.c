// SPDX-License-Identifier: LGPL-2.1-or-later
#include "store/schema.h"

const char *const schema_steps[] = {
#include "001.sql.inc"
#include "002.sql.inc"
#include "003.sql.inc"
#include "004.sql.inc"
#include "005.sql.inc"
#include "006.sql.inc"
#include "007.sql.inc"
#include "008.sql.inc"
#include "009.sql.inc"
#include "010.sql.inc"
};

const uint32_t schema_newest = sizeof(schema_steps) / sizeof(schema_steps[0]);
