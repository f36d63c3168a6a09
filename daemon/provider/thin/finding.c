// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"
#include "provider/thin/finding.h"

static int fill(struct bvol_difference *d, const struct finding *f, const char *text)
{
	const struct bvol_type *type = &bvol_type_difference;

	codec_set(d, BVOL_A_DIFFERENCE_LAYER, layer, f->layer);
	codec_set(d, BVOL_A_DIFFERENCE_ID, id, *f->id);
	if (codec_set_string(type, d, BVOL_A_DIFFERENCE_STATUS, f->status) ||
	    codec_set_string(type, d, BVOL_A_DIFFERENCE_OBJECT, f->object) ||
	    codec_set_string(type, d, BVOL_A_DIFFERENCE_NAME, f->name) ||
	    codec_set_string(type, d, BVOL_A_DIFFERENCE_MESSAGE, text))
		return -ENOMEM;
	return 0;
}

/* The list ends with NULL. */
int finding_add(struct provider_check *check, size_t *n, const struct finding *f,
		const char *format, ...)
{
	struct bvol_difference **grown;
	char text[BVOL_SENTENCE_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	grown = reallocarray(check->differences, *n + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	check->differences = grown;
	grown[*n + 1] = NULL;
	grown[*n] = codec_new(&bvol_type_difference);
	return grown[*n] ? fill(grown[(*n)++], f, text) : -ENOMEM;
}

void finding_free(struct provider_check *check, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bvol_free(&bvol_type_difference, check->differences[i]);
	free(check->differences);
}
