// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/hold.h"

/* The pools whose metadata are held now. */
static struct holder {
	struct holder *next;
	struct bvol_uuid pool;
} *holders;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;

static struct holder **find(const struct bvol_uuid *pool)
{
	struct holder **link = &holders;

	while (*link && memcmp(&(*link)->pool, pool, sizeof(*pool)))
		link = &(*link)->next;
	return link;
}

static int enter(const struct bvol_uuid *pool, struct err *e)
{
	struct holder *self = malloc(sizeof(*self));

	if (!self)
		return err_set(e, -ENOMEM, "out of memory");
	pthread_mutex_lock(&lock);
	while (*find(pool))
		pthread_cond_wait(&left, &lock);
	*self = (struct holder) { holders, *pool };
	holders = self;
	pthread_mutex_unlock(&lock);
	return 0;
}

static void leave(const struct bvol_uuid *pool)
{
	struct holder **link, *self;

	pthread_mutex_lock(&lock);
	link = find(pool);
	self = *link;
	*link = self->next;
	pthread_cond_broadcast(&left);
	pthread_mutex_unlock(&lock);
	free(self);
}

/* Within this process we are the one holder, so what is held already is a crash's. */
static int reserve(const struct thin_ref *pool, struct err *e)
{
	struct err inner = { 0 };
	int code = thin_reserve(pool, &inner);

	if (code == -EBUSY && !(code = thin_release(pool, e)))
		return thin_reserve(pool, e);
	return code ? err_set(e, code, "%s", inner.text) : 0;
}

static int open_held(const struct thin_ref *pool, const atomic_bool *cancel, struct meta **ret,
		     struct err *e)
{
	char name[THIN_NAME_MAX], path[THIN_NAME_MAX + sizeof("/dev/mapper/")];
	struct thin_status status;
	int code = thin_status(pool, &status, e);

	if (code || (code = thin_check_mode(pool, &status, e)))
		return code;
	if (!status.snapshot)
		return err_set(e, -EIO, "pool %s does not hold its metadata for a reader", pool->name);
	snprintf(path, sizeof(path), "/dev/mapper/%s", thin_name(&pool->id, THIN_META, name));
	return meta_open(path, status.snapshot, cancel, ret, e);
}

int thin_hold_until(const struct thin_ref *pool, const atomic_bool *cancel, struct meta **ret,
		    struct err *e)
{
	int code = enter(&pool->id, e);

	if (code)
		return code;
	code = reserve(pool, e);
	if (!code) {
		code = open_held(pool, cancel, ret, e);
		if (code)
			thin_release(pool, NULL);
	}
	if (code)
		leave(&pool->id);
	return code;
}

int thin_hold(const struct thin_ref *pool, struct meta **ret, struct err *e)
{
	return thin_hold_until(pool, NULL, ret, e);
}

int thin_let_go(const struct thin_ref *pool, struct meta *meta, struct err *e)
{
	int code;

	meta_close(meta);
	code = thin_release(pool, e);
	leave(&pool->id);
	return code;
}

int thin_hold_off(const struct thin_ref *pool, struct err *e)
{
	return enter(&pool->id, e);
}

void thin_hold_on(const struct thin_ref *pool)
{
	leave(&pool->id);
}
