/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zstd and lz4, of which compress.c alone knows. */
#ifndef BVOL_REPO_COMPRESS_H
#define BVOL_REPO_COMPRESS_H

#include <stddef.h>

#include "copy/repo/format.h"
#include "util/err.h"

#define COMPRESS_LEVEL_MIN	(-7)
#define COMPRESS_LEVEL_MAX	19

/* "none", "lz4", "zstd", "zstd:LEVEL". -EINVAL with a sentence. */
int compression_parse(const char *text, enum compression *ret, int *level, struct err *e);
#define COMPRESSION_TEXT 16
char *compression_text(enum compression c, int level, char text[COMPRESSION_TEXT]);

struct compressor;
/* One thread at a time. */
int compressor_new(enum compression c, int level, struct compressor **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct compressor *compressor_free(struct compressor *compressor);
/* out has room for length - 1 bytes. Bytes of out, or 0: it is not smaller. */
size_t compressor_pack(struct compressor *compressor, const void *in, size_t length, void *out);
/* Exactly raw bytes have to come out. -EBADMSG without a sentence. */
int compressor_unpack(struct compressor *compressor, enum compression c, const void *in, size_t length,
		      void *out, size_t raw);

#endif
