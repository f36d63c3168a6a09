/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a check has found, for the user: a list of differences. */
#ifndef BVOL_THIN_FINDING_H
#define BVOL_THIN_FINDING_H

#include "provider/provider.h"

struct finding {
	enum bvol_layer layer;
	const char *status, *object, *name;
	const struct bvol_uuid *id;
};

/* Append one to check->differences, which has n of them. -ENOMEM without a sentence. */
int finding_add(struct provider_check *check, size_t *n, const struct finding *f,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
void finding_free(struct provider_check *check, size_t n);

#endif
