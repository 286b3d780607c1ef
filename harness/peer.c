// SPDX-License-Identifier: MIT
/*
 * The peer is a plain fork, so counters opened by the task follow it. It dies with the task's thread: the kernel sends
 * the signal, and the one race (the parent gone before prctl) is closed by looking once more.
 */
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"
#include "place.h"

/* CPU of this task's peer, or -1 where the case was given none. */
static int peer_cpu(const struct mmlab_case *c)
{
	unsigned int n_cpus = 0, n_tasks = mmlab_tasks(c);
	const int *cpus = mmlab_case_cpus(c, &n_cpus);

	if (!n_cpus)
		return -1;
	if (n_cpus > n_tasks)
		return cpus[n_tasks + mmlab_task(c) % (n_cpus - n_tasks)];
	return cpus[mmlab_task(c) % n_cpus];
}

int mmlab_pin_peer_thread(const struct mmlab_case *c)
{
	int cpu = peer_cpu(c);

	return cpu < 0 ? 0 : mmlab_pin_self(cpu);
}

static _Noreturn void peer_main(const struct mmlab_case *c, pid_t parent, int (*fn)(void *arg), void *arg)
{
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		r = -errno;
	else if (getppid() != parent)
		r = -ESRCH;
	if (!r)
		r = mmlab_pin_peer_thread(c);
	if (!r)
		r = fn(arg);
	_exit(r < 0 ? (-r > 255 ? 255 : -r) : 0);
}

int mmlab_peer_open(struct mmlab_peer *ret_peer, struct mmlab_case *c, int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		peer_main(c, parent, fn, arg);
	ret_peer->pid = pid;
	return 0;
}

int mmlab_peer_close(struct mmlab_peer *peer, bool kill_it)
{
	pid_t pid = peer->pid;
	int status;

	if (!pid)
		return 0;
	peer->pid = 0;
	if (kill_it)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status))
		return -WEXITSTATUS(status);
	return kill_it && WTERMSIG(status) == SIGKILL ? 0 : -EIO;
}
