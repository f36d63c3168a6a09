// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "job/change.h"
#include "job/proof.h"
#include "util/cleanup.h"
#include "util/sha256.h"

#define NONE "0000000000000000000000000000000000000000000000000000000000000000"

/* The end of the chain; one row, whose id is 0. */
struct head {
	uint64_t has;
	struct bvol_uuid id;
	uint64_t number;
	struct bvol_uuid last_id;
	char *hash;
};

enum { HEAD_ID = 1, HEAD_NUMBER, HEAD_LAST_ID, HEAD_HASH };

static const struct bvol_field head_fields[] = {
	{ .name = "id", .attr = HEAD_ID, .kind = BVOL_UUID, .offset = offsetof(struct head, id) },
	{ .name = "number", .attr = HEAD_NUMBER, .kind = BVOL_U64,
	  .offset = offsetof(struct head, number) },
	{ .name = "last_id", .attr = HEAD_LAST_ID, .kind = BVOL_UUID,
	  .offset = offsetof(struct head, last_id) },
	{ .name = "hash", .attr = HEAD_HASH, .kind = BVOL_STRING,
	  .offset = offsetof(struct head, hash) },
};

static const struct bvol_type type_head = {
	"proof_head", sizeof(struct head), head_fields, sizeof(head_fields) / sizeof(head_fields[0]),
};

/* The hash of a record */

static void put(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s %zu %s\n", name, strlen(value), value);
}

static void put_list(FILE *out, const char *name, char *const *items)
{
	size_t length = 0;

	for (char *const *item = items; *item; item++)
		length += strlen(*item) + (item > items);
	fprintf(out, "%s %zu ", name, length);
	for (char *const *item = items; *item; item++)
		fprintf(out, "%s%s", item > items ? "\n" : "", *item);
	putc('\n', out);
}

static int put_field(FILE *out, const struct bvol_field *field, const void *at)
{
	char text[BVOL_UUID_TEXT];

	switch (field->kind) {
	case BVOL_U32:
		snprintf(text, sizeof(text), "%" PRIu32, *(const uint32_t *)at);
		break;
	case BVOL_U64:
	case BVOL_TIME:
		snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)at);
		break;
	case BVOL_UUID:
		bvol_uuid_text(at, text);
		break;
	case BVOL_ENUM:
		put(out, field->name, bvol_enum_name(field->values, *(const uint32_t *)at));
		return 0;
	case BVOL_STRING:
		put(out, field->name, *(char *const *)at);
		return 0;
	case BVOL_LIST:
		put_list(out, field->name, *(char *const *const *)at);
		return 0;
	default:
		return -EPROTO;
	}
	put(out, field->name, text);
	return 0;
}

static int hash_of(const struct bvol_proof *proof, char hash[SHA256_TEXT], struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int r = 0;

	if (!out)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; !r && i < bvol_type_proof.n_fields; i++) {
		const struct bvol_field *field = &bvol_type_proof.fields[i];

		if (field->attr != BVOL_A_PROOF_HASH && bvol_has(proof, field->attr))
			r = put_field(out, field, (const char *)proof + field->offset);
	}
	if (fclose(out))
		r = -ENOMEM;
	if (!r)
		r = sha256_text(text, length, hash);
	return r ? err_set(e, r, "the hash of a record could not be made") : 0;
}

/* Adding */

