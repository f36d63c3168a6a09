// SPDX-License-Identifier: LGPL-2.1-or-later
/* The chain of records of wipes: it is made right, and every change to it is noticed. */
#include "store_fixture.h"

#include "job/change.h"
#include "job/proof.h"
#include "util/sha256.h"

static struct bvol_uuid ids[8];

static struct bvol_proof *new_proof(unsigned int n)
{
	static const char *const devices[] = { "/dev/sdb", "/dev/sdc" };
	struct bvol_proof *p = codec_new(&bvol_type_proof);

	codec_set(p, BVOL_A_PROOF_WHAT, what, BVOL_WIPED_VOLUME);
	codec_set(p, BVOL_A_PROOF_OBJECT_ID, object_id, uuid(n));
	codec_set(p, BVOL_A_PROOF_POOL_ID, pool_id, uuid(99));
	codec_set(p, BVOL_A_PROOF_JOB_ID, job_id, uuid(100 + n));
	codec_set(p, BVOL_A_PROOF_POLICY, policy, BVOL_WIPE_ZERO);
	codec_set(p, BVOL_A_PROOF_VERIFIED, verified, 1);
	codec_set(p, BVOL_A_PROOF_EXTENTS, extents, n);
	codec_set(p, BVOL_A_PROOF_BYTES, bytes, n << 16);
	codec_set(p, BVOL_A_PROOF_BYTES_OVERWRITTEN, bytes_overwritten, n << 16);
	codec_set(p, BVOL_A_PROOF_BYTES_DISCARDED, bytes_discarded, 0);
	codec_set(p, BVOL_A_PROOF_STARTED_AT, started_at, 1);
	codec_set(p, BVOL_A_PROOF_FINISHED_AT, finished_at, 2);
	codec_set_string(&bvol_type_proof, p, BVOL_A_PROOF_NAME, "a name\xc3\xa4");
	codec_set_string(&bvol_type_proof, p, BVOL_A_PROOF_PROJECT, "p");
	codec_set_string(&bvol_type_proof, p, BVOL_A_PROOF_POOL, "fast");
	codec_set_string(&bvol_type_proof, p, BVOL_A_PROOF_DONE, "all of it");
	codec_set_list(&bvol_type_proof, p, BVOL_A_PROOF_DEVICES, devices, 2);
	return p;
}

static void add(struct store *store, unsigned int n)
{
	struct bvol_proof *p = new_proof(n);

	must(store_begin(store, &err));
	must(proof_add(store, p, &err));
	must(store_commit(store, &err));
	ids[n] = p->id;
	bvol_free(&bvol_type_proof, p);
}

static int setup_chain(void **state)
{
	setup(state);
	for (unsigned int n = 1; n <= 6; n++)
		add(*state, n);
	return 0;
}

static struct bvol_proof *get(struct store *store, unsigned int n)
{
	void *p;

	must(store_get(store, &bvol_type_proof, &ids[n], &p, &err));
	return p;
}

/* In steps of two, as a client asks for them; n: the record that does not fit, 0 none of them. */
static void assert_chain(struct store *store, uint64_t records, unsigned int n, const char *why)
{
	struct bvol_chain chain = { 0 };
	struct bvol_uuid last, *after = NULL;
	bool more = true;

	while (more && !chain.message) {
		free(chain.head);
		chain.head = NULL;
		must(proof_check(store, after, 2, &chain, &more, &last, &err));
		after = &last;
	}
	assert_int_equal(chain.records, records);
	if (!why)
		assert_null(chain.message);
	else if (!chain.message || !strstr(chain.message, why))
		fail_msg("no \"%s\" in: %s", why, chain.message ?: "nothing");
	if (n)
		assert_memory_equal(&chain.proof_id, &ids[n], sizeof(ids[n]));
	else
		assert_false(bvol_has(&chain, BVOL_A_CHAIN_PROOF_ID));
	assert_int_equal(strlen(chain.head), 64);
	free(chain.head);
	free(chain.message);
}

static void write_row(struct store *store, const struct bvol_proof *p)
{
	must(store_begin(store, &err));
	must(store_update(store, &bvol_type_proof, p, &err));
	must(store_commit(store, &err));
}

static void drop_row(struct store *store, unsigned int n)
{
	must(store_begin(store, &err));
	must(store_delete(store, &bvol_type_proof, &ids[n], &err));
	must(store_commit(store, &err));
}

static void it_holds(void **state)
{
	struct bvol_proof *first = get(*state, 1), *second = get(*state, 2);

	assert_chain(*state, 6, 0, NULL);
	assert_int_equal(first->number, 1);
	assert_int_equal(strspn(first->previous, "0"), 64);
	assert_string_equal(second->previous, first->hash);
	assert_true(memcmp(&ids[1], &ids[2], sizeof(ids[1])) < 0);
	bvol_free(&bvol_type_proof, first);
	bvol_free(&bvol_type_proof, second);
}

