// SPDX-License-Identifier: LGPL-2.1-or-later
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "copy/repo/http.h"

#define CONNECT_MS	10000L
/* Without a byte for so long a connection is dead. */
#define SILENCE_S	60L
#define POLL_MS		100

/* A connection, which serves one request at a time. */
struct line {
	struct line *next;
	CURL *easy;
	CURLM *multi;
};

struct http {
	pthread_mutex_t lock;		/* of idle */
	struct line *idle;
	char *ca;
};

/* A request under way. */
struct call {
	const struct http_request *request;
	struct http_reply *reply;
	CURL *easy;
	bool too_long;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode loaded;

static void load(void)
{
	loaded = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_new(const char *ca, struct http **ret, struct err *e)
{
	struct http *http;

	pthread_once(&once, load);
	if (loaded)
		return err_set(e, -EIO, "cannot start libcurl: %s", curl_easy_strerror(loaded));
	http = calloc(1, sizeof(*http));
	if (http && ca)
		http->ca = strdup(ca);
	if (!http || (ca && !http->ca)) {
		free(http);
		return err_set(e, -ENOMEM, "out of memory");
	}
	pthread_mutex_init(&http->lock, NULL);
	*ret = http;
	return 0;
}

static void line_free(struct line *line)
{
	if (line->easy)
		curl_easy_cleanup(line->easy);
	if (line->multi)
		curl_multi_cleanup(line->multi);
	free(line);
}

struct http *http_free(struct http *http)
{
	while (http && http->idle) {
		struct line *line = http->idle;

		http->idle = line->next;
		line_free(line);
	}
	if (http) {
		pthread_mutex_destroy(&http->lock);
		free(http->ca);
	}
	free(http);
	return NULL;
}

static struct line *line_take(struct http *http)
{
	struct line *line;

	pthread_mutex_lock(&http->lock);
	line = http->idle;
	if (line)
		http->idle = line->next;
	pthread_mutex_unlock(&http->lock);
	if (line) {
		curl_easy_reset(line->easy);
		return line;
	}
	line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	line->easy = curl_easy_init();
	line->multi = curl_multi_init();
	if (line->easy && line->multi)
		return line;
	line_free(line);
	return NULL;
}

static void line_give(struct http *http, struct line *line)
{
	pthread_mutex_lock(&http->lock);
	line->next = http->idle;
	http->idle = line;
	pthread_mutex_unlock(&http->lock);
}

/* An answer's body: to where it was asked for, or a piece of what explains a failure. */
static size_t take_body(char *bytes, size_t size, size_t n, void *data)
{
	struct call *call = data;
	struct http_reply *reply = call->reply;
	size_t room, part;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299) {
		room = sizeof(reply->error) - reply->error_length;
		part = n < room ? n : room;
		memcpy(reply->error + reply->error_length, bytes, part);
		reply->error_length += part;
		return n;
	}
	if (n > call->request->room - reply->length) {
		call->too_long = true;
		return 0;
	}
	memcpy((char *)call->request->into + reply->length, bytes, n);
	reply->length += n;
	return n;
}

static void take_field(const char *value, size_t n, char field[HTTP_FIELD])
{
	if (n < HTTP_FIELD && memchr(value, '\0', n) == NULL) {
		memcpy(field, value, n);
		field[n] = '\0';
	}
}

static void take_named(struct http_reply *reply, const char *name, size_t name_length,
		       const char *value, size_t n)
{
	const struct {
		const char *name;
		char *field;
	} wanted[] = {
		{ "etag", reply->etag }, { "content-range", reply->range },
		{ "x-amz-bucket-region", reply->region }, { "x-amz-meta-bvol", reply->mark },
	};
	char number[HTTP_FIELD] = "";

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strlen(wanted[i].name) == name_length && !strncasecmp(wanted[i].name, name, name_length))
			take_field(value, n, wanted[i].field);
	if (name_length == 11 && !strncasecmp(name, "retry-after", 11)) {
		take_field(value, n, number);
		/* Also a date is allowed there; then our own pause has to do. */
		reply->retry_after = strtoull(number, NULL, 10);
	}
	if (name_length == 4 && !strncasecmp(name, "date", 4)) {
		take_field(value, n, number);
		reply->date = curl_getdate(number, NULL);
		if (reply->date < 0)
			reply->date = 0;
	}
}

static size_t take_header(char *bytes, size_t size, size_t n, void *data)
{
	struct call *call = data;
	const char *colon = memchr(bytes, ':', n), *value, *end = bytes + n;

	if (!colon)
		return n;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	take_named(call->reply, bytes, (size_t)(colon - bytes), value, (size_t)(end - value));
	return n;
}

