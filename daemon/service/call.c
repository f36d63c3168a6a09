// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service/service.h"
#include "util/log.h"
#include "util/str.h"

/* Objects of one answer fill at most this much, so that one more always fits a frame. */
#define PAGE_BYTES	(BVOL_PAYLOAD_MAX - 8192)
#define PAGE_OBJECTS	200

struct call *call_new(struct service *service)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->service = service;
	call->response = codec_new(&bvol_type_response);
	if (!call->response) {
		free(call);
		return NULL;
	}
	return call;
}

struct call *call_free(struct call *call)
{
	if (!call)
		return NULL;
	bvol_free(&bvol_type_request, call->request);
	bvol_free(&bvol_type_response, call->response);
	free(call);
	return NULL;
}

void call_end(struct call *call, int result)
{
	if (result < 0) {
		bvol_free(&bvol_type_response, call->response);
		call->response = codec_new(&bvol_type_response);
		if (!call->response)
			abort();
		err_set(&call->err, result, "%s: %s", call->verb ? call->verb->name : "call",
			strerror(-result));
		codec_set(call->response, BVOL_A_RESPONSE_ERROR, error, (uint32_t)-result);
		codec_set_string(&bvol_type_response, call->response, BVOL_A_RESPONSE_MESSAGE,
				 call->err.text);
	}
	call->reply(call);
}

/* Names of the fields in mask, for a sentence. */
static const char *field_name(uint64_t mask)
{
	size_t i;

	for (i = 0; i < bvol_type_request.n_fields; i++)
		if (mask & BVOL_BIT(bvol_type_request.fields[i].attr))
			return bvol_type_request.fields[i].name;
	return "an unknown argument";
}

static int check_arguments(struct call *call)
{
	uint64_t has = call->request->has;
	uint64_t missing = call->verb->required & ~has;
	uint64_t extra = has & ~(call->verb->required | call->verb->optional);
	const struct bvol_field *f = bvol_type_request.fields;
	size_t i;

	if (missing)
		return err_set(&call->err, -EINVAL, "%s needs %s", call->verb->name,
			       field_name(missing));
	if (extra)
		return err_set(&call->err, -EINVAL, "%s does not take %s", call->verb->name,
			       field_name(extra));
	for (i = 0; i < bvol_type_request.n_fields; i++, f++) {
		const char *text = *(char **)((char *)call->request + f->offset);

		if (f->kind == BVOL_STRING && has & BVOL_BIT(f->attr) && !*text)
			return err_set(&call->err, -EINVAL, "%s: %s is empty", call->verb->name,
				       f->name);
	}
	return 0;
}

static void call_run(void *data)
{
	struct call *call = data;
	int r = call->verb->run(call);

	if (r <= 0)
		call_end(call, r);
}

void service_call(struct call *call, uint32_t verb, const void *payload, size_t len)
{
	const struct verb *v = service_verbs;
	int r;

	while (v->run && v->verb != verb)
		v++;
	call->verb = v->run ? v : NULL;
	r = call->verb ? codec_decode(&bvol_type_request, payload, len, (void **)&call->request)
		       : err_set(&call->err, -EOPNOTSUPP,
				 "this bvold does not know the verb number %u", verb);
	if (r == -EBADMSG)
		err_set(&call->err, r, "%s: the request is malformed", v->name);
	if (!r)
		r = check_arguments(call);
	if (!r && (v->usage == FRESH || (v->usage == RECENT && !usage_is_recent(call->service))))
		r = usage_refresh(call->service, call_run, call);
	else if (!r) {
		call_run(call);
		return;
	}
	if (r < 0)
		call_end(call, r);
}

int call_add(struct call *call, uint16_t attr, const struct bvol_type *type, const void *obj)
{
	void *copy = codec_copy(type, obj);

	return copy ? codec_append_nest(&bvol_type_response, call->response, attr, copy) : -ENOMEM;
}

int call_begin(struct call *call, struct bvol_job *row, struct job **ret)
{
	int r = change_begin(&call->service->change, &call->err);

	if (r < 0)
		bvol_free(&bvol_type_job, row);
	else if (row)
		r = job_new(&call->service->engine, row, ret, &call->err);
	return r;
}

int call_commit(struct call *call, struct job *job, int r)
{
	if (!r && job)
		r = job_prepare(job, &call->err);
	if (!r)
		r = change_commit(&call->service->change, &call->err);
	if (r < 0) {
		change_rollback(&call->service->change);
		job_free(job);
		return r;
	}
	if (job) {
		codec_set(call->response, BVOL_A_RESPONSE_JOB_ID, job_id, job->row->id);
		job_start(job);
	}
	return 0;
}

struct bvol_job *call_job(struct call *call, const char *kind)
{
	struct bvol_job *row = codec_new(&bvol_type_job);

	if (!row || codec_set_string(&bvol_type_job, row, BVOL_A_JOB_KIND, kind) < 0) {
		bvol_free(&bvol_type_job, row);
		return NULL;
	}
	codec_set(row, BVOL_A_JOB_UID, uid, call->uid);
	codec_set(row, BVOL_A_JOB_PID, pid, call->pid);
	if (bvol_has(call->request, BVOL_A_REQUEST_WIPE))
		codec_set(row, BVOL_A_JOB_WIPE, wipe, call->request->wipe);
	if (bvol_has(call->request, BVOL_A_REQUEST_VERIFY))
		codec_set(row, BVOL_A_JOB_VERIFY, verify, call->request->verify);
	return row;
}

