// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Drives the iSCSI fabric alone, without a daemon, for fabric.sh. An export is
 * a number; what belongs to it is kept in a file, so that one run can add what
 * another run checks.
 *
 *	fabrictest setup DBROOT
 *	fabrictest add N DEVICE INITIATORS PORTALS	lists with commas; prints the login
 *	fabrictest again N | remove N
 *	fabrictest check N... | sessions N...
 *	fabrictest crash N DEVICE INITIATORS PORTALS
 *	fabrictest time COUNT DEVICE-PREFIX INITIATORS PORTALS
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "fabric/configfs.h"
#include "fabric/fabric.h"
#include "fabric/iscsi_target.h"

#define STATE "/run/fabrictest"
#define N_MAX 1024

static const struct fabric_config config = { .iqn_prefix = "iqn.2026-01.net.bvol" };

static void fail(const char *what, const struct err *e)
{
	fprintf(stderr, "%s: %s (%d)\n", what, e->text, e->code);
	exit(1);
}

/* The linker puts these in front of the system calls that change configfs. */

static int edits_left = -1, edits;

static void count_edit(void)
{
	edits++;
	if (edits_left >= 0 && !edits_left--)
		raise(SIGKILL);
}

int __real_mkdirat(int fd, const char *path, mode_t mode);
int __real_symlinkat(const char *target, int fd, const char *path);
int __real_unlinkat(int fd, const char *path, int flags);
ssize_t __real_write(int fd, const void *buf, size_t len);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);
int __wrap_symlinkat(const char *target, int fd, const char *path);
int __wrap_unlinkat(int fd, const char *path, int flags);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

int __wrap_mkdirat(int fd, const char *path, mode_t mode)
{
	count_edit();
	return __real_mkdirat(fd, path, mode);
}

int __wrap_symlinkat(const char *target, int fd, const char *path)
{
	count_edit();
	return __real_symlinkat(target, fd, path);
}

int __wrap_unlinkat(int fd, const char *path, int flags)
{
	count_edit();
	return __real_unlinkat(fd, path, flags);
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (fd > STDERR_FILENO)
		count_edit();
	return __real_write(fd, buf, len);
}

/* Exports */

struct subject {
	struct bvol_export *export;
	char device[64];
};

static void append_list(struct bvol_export *export, uint16_t attr, const char *texts)
{
	char *copy = strdup(texts), *rest = copy, *text;

	while ((text = strsep(&rest, ",")))
		if (*text)
			codec_append_list(&bvol_type_export, export, attr, text);
	free(copy);
}

static struct subject make_subject(unsigned int n, const char *device, const char *initiators,
				   const char *portals)
{
	struct subject s = { .export = codec_new(&bvol_type_export) };
	struct bvol_uuid id = { .b = { [0] = 0xb, [6] = 0x70, [8] = 0x80, [14] = n >> 8 } };

	id.b[15] = (uint8_t)n;
	codec_set(s.export, BVOL_A_EXPORT_ID, id, id);
	id.b[0] = 0xa;
	codec_set(s.export, BVOL_A_EXPORT_VOLUME_ID, volume_id, id);
	append_list(s.export, BVOL_A_EXPORT_INITIATORS, initiators);
	append_list(s.export, BVOL_A_EXPORT_PORTALS, portals);
	snprintf(s.device, sizeof(s.device), "%s", device);
	return s;
}

static void prepare(struct subject *s)
{
	struct err e = { };

	if (fabric_iscsi.prepare(&config, s->export, &e) < 0)
		fail("prepare", &e);
}

static void save(unsigned int n, const struct subject *s, const char *initiators,
		 const char *portals)
{
	char path[64];
	FILE *f;

	mkdir(STATE, 0700);
	snprintf(path, sizeof(path), STATE "/%u", n);
	f = fopen(path, "w");
	fprintf(f, "%s %s %s %s %s\n", s->device, initiators, portals, s->export->auth->user,
		s->export->auth->secret);
	fclose(f);
}

static struct subject load(unsigned int n)
{
	char path[64], device[64], initiators[512], portals[256], user[64], secret[64];
	struct subject s;
	FILE *f;

