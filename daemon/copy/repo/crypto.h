/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys, tags and hashes of a repository. crypto.c alone knows OpenSSL here. */
#ifndef BVOL_REPO_CRYPTO_H
#define BVOL_REPO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#include "copy/repo/format.h"
#include "util/err.h"

int crypto_random(void *bytes, size_t length, struct err *e);
/* A random UUID (version 4). */
int crypto_uuid(uint8_t id[REPO_ID], struct err *e);
int crypto_hkdf(const void *secret, size_t secret_length, const uint8_t *salt, size_t salt_length,
		const void *info, size_t info_length, uint8_t *key, size_t length, struct err *e);
/* -EINVAL for parameters that are not allowed; takes 128 * r * 2^log2n bytes of memory. */
int crypto_scrypt(const void *secret, size_t length, const uint8_t salt[REPO_SALT], unsigned int log2n,
		  unsigned int r, unsigned int p, uint8_t key[REPO_KEY], struct err *e);

#define CRYPTO_HASH	32
int crypto_sha256(const void *bytes, size_t length, uint8_t hash[CRYPTO_HASH], struct err *e);
/* HMAC-SHA-256. */
int crypto_hmac(const void *key, size_t key_length, const void *bytes, size_t length,
		uint8_t mac[CRYPTO_HASH], struct err *e);
/* So that no compiler leaves it out. */
void crypto_wipe(void *bytes, size_t length);

/* AES-256-GCM with one key; one thread at a time. */
struct sealer;
int sealer_new(const uint8_t key[REPO_KEY], struct sealer **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct sealer *sealer_free(struct sealer *sealer);
int sealer_key(struct sealer *sealer, const uint8_t key[REPO_KEY], struct err *e);

/* What a tag covers: aad, then bytes, which are encrypted or not. */
struct seal {
	uint8_t nonce[REPO_NONCE];
	const void *aad[2];
	size_t aad_length[2];
	bool encrypted;
};

/* In place or not; length below 2^31. */
int seal_close(struct sealer *sealer, const struct seal *seal, const void *in, size_t length, void *out,
	       uint8_t tag[REPO_TAG], struct err *e);
/* -EBADMSG without a sentence: not what was sealed; out is then worth nothing. */
int seal_open(struct sealer *sealer, const struct seal *seal, const void *in, size_t length, void *out,
	      const uint8_t tag[REPO_TAG], struct err *e);

/* Identifiers of chunks; one thread at a time. */
struct hasher;
/* secret: the keys are known to nobody else, which lets a faster hash do. keys: 64 bytes. */
int hasher_new(const uint8_t keys[2 * REPO_KEY], bool secret, struct hasher **ret, struct err *e);
/* Takes NULL, returns NULL. */
struct hasher *hasher_free(struct hasher *hasher);
/* kind: RECORD_DATA or RECORD_MAP. */
int hasher_id(struct hasher *hasher, enum record_kind kind, const void *bytes, uint32_t length,
	      uint8_t id[CHUNK_ID], struct err *e);

#endif
