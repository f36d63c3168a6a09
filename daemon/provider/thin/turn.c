// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "provider/thin/turn.h"

/* Whose turn it is now. */
static struct turn {
	struct turn *next;
	enum turn_what what;
	struct bvol_uuid pool;
} *turns;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

static struct turn **find(enum turn_what what, const struct bvol_uuid *pool)
{
	struct turn **link = &turns;

	while (*link && ((*link)->what != what || memcmp(&(*link)->pool, pool, sizeof(*pool))))
		link = &(*link)->next;
	return link;
}

int turn_take(enum turn_what what, const struct bvol_uuid *pool, struct err *e)
{
	struct turn *self = malloc(sizeof(*self));

	if (!self)
		return err_set(e, -ENOMEM, "out of memory");
	pthread_mutex_lock(&lock);
	while (*find(what, pool))
		pthread_cond_wait(&ended, &lock);
	*self = (struct turn) { turns, what, *pool };
	turns = self;
	pthread_mutex_unlock(&lock);
	return 0;
}

void turn_end(enum turn_what what, const struct bvol_uuid *pool)
{
	struct turn **link, *self;

	pthread_mutex_lock(&lock);
	link = find(what, pool);
	self = *link;
	*link = self->next;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	free(self);
}
