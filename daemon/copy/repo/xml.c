// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <string.h>

#include "copy/repo/xml.h"

struct walk {
	XML_Parser parser;
	int (*each)(void *data, const char *path, const char *text);
	void *data;
	char path[XML_PATH], text[XML_TEXT];
	size_t path_length, text_length;
	int code;
};

static void stop(struct walk *w, int code)
{
	if (!w->code)
		w->code = code;
	XML_StopParser(w->parser, XML_FALSE);
}

static void begin(void *data, const XML_Char *name, const XML_Char **attributes)
{
	struct walk *w = data;
	size_t n = strlen(name);

	if (w->path_length + n + 2 > sizeof(w->path)) {
		stop(w, -EPROTO);
		return;
	}
	if (w->path_length)
		w->path[w->path_length++] = '/';
	memcpy(w->path + w->path_length, name, n + 1);
	w->path_length += n;
	w->text_length = 0;
}

static void end(void *data, const XML_Char *name)
{
	struct walk *w = data;
	char *slash;
	int r;

	if (w->code)
		return;
	w->text[w->text_length] = '\0';
	r = w->each(w->data, w->path, w->text);
	if (r) {
		stop(w, r);
		return;
	}
	slash = strrchr(w->path, '/') ?: w->path;
	*slash = '\0';
	w->path_length = (size_t)(slash - w->path);
	w->text_length = 0;
}

static void characters(void *data, const XML_Char *text, int n)
{
	struct walk *w = data;

	if (w->text_length + (size_t)n >= sizeof(w->text)) {
		stop(w, -EPROTO);
		return;
	}
	memcpy(w->text + w->text_length, text, (size_t)n);
	w->text_length += (size_t)n;
}

/* Entities could make much of little. */
static void document_type(void *data, const XML_Char *name, const XML_Char *system, const XML_Char *public,
			  int internal)
{
	stop(data, -EPROTO);
}

int xml_walk(const char *bytes, size_t length,
	     int (*each)(void *data, const char *path, const char *text), void *data)
{
	struct walk w = { .each = each, .data = data };
	int r = 0;

	if (length > INT_MAX)
		return -EPROTO;
	w.parser = XML_ParserCreate(NULL);
	if (!w.parser)
		return -ENOMEM;
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, begin, end);
	XML_SetCharacterDataHandler(w.parser, characters);
	XML_SetStartDoctypeDeclHandler(w.parser, document_type);
	if (XML_Parse(w.parser, bytes, (int)length, 1) != XML_STATUS_OK)
		r = w.code ? w.code : -EPROTO;
	XML_ParserFree(w.parser);
	return r;
}
