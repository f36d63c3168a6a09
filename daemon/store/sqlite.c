// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sqlite driver, owner of libsqlite3.
 *
 * Crash story. The database runs in WAL mode with synchronous=FULL: COMMIT
 * returns after the log's fsync. Killed before that, the next open finds the
 * state before the transaction; after it, the state behind it; the log's
 * checksums exclude a mixture. A power cut during COMMIT gives one or the
 * other. Nobody has to clean up: opening the file recovers it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/sql.h"
#include "util/cleanup.h"

/* Marks the file as bvold's in the database's header: "bvol". */
#define APPLICATION_ID 0x62766f6c

/* Bytes of the log's file. A checkpoint after 1000 pages, sqlite's default, keeps the log below it. */
#define LOG_SIZE 4194304
#define TEXT(number) #number
#define TEXT_OF(macro) TEXT(macro)
#define LIMIT_LOG "PRAGMA journal_size_limit = " TEXT_OF(LOG_SIZE)

struct sql_statement {
	struct sql_statement *next;
	sqlite3_stmt *stmt;
};

static int to_errno(int code)
{
	static const struct {
		int code, error;
	} table[] = {
		{ SQLITE_NOMEM, -ENOMEM }, { SQLITE_BUSY, -EBUSY }, { SQLITE_LOCKED, -EBUSY },
		{ SQLITE_FULL, -ENOSPC }, { SQLITE_IOERR, -EIO }, { SQLITE_READONLY, -EROFS },
		{ SQLITE_CORRUPT, -EUCLEAN }, { SQLITE_NOTADB, -EUCLEAN },
		{ SQLITE_CANTOPEN, -EACCES }, { SQLITE_PERM, -EACCES },
		{ SQLITE_CONSTRAINT, -EINVAL }, { SQLITE_TOOBIG, -E2BIG },
	};

	if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE)
		return -EEXIST;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if ((code & 0xff) == table[i].code)
			return table[i].error;
	return -EIO;
}

static int damaged(const struct store *store, const char *how, struct err *e)
{
	return err_set(e, -EUCLEAN, "the state database %s is damaged (%s); restore it from a copy",
		       store->path, how);
}

static int fail(const struct store *store, struct err *e)
{
	int r = to_errno(sqlite3_extended_errcode(store->db));

	if (r == -EBUSY)
		return err_set(e, r, "another process has the state database %s open; stop the "
			       "other bvold first", store->path);
	if (r == -EUCLEAN)
		return damaged(store, sqlite3_errmsg(store->db), e);
	return err_set(e, r, "the state database %s refuses: %s", store->path,
		       sqlite3_errmsg(store->db));
}

/* Statements */

static int prepare(struct store *store, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	struct sql_statement *s;

	for (s = store->statements; s; s = s->next) {
		if (!strcmp(sqlite3_sql(s->stmt), sql)) {
			*ret = s->stmt;
			return 0;
		}
	}
	s = malloc(sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL)) {
		free(s);
		return fail(store, e);
	}
	s->next = store->statements;
	store->statements = s;
	*ret = s->stmt;
	return 0;
}

/* The value outlives the statement's run: nothing is copied. */
static int bind(sqlite3_stmt *stmt, int i, const struct sql_value *value)
{
	if (value->kind == SQL_INT)
		return sqlite3_bind_int64(stmt, i, value->number);
	if (value->kind == SQL_TEXT)
		return sqlite3_bind_text(stmt, i, value->text, -1, SQLITE_STATIC);
	return sqlite3_bind_null(stmt, i);
}

static int row_out(struct store *store, sqlite3_stmt *stmt, sql_row row, void *data, struct err *e)
{
	struct sql_value values[ROW_COLUMNS_MAX] = {};
	int i, n = sqlite3_column_count(stmt);

	for (i = 0; i < n && i < ROW_COLUMNS_MAX; i++) {
		if (sqlite3_column_type(stmt, i) == SQLITE_INTEGER) {
			values[i].kind = SQL_INT;
			values[i].number = sqlite3_column_int64(stmt, i);
		} else if (sqlite3_column_type(stmt, i) == SQLITE_TEXT) {
			values[i].kind = SQL_TEXT;
			values[i].text = (const char *)sqlite3_column_text(stmt, i);
			if (!values[i].text)
				return fail(store, e);
		}
	}
	return row(values, (size_t)i, data, e);
}

