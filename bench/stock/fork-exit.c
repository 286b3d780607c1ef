// SPDX-License-Identifier: MIT
/*
 * One op: fork a process with `size` bytes of populated memory, let the child exit at once, reap it. Proof: each
 * operation reaps its own child, whose status is 0.
 */
#include "stock.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static int fork_exit_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			return mmlab_fail(s->c, -errno, "fork");
		if (!pid)
			_exit(0);
		if (waitpid(pid, &status, 0) != pid)
			return mmlab_fail(s->c, -errno, "waitpid");
		if (status)
			return mmlab_fail(s->c, 0, "a child ended with status %#x", (unsigned int)status);
	}
	return 0;
}

static int fork_exit_verify(struct stock *s)
{
	return fork_exit_run(s, 10);
}

static const struct mmlab_contender fork_exit = {
	.name = "fork-exit",
	.summary = "fork with populated memory, exit, wait",
	.inexact_faults = "copy-on-write faults fall to whichever side writes first",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = stock_populate,
		.run = fork_exit_run,
		.rss = stock_rss,
		.verify = fork_exit_verify,
	},
};
