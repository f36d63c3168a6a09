// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "copy/repo/crypto.h"

/* scrypt with the largest parameters that a repository may ask for. */
#define SCRYPT_MEMORY	((UINT64_C(1) << 20) * 128 * 32 + (64u << 20))

struct sealer {
	EVP_CIPHER_CTX *context;
	EVP_CIPHER *cipher;
};

struct hasher {
	struct sealer *universal;	/* NULL: scheme 2 */
	EVP_MAC *mac;
	EVP_MAC_CTX *prf;
};

static int refused(const char *what, struct err *e)
{
	unsigned long code = ERR_get_error();

	ERR_clear_error();
	return err_set(e, -EIO, "OpenSSL refuses %s: %s", what,
		       code ? ERR_reason_error_string(code) ?: "no reason" : "no reason");
}

int crypto_random(void *bytes, size_t length, struct err *e)
{
	return RAND_bytes(bytes, (int)length) == 1 ? 0 : refused("random bytes", e);
}

int crypto_uuid(uint8_t id[REPO_ID], struct err *e)
{
	int r = crypto_random(id, REPO_ID, e);

	id[6] = (id[6] & 0x0f) | 0x40;
	id[8] = (id[8] & 0x3f) | 0x80;
	return r;
}

void crypto_wipe(void *bytes, size_t length)
{
	OPENSSL_cleanse(bytes, length);
}

int crypto_hkdf(const void *secret, size_t secret_length, const uint8_t *salt, size_t salt_length,
		const void *info, size_t info_length, uint8_t *key, size_t length, struct err *e)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_length),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_length),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_length),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int r = context && EVP_KDF_derive(context, key, length, params) == 1 ? 0 : refused("HKDF", e);

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return r;
}

int crypto_scrypt(const void *secret, size_t length, const uint8_t salt[REPO_SALT], unsigned int log2n,
		  unsigned int r, unsigned int p, uint8_t key[REPO_KEY], struct err *e)
{
	if (log2n < 1 || log2n > 20 || !r || r > 32 || !p || p > 4)
		return err_set(e, -EINVAL, "a key asks for scrypt with parameters that are not allowed");
	return EVP_PBE_scrypt(secret, length, salt, REPO_SALT, UINT64_C(1) << log2n, r, p, SCRYPT_MEMORY,
			      key, REPO_KEY) == 1 ? 0 : refused("scrypt", e);
}

int crypto_sha256(const void *bytes, size_t length, uint8_t hash[CRYPTO_HASH], struct err *e)
{
	return EVP_Q_digest(NULL, "SHA256", NULL, bytes, length, hash, NULL) == 1 ? 0 : refused("SHA-256", e);
}

int crypto_hmac(const void *key, size_t key_length, const void *bytes, size_t length,
		uint8_t mac[CRYPTO_HASH], struct err *e)
{
	size_t n;

	return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_length, bytes, length, mac, CRYPTO_HASH,
			 &n) ? 0 : refused("HMAC-SHA-256", e);
}

int sealer_new(const uint8_t key[REPO_KEY], struct sealer **ret, struct err *e)
{
	struct sealer *sealer = calloc(1, sizeof(*sealer));

	if (!sealer)
		return err_set(e, -ENOMEM, "out of memory");
	sealer->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	sealer->context = EVP_CIPHER_CTX_new();
	if (!sealer->cipher || !sealer->context ||
	    EVP_CipherInit_ex2(sealer->context, sealer->cipher, key, NULL, 1, NULL) != 1) {
		sealer_free(sealer);
		return refused("AES-256-GCM", e);
	}
	*ret = sealer;
	return 0;
}

struct sealer *sealer_free(struct sealer *sealer)
{
	if (sealer) {
		EVP_CIPHER_CTX_free(sealer->context);
		EVP_CIPHER_free(sealer->cipher);
	}
	free(sealer);
	return NULL;
}

int sealer_key(struct sealer *sealer, const uint8_t key[REPO_KEY], struct err *e)
{
	return EVP_CipherInit_ex2(sealer->context, NULL, key, NULL, 1, NULL) == 1 ? 0 :
	       refused("a key", e);
}

