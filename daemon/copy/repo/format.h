/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documentation/backup-format.rst in numbers. All integers on disk are little-endian. */
#ifndef BVOL_REPO_FORMAT_H
#define BVOL_REPO_FORMAT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define REPO_MAGIC	"bvolrepo"
#define REPO_MAJOR	1
#define REPO_MINOR	0
#define REPO_ENCRYPTED	1u

#define REPO_ID		16	/* of repositories and objects */
#define REPO_SALT	32
#define REPO_KEY	32
#define REPO_TAG	16
#define REPO_NONCE	12
#define CHUNK_ID	24

enum repo_kind {
	REPO_CONFIG = 1, REPO_KEYS, REPO_PACK, REPO_INDEX, REPO_BACKUP, REPO_MARK, REPO_LEASE,
	REPO_KINDS,
};

#define HEAD_SIZE	96
#define HEAD_BODY	80	/* where the body's length stands */
#define KEY_PARAMS	64
#define KEY_OBJECT	(HEAD_SIZE + KEY_PARAMS + REPO_KEY + REPO_TAG)
#define KEY_LABEL	48

#define RECORD_HEAD	48
#define RECORD_MAGIC	0x31636572u	/* "rec1" */
#define TRAILER_SIZE	32
#define TRAILER_MAGIC	"packend1"
#define ENTRY_SIZE	64
#define MARK_ENTRY	24

enum record_kind { RECORD_DATA = 1, RECORD_MAP, RECORD_PATCH };
enum compression { COMPRESS_NONE, COMPRESS_ZSTD, COMPRESS_LZ4 };
enum mark_type { MARK_CONDEMNED = 1, MARK_DAMAGED };
enum manifest_type { MANIFEST_BACKUP = 1, MANIFEST_FENCE };
enum key_method { KEY_NONE = 1, KEY_PASSPHRASE, KEY_FILE };

#define CHUNK_MIN	(64u << 10)
#define CHUNK_MAX	(4u << 20)
#define CHUNK_DEFAULT	(64u << 10)
#define PATCH_PAGE	4096u
/* What a page of a map covers, and the most bytes that it takes. */
#define MAP_SPAN	(UINT64_C(64) << 20)
#define MAP_PAGE_MAX	(64u << 10)
#define PACK_TARGET	(32u << 20)
#define PACK_MAX	(256u << 20)
#define BIG_OBJECT_MAX	(256u << 20)	/* manifest, index */
#define OBJECT_MAX	(1u << 20)
#define VOLUME_MAX	(UINT64_C(1) << 60)
#define TEXT_MAX	4096u
#define TEXTS_MAX	256u

static inline void put16(uint8_t *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, sizeof(v));
}

static inline void put32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static inline void put64(uint8_t *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

static inline uint16_t get16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return le16toh(v);
}

static inline uint32_t get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static inline uint64_t get64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

#endif
