// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "print.h"
#include "size.h"
#include "text.h"

#define CELL_MAX 2048

void complain(const char *format, ...)
{
	char sentence[1024], harmless[4 * sizeof(sentence)];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	text_escape(sentence, harmless, sizeof(harmless));
	fprintf(stderr, "bvolctl: %s\n", harmless);
}

/* Values as people read them */

/*
 * By hand, because the C library's functions first read the time zone from a
 * file, which a short command would feel. Years begin in March here, so that
 * the day that some of them lack is their last.
 */
char *time_text(uint64_t time, bool exact, char buf[TIME_TEXT])
{
	uint64_t seconds = time / 1000000000, rest = seconds % 86400;
	unsigned int days = seconds / 86400 + 719468;	/* since 1 March of year 0 */
	unsigned int era = days / 146097, day = days % 146097;
	unsigned int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned int month, n;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += 400 * era + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	n = snprintf(buf, TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u", year, month, day + 1,
		     (unsigned int)rest / 3600, (unsigned int)rest / 60 % 60, (unsigned int)rest % 60);
	if (exact)
		n += snprintf(buf + n, TIME_TEXT - n, ".%06u",
			      (unsigned int)(time % 1000000000 / 1000));
	snprintf(buf + n, TIME_TEXT - n, "Z");
	return buf;
}

/* The spec gives sizes no type of their own. */
static bool is_size(const struct bvol_field *field)
{
	static const char *const names[] = {
		"size", "chunk_size", "data_total", "data_used", "metadata_total", "metadata_used",
		"provisioned", "fill_rate", "mapped", "exclusive", "shared", "bytes", "added", "freed", "copied",
		"written", "equal", "zeroed",
		"wipe_rate", "rate_limit", "bytes_done", "bytes_total", "rate",
		"bytes_overwritten", "bytes_discarded",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(field->name, names[i]))
			return true;
	return false;
}

static void number_text(const struct bvol_field *field, uint64_t value, bool exact, char *buf)
{
	char size[SIZE_TEXT];

	if (!is_size(field))
		snprintf(buf, CELL_MAX, "%llu", (unsigned long long)value);
	else if (exact)
		snprintf(buf, CELL_MAX, "%s (%llu bytes)", size_text(value, size),
			 (unsigned long long)value);
	else
		size_text(value, buf);
}

static void list_text(char *const *items, char *buf)
{
	size_t used = 0;

	*buf = '\0';
	for (; items && *items && used + 2 < CELL_MAX; items++) {
		if (used)
			buf[used++] = ',';
		used += text_escape(*items, buf + used, CELL_MAX - used);
	}
}

/* The value of a field that is set and no object, in at most CELL_MAX bytes; returns buf. */
static char *value_text(const struct bvol_field *field, const void *at, bool exact, char *buf)
{
	switch (field->kind) {
	case BVOL_U32:
		number_text(field, *(const uint32_t *)at, exact, buf);
		break;
	case BVOL_U64:
		number_text(field, *(const uint64_t *)at, exact, buf);
		break;
	case BVOL_S64:
		snprintf(buf, CELL_MAX, "%lld", (long long)*(const int64_t *)at);
		break;
	case BVOL_TIME:
		time_text(*(const uint64_t *)at, false, buf);
		break;
	case BVOL_ENUM:
		strcpy(buf, bvol_enum_name(field->values, *(const uint32_t *)at));
		break;
	case BVOL_UUID:
		bvol_uuid_text(at, buf);
		break;
	case BVOL_STRING:
		text_escape(*(char *const *)at, buf, CELL_MAX);
		break;
	case BVOL_LIST:
		list_text(*(char *const *const *)at, buf);
		break;
	default:
		*buf = '\0';
	}
	return buf;
}

static bool is_set(const struct bvol_field *field, const void *obj)
{
	return *(const uint64_t *)obj & BVOL_BIT(field->attr);
}

/* Listings */

#define COLUMNS_MAX 16

struct listing {
	const struct bvol_type *type;
	struct json *json;	/* NULL: a table */
	const struct bvol_field *columns[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
	size_t n_columns;
	char **cells;		/* row by row */
	size_t n_rows;
};

static void add_columns(struct listing *listing, const char *names)
{
	char name[64];
	int n;

	while (listing->n_columns < COLUMNS_MAX && sscanf(names, "%63s%n", name, &n) == 1) {
		listing->columns[listing->n_columns] = bvol_field(listing->type, name);
		listing->width[listing->n_columns++] = strlen(name);
		names += n;
	}
}

struct listing *listing_new(const struct bvol_type *type, const char *columns, bool json)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return NULL;
	listing->type = type;
	add_columns(listing, columns);
	if (json) {
		listing->json = json_list();
		if (!listing->json) {
			free(listing);
			return NULL;
		}
	}
	return listing;
}