int call_check_wipe(struct call *call, uint32_t wipe, uint32_t verify)
{
	if (wipe == BVOL_WIPE_NONE && verify)
		return err_set(&call->err, -EINVAL,
			       "what is not wiped can't be verified; leave out one of the two");
	return 0;
}

int call_check_rate(struct call *call)
{
	if (call->request->rate > INT64_MAX)
		return err_set(&call->err, -EINVAL, "a rate is less than 8 EiB a second");
	return 0;
}

/* Add an object; 1 when it is the last one of the page. */
static int page_add(struct call *call, uint16_t attr, const struct bvol_type *type, const void *obj)
{
	char scratch[BVOL_FRAME_MAX];
	ssize_t n = codec_encode(type, obj, scratch, sizeof(scratch));
	int r = n < 0 ? (int)n : call_add(call, attr, type, obj);

	if (r < 0)
		return r;
	call->bytes += (size_t)n;
	return call->bytes >= PAGE_BYTES || ++call->objects >= PAGE_OBJECTS;
}

struct page {
	struct call *call;
	const struct listing *listing;
};

static int page_add_row(void *obj, void *data)
{
	struct page *page = data;
	const struct listing *l = page->listing;
	struct call *call = page->call;
	int r = l->decorate ? l->decorate(call->service, obj) : 0;

	if (!r)
		r = page_add(call, l->attr, l->type, obj);
	/* Perhaps this was the last; then the next page is empty. */
	if (r == 1 && l->type->fields[0].kind == BVOL_UUID)
		codec_set(call->response, BVOL_A_RESPONSE_MORE, more,
			  *(struct bvol_uuid *)((char *)obj + l->type->fields[0].offset));
	return r;
}

int call_add_next(struct call *call, uint16_t attr, const struct bvol_type *type, const void *obj)
{
	struct bvol_uuid more = { 0 };
	uint64_t first;
	int r;

	memcpy(&first, &call->request->after, sizeof(first));
	if (call->full || call->position++ < first)
		return 0;
	r = page_add(call, attr, type, obj);
	if (r != 1)
		return r;
	call->full = true;
	memcpy(&more, &call->position, sizeof(call->position));
	codec_set(call->response, BVOL_A_RESPONSE_MORE, more, more);
	return 0;
}

int call_list(struct call *call, const struct listing *listing, const struct store_match *match)
{
	const struct bvol_request *rq = call->request;
	struct page page = { .call = call, .listing = listing };
	int r;

	r = store_select(call->service->store, listing->type, match,
			 bvol_has(rq, BVOL_A_REQUEST_AFTER) ? &rq->after : NULL, rq->limit,
			 page_add_row, &page, &call->err);
	return r < 0 ? r : 0;
}

struct found {
	const struct bvol_type *type;
	void *first;
	unsigned int n;
	char ids[256];
};

static int found_add(void *obj, void *data)
{
	struct found *found = data;
	char text[BVOL_UUID_TEXT];
	size_t used = strlen(found->ids);

	if (!found->n++)
		found->first = codec_copy(found->type, obj);
	bvol_uuid_text((struct bvol_uuid *)((char *)obj + found->type->fields[0].offset), text);
	if (used + sizeof(text) + 2 < sizeof(found->ids))
		snprintf(found->ids + used, sizeof(found->ids) - used, "%s%s", used ? ", " : "", text);
	return found->first ? 0 : -ENOMEM;
}

/* What users call a type, where the protocol's word is another; and how its objects are listed. */
static const struct {
	const struct bvol_type *type;
	const char *word, *list;
} words[] = {
	{ &bvol_type_group_snapshot, "group snapshot", "group snapshot-list" },
	{ &bvol_type_volume_type, "volume type", "type list" },
	{ &bvol_type_repository, "repository", "repo list" },
};

static const char *word_of(const struct bvol_type *type)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i].type == type)
			return words[i].word;
	return type->name;
}

static const char *list_of(const struct bvol_type *type, char text[64])
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (words[i].type == type)
			return words[i].list;
	snprintf(text, 64, "%s list", type->name);
	return text;
}

int service_find(struct service *service, const struct bvol_type *type, const char *ref,
		 void **ret, struct err *e)
{
	const struct bvol_field *name = bvol_field(type, "name");
	struct store_match match[] = { { .attr = name ? name->attr : 0, .text = ref }, { 0 } };
	struct found found = { .type = type };
	struct bvol_uuid id;
	char list[64];
	int r;

	if (!bvol_uuid_parse(ref, &id)) {
		r = store_get(service->store, type, &id, ret, e);
		return r == -ENOENT ? err_set(e, r, "there is no %s %s", word_of(type), ref) : r;
	}
	if (!name)
		return err_set(e, -ENOENT, "there is no %s \"%s\"; name it by its UUID", type->name,
			       ref);
	r = store_select(service->store, type, match, NULL, 0, found_add, &found, e);
	if (!r && found.n == 0)
		r = err_set(e, -ENOENT, "there is no %s called \"%s\"; see: bvolctl %s",
			    word_of(type), ref, list_of(type, list));
	else if (!r && found.n > 1)
		r = err_set(e, -ENOTUNIQ, "%u %ss are called \"%s\", use the UUID of one: %s",
			    found.n, word_of(type), ref, found.ids);
	if (r < 0) {
		bvol_free(type, found.first);
		return r;
	}
	*ret = found.first;
	return 0;
}