static int head_get(struct store *store, struct head **ret, struct err *e)
{
	static const struct bvol_uuid zero;
	int r = store_get(store, &type_head, &zero, (void **)ret, e);

	if (r != -ENOENT)
		return r;
	*ret = codec_new(&type_head);
	if (!*ret || codec_set_string(&type_head, *ret, HEAD_HASH, NONE) < 0) {
		bvol_free(&type_head, *ret);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

static int head_put(struct store *store, struct head *head, const struct bvol_proof *proof,
		    struct err *e)
{
	bool first = !head->number;

	head->has = BVOL_BIT(HEAD_ID) | BVOL_BIT(HEAD_NUMBER) | BVOL_BIT(HEAD_LAST_ID);
	head->number = proof->number;
	head->last_id = proof->id;
	if (codec_set_string(&type_head, head, HEAD_HASH, proof->hash) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return first ? store_insert(store, &type_head, head, e) :
		       store_update(store, &type_head, head, e);
}

static int chain(struct bvol_proof *proof, const struct head *head, struct err *e)
{
	char hash[SHA256_TEXT];
	int r;

	/* The order of ids is that of the chain, whatever the clock says. */
	change_ids_after(&head->last_id);
	if (change_new_id(&proof->id) < 0)
		return err_set(e, -EIO, "the kernel gives no random number");
	proof->has |= BVOL_BIT(BVOL_A_PROOF_ID);
	codec_set(proof, BVOL_A_PROOF_NUMBER, number, head->number + 1);
	r = codec_set_string(&bvol_type_proof, proof, BVOL_A_PROOF_PREVIOUS, head->hash);
	if (!r)
		r = hash_of(proof, hash, e);
	if (!r)
		r = codec_set_string(&bvol_type_proof, proof, BVOL_A_PROOF_HASH, hash);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

int proof_add(struct store *store, struct bvol_proof *proof, struct err *e)
{
	struct head *head;
	int r = head_get(store, &head, e);

	if (r < 0)
		return r;
	r = chain(proof, head, e);
	if (!r)
		r = store_insert(store, &bvol_type_proof, proof, e);
	if (!r)
		r = head_put(store, head, proof, e);
	bvol_free(&type_head, head);
	return r;
}

/* Checking */

struct check {
	struct bvol_chain *chain;
	uint64_t number;	/* of the last one that fits */
	char hash[SHA256_TEXT];
	struct bvol_uuid last;
	unsigned int n;
	struct err *e;
};

static int misfit(struct check *c, const struct bvol_proof *proof, const char *why)
{
	char text[BVOL_UUID_TEXT];
	struct err sentence = { 0 };

	err_set(&sentence, -EBADMSG, "record %s, number %" PRIu64 ", %s",
		bvol_uuid_text(&proof->id, text), proof->number, why);
	codec_set(c->chain, BVOL_A_CHAIN_PROOF_ID, proof_id, proof->id);
	return codec_set_string(&bvol_type_chain, c->chain, BVOL_A_CHAIN_MESSAGE, sentence.text) ?: 1;
}

static int check_one(void *obj, void *data)
{
	const struct bvol_proof *proof = obj;
	struct check *c = data;
	char hash[SHA256_TEXT];
	int r = hash_of(proof, hash, c->e);

	if (r < 0)
		return r;
	if (!proof->hash || strcmp(hash, proof->hash))
		return misfit(c, proof, "is not as it was written");
	if (proof->number != c->number + 1 || !proof->previous || strcmp(proof->previous, c->hash))
		return misfit(c, proof, "does not follow the one before it: one is missing, or was put in or moved");
	c->number = proof->number;
	c->last = proof->id;
	memcpy(c->hash, hash, sizeof(hash));
	c->chain->records++;
	c->n++;
	return 0;
}

static int check_begin(struct check *c, struct store *store, const struct bvol_uuid *after,
		       struct err *e)
{
	struct bvol_proof *proof;
	int r;

	memcpy(c->hash, NONE, sizeof(c->hash));
	if (!after)
		return 0;
	r = store_get(store, &bvol_type_proof, after, (void **)&proof, e);
	if (r < 0)
		return err_set(e, r, "a record is gone since it was read");
	c->number = proof->number;
	snprintf(c->hash, sizeof(c->hash), "%s", proof->hash ?: "");
	bvol_free(&bvol_type_proof, proof);
	return 0;
}

/* Is the last one that there is the last one that was written? */
static int check_end(struct check *c, struct store *store, struct err *e)
{
	struct err sentence = { 0 };
	struct head *head;
	int r = head_get(store, &head, e);

	if (r < 0)
		return r;
	if (head->number != c->number || strcmp(head->hash, c->hash)) {
		err_set(&sentence, -EBADMSG,
			"the last record is number %" PRIu64 ", but %" PRIu64 " were written",
			c->number, head->number);
		r = codec_set_string(&bvol_type_chain, c->chain, BVOL_A_CHAIN_MESSAGE, sentence.text);
	}
	bvol_free(&type_head, head);
	return r;
}

int proof_check(struct store *store, const struct bvol_uuid *after, unsigned int limit,
		struct bvol_chain *ret, bool *more, struct bvol_uuid *last, struct err *e)
{
	struct check c = { .chain = ret, .e = e };
	int r = check_begin(&c, store, after, e);

	*more = false;
	ret->has |= BVOL_BIT(BVOL_A_CHAIN_RECORDS);
	if (!r)
		r = store_select(store, &bvol_type_proof, NULL, after, limit, check_one, &c, e);
	if (r < 0)
		return r;
	*more = !r && c.n == limit;
	*last = c.last;
	if (!r && !*more)
		r = check_end(&c, store, e);
	if (r < 0)
		return r;
	r = codec_set_string(&bvol_type_chain, ret, BVOL_A_CHAIN_HEAD, c.hash);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}
