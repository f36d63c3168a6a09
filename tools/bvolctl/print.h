/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects on standard output, from their field tables: as a table, as lines, as JSON. */
#ifndef BVOLCTL_PRINT_H
#define BVOLCTL_PRINT_H

#include <stdio.h>

#include "bvol.h"

/* "bvolctl: " and a sentence on standard error, harmless to a terminal. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Many objects of a type: a table of these columns, or an array. */
struct listing;
struct listing *listing_new(const struct bvol_type *type, const char *columns, bool json);
/* A bvol_each; data is the listing. -ENOMEM. */
int listing_add(const void *obj, void *listing);
/* Prints and frees it. */
void listing_end(struct listing *listing, FILE *out);
/* Frees it; takes NULL. */
void listing_free(struct listing *listing);

/* One object. job_id: of the job that goes on working on it, or NULL. */
void print_object(const struct bvol_type *type, const void *obj, const struct bvol_uuid *job_id,
		  bool json, FILE *out);
/* One event in one line. */
void print_event(const struct bvol_event *event, bool json, FILE *out);

/* The time as ISO 8601 in UTC, to the microsecond if exact; returns buf. */
#define TIME_TEXT 40
char *time_text(uint64_t time, bool exact, char buf[TIME_TEXT]);

#endif
