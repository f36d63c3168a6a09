// SPDX-License-Identifier: LGPL-2.1-or-later
/* The driver against the strict server of tests/s3: what it promises, and what goes wrong underway. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"
#include "copy/repo/driver.h"
#include "s3bed.h"

#define MIB (UINT32_C(1) << 20)

static struct s3bed bed;
static unsigned int places;
static struct err err;

/* A place of its own for each test. */
static struct driver *open_place(const char *more)
{
	struct driver *driver = NULL;
	char where[S3BED_WHERE], prefix[16];

	snprintf(prefix, sizeof(prefix), "p%u", ++places);
	err_clear(&err);
	if (driver_open(s3bed_where(&bed, prefix, more, where), true, &driver, &err))
		fail_msg("%s", err.text);
	return driver;
}

static uint8_t byte_at(uint64_t i, uint8_t seed)
{
	return (uint8_t)(i * 31 + (i >> 11) * 7 + seed);
}

static const uint8_t *id_of(uint8_t seed)
{
	static _Thread_local uint8_t id[REPO_ID];

	for (size_t i = 0; i < REPO_ID; i++)
		id[i] = (uint8_t)(seed + 37 * i);
	return id;
}

static int put(struct driver *driver, enum repo_kind kind, uint8_t seed, size_t size, bool replace)
{
	uint8_t *bytes = malloc(size + 1);
	struct blob *blob = NULL;
	size_t done = 0;
	int r;

	err_clear(&err);
	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(i, seed);
	r = driver->ops->put(driver, kind, id_of(seed), &blob, &err);
	while (!r && done < size) {
		/* In pieces of odd sizes. */
		size_t n = size - done < 700001 ? size - done : 700001;

		r = driver->ops->append(blob, bytes + done, n, &err);
		done += n;
	}
	if (!r)
		r = driver->ops->publish(blob, replace, &err);
	blob_close(blob);
	free(bytes);
	return r;
}

static void put_ok(struct driver *driver, enum repo_kind kind, uint8_t seed, size_t size)
{
	if (put(driver, kind, seed, size, false))
		fail_msg("%s", err.text);
}

/* All of it, and pieces at its seams. */
static int check(struct driver *driver, enum repo_kind kind, uint8_t seed, size_t size)
{
	const size_t at[] = { 0, 1, 65535, 65536, 65537, size / 2, size > 100 ? size - 100 : 0 };
	uint8_t *bytes = malloc(size + 1);
	struct blob *blob = NULL;
	uint64_t told = 0;
	int r;

	err_clear(&err);
	r = driver->ops->get(driver, kind, id_of(seed), &blob, &told, &err);
	if (!r)
		assert_int_equal(told, size);
	if (!r)
		r = driver->ops->read(blob, 0, bytes, size, &err);
	for (size_t i = 0; i < size && !r; i++)
		if (bytes[i] != byte_at(i, seed))
			fail_msg("byte %zu differs", i);
	for (size_t i = 0; i < N_OF(at) && !r; i++) {
		size_t n = at[i] < size && size - at[i] < 70000 ? size - at[i] : 70000;

		if (at[i] + n > size)
			continue;
		r = driver->ops->read(blob, at[i], bytes, n, &err);
		for (size_t k = 0; k < n && !r; k++)
			assert_int_equal(bytes[k], byte_at(at[i] + k, seed));
	}
	if (!r)
		assert_int_equal(driver->ops->read(blob, size, bytes, 1, &err), -EBADMSG);
	blob_close(blob);
	free(bytes);
	return r;
}

static void check_ok(struct driver *driver, enum repo_kind kind, uint8_t seed, size_t size)
{
	if (check(driver, kind, seed, size))
		fail_msg("%s", err.text);
}

struct sums {
	unsigned int n;
	uint64_t size, oldest, newest;
};

static int add_up(void *data, const struct driver_object *object, struct err *e)
{
	struct sums *s = data;

	s->size += object->size;
	s->oldest = !s->n || object->time < s->oldest ? object->time : s->oldest;
	s->newest = object->time > s->newest ? object->time : s->newest;
	s->n++;
	return 0;
}

