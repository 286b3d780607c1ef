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

/*
 * Pins the caller to the place of the task's @nth peer, where the case was given CPUs: every task's first peer comes
 * before anybody's second one.
 */
static int pin_peer(const struct mmlab_case *c, unsigned int nth)
{
	unsigned int n_cpus = 0, n_tasks = mmlab_tasks(c), turn = nth * n_tasks + mmlab_task(c);
	const int *cpus = mmlab_case_cpus(c, &n_cpus);

	if (!n_cpus)
		return 0;
	return mmlab_pin_self(n_cpus > n_tasks ? cpus[n_tasks + turn % (n_cpus - n_tasks)] : cpus[turn % n_cpus]);
}

int mmlab_pin_peer_thread(const struct mmlab_case *c)
{
	return pin_peer(c, 0);
}

static _Noreturn void peer_main(const struct mmlab_case *c, pid_t parent, int (*fn)(void *arg), void *arg)
{
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		r = -errno;
	else if (getppid() != parent)
		r = -ESRCH;
	if (!r)
		r = pin_peer(c, c->n_peers - 1);
	if (!r)
		r = fn(arg);
	_exit(r < 0 ? (-r > 255 ? 255 : -r) : 0);
}

int mmlab_peer_open(struct mmlab_peer *ret_peer, struct mmlab_case *c, int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;

	c->n_peers++;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		peer_main(c, parent, fn, arg);
	ret_peer->pid = pid;
	return 0;
}

bool mmlab_child_ended(pid_t pid, const char **ret_how, int *ret_code)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return false;
	*ret_how = info.si_code == CLD_EXITED ? "exit status" : "signal";
	*ret_code = info.si_status;
	return true;
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
