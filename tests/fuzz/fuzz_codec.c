// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What comes over a socket: frames, and the objects in them. The first byte
 * says what the rest is taken for. What is decoded must encode, and decode to
 * the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "text.h"

static const struct bvol_type *const types[] = {
	&bvol_type_info, &bvol_type_auth, &bvol_type_export, &bvol_type_session, &bvol_type_event,
	&bvol_type_pool, &bvol_type_volume, &bvol_type_snapshot, &bvol_type_job, &bvol_type_quota,
	&bvol_type_backup, &bvol_type_repository, &bvol_type_repository_key, &bvol_type_repository_report,
	&bvol_type_difference, &bvol_type_request, &bvol_type_response,
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

static void expect(int truth)
{
	if (!truth)
		abort();
}

static void take_object(const struct bvol_type *type, const void *data, size_t len)
{
	static uint8_t once[1 << 20], twice[1 << 20];
	ssize_t n, m;
	void *obj, *again;

	if (codec_decode(type, data, len, &obj) < 0)
		return;
	n = codec_encode(type, obj, once, sizeof(once));
	expect(n >= 0);
	expect(codec_decode(type, once, n, &again) == 0);
	m = codec_encode(type, again, twice, sizeof(twice));
	expect(m == n && !memcmp(once, twice, n));
	bvol_free(type, obj);
	bvol_free(type, again);
}

static void take_frame(const void *data, size_t len)
{
	static uint8_t out[BVOL_FRAME_MAX];
	struct frame frame;

	if (frame_get(data, len, &frame) < 0)
		return;
	if (frame.payload_len <= BVOL_PAYLOAD_MAX)
		expect(frame_put(&frame, out, sizeof(out)) > 0);
	take_object(&bvol_type_request, frame.payload, frame.payload_len);
	take_object(&bvol_type_response, frame.payload, frame.payload_len);
	take_object(&bvol_type_event, frame.payload, frame.payload_len);
}

static void take_text(const char *data, size_t len)
{
	char *text = strndup(data, len);
	char harmless[64];

	text_escape(text, harmless, sizeof(harmless));
	expect(text_utf8(harmless, strlen(harmless)));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t what;

	if (!len)
		return 0;
	what = data[0] % (N_TYPES + 2);
	data++;
	len--;
	if (what < N_TYPES)
		take_object(types[what], data, len);
	else if (what == N_TYPES)
		take_frame(data, len);
	else
		take_text((const char *)data, len);
	return 0;
}