/* The text that the documentation says is hashed. */
static void the_hash_is_the_documented_one(void **state)
{
	struct bvol_proof *p = get(*state, 3);
	char id[BVOL_UUID_TEXT], text[2048], hash[SHA256_TEXT];

	snprintf(text, sizeof(text),
		 "id 36 %s\nnumber 1 3\nwhat 6 volume\nobject_id 36 00030000-0000-0000-0000-000000000000\n"
		 "name 8 a name\xc3\xa4\nproject 1 p\npool 4 fast\n"
		 "pool_id 36 00630000-0000-0000-0000-000000000000\ndevices 17 /dev/sdb\n/dev/sdc\n"
		 "policy 4 zero\nverified 1 1\nextents 1 3\nbytes 6 196608\nbytes_overwritten 6 196608\n"
		 "bytes_discarded 1 0\ndone 9 all of it\nstarted_at 1 1\nfinished_at 1 2\n"
		 "job_id 36 00670000-0000-0000-0000-000000000000\nprevious 64 %s\n",
		 bvol_uuid_text(&p->id, id), p->previous);
	assert_int_equal(sha256_text(text, strlen(text), hash), 0);
	assert_string_equal(p->hash, hash);
	bvol_free(&bvol_type_proof, p);
	assert_int_equal(sha256_text("abc", 3, hash), 0);
	assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_changed_record_is_found(void **state)
{
	struct bvol_proof *p = get(*state, 4);

	p->bytes_overwritten++;
	write_row(*state, p);
	assert_chain(*state, 3, 4, "is not as it was written");
	p->bytes_overwritten--;
	write_row(*state, p);
	assert_chain(*state, 6, 0, NULL);
	codec_set_string(&bvol_type_proof, p, BVOL_A_PROOF_NAME, "another");
	write_row(*state, p);
	assert_chain(*state, 3, 4, "is not as it was written");
	bvol_free(&bvol_type_proof, p);
}

static void a_missing_record_is_found(void **state)
{
	drop_row(*state, 3);
	assert_chain(*state, 2, 4, "does not follow");
}

static void the_first_and_the_last_are_missed(void **state)
{
	drop_row(*state, 6);
	assert_chain(*state, 5, 0, "number 5, but 6 were written");
	drop_row(*state, 1);
	assert_chain(*state, 0, 2, "does not follow");
	for (unsigned int n = 2; n <= 5; n++)
		drop_row(*state, n);
	assert_chain(*state, 0, 0, "number 0, but 6 were written");
}

/* Two change places, each with a hash that is right for what it says now. */
static void another_order_is_found(void **state)
{
	struct bvol_proof *a = get(*state, 3), *b = get(*state, 4);
	struct bvol_uuid object = a->object_id;

	a->object_id = b->object_id;
	b->object_id = object;
	write_row(*state, a);
	write_row(*state, b);
	assert_chain(*state, 2, 3, "is not as it was written");
	bvol_free(&bvol_type_proof, a);
	bvol_free(&bvol_type_proof, b);
}

/* Somebody who knows how to make hashes, and forgets those behind. */
static void a_forged_record_is_found(void **state)
{
	struct bvol_proof *p = get(*state, 2), *forged = new_proof(7);

	drop_row(*state, 2);
	forged->id = p->id;
	forged->has |= BVOL_BIT(BVOL_A_PROOF_ID);
	codec_set(forged, BVOL_A_PROOF_NUMBER, number, 2);
	codec_set_string(&bvol_type_proof, forged, BVOL_A_PROOF_PREVIOUS, p->previous);
	codec_set_string(&bvol_type_proof, forged, BVOL_A_PROOF_HASH, p->hash);
	must(store_begin(*state, &err));
	must(store_insert(*state, &bvol_type_proof, forged, &err));
	must(store_commit(*state, &err));
	assert_chain(*state, 1, 2, "is not as it was written");
	bvol_free(&bvol_type_proof, p);
	bvol_free(&bvol_type_proof, forged);
}

/* Ids follow each other, also where the clock goes back. */
static void ids_follow_the_chain(void **state)
{
	struct bvol_uuid late = { { 0x7f, [6] = 0x7f, 0xff } }, next;

	change_ids_after(&late);
	must(change_new_id(&next));
	assert_true(memcmp(&late, &next, 8) < 0);
	add(*state, 7);
	assert_chain(*state, 7, 0, NULL);
}

#define CHAIN_TEST(test) cmocka_unit_test_setup_teardown(test, setup_chain, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAIN_TEST(it_holds),
		CHAIN_TEST(the_hash_is_the_documented_one),
		CHAIN_TEST(a_changed_record_is_found),
		CHAIN_TEST(a_missing_record_is_found),
		CHAIN_TEST(the_first_and_the_last_are_missed),
		CHAIN_TEST(another_order_is_found),
		CHAIN_TEST(a_forged_record_is_found),
		CHAIN_TEST(ids_follow_the_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
