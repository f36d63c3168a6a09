// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Drives the thin provider as the daemon does (plan, act, commit) with a real
 * database. Operations, with a "," between them, end at the first that fails:
 *
 *	thintest DATABASE pool-create POOL CHUNK FORCE DEVICE...
 *	thintest DATABASE pool-open|pool-destroy|stat|check POOL
 *	thintest DATABASE pool-extend|pool-spare POOL AGAIN DEVICE...
 *	thintest DATABASE pool-release POOL DEVICE...
 *	thintest DATABASE pool-adjust POOL METADATA
 *	thintest DATABASE pool-mend POOL FORCE
 *	thintest DATABASE pool-swap POOL	what it has lost is printed
 *	thintest DATABASE pool-stop POOL	take it down; it stays in the database
 *	thintest DATABASE create POOL DEVICE SIZE [ORIGIN]
 *	thintest DATABASE copy POOL SIZE DEVICE ORIGIN [DEVICE ORIGIN]...	at one moment
 *	thintest DATABASE destroy|deactivate|device POOL DEVICE
 *	thintest DATABASE activate POOL DEVICE SIZE
 *	thintest DATABASE exchange POOL A B SIZE
 *	thintest DATABASE wipe POOL DEVICE	with zeroes, read back
 *	thintest DATABASE scrub POOL DEVICE	the same for what nobody has
 *	thintest DATABASE crowd POOL N		N devices nobody knows, for their metadata
 *	thintest DATABASE await FILE		make the file, go on when somebody has removed it
 *	thintest DATABASE hung POOL POOL	a create in the first must not hold up the second
 *
 * POOL and a volume's DEVICE are any words; their UUIDs are made of them. With
 * CRASH=N in the environment it dies with status 42 before the Nth time that it
 * would change something in the kernel or on a disk, or before the commit if
 * that comes first; with fewer such places it runs through.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "codec.h"
#include "provider/provider.h"
#include "provider/thin/kernel.h"
#include "provider/thin/rows.h"
#include "provider/thin/stop.h"
#include "sys/dm.h"
#include "sys/module.h"

#define CRASHED 42

static long crash_in = -1;

static void crash_point(void)
{
	if (crash_in > 0 && --crash_in == 0)
		_exit(CRASHED);
}

/* In place of the C library's, for libdevmapper and the provider alike. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case DM_DEV_CREATE:
	case DM_DEV_REMOVE:
	case DM_DEV_SUSPEND:
	case DM_TABLE_LOAD:
	case DM_TABLE_CLEAR:
	case DM_TARGET_MSG:
		crash_point();
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISBLK(st.st_mode))
		crash_point();
	return syscall(SYS_pwrite64, fd, buf, n, offset);
}

static struct store *store;
static const struct provider_ops *ops;
static struct err err;

static void must(int code)
{
	if (!code)
		return;
	fprintf(stderr, "%s: %s\n", strerrorname_np(-code) ? strerrorname_np(-code) : "?", err.text);
	exit(1);
}

static struct bvol_uuid uuid_of(const char *word)
{
	struct bvol_uuid id;
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(id.b); i++) {
		for (const char *p = word; *p; p++)
			hash = (hash ^ (uint8_t)*p) * 0x100000001b3;
		hash = (hash ^ i) * 0x100000001b3;
		id.b[i] = (uint8_t)(hash >> 32);
	}
	return id;
}

static struct bvol_pool *find_pool(const char *name)
{
	struct bvol_uuid id = uuid_of(name);
	void *pool;
	int code = store_get(store, &bvol_type_pool, &id, &pool, &err);

	if (code == -ENOENT)
		err_set(&err, code, "no pool %s", name);
	must(code);
	return pool;
}

static struct bvol_pool *new_pool(const char *name, uint32_t chunk, char **devices, size_t n)
{
	const struct bvol_type *type = &bvol_type_pool;
	struct bvol_pool *pool = codec_new(type);

	codec_set(pool, BVOL_A_POOL_ID, id, uuid_of(name));
	codec_set(pool, BVOL_A_POOL_STATUS, status, BVOL_POOL_STATUS_CREATING);
	codec_set(pool, BVOL_A_POOL_CHUNK_SIZE, chunk_size, chunk);
	codec_set(pool, BVOL_A_POOL_OVER_SUBSCRIPTION, over_subscription, 1000);
	codec_set(pool, BVOL_A_POOL_RESERVE, reserve, 5);
	codec_set(pool, BVOL_A_POOL_WIPE, wipe, BVOL_WIPE_ZERO);
	codec_set(pool, BVOL_A_POOL_VERIFY, verify, 0);
	codec_set(pool, BVOL_A_POOL_SCRUB, scrub, BVOL_SCRUB_UNSCRUBBED);
	codec_set(pool, BVOL_A_POOL_WIPE_RATE, wipe_rate, 0);
	codec_set(pool, BVOL_A_POOL_GROW, grow, 80);
	codec_set(pool, BVOL_A_POOL_DATA_WARNED, data_warned, 0);
	codec_set(pool, BVOL_A_POOL_METADATA_WARNED, metadata_warned, 0);
	must(codec_set_string(type, pool, BVOL_A_POOL_WARN, "80,90,95"));
	codec_set(pool, BVOL_A_POOL_CREATED_AT, created_at, 1);
	must(codec_set_string(type, pool, BVOL_A_POOL_NAME, name));
	must(codec_set_string(type, pool, BVOL_A_POOL_PROVIDER, "thin"));
	must(codec_set_list(type, pool, BVOL_A_POOL_DEVICES, (const char *const *)devices, n));
	return pool;
}

/* The transaction is open and holds the plan. */
static void carry_out_and(struct action *action, void (*look)(const struct action *action))
{
	must(store_commit(store, &err));
	if (!action) {
		puts("nothing to do");
		return;
	}
	must(action->act(action, &err));
	crash_point();
	must(store_begin(store, &err));
	if (action->commit)
		must(action->commit(action, store, &err));
	must(store_commit(store, &err));
	if (look)
		look(action);
	action_free(action);
}