/* All but the tag; true: it worked. */
static bool pass(EVP_CIPHER_CTX *context, const struct seal *seal, int sealing, const void *in,
		 size_t length, void *out)
{
	int n;

	if (EVP_CipherInit_ex2(context, NULL, NULL, seal->nonce, sealing, NULL) != 1)
		return false;
	for (size_t i = 0; i < sizeof(seal->aad) / sizeof(seal->aad[0]); i++)
		if (seal->aad_length[i] && EVP_CipherUpdate(context, NULL, &n, seal->aad[i],
							    (int)seal->aad_length[i]) != 1)
			return false;
	if (!length)
		return true;
	if (seal->encrypted)
		return EVP_CipherUpdate(context, out, &n, in, (int)length) == 1;
	if (out != in)
		memmove(out, in, length);
	return EVP_CipherUpdate(context, NULL, &n, in, (int)length) == 1;
}

int seal_close(struct sealer *sealer, const struct seal *seal, const void *in, size_t length, void *out,
	       uint8_t tag[REPO_TAG], struct err *e)
{
	uint8_t rest[16];
	int n;

	if (!pass(sealer->context, seal, 1, in, length, out) ||
	    EVP_CipherFinal_ex(sealer->context, rest, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(sealer->context, EVP_CTRL_AEAD_GET_TAG, REPO_TAG, tag) != 1)
		return refused("to seal", e);
	return 0;
}

int seal_open(struct sealer *sealer, const struct seal *seal, const void *in, size_t length, void *out,
	      const uint8_t tag[REPO_TAG], struct err *e)
{
	uint8_t rest[16];
	int n;

	if (!pass(sealer->context, seal, 0, in, length, out) ||
	    EVP_CIPHER_CTX_ctrl(sealer->context, EVP_CTRL_AEAD_SET_TAG, REPO_TAG, (void *)tag) != 1)
		return refused("to open a seal", e);
	if (EVP_CipherFinal_ex(sealer->context, rest, &n) == 1)
		return 0;
	ERR_clear_error();
	return -EBADMSG;
}

int hasher_new(const uint8_t keys[2 * REPO_KEY], bool secret, struct hasher **ret, struct err *e)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	struct hasher *hasher = calloc(1, sizeof(*hasher));
	int r = 0;

	if (!hasher)
		return err_set(e, -ENOMEM, "out of memory");
	if (secret)
		r = sealer_new(keys, &hasher->universal, e);
	hasher->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	hasher->prf = hasher->mac ? EVP_MAC_CTX_new(hasher->mac) : NULL;
	if (!r && (!hasher->prf || EVP_MAC_init(hasher->prf, keys + REPO_KEY, REPO_KEY, params) != 1))
		r = refused("HMAC-SHA-256", e);
	if (r) {
		hasher_free(hasher);
		return r;
	}
	*ret = hasher;
	return 0;
}

struct hasher *hasher_free(struct hasher *hasher)
{
	if (hasher) {
		sealer_free(hasher->universal);
		EVP_MAC_CTX_free(hasher->prf);
		EVP_MAC_free(hasher->mac);
	}
	free(hasher);
	return NULL;
}

int hasher_id(struct hasher *hasher, enum record_kind kind, const void *bytes, uint32_t length,
	      uint8_t id[CHUNK_ID], struct err *e)
{
	struct seal gmac = { .aad = { bytes }, .aad_length = { length } };
	uint8_t head[5] = { kind }, tag[REPO_TAG], hash[32];
	size_t n = length;
	int r;

	put32(head + 1, length);
	if (hasher->universal) {
		r = seal_close(hasher->universal, &gmac, NULL, 0, NULL, tag, e);
		if (r)
			return r;
		bytes = tag;
		n = sizeof(tag);
	}
	if (EVP_MAC_init(hasher->prf, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(hasher->prf, head, sizeof(head)) != 1 ||
	    EVP_MAC_update(hasher->prf, bytes, n) != 1 ||
	    EVP_MAC_final(hasher->prf, hash, &n, sizeof(hash)) != 1)
		return refused("to hash", e);
	memcpy(id, hash, CHUNK_ID);
	return 0;
}
