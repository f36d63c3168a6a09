// SPDX-License-Identifier: LGPL-2.1-or-later
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "copy/pattern.h"

#define BLOCK 16

int pattern_key(uint8_t key[COPY_KEY_SIZE], struct err *e)
{
	/* Up to 256 bytes come whole or not at all. */
	if (getrandom(key, COPY_KEY_SIZE, 0) != COPY_KEY_SIZE)
		return err_set(e, -errno, "the kernel gives no random key: %s", strerror(errno));
	return 0;
}

static int refused(struct err *e)
{
	return err_set(e, -EIO, "libcrypto refuses AES-256-CTR");
}

/* The cipher's context is all there is to a pattern. */
int pattern_new(const uint8_t key[COPY_KEY_SIZE], struct pattern **ret, struct err *e)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (!context || EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, key, NULL) != 1) {
		EVP_CIPHER_CTX_free(context);
		return refused(e);
	}
	*ret = (struct pattern *)context;
	return 0;
}

struct pattern *pattern_free(struct pattern *pattern)
{
	EVP_CIPHER_CTX_free((EVP_CIPHER_CTX *)pattern);
	return NULL;
}

int pattern_fill(struct pattern *pattern, uint64_t offset, uint8_t *bytes, const uint8_t *zeroes,
		 size_t length, struct err *e)
{
	EVP_CIPHER_CTX *context = (EVP_CIPHER_CTX *)pattern;
	uint64_t counter[2] = { 0, htobe64(offset / BLOCK) };
	int skip = (int)(offset % BLOCK), n;
	uint8_t skipped[BLOCK];

	if (EVP_EncryptInit_ex(context, NULL, NULL, NULL, (const uint8_t *)counter) != 1 ||
	    (skip && EVP_EncryptUpdate(context, skipped, &n, zeroes, skip) != 1) ||
	    EVP_EncryptUpdate(context, bytes, &n, zeroes, (int)length) != 1)
		return refused(e);
	return 0;
}