static void carry_out(struct action *action)
{
	carry_out_and(action, NULL);
}

static void pool_create(char **args, int n)
{
	struct bvol_pool *pool = new_pool(args[0], (uint32_t)strtoul(args[1], NULL, 0), args + 3,
					  (size_t)n - 3);
	struct action *action = NULL;
	int code;

	must(store_begin(store, &err));
	code = store_insert(store, &bvol_type_pool, pool, &err);
	if (code == -EEXIST) {
		err_clear(&err);
		code = store_update(store, &bvol_type_pool, pool, &err);
	}
	must(code);
	must(ops->pool_create(store, pool, atoi(args[2]), &action, &err));
	carry_out(action);
	bvol_free(&bvol_type_pool, pool);
}

static void show_stat(const struct bvol_pool *pool)
{
	struct provider_stat *stat;

	must(ops->pool_stat(pool, &stat, &err));
	must(stat->action.act(&stat->action, &err));
	printf("%s tid %" PRIu64 " data %" PRIu64 "/%" PRIu64 " metadata %" PRIu64 "/%" PRIu64 " %s\n",
	       bvol_enum_name(&bvol_enum_pool_status, stat->usage.status),
	       stat->usage.transaction_id, stat->usage.data_used, stat->usage.data_total,
	       stat->usage.metadata_used, stat->usage.metadata_total, stat->usage.error);
	action_free(&stat->action);
}

static void show_differences(const struct bvol_pool *pool)
{
	struct provider_check *check;

	must(ops->check(store, pool, &check, &err));
	must(check->action.act(&check->action, &err));
	for (struct bvol_difference **d = check->differences; d && *d; d++)
		printf("%s %s %s %s: %s\n", bvol_enum_name(&bvol_enum_layer, (*d)->layer),
		       (*d)->status, (*d)->object, (*d)->name, (*d)->message);
	action_free(&check->action);
}

static struct action *plan_create(struct bvol_pool *pool, char **args, int n)
{
	struct bvol_uuid id = uuid_of(args[1]), origin;
	struct action *action = NULL;

	if (n > 3)
		origin = uuid_of(args[3]);
	must(ops->create(store, pool, &id, strtoull(args[2], NULL, 0), n > 3 ? &origin : NULL,
			 &action, &err));
	return action;
}

static void *act_in_thread(void *action)
{
	struct err e = { 0 };

	return (void *)(intptr_t)((struct action *)action)->act(action, &e);
}

/*
 * Act on the first pool in a thread, where it hangs until the script lets its
 * disk go; meanwhile the second pool has to go through all that it can do.
 */