/* Room for rows grows by doubling. */
static char **new_row(struct listing *listing)
{
	size_t n = listing->n_rows, columns = listing->n_columns;
	char **cells = listing->cells;

	if (!(n & (n - 1))) {
		cells = reallocarray(cells, (n ? 2 * n : 1) * columns, sizeof(*cells));
		if (!cells)
			return NULL;
		listing->cells = cells;
	}
	listing->n_rows++;
	return memset(cells + n * columns, 0, columns * sizeof(*cells));
}

int listing_add(const void *obj, void *data)
{
	struct listing *listing = data;
	char text[CELL_MAX], **row;

	if (listing->json)
		return json_list_add(listing->json, listing->type, obj);
	row = new_row(listing);
	if (!row)
		return -ENOMEM;
	for (size_t i = 0; i < listing->n_columns; i++) {
		const struct bvol_field *field = listing->columns[i];
		const void *at = (const char *)obj + field->offset;

		row[i] = strdup(is_set(field, obj) ? value_text(field, at, false, text) : "-");
		if (!row[i])
			return -ENOMEM;
		if (text_columns(row[i]) > listing->width[i])
			listing->width[i] = text_columns(row[i]);
	}
	return 0;
}

/* The last column is not padded. */
static void print_cell(const struct listing *listing, size_t column, const char *text, FILE *out)
{
	size_t pad = listing->width[column] - text_columns(text);

	fputs(text, out);
	if (column + 1 == listing->n_columns)
		putc('\n', out);
	else
		fprintf(out, "%*s", (int)pad + 2, "");
}

static void print_table(const struct listing *listing, FILE *out)
{
	for (size_t i = 0; i < listing->n_columns; i++) {
		char head[64];
		size_t n = 0;

		for (const char *c = listing->columns[i]->name; *c && n + 1 < sizeof(head); c++)
			head[n++] = *c == '_' ? '-' : *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c;
		head[n] = '\0';
		print_cell(listing, i, head, out);
	}
	for (size_t i = 0; i < listing->n_rows * listing->n_columns; i++)
		print_cell(listing, i % listing->n_columns, listing->cells[i], out);
}

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	for (size_t i = 0; i < listing->n_rows * listing->n_columns; i++)
		free(listing->cells[i]);
	free(listing->cells);
	json_free(listing->json);
	free(listing);
}

void listing_end(struct listing *listing, FILE *out)
{
	if (listing->json)
		json_print(listing->json, false, out);
	else
		print_table(listing, out);
	listing_free(listing);
}

/* Single objects */

static void print_lines(const struct bvol_type *type, const void *obj, const char *prefix, FILE *out)
{
	char text[CELL_MAX], inner[64];

	for (size_t i = 0; i < type->n_fields; i++) {
		const struct bvol_field *field = &type->fields[i];
		const void *at = (const char *)obj + field->offset;

		if (!is_set(field, obj))
			continue;
		snprintf(inner, sizeof(inner), "%s%s.", prefix, field->name);
		if (field->kind == BVOL_NEST)
			print_lines(field->nest, *(const void *const *)at, inner, out);
		else
			fprintf(out, "%s%s: %s\n", prefix, field->name,
				value_text(field, at, true, text));
	}
}

void print_object(const struct bvol_type *type, const void *obj, const struct bvol_uuid *job_id,
		  bool json, FILE *out)
{
	char text[BVOL_UUID_TEXT];

	if (json) {
		struct json *document = json_object_of(type, obj, job_id);

		json_print(document, false, out);
		json_free(document);
		return;
	}
	print_lines(type, obj, "", out);
	if (job_id)
		fprintf(out, "job_id: %s\n", bvol_uuid_text(job_id, text));
}

/* Time, number and kind as columns, then whatever else there is. */
void print_event(const struct bvol_event *event, bool json, FILE *out)
{
	static const uint64_t shown = BVOL_BIT(BVOL_A_EVENT_TIME) | BVOL_BIT(BVOL_A_EVENT_SEQ) |
				      BVOL_BIT(BVOL_A_EVENT_KIND) | BVOL_BIT(BVOL_A_EVENT_LOG_ID) |
				      BVOL_BIT(BVOL_A_EVENT_BOOTTIME);
	char text[CELL_MAX], when[TIME_TEXT];

	if (json) {
		struct json *line = json_object_of(&bvol_type_event, event, NULL);

		json_print(line, true, out);
		json_free(line);
		return;
	}
	fprintf(out, "%s %llu %s", time_text(event->time, true, when),
		(unsigned long long)event->seq, bvol_enum_name(&bvol_enum_event_kind, event->kind));
	for (size_t i = 0; i < bvol_type_event.n_fields; i++) {
		const struct bvol_field *field = &bvol_type_event.fields[i];
		const void *at = (const char *)event + field->offset;

		if (is_set(field, event) && !(shown & BVOL_BIT(field->attr)))
			fprintf(out, field->kind == BVOL_STRING ? " %s=\"%s\"" : " %s=%s", field->name,
				value_text(field, at, false, text));
	}
	putc('\n', out);
}