static CURLcode prepare_body(CURL *easy, const struct http_request *request)
{
	CURLcode c = CURLE_OK;

	if (!strcmp(request->method, "HEAD"))
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (request->body || !strcmp(request->method, "PUT") || !strcmp(request->method, "POST")) {
		c = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
		if (!c)
			c = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ?: "");
	}
	return c ? c : curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

#define OPTION(option, value) do { \
	if (!c) \
		c = curl_easy_setopt(call->easy, option, value); \
} while (0)

static CURLcode prepare(const struct http *http, struct call *call, struct curl_slist *headers, char *why)
{
	CURLcode c = CURLE_OK;

	OPTION(CURLOPT_URL, call->request->url);
	OPTION(CURLOPT_HTTPHEADER, headers);
	OPTION(CURLOPT_ERRORBUFFER, why);
	OPTION(CURLOPT_WRITEFUNCTION, take_body);
	OPTION(CURLOPT_WRITEDATA, call);
	OPTION(CURLOPT_HEADERFUNCTION, take_header);
	OPTION(CURLOPT_HEADERDATA, call);
	OPTION(CURLOPT_PROTOCOLS_STR, "http,https");
	OPTION(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	OPTION(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	OPTION(CURLOPT_SSL_VERIFYPEER, 1L);
	OPTION(CURLOPT_SSL_VERIFYHOST, 2L);
	if (http->ca) {
		OPTION(CURLOPT_CAINFO, http->ca);
		OPTION(CURLOPT_CAPATH, NULL);
	}
	/* The URL is what was signed, to the letter. */
	OPTION(CURLOPT_PATH_AS_IS, 1L);
	OPTION(CURLOPT_NOSIGNAL, 1L);
	/* A resolver that hangs doesn't hold us up. */
	OPTION(CURLOPT_QUICK_EXIT, 1L);
	OPTION(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	OPTION(CURLOPT_LOW_SPEED_LIMIT, 1L);
	OPTION(CURLOPT_LOW_SPEED_TIME, SILENCE_S);
	OPTION(CURLOPT_USERAGENT, "bvol/" BVOL_VERSION);
	return c ? c : prepare_body(call->easy, call->request);
}

static int code_of(CURLcode c, bool too_long)
{
	if (too_long)
		return -EPROTO;
	switch (c) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_NOT_BUILT_IN:
		return -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	default:
		return -ECONNRESET;
	}
}

/* Until there is a whole answer; -ECANCELED without a sentence. */
static int perform(struct line *line, const struct http_request *request, CURLcode *ret)
{
	CURLMcode m = curl_multi_add_handle(line->multi, line->easy);
	int running = 1, left, r = 0;
	CURLMsg *message;

	while (!m && running && !r) {
		m = curl_multi_perform(line->multi, &running);
		if (!m && running)
			m = curl_multi_poll(line->multi, NULL, 0, POLL_MS, NULL);
		if (running && request->stop && request->stop(request->data))
			r = -ECANCELED;
	}
	*ret = m ? CURLE_FAILED_INIT : CURLE_OK;
	while (!m && !r && (message = curl_multi_info_read(line->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			*ret = message->data.result;
	curl_multi_remove_handle(line->multi, line->easy);
	return r;
}

static int attempt(struct http *http, struct line *line, struct call *call, struct err *e)
{
	struct curl_slist *headers = NULL, *more;
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;
	CURLcode c;
	int r = 0;

	for (const char *const *h = call->request->headers; *h && !r; h++) {
		more = curl_slist_append(headers, *h);
		r = more ? 0 : err_set(e, -ENOMEM, "out of memory");
		headers = more ?: headers;
	}
	c = prepare(http, call, headers, why);
	if (!r && !c)
		r = perform(line, call->request, &c);
	if (!r && c)
		r = err_set(e, code_of(c, call->too_long), "%s", call->too_long ?
			    "the answer is longer than what was asked for" :
			    *why ? why : curl_easy_strerror(c));
	curl_easy_getinfo(line->easy, CURLINFO_RESPONSE_CODE, &status);
	call->reply->status = (int)status;
	curl_easy_setopt(line->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	return r;
}

int http_call(struct http *http, const struct http_request *request, struct http_reply *reply,
	      struct err *e)
{
	struct line *line = line_take(http);
	struct call call = { .request = request, .reply = reply };
	int r;

	if (!line)
		return err_set(e, -ENOMEM, "out of memory");
	memset(reply, 0, sizeof(*reply));
	call.easy = line->easy;
	r = attempt(http, line, &call, e);
	/* A connection that failed is not used again. */
	if (r)
		line_free(line);
	else
		line_give(http, line);
	return r;
}