	snprintf(path, sizeof(path), STATE "/%u", n);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%63s %511s %255s %63s %63s", device, initiators, portals, user,
			 secret) != 5) {
		fprintf(stderr, "no export %u\n", n);
		exit(1);
	}
	fclose(f);
	s = make_subject(n, device, initiators, portals);
	prepare(&s);
	codec_set_string(&bvol_type_auth, s.export->auth, BVOL_A_AUTH_USER, user);
	codec_set_string(&bvol_type_auth, s.export->auth, BVOL_A_AUTH_SECRET, secret);
	return s;
}

static int act(struct action *action, struct err *e)
{
	int r = action->act(action, e);

	action_free(action);
	return r;
}

static int add(const struct subject *s, struct err *e)
{
	struct action *action;
	int r = fabric_iscsi.add(s->export, s->device, &action, e);

	return r < 0 ? r : act(action, e);
}

static int drop(const struct subject *s, struct err *e)
{
	struct action *action;
	int r = fabric_iscsi.remove(s->export, &action, e);

	return r < 0 ? r : act(action, e);
}

static struct fabric_check *look(struct subject *subjects, size_t n)
{
	struct bvol_export *exports[N_MAX + 1] = { NULL };
	const char *nodes[N_MAX + 1] = { NULL };
	struct fabric_check *check = NULL;
	struct err e = { };
	size_t i;

	for (i = 0; i < n; i++) {
		exports[i] = subjects[i].export;
		nodes[i] = subjects[i].device;
	}
	if (fabric_iscsi.check(&config, exports, nodes, &check, &e) < 0 ||
	    check->action.act(&check->action, &e) < 0)
		fail("check", &e);
	return check;
}

/* Number of differences, each printed; those of no export have no id. */
static size_t differences(struct subject *subjects, size_t n, bool own)
{
	struct fabric_check *check = look(subjects, n);
	size_t i, found = 0;

	for (i = 0; check->differences[i]; i++) {
		const struct bvol_difference *d = check->differences[i];

		if (own && !bvol_has(d, BVOL_A_DIFFERENCE_ID))
			continue;
		printf("%s %s %s: %s\n", d->status, d->object, d->name, d->message);
		found++;
	}
	action_free(&check->action);
	return found;
}

static void show_sessions(struct subject *subjects, size_t n)
{
	struct bvol_export *exports[N_MAX + 1] = { NULL };
	struct fabric_sessions *sessions = NULL;
	struct bvol_session **s;
	struct err e = { };
	size_t i;

	for (i = 0; i < n; i++)
		exports[i] = subjects[i].export;
	if (fabric_iscsi.sessions(exports, &sessions, &e) < 0 ||
	    sessions->action.act(&sessions->action, &e) < 0)
		fail("sessions", &e);
	for (s = sessions->sessions; *s; s++)
		printf("%s %s\n", (*s)->initiator, (*s)->target);
	action_free(&sessions->action);
}

/* Crashes */

