/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects as JSON. json.c alone knows jansson. */
#ifndef BVOLCTL_JSON_H
#define BVOLCTL_JSON_H

#include <stdio.h>

#include "bvol.h"

struct json;

struct json *json_list(void);
/* -ENOMEM. */
int json_list_add(struct json *list, const struct bvol_type *type, const void *obj);
/* An object and, if not NULL, the member "job_id". */
struct json *json_object_of(const struct bvol_type *type, const void *obj,
			    const struct bvol_uuid *job_id);
/* One document over several lines, or in one. */
void json_print(const struct json *json, bool one_line, FILE *out);
/* Takes NULL. */
void json_free(struct json *json);

#endif