static void hung(char **args)
{
	char name[] = "h0", size[] = "1048576", hung_name[] = "hung-volume";
	char *slow[] = { args[0], hung_name, size }, *fast[] = { args[1], name, size };
	struct bvol_pool *pools[] = { find_pool(args[0]), find_pool(args[1]) };
	struct action *action, *done;
	struct bvol_uuid id;
	pthread_t thread;
	void *result;

	must(store_begin(store, &err));
	action = plan_create(pools[0], slow, 3);
	must(store_commit(store, &err));
	must(pthread_create(&thread, NULL, act_in_thread, action));
	usleep(500000);
	for (int i = 0; i < 5; i++) {
		name[1] = (char)('0' + i);
		id = uuid_of(name);
		must(store_begin(store, &err));
		carry_out(plan_create(pools[1], fast, 3));
		must(store_begin(store, &err));
		must(ops->activate(store, pools[1], &id, 1048576, &done, &err));
		carry_out(done);
	}
	show_stat(pools[1]);
	printf("second pool done, the first %s\n",
	       pthread_tryjoin_np(thread, &result) ? "hangs" : "did not hang");
	fflush(stdout);
	must(pthread_join(thread, &result));
	must((int)(intptr_t)result);
	must(store_begin(store, &err));
	must(action->commit(action, store, &err));
	must(store_commit(store, &err));
	puts("first pool done");
}

static void show_pauses(const struct action *action)
{
	const struct provider_copies *copies = (const struct provider_copies *)action;
	char text[BVOL_UUID_TEXT];

	for (size_t i = 0; i < copies->n; i++)
		fprintf(stderr, "%s paused %" PRIu64 " ns\n",
			bvol_uuid_text(&copies->copy[i].origin, text), copies->copy[i].pause);
}

/* The other verbs free what they have planned before anybody could look at it. */
static void copy(char **args, int n)
{
	struct bvol_pool *pool = find_pool(args[0]);
	struct provider_copy copies[16] = { 0 };
	struct provider_copies *planned;
	size_t count = (size_t)(n - 2) / 2;

	for (size_t i = 0; i < count; i++) {
		copies[i].id = uuid_of(args[2 + 2 * i]);
		copies[i].origin = uuid_of(args[3 + 2 * i]);
		copies[i].size = strtoull(args[1], NULL, 0);
	}
	must(store_begin(store, &err));
	must(ops->copy(store, pool, copies, count, &planned, &err));
	carry_out_and(planned ? &planned->action : NULL, show_pauses);
	bvol_free(&bvol_type_pool, pool);
}

static void show_lost(const struct action *action)
{
	const struct provider_swap *swap = (const struct provider_swap *)action;
	char text[BVOL_UUID_TEXT];

	for (size_t i = 0; i < swap->n; i++)
		printf("lost %" PRIu64 "%s of %s\n", swap->lost[i].bytes, swap->lost[i].whole ? " (all)" : "",
		       bvol_uuid_text(&swap->lost[i].id, text));
}

static void repair(const char *verb, char **args, int n)
{
	struct bvol_pool *pool = find_pool(args[0]);
	struct provider_mend *mend;
	struct provider_swap *swap;

	must(store_begin(store, &err));
	if (n == 2 && !strcmp(verb, "pool-mend")) {
		must(ops->pool_mend(store, pool, atoi(args[1]), &mend, &err));
		carry_out(&mend->action);
	} else {
		must(ops->pool_swap(store, pool, &swap, &err));
		carry_out_and(&swap->action, show_lost);
	}
	bvol_free(&bvol_type_pool, pool);
}

static int usage(void)
{
	fputs("usage: see the head of thintest.c\n", stderr);
	return 2;
}

static const struct provider_wipe thoroughly = { .policy = BVOL_WIPE_ZERO, .verify = true };

static int plan_scrub(const struct bvol_pool *pool, const struct bvol_uuid *id, struct action **action)
{
	struct provider_scrub *scrub = NULL;
	int code = ops->scrub(store, pool, id, &thoroughly, &scrub, &err);

	*action = scrub ? &scrub->action : NULL;
	return code;
}

static int plan_extend(const struct bvol_pool *pool, bool spare, char **args, struct action **action)
{
	struct provider_extended *extended = NULL;
	int code = ops->pool_extend(store, pool, &(struct provider_extend) {
			.devices = args + 2, .spare = spare, .again = atoi(args[1]) }, &extended, &err);

	*action = extended ? &extended->action : NULL;
	return code;
}

/* Verbs that plan an action on a pool and maybe a device. */
static int plan(const char *verb, struct bvol_pool *pool, char **args, int n,
		struct action **action)
{
	struct bvol_uuid id = uuid_of(n > 1 ? args[1] : ""), other = uuid_of(n > 2 ? args[2] : "");
	uint64_t size = n > 2 ? strtoull(args[n - 1], NULL, 0) : 0;