int sql_run(struct store *store, const char *sql, const struct sql_value *values, size_t n,
	    sql_row row, void *data, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int r, step;

	r = prepare(store, sql, &stmt, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (bind(stmt, (int)i + 1, &values[i]))
			r = fail(store, e);
	while (!r) {
		step = sqlite3_step(stmt);
		if (step == SQLITE_DONE)
			break;
		if (step != SQLITE_ROW)
			r = fail(store, e);
		else if (row)
			r = row_out(store, stmt, row, data, e);
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return r;
}

static int number_row(const struct sql_value *values, size_t n, void *data, struct err *e)
{
	*(int64_t *)data = values[0].number;
	return 0;
}

int sql_number(struct store *store, const char *sql, const struct sql_value *values, size_t n,
	       int64_t *ret, struct err *e)
{
	*ret = 0;
	return sql_run(store, sql, values, n, number_row, ret, e);
}

int sql_changes(const struct store *store)
{
	return sqlite3_changes(store->db);
}

/* Transactions */

int store_begin(struct store *store, struct err *e)
{
	return sql_run(store, "BEGIN IMMEDIATE", NULL, 0, NULL, NULL, e);
}

int store_commit(struct store *store, struct err *e)
{
	int r = sql_run(store, "COMMIT", NULL, 0, NULL, NULL, e);

	if (r < 0)
		store_rollback(store);
	return r;
}

void store_rollback(struct store *store)
{
	if (store_in_transaction(store))
		sql_run(store, "ROLLBACK", NULL, 0, NULL, NULL, NULL);
}

bool store_in_transaction(const struct store *store)
{
	return !sqlite3_get_autocommit(store->db);
}

/* Opening */

static int check_row(const struct sql_value *values, size_t n, void *data, struct err *e)
{
	struct store *store = data;

	if (values[0].kind == SQL_TEXT && !strcmp(values[0].text, "ok"))
		return 0;
	return damaged(store, values[0].kind == SQL_TEXT ? values[0].text : "no details", e);
}

static int wal_row(const struct sql_value *values, size_t n, void *data, struct err *e)
{
	struct store *store = data;

	if (values[0].kind == SQL_TEXT && !strcmp(values[0].text, "wal"))
		return 0;
	return err_set(e, -EIO, "the state database %s can't be switched to a write-ahead log",
		       store->path);
}

/* Whose file is it, and is it whole? Changes nothing. */
static int inspect(struct store *store, struct err *e)
{
	int64_t id, version, tables;
	int r;

	/* Locks are taken by the first read and kept until the file is closed. */
	r = sql_run(store, "PRAGMA locking_mode = EXCLUSIVE", NULL, 0, NULL, NULL, e);
	if (!r)
		r = sql_number(store, "PRAGMA application_id", NULL, 0, &id, e);
	if (!r)
		r = sql_number(store, "PRAGMA user_version", NULL, 0, &version, e);
	if (!r)
		r = sql_number(store, "SELECT count(*) FROM sqlite_schema", NULL, 0,
			       &tables, e);
	if (r < 0)
		return r;
	if (id != APPLICATION_ID && (id || version || tables))
		return err_set(e, -EUCLEAN, "%s is the database of another program", store->path);
	if (version < 0 || version > schema_newest)
		return err_set(e, -EPROTO, "the state database %s was written by a newer bvold "
			       "(schema %" PRId64 ", this one knows %" PRIu32 "); install that one",
			       store->path, version, schema_newest);
	store->schema = (uint32_t)version;
	return sql_run(store, "PRAGMA quick_check(1)", NULL, 0, check_row, store, e);
}

static int configure(struct store *store, struct err *e)
{
	static const char *const pragmas[] = {
		"PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = ON",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA temp_store = MEMORY",
		/* KiB; the whole of a node's state is seldom larger. */
		"PRAGMA cache_size = -2048",
		LIMIT_LOG,
	};
	int r;

	r = sql_run(store, "PRAGMA journal_mode = WAL", NULL, 0, wal_row, store, e);
	for (size_t i = 0; !r && i < sizeof(pragmas) / sizeof(pragmas[0]); i++)
		r = sql_run(store, pragmas[i], NULL, 0, NULL, NULL, e);
	return r;
}

/*
 * Give the log its full length. With each fsync of a file that grows the file
 * system writes its own records too, which takes several times as long. Where
 * a log ends sqlite finds out by the checksums of its frames, and zeros have
 * none; so a crash in here, or a full disk, leaves a log that is only shorter.
 */
static void extend_log(struct store *store)
{
	static const char zeros[65536];
	sqlite3_file *log = NULL;
	sqlite3_int64 size;

	if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) ||
	    !log || !log->pMethods || log->pMethods->xFileSize(log, &size))
		return;
	while (size < LOG_SIZE) {
		int n = LOG_SIZE - size < (int)sizeof(zeros) ? (int)(LOG_SIZE - size) :
							       (int)sizeof(zeros);

		if (log->pMethods->xWrite(log, zeros, n, size))
			return;
		size += n;
	}
	log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
}