static struct sums list(struct driver *driver, enum repo_kind kind)
{
	struct sums s = { 0 };

	if (driver->ops->list(driver, kind, add_up, &s, &err))
		fail_msg("%s", err.text);
	return s;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void test_objects(void **state)
{
	static const struct {
		enum repo_kind kind;
		size_t size;
	} objects[] = {
		{ REPO_CONFIG, 144 }, { REPO_KEYS, 208 }, { REPO_LEASE, 1 }, { REPO_MARK, 65535 },
		{ REPO_BACKUP, 65536 }, { REPO_BACKUP, 9 * MIB + 3 }, { REPO_INDEX, 65537 },
		{ REPO_PACK, 8 * MIB }, { REPO_PACK, 8 * MIB + 1 }, { REPO_PACK, 33 * MIB + 77 },
	};
	struct driver *driver = open_place("");

	for (uint8_t i = 0; i < N_OF(objects); i++) {
		put_ok(driver, objects[i].kind, i, objects[i].size);
		check_ok(driver, objects[i].kind, i, objects[i].size);
	}
	assert_int_equal(list(driver, REPO_PACK).n, 3);
	assert_int_equal(list(driver, REPO_PACK).size, 49 * MIB + 78);
	assert_int_equal(list(driver, REPO_BACKUP).n, 2);
	assert_int_equal(s3bed_number(&bed, "uploads"), 0);
	for (uint8_t i = 0; i < N_OF(objects); i++) {
		assert_int_equal(driver->ops->remove(driver, objects[i].kind, id_of(i), &err), 0);
		assert_int_equal(driver->ops->remove(driver, objects[i].kind, id_of(i), &err), -ENOENT);
		assert_int_equal(check(driver, objects[i].kind, i, 0), -ENOENT);
	}
	assert_string_equal(err.text, "");
	assert_int_equal(list(driver, REPO_PACK).n, 0);
	driver_free(driver);
}

/* Names are those of a folder, behind the prefix. */
static void test_names(void **state)
{
	char key[128], name[DRIVER_NAME_MAX];
	struct driver *driver = open_place("");

	put_ok(driver, REPO_PACK, 1, 10);
	snprintf(key, sizeof(key), "p%u/%s", places, driver_name(REPO_PACK, id_of(1), name));
	assert_true(s3bed_has(&bed, key));
	/* The probe of the conditions is gone. */
	snprintf(key, sizeof(key), "p%u/tmp/", places);
	assert_false(s3bed_has(&bed, key));
	driver_free(driver);
}

static void test_replacing(void **state)
{
	static const size_t sizes[] = { 100, 9 * MIB };
	struct driver *driver = open_place("");

	for (uint8_t i = 0; i < N_OF(sizes); i++) {
		put_ok(driver, REPO_PACK, i, sizes[i]);
		assert_int_equal(put(driver, REPO_PACK, i, sizes[i] - 1, false), -EEXIST);
		assert_string_equal(err.text, "");
		check_ok(driver, REPO_PACK, i, sizes[i]);
		assert_int_equal(put(driver, REPO_PACK, i, sizes[i] - 1, true), 0);
		check_ok(driver, REPO_PACK, i, sizes[i] - 1);
	}
	assert_int_equal(s3bed_number(&bed, "uploads"), 0);
	driver_free(driver);
}

/* Who creates finds nothing, and nobody who comes later is let in. */
static void test_create(void **state)
{
	struct driver *driver = open_place(""), *other = NULL;
	char where[S3BED_WHERE], prefix[16];

	put_ok(driver, REPO_CONFIG, 0, 10);
	snprintf(prefix, sizeof(prefix), "p%u", places);
	s3bed_where(&bed, prefix, "", where);
	assert_int_equal(driver_open(where, true, &other, &err), -EEXIST);
	assert_non_null(strstr(err.text, "something"));
	assert_int_equal(driver_open(where, false, &other, &err), 0);
	check_ok(other, REPO_CONFIG, 0, 10);
	driver_free(other);
	driver_free(driver);
}

struct racer {
	pthread_t thread;
	struct driver *driver;
	int code;
};

static void *race(void *data)
{
	struct racer *r = data;
	struct blob *blob = NULL;
	struct err e = { 0 };

	r->code = r->driver->ops->put(r->driver, REPO_LEASE, id_of(9), &blob, &e);
	if (!r->code)
		r->code = r->driver->ops->append(blob, "x", 1, &e);
	if (!r->code)
		r->code = r->driver->ops->publish(blob, false, &e);
	blob_close(blob);
	return NULL;
}

/* One gets the name; also while answers are lost. */
static void test_many_want_one_name(void **state)
{
	struct driver *driver = open_place("");
	struct racer racers[8];

	for (int round = 0; round < 6; round++) {
		unsigned int won = 0;

		if (round & 1)
			s3bed_control(&bed, "{\"faults\": [{\"method\": \"PUT\", \"kind\": \"lost\", \"times\": 3}]}");
		for (size_t i = 0; i < N_OF(racers); i++) {
			racers[i].driver = driver;
			assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
		}
		for (size_t i = 0; i < N_OF(racers); i++) {
			pthread_join(racers[i].thread, NULL);
			assert_true(!racers[i].code || racers[i].code == -EEXIST);
			won += !racers[i].code;
		}
		assert_int_equal(won, 1);
		assert_int_equal(driver->ops->remove(driver, REPO_LEASE, id_of(9), &err), 0);
	}
	s3bed_control(&bed, "{\"faults\": []}");
	driver_free(driver);
}

static void test_no_conditions(void **state)
{
	struct driver *driver = NULL;
	char where[S3BED_WHERE];

	s3bed_control(&bed, "{\"conditions\": false}");
	assert_int_equal(driver_open(s3bed_where(&bed, "none", "", where), true, &driver, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "If-None-Match"));
	/* Nor does it write into one that was made when the server still knew. */
	assert_int_equal(driver_open(where, false, &driver, &err), 0);
	assert_int_equal(put(driver, REPO_LEASE, 1, 10, false), -EOPNOTSUPP);
	assert_int_equal(list(driver, REPO_LEASE).n, 0);
	assert_int_equal(put(driver, REPO_LEASE, 1, 10, true), 0);
	driver_free(driver);
	s3bed_control(&bed, "{\"conditions\": true}");
}

static void test_long_lists(void **state)
{
	struct driver *driver = open_place("");
	struct sums s;

	s3bed_control(&bed, "{\"page\": 7}");
	for (uint8_t i = 0; i < 50; i++)
		put_ok(driver, REPO_PACK, i, i + 1);
	s = list(driver, REPO_PACK);
	assert_int_equal(s.n, 50);
	assert_int_equal(s.size, 50 * 51 / 2);
	/* By the server's clock, and in the order of writing. */
	assert_true(s.newest > s.oldest && s.newest - s.oldest < UINT64_C(600) * 1000000000);
	s3bed_control(&bed, "{\"page\": 1000}");
	driver_free(driver);
}

/* What a process that died has left is removed when it is old enough. */
static void test_tidy(void **state)
{
	struct driver *driver = open_place("");
	struct blob *blob[3];
	char *bytes = calloc(1, 9 * MIB);

	for (uint8_t i = 0; i < 3; i++) {
		assert_int_equal(driver->ops->put(driver, REPO_PACK, id_of(i), &blob[i], &err), 0);
		assert_int_equal(driver->ops->append(blob[i], bytes, 9 * MIB, &err), 0);
	}
	assert_int_equal(s3bed_number(&bed, "uploads"), 3);
	blob_close(blob[0]);
	assert_int_equal(s3bed_number(&bed, "uploads"), 2);
	s3bed_control(&bed, "{\"page\": 1}");
	assert_int_equal(driver->ops->tidy(driver, UINT64_C(3600) * 1000000000, &err), 0);
	assert_int_equal(s3bed_number(&bed, "uploads"), 2);
	sleep(2);
	assert_int_equal(driver->ops->tidy(driver, 1000000000, &err), 0);
	assert_int_equal(s3bed_number(&bed, "uploads"), 0);
	s3bed_control(&bed, "{\"page\": 1000}");
	/* A writer whose upload was taken away says so. */
	assert_int_equal(driver->ops->publish(blob[1], false, &err), -ECONNABORTED);
	assert_non_null(strstr(err.text, "NoSuchUpload"));
	blob_close(blob[1]);
	blob_close(blob[2]);
	free(bytes);
	driver_free(driver);
}

/* What passes is not noticed; what does not is a sentence, and leaves nothing. */
static const struct {
	const char *method, *kind, *match;
	unsigned int times;
	size_t size;
	int put, get;
	const char *words;
} faults[] = {
	{ "PUT", "503", "", 3, 100, 0, 0, NULL },
	{ "PUT", "429", "", 2, 100, 0, 0, NULL },
	{ "PUT", "500", "", 3, 9 * MIB, 0, 0, NULL },
	{ "PUT", "retry-after", "", 1, 100, 0, 0, NULL },
	{ "PUT", "cut", "", 2, 100, 0, 0, NULL },
	{ "PUT", "lost", "", 2, 100, 0, 0, NULL },
	{ "PUT", "lost", "partNumber=1", 1, 9 * MIB, 0, 0, NULL },
	{ "POST", "lost", "uploads=", 1, 9 * MIB, 0, 0, NULL },
	{ "POST", "lost", "uploadId=", 1, 9 * MIB, 0, 0, NULL },
	{ "POST", "late", "uploadId=", 2, 9 * MIB, 0, 0, NULL },
	{ "POST", "xml", "uploads=", 1, 9 * MIB, -EPROTO, -ENOENT, "names no upload" },
	{ "HEAD", "500", "", 1, 9 * MIB, 0, 0, NULL },
	{ "GET", "500", "", 2, 9 * MIB, 0, 0, NULL },
	{ "GET", "cut", "", 2, 100, 0, 0, NULL },
	{ "GET", "short", "", 3, 9 * MIB, 0, 0, NULL },
	{ "GET", "slow", "", 3, 9 * MIB, 0, 0, NULL },
	{ "GET", "whole", "", 1, 100, 0, -EPROTO, "not the range" },
	{ "GET", "long", "", 1, 100000, 0, -EPROTO, "longer" },
	{ "PUT", "403", "", 1, 100, -EACCES, -ENOENT, "AccessDenied, HTTP 403" },
	{ "PUT", "403", "partNumber=1", 1, 9 * MIB, -EACCES, -ENOENT, "AccessDenied, HTTP 403" },
	{ "GET", "403", "", 1, 100, 0, -EACCES, "don't allow it" },
	{ "PUT", "507", "", 1, 100, -ENOSPC, -ENOENT, "full" },
	{ "PUT", "redirect", "", 1, 100, -EREMCHG, -ENOENT, "region=eu-other-2" },
	{ "GET", "redirect", "", 1, 100, 0, -EREMCHG, "region=eu-other-2" },
	{ "PUT", "418", "", 1, 100, -EPROTO, -ENOENT, "Odd, HTTP 418" },
	{ "POST", "501", "uploadId=", 1, 9 * MIB, 0, 0, NULL },
};

static void test_faults(void **state)
{
	struct driver *driver = open_place("");

	put_ok(driver, REPO_MARK, 0, 1);
	for (uint8_t i = 0; i < N_OF(faults); i++) {
		struct err first;
		char json[256];
		int r;

		snprintf(json, sizeof(json), "{\"faults\": [{\"method\": \"%s\", \"kind\": \"%s\", \"match\": \"%s\", "
			 "\"times\": %u}]}", faults[i].method, faults[i].kind, faults[i].match, faults[i].times);
		s3bed_control(&bed, json);
		r = put(driver, REPO_PACK, i, faults[i].size, false);
		first = err;
		if (r != faults[i].put)
			fail_msg("%u: put %d: %s", i, r, err.text);
		r = check(driver, REPO_PACK, i, faults[i].size);
		if (r != faults[i].get)
			fail_msg("%u: get %d: %s", i, r, err.text);
		if (faults[i].words && !strstr(faults[i].put ? first.text : err.text, faults[i].words))
			fail_msg("%u: %s%s", i, first.text, err.text);
		s3bed_control(&bed, "{\"faults\": []}");
	}
	/* Of the upload whose name was lost nothing can be known but by tidy(). */
	sleep(2);
	assert_int_equal(driver->ops->tidy(driver, 1000000000, &err), 0);
	assert_int_equal(s3bed_number(&bed, "uploads"), 0);
	driver_free(driver);
}

static void test_lists_that_fail(void **state)
{
	static const char *const kinds[] = { "xml", "doctype", "short", "500" };
	struct driver *driver = open_place("");

	put_ok(driver, REPO_PACK, 0, 1);
	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct sums s = { 0 };
		char json[128];

		err_clear(&err);
		snprintf(json, sizeof(json), "{\"faults\": [{\"match\": \"list-type\", \"kind\": \"%s\", \"times\": 1}]}",
			 kinds[i]);
		s3bed_control(&bed, json);
		assert_int_equal(driver->ops->list(driver, REPO_PACK, add_up, &s, &err), i < 2 ? -EPROTO : 0);
		assert_int_equal(s.n, i < 2 ? 0 : 1);
		assert_int_equal(*err.text != '\0', i < 2);
	}
	driver_free(driver);
}

