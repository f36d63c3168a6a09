// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "util/sha256.h"

int sha256_text(const void *data, size_t n, char text[SHA256_TEXT])
{
	unsigned char hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(data, n, hash, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	for (int i = 0; i < SHA256_TEXT / 2; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return 0;
}