/* Do it in a child that dies in front of its edit number n: true when it came so far. */
static bool dies_at(int n, int (*what)(const struct subject *, struct err *),
		    const struct subject *s)
{
	struct err e = { };
	int status;
	pid_t pid = fork();

	if (!pid) {
		edits_left = n;
		_exit(what(s, &e) < 0 ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		fprintf(stderr, "edit %d: it failed instead of dying\n", n);
		exit(1);
	}
	return WIFSIGNALED(status);
}

static void must(const char *what, int n, int (*f)(const struct subject *, struct err *),
		 const struct subject *s)
{
	struct err e = { };

	if (f(s, &e) >= 0)
		return;
	fprintf(stderr, "%s after a crash at edit %d: %s\n", what, n, e.text);
	exit(1);
}

static void must_be_whole(int n, struct subject *s)
{
	if (!differences(s, 1, true))
		return;
	fprintf(stderr, "not whole after a crash at edit %d\n", n);
	exit(1);
}

static void must_be_gone(int n, const struct subject *s)
{
	char backstore[ISCSI_BACKSTORE], path[2][512];

	snprintf(path[0], sizeof(path[0]), CONFIGFS_ROOT "/iscsi/%s", s->export->target);
	snprintf(path[1], sizeof(path[1]), CONFIGFS_ROOT "/" ISCSI_HBA "/%s",
		 iscsi_target_backstore(s->export, backstore));
	if (access(path[0], F_OK) < 0 && access(path[1], F_OK) < 0)
		return;
	fprintf(stderr, "something is left after a crash at edit %d\n", n);
	exit(1);
}

/* In front of every edit of an add and of a remove: finish it, and undo it. */
static void crash(struct subject *s)
{
	int adds, removes;
	bool died = true;

	for (adds = 0; died; adds++) {
		died = dies_at(adds, add, s);
		must("remove", adds, drop, s);
		must_be_gone(adds, s);
		dies_at(adds, add, s);
		must("add", adds, add, s);
		must_be_whole(adds, s);
		must("remove", adds, drop, s);
		must_be_gone(adds, s);
	}
	for (removes = 0, died = true; died; removes++) {
		must("add", removes, add, s);
		died = dies_at(removes, drop, s);
		must("add", removes, add, s);
		must_be_whole(removes, s);
		dies_at(removes, drop, s);
		must("remove", removes, drop, s);
		must_be_gone(removes, s);
	}
	printf("%d edits of add, %d of remove\n", adds - 1, removes - 1);
}

/* Cost */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median milliseconds of an add and the remove after it. */
static double cost(const struct subject *s)
{
	double ms[21];
	size_t i;

	for (i = 0; i < 21; i++) {
		double start = now_ms();

		must("add", 0, add, s);
		must("remove", 0, drop, s);
		ms[i] = now_ms() - start;
	}
	qsort(ms, 21, sizeof(*ms), by_value);
	return ms[10];
}

static void measure(unsigned int count, const char *devices, const char *initiators,
		    const char *portals)
{
	static struct subject subjects[N_MAX];
	double first, last, start;
	char device[64];
	unsigned int i;

	for (i = 0; i < count && i < N_MAX; i++) {
		snprintf(device, sizeof(device), "%s%u", devices, i);
		subjects[i] = make_subject(i, device, initiators, portals);
		prepare(&subjects[i]);
	}
	must("add", 0, add, &subjects[0]);	/* the portal's thread stays */
	first = cost(&subjects[1]);
	for (i = 1; i + 1 < count; i++)
		must("add", 0, add, &subjects[i]);
	last = cost(&subjects[count - 1]);
	start = now_ms();
	for (i = 0; i + 1 < count; i++)
		must("adopt", 0, add, &subjects[i]);
	printf("add and remove: number 2 takes %.2f ms, number %u %.2f ms (%.2fx); "
	       "adopting %u takes %.0f ms\n", first, count, last, last / first, count - 1,
	       now_ms() - start);
	for (i = 0; i + 1 < count; i++)
		must("remove", 0, drop, &subjects[i]);
}

static int several(const char *verb, char **numbers, size_t n)
{
	static struct subject subjects[N_MAX];
	size_t i;

	for (i = 0; i < n; i++)
		subjects[i] = load((unsigned int)atoi(numbers[i]));
	if (!strcmp(verb, "check"))
		return differences(subjects, n, false) ? 1 : 0;
	show_sessions(subjects, n);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	unsigned int n = argc > 2 ? (unsigned int)atoi(argv[2]) : 0;
	struct err e = { };
	struct subject s;
	int r = 0;

	if (!strcmp(verb, "check") || !strcmp(verb, "sessions"))
		return several(verb, argv + 2, (size_t)argc - 2);
	if (!strcmp(verb, "setup") && argc == 3) {
		r = fabric_iscsi.setup(argv[2], &e);
	} else if (!strcmp(verb, "time") && argc == 6) {
		measure(n, argv[3], argv[4], argv[5]);
	} else if (argc == 6) {
		s = make_subject(n, argv[3], argv[4], argv[5]);
		prepare(&s);
		if (!strcmp(verb, "crash")) {
			crash(&s);
			return 0;
		}
		save(n, &s, argv[4], argv[5]);
		r = add(&s, &e);
		if (r < 0)
			fail(verb, &e);
		printf("%s %s %s\n", s.export->target, s.export->auth->user,
		       s.export->auth->secret);
	} else if (argc == 3) {
		s = load(n);
		edits = 0;
		r = !strcmp(verb, "again") ? add(&s, &e) : drop(&s, &e);
		if (!strcmp(verb, "again"))
			printf("%d edits\n", edits);
	} else {
		return 2;
	}
	if (r < 0)
		fail(verb, &e);
	return 0;
}