/* A repository that is not there for a while: what is tried again ends in time, and is told. */
static void test_time_is_bounded(void **state)
{
	struct driver *driver = open_place("");
	struct s3bed away;
	char where[S3BED_WHERE];
	uint64_t begin;

	driver_free(driver);
	s3bed_start(&away, false);
	s3bed_where(&away, "x", "", where);
	strcpy(strstr(where, "&retry=20"), "&retry=2");
	s3bed_stop(&away);
	begin = now_ms();
	err_clear(&err);
	assert_int_equal(driver_open(where, true, &driver, &err), -ECONNREFUSED);
	assert_in_range(now_ms() - begin, 500, 4000);
	assert_non_null(strstr(err.text, "it was tried"));
}

struct hung {
	struct driver *driver;
	atomic_bool cancel;
	int code;
	struct err err;
};

static void *hang(void *data)
{
	struct hung *h = data;
	struct driver_object last;
	struct blob *blob = NULL;

	driver_cancel_by(&h->cancel);
	h->code = h->driver->ops->put(h->driver, REPO_LEASE, id_of(1), &blob, &h->err);
	if (!h->code)
		h->code = h->driver->ops->publish(blob, true, &h->err);
	blob_close(blob);
	/* And what comes after it, until the thread is done. */
	memset(&last, 0, sizeof(last));
	for (int i = 0; i < 5; i++)
		h->driver->ops->remove(h->driver, REPO_LEASE, id_of(1), NULL);
	return NULL;
}

