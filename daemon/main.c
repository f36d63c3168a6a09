// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manager.h"
#include "util/log.h"

#define DEFAULT_CONFIG	"/etc/bvol/bvold.conf"

static const char usage[] =
	"Usage: bvold [--config FILE] [--state DIR] [--run DIR] [--verbose]\n"
	"\n"
	"The daemon of a bvol storage node; runs in the foreground, SIGTERM stops it,\n"
	"exports stay.\n"
	"\n"
	"  --config FILE  configuration, see bvold.conf(5); " DEFAULT_CONFIG "\n"
	"  --state DIR    where the database is; /var/lib/bvol\n"
	"  --run DIR      where the control socket is; /run/bvol\n"
	"  --verbose      tell more\n"
	"  --help, --version\n";

struct arguments {
	const char *config, *state, *run;
	bool verbose;
};

/* 0: go on; else exit with the status that is one less. */
static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "state", required_argument, NULL, 's' },
		{ "run", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->config = optarg;
			break;
		case 's':
			a->state = optarg;
			break;
		case 'r':
			a->run = optarg;
			break;
		case 'v':
			a->verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'V':
			puts("bvold " BVOL_VERSION);
			return 1;
		default:
			fputs(usage, stderr);
			return 3;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bvold: \"%s\" is not understood\n%s", argv[optind], usage);
		return 3;
	}
	return 0;
}

static int on_stop(struct source *source, uint32_t signo, void *data)
{
	struct manager *m = data;

	log_info("stopping; exports stay");
	loop_tell_stopping();
	loop_exit(m->loop, 0);
	return 0;
}

static int catch_signals(struct manager *m)
{
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = loop_signal(m->loop, SIGTERM, on_stop, m);
	return r < 0 ? r : loop_signal(m->loop, SIGINT, on_stop, m);
}

/* Secrets pass through this process: no core files, no ptrace by others. */
static void harden(void)
{
	struct rlimit none = { 0, 0 };

	umask(0077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

static int run(struct manager *m)
{
	struct err e = { 0 };
	int r;

	r = loop_new(&m->loop);
	if (!r)
		r = catch_signals(m);
	if (r < 0)
		err_set(&e, r, "can't start the event loop: %s", strerror(-r));
	if (!r)
		r = manager_start(m, &e);
	if (!r)
		r = manager_coldplug(m, &e);
	if (!r)
		r = loop_run(m->loop);
	if (r < 0)
		log_err("%s", e.code ? e.text : strerror(-r));
	manager_stop(m);
	m->loop = loop_free(m->loop);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct manager m = { .lock = -1, .wire.fd = -1 };
	struct err e = { 0 };
	int r = parse(argc, argv, &a);

	if (r)
		return r - 1;
	if (geteuid() != 0) {
		fputs("bvold: has to be run by root: it works on block devices and kernel modules\n",
		      stderr);
		return EXIT_FAILURE;
	}
	harden();
	r = config_load(a.config ? a.config : DEFAULT_CONFIG, a.config != NULL, &m.config, &e);
	if (!r && a.state)
		r = config_set_state(m.config, a.state);
	if (!r && a.run)
		r = config_set_run(m.config, a.run);
	if (r < 0) {
		log_err("%s", e.code ? e.text : strerror(-r));
		return EXIT_FAILURE;
	}
	log_max = a.verbose ? 7 : m.config->log_level;
	r = run(&m);
	config_free(m.config);
	return r;
}