	if (!strcmp(verb, "pool-open"))
		return ops->pool_open(store, pool, action, &err);
	if ((!strcmp(verb, "pool-extend") || !strcmp(verb, "pool-spare")) && n > 2)
		return plan_extend(pool, !strcmp(verb, "pool-spare"), args, action);
	if (!strcmp(verb, "pool-release"))
		return ops->pool_release(store, pool, args + 1, action, &err);
	if (!strcmp(verb, "pool-adjust") && n == 2)
		return ops->pool_adjust(store, pool, atoi(args[1]), action, &err);
	if (!strcmp(verb, "pool-destroy"))
		return ops->pool_destroy(store, pool, action, &err);
	if (!strcmp(verb, "destroy") && n == 2)
		return ops->destroy(store, pool, &id, action, &err);
	if (!strcmp(verb, "wipe") && n == 2)
		return ops->wipe(store, pool, &id, &thoroughly, action, &err);
	if (!strcmp(verb, "scrub") && n == 2)
		return plan_scrub(pool, &id, action);
	if (!strcmp(verb, "deactivate") && n == 2)
		return ops->deactivate(store, pool, &id, action, &err);
	if (!strcmp(verb, "activate") && n == 3)
		return ops->activate(store, pool, &id, size, action, &err);
	if (!strcmp(verb, "exchange") && n == 4)
		return ops->exchange(store, pool, &id, &other, size, action, &err);
	if (!strcmp(verb, "create") && n >= 3) {
		*action = plan_create(pool, args, n);
		return 0;
	}
	exit(usage());
}

static void device(char **args)
{
	struct bvol_uuid id = uuid_of(args[1]);
	char node[32];
	bool found;

	must(ops->device(&id, node, &found));
	puts(found ? node : "inactive");
}

/* Far from the numbers that the provider gives. */
static void crowd(const struct bvol_pool *pool, uint32_t n)
{
	struct thin_ref ref = thin_ref(pool);

	for (uint32_t i = 0; i < n; i++)
		must(thin_create(&ref, THIN_DEV_ID_MAX - i, &err));
}

static void pool_stop(const struct bvol_pool *pool)
{
	struct thin_ref ref = thin_ref(pool);

	must(thin_stop(&ref, &err));
}

static void await(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		must(-errno);
	fclose(file);
	while (!access(path, F_OK))
		usleep(10000);
}

static void run(const char *verb, char **args, int n)
{
	struct action *action = NULL;
	struct bvol_pool *pool;

	if (n < 1)
		exit(usage());
	if (!strcmp(verb, "pool-create") && n > 3) {
		pool_create(args, n);
		return;
	}
	if (!strcmp(verb, "hung") && n == 2) {
		hung(args);
		return;
	}
	if (!strcmp(verb, "copy") && n >= 4 && n <= 34 && !(n % 2)) {
		copy(args, n);
		return;
	}
	if (!strcmp(verb, "pool-mend") || !strcmp(verb, "pool-swap")) {
		repair(verb, args, n);
		return;
	}
	if (!strcmp(verb, "await")) {
		await(args[0]);
		return;
	}
	pool = find_pool(args[0]);
	if (!strcmp(verb, "stat")) {
		show_stat(pool);
	} else if (!strcmp(verb, "check")) {
		show_differences(pool);
	} else if (!strcmp(verb, "device") && n == 2) {
		device(args);
	} else if (!strcmp(verb, "pool-stop")) {
		pool_stop(pool);
	} else if (!strcmp(verb, "crowd") && n == 2) {
		crowd(pool, (uint32_t)atoi(args[1]));
	} else {
		must(store_begin(store, &err));
		must(plan(verb, pool, args, n, &action));
		carry_out(action);
		if (!strcmp(verb, "pool-destroy")) {
			must(store_begin(store, &err));
			must(store_delete(store, &bvol_type_pool, &pool->id, &err));
			must(store_commit(store, &err));
		}
	}
	bvol_free(&bvol_type_pool, pool);
}

int main(int argc, char **argv)
{
	const char *crash = getenv("CRASH");

	if (argc < 4)
		return usage();
	must(module_load("dm-mod", &err));
	must(module_load("dm-thin-pool", &err));
	must(dm_setup(&err));
	must(store_open(argv[1], &store, &err));
	ops = provider_find("thin");
	crash_in = crash ? atol(crash) : -1;
	for (int i = 2, end; i < argc; i = end + 1) {
		for (end = i; end < argc && strcmp(argv[end], ","); end++)
			;
		argv[end] = NULL;
		run(argv[i], argv + i + 1, end - i - 1);
	}
	store_close(store);
	return 0;
}
