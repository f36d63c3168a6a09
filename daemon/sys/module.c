// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libkmod.h>

#include "sys/module.h"
#include "util/cleanup.h"

static inline void kmod_freep(struct kmod_ctx **kmod)
{
	kmod_unref(*kmod);
}

static inline void kmod_list_freep(struct kmod_list **list)
{
	kmod_module_unref_list(*list);
}

/* What went wrong comes back as an errno; libkmod's own lines would go to standard error. */
static void be_quiet(void *data, int priority, const char *file, int line, const char *function,
		     const char *format, va_list args)
{
}

/*
 * An "install" command of modprobe.d is not run, because this program starts
 * no other; a blacklist is not asked, because it stops what is loaded by alias
 * and not what is loaded by name.
 */
static int load(struct kmod_module *module, struct err *e)
{
	const char *name = kmod_module_get_name(module);
	int r = kmod_module_probe_insert_module(module, KMOD_PROBE_IGNORE_COMMAND,
						NULL, NULL, NULL, NULL);

	if (r >= 0 || r == -EEXIST)
		return 0;
	switch (r) {
	case -EPERM:
		return err_set(e, r, "the kernel does not let this process load module %s; "
			       "load it before bvold starts (modules-load.d)", name);
	case -ENOENT:
		return err_set(e, r, "the kernel refused module %s: a symbol that it needs is "
			       "missing", name);
	case -EKEYREJECTED:
		return err_set(e, r, "the kernel refused module %s: it asks for signed modules "
			       "and does not know this signature", name);
	default:
		return err_set(e, r, "the kernel refused module %s: %s", name, strerror(-r));
	}
}

static int find_and_load(const char *name, struct err *e)
{
	_cleanup_(kmod_freep) struct kmod_ctx *kmod = kmod_new(NULL, NULL);
	_cleanup_(kmod_list_freep) struct kmod_list *found = NULL;
	struct kmod_list *item;
	int r;

	if (!kmod)
		return err_set(e, -ENOMEM, "no memory to load module %s", name);
	kmod_set_log_fn(kmod, be_quiet, NULL);
	r = kmod_module_new_from_lookup(kmod, name, &found);
	if (r < 0)
		return err_set(e, r, "cannot look up the kernel module %s: %s", name,
			       strerror(-r));
	if (!found)
		return err_set(e, -ENOENT, "the running kernel has no module %s; install the "
			       "modules that belong to it", name);
	kmod_list_foreach(item, found) {
		struct kmod_module *module = kmod_module_get_module(item);

		r = load(module, e);
		kmod_module_unref(module);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Loaded, and not on its way in or out. */
static bool is_live(const char *name)
{
	char path[128], state[16] = "";
	_cleanup_fclose_ FILE *file;

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	for (char *c = path; *c; c++)
		*c = *c == '-' ? '_' : *c;
	file = fopen(path, "re");
	return file && fgets(state, sizeof(state), file) && !strcmp(state, "live\n");
}

/*
 * A crash leaves the module loaded or not; loading it again is harmless. Looking
 * for it in the kernel's lists takes long, so one that is there is not looked for.
 */
int module_load(const char *name, struct err *e)
{
	return is_live(name) ? 0 : find_and_load(name, e);
}
