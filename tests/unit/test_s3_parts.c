// SPDX-License-Identifier: LGPL-2.1-or-later
/* What needs no server: signatures, addresses, credentials, answers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "copy/repo/s3_reply.h"
#include "copy/repo/s3_sign.h"

/* Signatures: the examples of Amazon's documentation of version 4 for S3. */

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct {
	const char *what;
	struct s3_canon canon;
	struct s3_pair headers[6];
	const char *body, *names, *signature;
} examples[] = {
	{
		"GET of a range", { .method = "GET", .path = "/test.txt", .query = "" },
		{ { "host", "examplebucket.s3.amazonaws.com" }, { "range", "bytes=0-9" },
		  { "x-amz-content-sha256", EMPTY }, { "x-amz-date", "20130524T000000Z" } },
		"", "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
	}, {
		"PUT", { .method = "PUT", .path = "/test%24file.text", .query = "" },
		{ { "date", "Fri, 24 May 2013 00:00:00 GMT" }, { "host", "examplebucket.s3.amazonaws.com" },
		  { "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
		  { "x-amz-date", "20130524T000000Z" }, { "x-amz-storage-class", "REDUCED_REDUNDANCY" } },
		"Welcome to Amazon S3.", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
	}, {
		"GET of a setting", { .method = "GET", .path = "/", .query = "lifecycle=" },
		{ { "host", "examplebucket.s3.amazonaws.com" }, { "x-amz-content-sha256", EMPTY },
		  { "x-amz-date", "20130524T000000Z" } },
		"", "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
	}, {
		"list", { .method = "GET", .path = "/", .query = "max-keys=2&prefix=J" },
		{ { "host", "examplebucket.s3.amazonaws.com" }, { "x-amz-content-sha256", EMPTY },
		  { "x-amz-date", "20130524T000000Z" } },
		"", "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	},
};

static void test_signatures(void **state)
{
	static const struct s3_keys keys = {
		.id = "AKIAIOSFODNN7EXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	};

	for (size_t i = 0; i < N_OF(examples); i++) {
		char hash[S3_HASH_TEXT], got[S3_AUTHORIZATION], want[S3_AUTHORIZATION];
		struct s3_canon canon = examples[i].canon;
		struct err e = { 0 };

		assert_int_equal(s3_hash(examples[i].body, strlen(examples[i].body), hash, &e), 0);
		canon.headers = examples[i].headers;
		while (canon.headers[canon.n].name)
			canon.n++;
		canon.hash = hash;
		canon.time = "20130524T000000Z";
		assert_int_equal(s3_sign(&keys, "us-east-1", &canon, got, &e), 0);
		snprintf(want, sizeof(want), "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
			 "us-east-1/s3/aws4_request,SignedHeaders=%s,Signature=%s", examples[i].names,
			 examples[i].signature);
		assert_string_equal(got, want);
	}
}

static void test_encoding(void **state)
{
	char text[64], time[S3_TIME];

	assert_string_equal(s3_encode("/a b/~-._+=\xc3\xa4", true, text), "/a%20b/~-._%2B%3D%C3%A4");
	assert_string_equal(s3_encode("a/b", false, text), "a%2Fb");
	assert_string_equal(s3_time(1369353600, time), "20130524T000000Z");
}

/* Addresses */

static const struct {
	const char *where, *bucket, *prefix, *host, *region;
	bool tls, host_style;
} good[] = {
	{ "s3://bvol", "bvol", "", "s3.us-east-1.amazonaws.com", "us-east-1", true, true },
	{ "s3://my.bucket/a/b/?region=eu-central-1", "my.bucket", "a/b/", "s3.eu-central-1.amazonaws.com",
	  "eu-central-1", true, false },
	{ "s3://bvol/x?endpoint=http://127.0.0.1:9000", "bvol", "x/", "127.0.0.1:9000", "us-east-1", false,
	  false },
	{ "s3://bvol/?endpoint=https%3A%2F%2F[fd00::1]:9000/&style=path", "bvol", "", "[fd00::1]:9000",
	  "us-east-1", true, false },
	{ "s3://bvol/x?style=host&endpoint=https://s3.example.org", "bvol", "x/", "s3.example.org",
	  "us-east-1", true, true },
};

static void test_addresses(void **state)
{
	struct s3_place p;
	struct err e = { 0 };

	for (size_t i = 0; i < N_OF(good); i++) {
		if (s3_place_parse(good[i].where, &p, &e))
			fail_msg("%s: %s", good[i].where, e.text);
		assert_string_equal(p.bucket, good[i].bucket);
		assert_string_equal(p.prefix, good[i].prefix);
		assert_string_equal(p.host, good[i].host);
		assert_string_equal(p.region, good[i].region);
		assert_int_equal(p.tls, good[i].tls);
		assert_int_equal(p.host_style, good[i].host_style);
	}
	assert_int_equal(s3_place_parse("s3://bvol?credentials=/a%20b&retry=7&ca=/c", &p, &e), 0);
	assert_string_equal(p.credentials, "/a b");
	assert_string_equal(p.ca, "/c");
	assert_int_equal(p.retry_s, 7);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = {
		"s3:/bvol", "s3://", "s3:///x", "s3://ab", "s3://Bvol", "s3://bv_ol", "s3://-bvol", "s3://bvol-",
		"s3://bv..ol", "s3://key:secret@bvol/x", "s3://bvol:9000/x", "s3://bvol//x", "s3://bvol/x//y",
		"s3://bvol/../x", "s3://bvol/x/..", "s3://bvol/x/./y", "s3://bvol/x y", "s3://bvol/x%2fy",
		"s3://bvol/x#y", "s3://bvol/\xc3\xa4", "s3://bvol?", "s3://bvol?x=1", "s3://bvol?region",
		"s3://bvol?region=", "s3://bvol?region=EU", "s3://bvol?region=a&region=b", "s3://bvol?region=a&",
		"s3://bvol?endpoint=ftp://h", "s3://bvol?endpoint=http://", "s3://bvol?endpoint=http:///",
		"s3://bvol?endpoint=https://u:p@h", "s3://bvol?endpoint=https://u%40h",
		"s3://bvol?endpoint=http://h/path", "s3://bvol?endpoint=http://h?x", "s3://bvol?endpoint=http://h:0",
		"s3://bvol?endpoint=http://h:65536", "s3://bvol?endpoint=http://h:", "s3://bvol?endpoint=http://h:1x",
		"s3://bvol?endpoint=http://[::1", "s3://bvol?endpoint=http://[]", "s3://bvol?endpoint=http://h%0d%0ax",
		"s3://bvol?endpoint=http://h h", "s3://bvol?style=both", "s3://bvol?retry=-1", "s3://bvol?retry=3601",
		"s3://bvol?retry=", "s3://bvol?ca=relative", "s3://bvol?credentials=x", "s3://bvol?ca=/x%0",
		"s3://bvol?ca=/x%00", "s3://bvol?ca=/x&endpoint=http://h", "s3://b.vol?style=host",
		"s3://bvol?style=host&endpoint=http://[::1]",
	};
	char text[2048] = "s3://bvol/";

	for (size_t i = 0; i < N_OF(bad); i++) {
		struct err e = { 0 };
		struct s3_place p;

		if (s3_place_parse(bad[i], &p, &e) != -EINVAL || !*e.text)
			fail_msg("taken: %s", bad[i]);
		/* What may be a secret is not said again. */
		assert_null(strstr(e.text, "secret"));
	}
	memset(text + 10, 'x', 513);
	for (int i = 0; i < 2; i++) {
		struct err e = { 0 };
		struct s3_place p;

		text[10 + 513 - i] = '\0';
		assert_int_equal(s3_place_parse(text, &p, &e), i ? 0 : -EINVAL);
	}
}

/* Credentials */

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void clear_environment(void)
{
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	unsetenv("AWS_SESSION_TOKEN");
	unsetenv("AWS_SHARED_CREDENTIALS_FILE");
	unsetenv("AWS_PROFILE");
}

static void test_credentials(void **state)
{
	static const char text[] = "# ours\n[other]\naws_access_key_id = B\naws_secret_access_key = C\n"
		"[default]\r\n  aws_access_key_id=A+/=\r\naws_secret_access_key =  S E C\n"
		"aws_secret_access_key = secret/1=\naws_session_token=T\n";
	char path[] = "/tmp/bvol-s3-keys-XXXXXX";
	struct s3_keys keys;
	struct err e = { 0 };

	close(mkstemp(path));
	clear_environment();
	assert_int_equal(s3_keys_load("", &keys, &e), -EACCES);
	write_file(path, text, 0600);
	assert_int_equal(s3_keys_load(path, &keys, &e), 0);
	assert_string_equal(keys.id, "A+/=");
	assert_string_equal(keys.secret, "secret/1=");
	assert_string_equal(keys.token, "T");
	setenv("AWS_PROFILE", "other", 1);
	assert_int_equal(s3_keys_load(path, &keys, &e), 0);
	assert_string_equal(keys.id, "B");
	assert_string_equal(keys.token, "");
	setenv("AWS_PROFILE", "none", 1);
	assert_int_equal(s3_keys_load(path, &keys, &e), -EACCES);
	clear_environment();
	setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	assert_int_equal(s3_keys_load("", &keys, &e), 0);
	assert_string_equal(keys.id, "A+/=");
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	assert_int_equal(s3_keys_load("", &keys, &e), -EACCES);
	setenv("AWS_SECRET_ACCESS_KEY", "F", 1);
	assert_int_equal(s3_keys_load("", &keys, &e), 0);
	assert_string_equal(keys.id, "E");
	/* What would end the header that it stands in. */
	setenv("AWS_ACCESS_KEY_ID", "E\r\nX: y", 1);
	assert_int_equal(s3_keys_load("", &keys, &e), -EACCES);
	write_file(path, text, 0640);
	err_clear(&e);
	assert_int_equal(s3_keys_load(path, &keys, &e), -EPERM);
	assert_non_null(strstr(e.text, "chmod 600"));
	assert_null(strstr(e.text, "secret/1="));
	assert_int_equal(s3_keys_load("/tmp", &keys, &e), -EPERM);
	assert_int_equal(s3_keys_load("/nonexistent", &keys, &e), -ENOENT);
	unlink(path);
	clear_environment();
}

/* Answers */

static void test_times(void **state)
{
	uint64_t ns;

	assert_true(s3_read_time("2009-10-12T17:50:30.000Z", &ns));
	assert_int_equal(ns, UINT64_C(1255369830000000000));
	assert_true(s3_read_time("1970-01-01T00:00:01.5Z", &ns));
	assert_int_equal(ns, 1500000000);
	assert_true(s3_read_time("1970-01-01T00:00:01Z", &ns));
	assert_int_equal(ns, 1000000000);
	assert_false(s3_read_time("", &ns));
	assert_false(s3_read_time("2009-10-12T17:50:30", &ns));
	assert_false(s3_read_time("2009-13-12T17:50:30Z", &ns));
	assert_false(s3_read_time("1969-10-12T17:50:30Z", &ns));
	assert_false(s3_read_time("9999-10-12T17:50:30Z", &ns));
	assert_false(s3_read_time("2009-10-12T17:50:30Z ", &ns));
}

static void test_ranges(void **state)
{
	uint64_t from, n, total;

	assert_true(s3_read_range("bytes 5-9/100", &from, &n, &total));
	assert_int_equal(from, 5);
	assert_int_equal(n, 5);
	assert_int_equal(total, 100);
	assert_true(s3_read_range("bytes */0", &from, &n, &total));
	assert_int_equal(total + n, 0);
	assert_false(s3_read_range("", &from, &n, &total));
	assert_false(s3_read_range("bytes 9-5/100", &from, &n, &total));
	assert_false(s3_read_range("bytes 5-100/100", &from, &n, &total));
	assert_false(s3_read_range("bytes 5-9/*", &from, &n, &total));
	assert_false(s3_read_range("bytes 5-9/100 ", &from, &n, &total));
}

static void test_faults(void **state)
{
	static const char text[] = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>m</Message>"
				   "<Region>eu-x-1</Region></Error>";
	struct s3_fault f;

	assert_true(s3_read_fault(text, sizeof(text) - 1, &f));
	assert_string_equal(f.code, "SlowDown");
	assert_string_equal(f.region, "eu-x-1");
	/* Cut off, it says what it says. */
	assert_true(s3_read_fault(text, 60, &f));
	assert_string_equal(f.code, "SlowDown");
	assert_false(s3_read_fault("<Error><Code>a b\n</Code></Error>", 32, &f));
	assert_false(s3_read_fault("", 0, &f));
	assert_false(s3_read_fault("<html>502</html>", 16, &f));
}

static int count_listed(void *data, const struct s3_listed *listed)
{
	unsigned int *n = data;

	assert_true(*listed->key);
	++*n;
	return listed->size == 666 ? -ECANCELED : 0;
}

static void test_lists(void **state)
{
	static const struct {
		const char *text;
		int code;
		unsigned int n;
		bool more;
	} lists[] = {
		{ "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", 0, 0, false },
		{ "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
		  "<Contents><Key>k</Key><LastModified>2009-10-12T17:50:30Z</LastModified><Size>1</Size></Contents>"
		  "<Contents><Size>1</Size><Key>l&amp;</Key><LastModified>2009-10-12T17:50:30Z</LastModified>"
		  "<Owner><ID>x</ID></Owner></Contents></ListBucketResult>", 0, 2, true },
		/* Without a word of where it goes on; without an end; without a time; another document. */
		{ "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", -EPROTO, 0, true },
		{ "<ListBucketResult><IsTruncated>false</IsTruncated>", -EPROTO, 0, false },
		{ "<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>",
		  -EPROTO, 0, false },
		{ "<ListBucketResult><Contents><Key>k</Key><LastModified>2009-10-12T17:50:30Z</LastModified>"
		  "<Size>-1</Size></Contents></ListBucketResult>", -EPROTO, 0, false },
		{ "<Error><Code>x</Code></Error>", -EPROTO, 0, false },
		{ "", -EPROTO, 0, false },
		{ "<!DOCTYPE a [<!ENTITY x \"yy\">]><ListBucketResult></ListBucketResult>", -EPROTO, 0, false },
		{ "<ListBucketResult><Contents><Key>k</Key><LastModified>2009-10-12T17:50:30Z</LastModified>"
		  "<Size>666</Size></Contents></ListBucketResult>", -ECANCELED, 1, false },
		{ "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>k</Key>"
		  "<UploadId>u</UploadId><Initiated>2009-10-12T17:50:30Z</Initiated></Upload>"
		  "</ListMultipartUploadsResult>", 0, 1, false },
		{ "<ListMultipartUploadsResult><Upload><Key>k</Key><Initiated>2009-10-12T17:50:30Z</Initiated>"
		  "</Upload></ListMultipartUploadsResult>", -EPROTO, 0, false },
	};
	static const char started[] = "<InitiateMultipartUploadResult><UploadId>u/+</UploadId>"
				      "</InitiateMultipartUploadResult>";
	static char deep[1 << 20];
	char upload[S3_TOKEN];
	struct s3_page page;
	unsigned int n = 0;

	for (size_t i = 0; i < N_OF(lists); i++) {
		n = 0;
		assert_int_equal(s3_read_page(lists[i].text, strlen(lists[i].text), &page, count_listed, &n),
				 lists[i].code);
		assert_int_equal(n, lists[i].n);
		assert_int_equal(page.more, lists[i].more);
	}
	/* Deep, and long. */
	for (int i = 0; i < 100000; i++)
		memcpy(deep + 3 * i, "<a>", 3);
	assert_int_equal(s3_read_page(deep, strlen(deep), &page, count_listed, &n), -EPROTO);
	snprintf(deep, sizeof(deep), "<ListBucketResult><NextContinuationToken>%0*d</NextContinuationToken>"
		 "</ListBucketResult>", S3_TOKEN, 0);
	assert_int_equal(s3_read_page(deep, strlen(deep), &page, count_listed, &n), -EPROTO);
	assert_int_equal(s3_read_upload(started, strlen(started), upload), 0);
	assert_string_equal(upload, "u/+");
	assert_int_equal(s3_read_upload("<InitiateMultipartUploadResult/>", 32, upload), -EPROTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
