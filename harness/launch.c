// SPDX-License-Identifier: MIT
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "clock.h"

#define MAX_ARGS (32 + MMLAB_MAX_AXES)
#define ARG_BYTES 2048

volatile int mmlab_interrupted;

static void on_signal(int signal)
{
	mmlab_interrupted = signal;
}

void mmlab_launch_catch_signals(void)
{
	/* No SA_RESTART: poll() must return. */
	const struct sigaction action = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

struct args {
	char text[MAX_ARGS][ARG_BYTES];
	char *argv[MAX_ARGS + 1];
	int n;
};

static void add_arg(struct args *args, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	(void)vsnprintf(args->text[args->n], ARG_BYTES, fmt, list);
	va_end(list);
	args->argv[args->n] = args->text[args->n];
	args->argv[++args->n] = NULL;
}

static void build_args(struct args *args, const struct mmlab_launch *in, int reply_fd)
{
	const struct mmlab_case *c = in->c;
	char cpus[ARG_BYTES - 16];
	int used = 0;

	for (unsigned int i = 0; i < c->n_cpus && used < (int)sizeof(cpus) - 8; i++)
		used += snprintf(cpus + used, sizeof(cpus) - (size_t)used, "%s%d", i ? "," : "", c->cpus[i]);
	add_arg(args, "mmlab");
	add_arg(args, "case");
	add_arg(args, "--reply-fd=%d", reply_fd);
	add_arg(args, "--samples=%u", in->effort.samples);
	add_arg(args, "--loops=%lu", in->effort.loops);
	add_arg(args, "--target-ns=%lu", in->effort.target_ns);
	add_arg(args, "--budget-ns=%lu", in->effort.budget_ns);
	add_arg(args, "--seed=%" PRIu64, c->seed);
	add_arg(args, "--cpus=%s", cpus);
	if (in->events)
		add_arg(args, "--events=%s", in->events);
	if (in->mark)
		add_arg(args, "--mark=%" PRIu64, in->mark);
	add_arg(args, "%s/%s", c->scenario->name, c->contender->name);
	for (size_t i = 0; i < mmlab_axes_count(c->scenario); i++)
		add_arg(args, "%s=%s", c->scenario->axes[i].name, c->params[i].text);
}

static pid_t start(const struct mmlab_launch *in, int reply_fd)
{
	static struct args args;
	pid_t steering = getpid(), pid;

	args.n = 0;
	build_args(&args, in, reply_fd);
	pid = fork();
	if (pid)
		return pid;
	/* A group of its own: everything in it is killed afterwards, and Ctrl-C reaches the steering process only. */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != steering)
		_exit(99);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)execv("/proc/self/exe", args.argv);
	_exit(99);
}

/*
 * Read until end of file, or until the process is gone and the pipe is empty: what it forked may hold the pipe open.
 * Return: bytes read into the growing buffer, -ETIMEDOUT, -EINTR on request, or another -errno.
 */
static ssize_t read_answer(int fd, int pidfd, uint64_t deadline_ns, char **buffer)
{
	size_t used = 0, size = 0;

	for (;;) {
		struct pollfd polls[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
		uint64_t now = mmlab_now_ns();
		ssize_t got;
		int r;

		if (mmlab_interrupted)
			return -EINTR;
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		r = poll(polls, 2, (int)((deadline_ns - now) / 1000000) + 1);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		if (!polls[0].revents)
			return (ssize_t)used;
		if (size - used < 4096) {
			char *grown = realloc(*buffer, size + 65536);

			if (!grown)
				return -ENOMEM;
			*buffer = grown;
			size += 65536;
		}
		got = read(fd, *buffer + used, size - used);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			return (ssize_t)used;
		if (got > 0)
			used += (size_t)got;
	}
}

static json_t *failed(const char *fmt, ...)
{
	char reason[MMLAB_REASON_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	return json_pack("{s:s, s:s}", "status", "failed", "reason", reason);
}

static json_t *interpret(const struct mmlab_launch *in, ssize_t got, const char *buffer, int status)
{
	json_error_t error;
	json_t *answer;

	if (got == -ETIMEDOUT)
		return failed("killed: no answer within %u s", in->timeout_s);
	if (got < 0)
		return failed("reading the answer: %s", strerror((int)-got));
	if (WIFSIGNALED(status))
		return failed("died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return failed("ended with status %d without an answer", WEXITSTATUS(status));
	answer = json_loadb(buffer, (size_t)got, 0, &error);
	if (!answer || !json_string_value(json_object_get(answer, "status"))) {
		json_decref(answer);
		return failed("gave no readable answer: %s", error.text);
	}
	return answer;
}

int mmlab_launch(const struct mmlab_launch *in, json_t **ret_reply)
{
	_cleanup_(mmlab_freep) char *buffer = NULL;
	_cleanup_(mmlab_closep) int read_end = -1, pidfd = -1;
	int ends[2], status = 0;
	ssize_t got;
	pid_t pid;

	if (pipe(ends) < 0)
		return -errno;
	read_end = ends[0];
	(void)fcntl(read_end, F_SETFD, FD_CLOEXEC);
	pid = start(in, ends[1]);
	(void)close(ends[1]);
	if (pid < 0)
		return -errno;
	(void)setpgid(pid, pid); /* whoever is first */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	got = read_answer(read_end, pidfd, mmlab_now_ns() + in->timeout_s * UINT64_C(1000000000), &buffer);
	if (got < 0)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	(void)kill(-pid, SIGKILL); /* whatever it left behind */
	if (got == -EINTR)
		return -EINTR;
	*ret_reply = interpret(in, got, buffer, status);
	return *ret_reply ? 0 : -ENOMEM;
}