static void test_cancel(void **state)
{
	static const char *const kinds[] = { "hang", "503", "cut" };
	struct driver *driver = open_place("");

	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct hung h = { .driver = driver };
		pthread_t thread;
		uint64_t begin;
		char json[128];

		snprintf(json, sizeof(json), "{\"faults\": [{\"kind\": \"%s\", \"times\": 1000}]}", kinds[i]);
		s3bed_control(&bed, json);
		assert_int_equal(pthread_create(&thread, NULL, hang, &h), 0);
		usleep(1500000);
		begin = now_ms();
		atomic_store(&h.cancel, true);
		pthread_join(thread, NULL);
		assert_in_range(now_ms() - begin, 0, 1000);
		assert_int_equal(h.code, -ECANCELED);
		assert_string_equal(h.err.text, "cancelled");
	}
	s3bed_control(&bed, "{\"faults\": []}");
	driver_free(driver);
}

/* Who may not, and what he is told. */
static void test_refusals(void **state)
{
	static const struct {
		const char *id, *secret, *bucket, *region, *words;
		int code;
	} cases[] = {
		{ "AKIDBVOLTEST", "secret/of+the=tests", "other", "eu-test-1", "no such bucket", -ENODEV },
		{ "AKIDBVOLTEST", "secret/of+the=tests", "bvol", "eu-test-2", "region=eu-test-1", -EREMCHG },
		{ "AKIDBVOLTEST", "verysecret", "bvol", "eu-test-1", "secret key", -EACCES },
		{ "AKIDNOBODY", "verysecret", "bvol", "eu-test-1", "doesn't know", -EACCES },
	};

	for (size_t i = 0; i < N_OF(cases); i++) {
		struct driver *driver = NULL;
		char where[S3BED_WHERE];

		setenv("AWS_ACCESS_KEY_ID", cases[i].id, 1);
		setenv("AWS_SECRET_ACCESS_KEY", cases[i].secret, 1);
		snprintf(where, sizeof(where), "s3://%s/x?endpoint=http://localhost:%u&region=%s",
			 cases[i].bucket, bed.port, cases[i].region);
		err_clear(&err);
		if (driver_open(where, true, &driver, &err) != cases[i].code ||
		    !strstr(err.text, cases[i].words) || strstr(err.text, "verysecret"))
			fail_msg("%zu: %d %s", i, err.code, err.text);
	}
	setenv("AWS_ACCESS_KEY_ID", "AKIDBVOLTEST", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret/of+the=tests", 1);
}

static void test_host_style(void **state)
{
	struct driver *driver = open_place("&style=host");

	put_ok(driver, REPO_PACK, 1, 9 * MIB);
	check_ok(driver, REPO_PACK, 1, 9 * MIB);
	assert_int_equal(list(driver, REPO_PACK).n, 1);
	driver_free(driver);
}

static void test_tls(void **state)
{
	struct s3bed tls;
	struct driver *driver = NULL;
	char where[S3BED_WHERE], more[64];

	s3bed_start(&tls, true);
	err_clear(&err);
	/* Nobody vouches for the server. */
	assert_int_equal(driver_open(s3bed_where(&tls, "x", "", where), true, &driver, &err), -EPROTO);
	assert_non_null(strstr(err.text, "certificate"));
	snprintf(more, sizeof(more), "&ca=%s/ca.pem", tls.dir);
	err_clear(&err);
	if (driver_open(s3bed_where(&tls, "x", more, where), true, &driver, &err))
		fail_msg("%s", err.text);
	put_ok(driver, REPO_PACK, 1, 9 * MIB);
	check_ok(driver, REPO_PACK, 1, 9 * MIB);
	driver_free(driver);
	/* The certificate is of another name. */
	s3bed_where(&tls, "x", more, where);
	memcpy(strstr(where, "localhost"), "127.0.0.2", 9);
	err_clear(&err);
	strcpy(strstr(where, "&retry=20"), "&retry=0");
	assert_true(driver_open(where, false, &driver, &err) == 0);
	assert_true(put(driver, REPO_LEASE, 1, 1, true) < 0);
	driver_free(driver);
	s3bed_stop(&tls);
}

static int setup(void **state)
{
	s3bed_start(&bed, false);
	return 0;
}

static int teardown(void **state)
{
	/* Packs went in parts, and no part was larger than it may be. */
	assert_in_range(s3bed_number(&bed, "largest"), 8 * MIB, 9 * MIB + 100);
	s3bed_stop(&bed);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_replacing),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_many_want_one_name),
		cmocka_unit_test(test_no_conditions),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_tidy),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_lists_that_fail),
		cmocka_unit_test(test_time_is_bounded),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_host_style),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
