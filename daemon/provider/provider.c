// SPDX-License-Identifier: LGPL-2.1-or-later
#include <string.h>

#include "provider/provider.h"

static const struct provider_ops *const providers[] = {
	&provider_thin,
};

const struct provider_ops *provider_find(const char *name)
{
	for (size_t i = 0; name && i < sizeof(providers) / sizeof(*providers); i++)
		if (!strcmp(providers[i]->name, name))
			return providers[i];
	return NULL;
}
