/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server says in XML. xml.c alone knows expat. */
#ifndef BVOL_REPO_XML_H
#define BVOL_REPO_XML_H

#include <stddef.h>

#include "util/err.h"

#define XML_PATH	256
#define XML_TEXT	2048

/*
 * Call each at the end of every element, its children first: path is
 * "ListBucketResult/Contents/Key", text what stands in the element itself. What
 * each returns but 0 ends it. -EPROTO, without a sentence, for what is not
 * well-formed, declares a document type or nests or writes more than the
 * limits above; what came before was told all the same.
 */
int xml_walk(const char *bytes, size_t length,
	     int (*each)(void *data, const char *path, const char *text), void *data);

#endif
