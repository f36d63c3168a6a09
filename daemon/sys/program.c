// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/program.h"

#define ARGS_MAX	16
#define LOOK_MS		200
/* Of what a program says the end is kept, where it tells why it fails. */
#define WORDS_MAX	1024

static const struct {
	const char *name, *package;
	const char *paths[3];
} programs[] = {
	[PROGRAM_THIN_REPAIR] = { "thin_repair", "thin-provisioning-tools",
				  { "/usr/sbin/thin_repair", "/sbin/thin_repair" } },
};

static const char *path_of(enum program program)
{
	const char *const *path = programs[program].paths;

	while (*path && access(*path, X_OK))
		path++;
	return *path;
}

/*
 * Not posix_spawn(), which has no way to let the child die with us: one that goes
 * on after a crash would write beside the next start. The child shares our memory
 * until it has become the program, so it does system calls alone. PR_SET_PDEATHSIG
 * heeds the thread that has started it, and worker threads live as long as we do.
 */
static pid_t start(const char *path, char *const *args, int out)
{
	static char *const environment[] = { NULL };
	const pid_t parent = getpid();
	sigset_t none;
	pid_t pid;

	sigemptyset(&none);
	pid = vfork();
	if (pid)
		return pid;
	if (!prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent &&
	    !sigprocmask(SIG_SETMASK, &none, NULL) && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0 && !close(STDIN_FILENO) &&
	    open("/dev/null", O_RDONLY) == STDIN_FILENO &&
	    !close_range(STDERR_FILENO + 1, ~0U, 0))
		execve(path, args, environment);
	_exit(127);
}

/* What comes until the program closes it, of which the end is kept; kills it when that is wanted. */
static void listen_to(int fd, pid_t pid, const atomic_bool *cancel, char words[WORDS_MAX + 1])
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	char piece[256];
	size_t have = 0;
	ssize_t n;

	for (;;) {
		if (cancel && atomic_load(cancel))
			kill(pid, SIGKILL);
		if (poll(&poller, 1, LOOK_MS) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (have + (size_t)n > WORDS_MAX) {
			size_t away = have + (size_t)n - WORDS_MAX;

			memmove(words, words + away, have - away);
			have -= away;
		}
		memcpy(words + have, piece, (size_t)n);
		have += (size_t)n;
	}
	words[have] = '\0';
}

/* The last line that says anything. */
static const char *last_line(char *words)
{
	size_t n = strlen(words);
	char *line;

	while (n && (words[n - 1] == '\n' || words[n - 1] == ' '))
		words[--n] = '\0';
	line = strrchr(words, '\n');
	return line ? line + 1 : words;
}

static int verdict(enum program program, int status, char *words, const atomic_bool *cancel,
		   struct err *e)
{
	const char *name = programs[program].name, *line = last_line(words);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (cancel && atomic_load(cancel))
		return err_set(e, -ECANCELED, "cancelled");
	if (WIFSIGNALED(status))
		return err_set(e, -EIO, "%s was killed by signal %d", name, WTERMSIG(status));
	if (*line)
		return err_set(e, -EIO, "%s: %s", name, line);
	return err_set(e, -EIO, "%s ended with status %d", name, WEXITSTATUS(status));
}

int program_run(enum program program, const char *const *args, const atomic_bool *cancel,
		struct err *e)
{
	const char *path = path_of(program);
	char *argv[ARGS_MAX + 2] = { (char *)programs[program].name };
	char words[WORDS_MAX + 1] = "";
	int ends[2], status = 0, code;
	size_t n = 0;
	pid_t pid;

	if (!path)
		return err_set(e, -ENOENT, "the program %s is missing; install the package %s",
			       programs[program].name, programs[program].package);
	for (; args[n]; n++) {
		if (n == ARGS_MAX)
			return err_set(e, -E2BIG, "too many arguments for %s", path);
		argv[n + 1] = (char *)args[n];
	}
	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, -errno, "%s can't be started: %s", path, strerror(errno));
	pid = start(path, argv, ends[1]);
	code = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (!code) {
		listen_to(ends[0], pid, cancel, words);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	return code ? err_set(e, code, "%s can't be started: %s", path, strerror(-code)) :
	       verdict(program, status, words, cancel, e);
}