/* One version up. A crash leaves the old version or the new one. */
static int migrate(struct store *store, struct err *e)
{
	char sql[96];
	int r;

	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %" PRIu32,
		 APPLICATION_ID, store->schema + 1);
	r = store_begin(store, e);
	if (r < 0)
		return r;
	if (sqlite3_exec(store->db, schema_steps[store->schema], NULL, NULL, NULL) ||
	    sqlite3_exec(store->db, sql, NULL, NULL, NULL)) {
		r = fail(store, e);
		store_rollback(store);
		return r;
	}
	r = store_commit(store, e);
	if (!r)
		store->schema++;
	return r;
}

/*
 * Make the file, or look at what is there: it holds secrets, so nobody else
 * may read it, and another user's file is not trusted. A file that exists is
 * not opened here: closing it would drop the locks another store in this
 * process has on it.
 */
static int claim_file(const char *path, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != EEXIST || lstat(path, &st) < 0)
		return err_set(e, -errno, "can't make the state database %s: %s", path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "the state database %s is not a regular file", path);
	if (st.st_uid != geteuid())
		return err_set(e, -EACCES, "the state database %s belongs to user %u, not to user %u",
			       path, st.st_uid, geteuid());
	if (st.st_mode & 077)
		return err_set(e, -EACCES, "the state database %s holds secrets and is open to other "
			       "users; run: chmod 600 %s", path, path);
	return 0;
}

/* The directory may be reached by symbolic links, the file may not be one. */
static int full_path(const char *path, char **ret, struct err *e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_cleanup_free_ char *real = dir ? realpath(dir, NULL) : NULL;

	if (!dir)
		return err_set(e, -ENOMEM, "out of memory");
	if (!real)
		return err_set(e, -errno, "can't open the directory %s: %s", dir, strerror(errno));
	if (asprintf(ret, "%s/%s", real, slash ? slash + 1 : path) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

static int open_db(struct store *store, struct err *e)
{
	int r = claim_file(store->path, e);

	if (r < 0)
		return r;
	r = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
			    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE, NULL);
	if (!store->db)
		return err_set(e, -ENOMEM, "out of memory");
	if (r)
		return fail(store, e);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = inspect(store, e);
	if (!r)
		r = configure(store, e);
	while (!r && store->schema < schema_newest)
		r = migrate(store, e);
	if (!r)
		extend_log(store);
	return r;
}

int store_open(const char *path, struct store **ret, struct err *e)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return err_set(e, -ENOMEM, "out of memory");
	r = full_path(path, &store->path, e);
	if (!r)
		r = open_db(store, e);
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

struct store *store_close(struct store *store)
{
	if (!store)
		return NULL;
	while (store->statements) {
		struct sql_statement *next = store->statements->next;

		sqlite3_finalize(store->statements->stmt);
		free(store->statements);
		store->statements = next;
	}
	while (store->maps) {
		struct row_map *next = store->maps->next;

		row_map_free(store->maps);
		store->maps = next;
	}
	sqlite3_close(store->db);
	free(store->path);
	free(store);
	return NULL;
}

uint32_t store_schema(const struct store *store)
{
	return store->schema;
}
